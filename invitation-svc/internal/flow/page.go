package flow

import (
	"context"
	"errors"
	"time"

	"entente.dev/invitation-svc/internal/invitation"
	"entente.dev/invitation-svc/internal/passcode"
	"entente.dev/invitation-svc/internal/redemption"
	"entente.dev/invitation-svc/internal/store"
	directorypb "entente.dev/proto/gen/entente/directory/v1"
	"entente.dev/servicekit/tenant"
)

// Page is what a browser is shown of a flow.
type Page struct {
	Flow          string // handle
	Tenant        tenant.ID
	State         redemption.State
	FormToken     string
	Facts         *directorypb.TenantFacts
	Account       string // masked until the person has shown that it is theirs
	CodeSent      bool
	ResendAt      time.Time
	CodeValidity  time.Duration
	Notice        string
	Redirect      string
	Interstitial  bool
	Code          string
	Language      string
	NewVerifier   string // empty when the secret stays
	ProviderNames []string
}

func (x *session) page(ctx context.Context) (Page, error) {
	facts, err := x.Saga.Tenants.LookupTenant(ctx, &directorypb.LookupTenantRequest{TenantId: x.tenant.String()})
	if err != nil {
		return Page{}, err
	}
	p := Page{
		Flow: handle(x.tenant, x.flow.ID), Tenant: x.tenant, State: x.flow.State, FormToken: x.secret.formToken(x.flow.ID),
		Facts: facts, Account: x.invited.Address.Masked(), Notice: x.notice, Code: x.flow.Code, Language: x.flow.Language,
	}
	if x.renewed {
		p.NewVerifier = x.secret.text()
	}
	if !x.flow.Identity.IsZero() {
		p.Account = x.invited.Address.Typed()
	}
	switch x.flow.State {
	case redemption.AwaitChoice:
		p.ProviderNames = x.flow.Candidates
	case redemption.AwaitOtp, redemption.MailboxProof:
		err = x.codePage(ctx, &p)
	case redemption.Landed:
		p.Redirect, p.Interstitial, err = x.landing(ctx, x.tenant, x.invited)
	}
	return p, err
}

func (x *session) codePage(ctx context.Context, p *Page) error {
	return x.Saga.Store.Read(ctx, x.tenant, func(tx store.Tx) error {
		settings, err := tx.Settings()
		if err != nil {
			return err
		}
		p.CodeValidity = x.Saga.CodeValidity(settings)
		last, err := tx.LatestPasscode(x.flow.ID)
		if errors.Is(err, store.ErrNone) {
			return nil
		}
		if err != nil {
			return err
		}
		p.CodeSent, p.ResendAt = last.Purpose == x.purpose(), last.AskedAt.Add(passcode.ResendAfter)
		return nil
	})
}

// landing is where the person goes, from the stored invitation alone
// (INV-105). stop says that the host is shown for a click first.
func (s *Flows) landing(ctx context.Context, t tenant.ID, i invitation.Invitation) (url string, stop bool, err error) {
	panel := s.Saga.PanelURL + "?tenantId=" + t.String()
	var settings invitation.Settings
	err = s.Saga.Store.Read(ctx, t, func(tx store.Tx) (err error) {
		settings, err = tx.Settings()
		return err
	})
	if err != nil {
		return "", false, err
	}
	if i.Redirect.IsZero() || !i.Redirect.Within(settings.RedirectHosts) {
		return panel, false, nil
	}
	facts, err := s.Saga.Tenants.LookupTenant(ctx, &directorypb.LookupTenantRequest{TenantId: t.String()})
	if err != nil {
		return "", false, err
	}
	return i.Redirect.String(), !i.Redirect.Known(s.Saga.PanelHost(), facts.VerifiedDomains), nil
}
