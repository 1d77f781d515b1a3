package flow

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"strings"

	"entente.dev/invitation-svc/internal/invitation"
	"entente.dev/invitation-svc/internal/redemption"
	"entente.dev/invitation-svc/internal/saga"
	"entente.dev/invitation-svc/internal/store"
	directorypb "entente.dev/proto/gen/entente/directory/v1"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/fault"
	"entente.dev/servicekit/tenant"
)

// session is one call about one flow.
type session struct {
	*Flows
	tenant  tenant.ID
	flow    store.Flow
	invited invitation.Invitation
	guest   saga.Guest
	secret  verifier
	renewed bool // secret is new and has to reach the browser
	browser Browser
	notice  string
}

// open finds the flow of a handle for the browser that holds its verifier.
func (s *Flows) open(ctx context.Context, flow, secret string, b Browser) (*session, error) {
	t, id, ok := parseHandle(flow)
	v, right := parseVerifier(secret)
	if !ok || !right {
		return nil, errGone
	}
	x := &session{Flows: s, tenant: t, secret: v, browser: b}
	err := s.Saga.Store.Read(ctx, t, func(tx store.Tx) (err error) {
		if x.flow, err = tx.Flow(id); err != nil {
			return err
		}
		x.invited, err = tx.Invitation(x.flow.Invitation)
		return err
	})
	if errors.Is(err, store.ErrNone) || err == nil && !v.matches(id, x.flow.Verifier) {
		return nil, errGone
	}
	x.flow.Flow = x.flow.At(s.Saga.Clock.Now())
	return x, err
}

// Show answers the page of the present state.
func (s *Flows) Show(ctx context.Context, flow, secret string, b Browser) (Page, error) {
	x, err := s.open(ctx, flow, secret, b)
	if err != nil {
		return Page{}, err
	}
	if err := x.drive(ctx); err != nil {
		return Page{}, err
	}
	return x.page(ctx)
}

// Input is what a page posts. Exactly one of the kinds is set.
type Input struct {
	SendCode bool
	Code     *string
	Consent  *bool
	Choose   string
}

// Advance takes one input made for a state. An input for another state than
// the present one changes nothing and answers the present page (INV-108).
func (s *Flows) Advance(ctx context.Context, flow, secret, formToken string, state redemption.State, in Input, b Browser) (Page, error) {
	x, err := s.open(ctx, flow, secret, b)
	if err != nil {
		return Page{}, err
	}
	if !hmac.Equal([]byte(formToken), []byte(x.secret.formToken(x.flow.ID))) {
		return Page{}, fault.Denied(errorspb.Reason_FLOW_INPUT_REFUSED, "The form is not from this page.")
	}
	if x.flow.State == state && !state.Terminal() {
		err = x.take(ctx, in)
	}
	if err == nil {
		err = x.drive(ctx)
	}
	if errors.Is(err, store.ErrStale) {
		return s.Show(ctx, flow, secret, b) // another tab was faster
	}
	if err != nil {
		return Page{}, err
	}
	return x.page(ctx)
}

// take applies an input. Whoever was disabled, deleted or redeemed elsewhere
// since the last page ends here.
func (x *session) take(ctx context.Context, in Input) error {
	guest, err := x.Saga.Guest(ctx, x.tenant, x.invited)
	if err != nil {
		return err
	}
	if x.guest = guest; !guest.Enabled || !guest.Pending {
		code := redemption.CodeDisabled
		if guest.Enabled {
			code = redemption.CodeNotPending
		}
		return x.on(ctx, redemption.Stopped{Code: code}, nil)
	}
	// A link that was replaced, withdrawn or ran out takes its flows with it.
	if state := x.invited.At(x.Saga.Clock.Now()); state != invitation.Pending && state != invitation.Redeeming {
		return x.on(ctx, redemption.Stopped{Code: redemption.CodeNotPending}, nil)
	}
	switch state := x.flow.State; {
	case in.SendCode && (state == redemption.AwaitOtp || state == redemption.MailboxProof):
		return x.sendCode(ctx)
	case in.Code != nil && (state == redemption.AwaitOtp || state == redemption.MailboxProof):
		return x.tryCode(ctx, *in.Code)
	case in.Consent != nil && state == redemption.Consent:
		return x.answer(ctx, *in.Consent)
	case in.Choose != "" && state == redemption.AwaitChoice:
		err := x.on(ctx, redemption.Chosen{Provider: in.Choose}, nil)
		if fault.Is(err, errorspb.Reason_FLOW_INPUT_REFUSED) {
			return nil // not one of those offered: the page stays
		}
		return err
	default:
		return nil
	}
}

// on applies an event and saves the flow; also may add to the transaction.
// Entering Commit goes through Take, which takes the invitation with it.
func (x *session) on(ctx context.Context, e redemption.Event, also func(store.Tx) error) error {
	after := x.flow
	var err error
	if after.Flow, err = x.flow.On(e, x.rules(x.guest.Keys), x.Saga.Clock.Now()); err != nil {
		return err
	}
	if also == nil {
		also = func(store.Tx) error { return nil }
	}
	secret, renewed := x.secret, x.renewed
	if x.flow.State == redemption.PolicyCheck && !after.State.Terminal() {
		// The person is known from here on: a secret that somebody planted
		// before is worth nothing any more.
		if secret, err = newVerifier(x.Saga.Random); err != nil {
			return err
		}
		after.Verifier, renewed = secret.sum(after.ID), true
	}
	if after.State == redemption.Commit {
		x.flow, err = x.Saga.Take(ctx, x.tenant, x.flow, after, also)
	} else {
		before := x.flow
		err = x.Saga.Store.Write(ctx, x.tenant, func(tx store.Tx) error {
			saved, err := tx.SaveFlow(before, after)
			if err != nil {
				return err
			}
			if err := also(tx); err != nil {
				return err
			}
			x.flow = saved
			return x.Saga.RecordEnd(ctx, tx, saved)
		})
	}
	if err == nil && x.flow.State != redemption.Failed {
		x.secret, x.renewed = secret, renewed
	}
	return err
}

// answer is the click on the review-permissions page. Before the commit is
// begun, policy is asked once more: what has changed since the page was shown
// counts (INV-110, INV-124).
func (x *session) answer(ctx context.Context, accepted bool) error {
	if !accepted {
		return x.on(ctx, redemption.Answered{}, nil)
	}
	verdict, err := x.Saga.Judge(ctx, x.tenant, x.invited, x.flow.Identity)
	if err != nil {
		return err
	}
	if !verdict.Allowed {
		return x.on(ctx, redemption.Stopped{Code: verdict.Code}, nil)
	}
	facts, err := x.Saga.Tenants.LookupTenant(ctx, &directorypb.LookupTenantRequest{TenantId: x.tenant.String()})
	if err != nil {
		return err
	}
	consent := store.Consent{
		User: x.flow.User, Invitation: x.flow.Invitation, At: x.Saga.Clock.Now(),
		IP: x.browser.IP.String(), UserAgent: clip(x.browser.UserAgent, 256), TextSum: consentSum(x.flow.Language, facts),
		Language: x.flow.Language, PrivacyURL: facts.GetPrivacyStatementUrl(),
	}
	return x.on(ctx, redemption.Answered{Accepted: true}, func(tx store.Tx) error {
		tx.AddConsent(x.flow.ID, consent)
		return nil
	})
}

// consentText names the wording of the page; a new wording gets a new name.
const consentText = "review permissions 1"

// consentSum is the digest of what the page said: its wording and everything
// in it that differs between tenants.
func consentSum(language string, f *directorypb.TenantFacts) [sha256.Size]byte {
	parts := []string{consentText, language, f.GetTenantId(), f.GetDisplayName(), f.GetDefaultDomain(), f.GetPrivacyStatementUrl(), f.GetPrivacyContactEmail()}
	return sha256.Sum256([]byte(strings.Join(parts, "\x00")))
}

func clip(s string, most int) string {
	s = strings.ToValidUTF8(invitation.Clean(s), "")
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "")
	}
	return s
}

// drive goes on while nobody is waited for.
func (x *session) drive(ctx context.Context) error {
	for x.flow.State.Automatic() {
		var err error
		switch x.flow.State {
		case redemption.Authenticated:
			if x.guest.Keys == nil {
				if x.guest, err = x.Saga.Guest(ctx, x.tenant, x.invited); err != nil {
					return err
				}
			}
			err = x.on(ctx, redemption.Weighed{}, nil)
		case redemption.PolicyCheck:
			var verdict redemption.Judged
			if verdict, err = x.Saga.Judge(ctx, x.tenant, x.invited, x.flow.Identity); err == nil {
				err = x.on(ctx, verdict, nil)
			}
		case redemption.Commit:
			err = x.commit(ctx)
		default:
			return fault.Internal(errorspb.Reason_INTERNAL, "The flow cannot go on.")
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (x *session) commit(ctx context.Context) error {
	secret, err := newVerifier(x.Saga.Random)
	if err != nil {
		return err
	}
	if err := x.Saga.Commit(ctx, x.tenant, x.flow.Invitation, func(f *store.Flow) { f.Verifier = secret.sum(f.ID) }); err != nil {
		return err
	}
	before := x.flow.State
	err = x.Saga.Store.Read(ctx, x.tenant, func(tx store.Tx) (err error) {
		x.flow, err = tx.Flow(x.flow.ID)
		return err
	})
	if err == nil && x.flow.State == before {
		return fault.Unavailable(errorspb.Reason_UNAVAILABLE, "The redemption is not finished yet. Try again.")
	}
	if secret.matches(x.flow.ID, x.flow.Verifier) {
		x.secret, x.renewed = secret, true
	}
	return err
}
