package saga

import (
	"context"
	"errors"
	"time"

	"entente.dev/invitation-svc/internal/invitation"
	"entente.dev/invitation-svc/internal/redemption"
	"entente.dev/invitation-svc/internal/store"
	directorypb "entente.dev/proto/gen/entente/directory/v1"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	policypb "entente.dev/proto/gen/entente/policy/v1"
	"entente.dev/servicekit/audit"
	"entente.dev/servicekit/caller"
	"entente.dev/servicekit/fault"
	"entente.dev/servicekit/tenant"
	"github.com/google/uuid"
)

// Guest is the user that an invitation is about, as it is now.
type Guest struct {
	Pending bool
	Enabled bool
	Name    string
	// Keys are the comparison keys of the invited address and of the guest's
	// other mails.
	Keys     []string
	Language string
}

// Guest reads the user of an invitation. A deleted one is neither pending nor
// enabled.
func (s *Saga) Guest(ctx context.Context, t tenant.ID, i invitation.Invitation) (Guest, error) {
	u, err := s.Directory.GetExternalUser(ctx, &directorypb.GetExternalUserRequest{TenantId: t.String(), UserId: i.User.String()})
	if fault.Is(err, errorspb.Reason_NOT_FOUND) || err == nil && u.GetDeletedDateTime() != nil {
		return Guest{}, nil
	}
	if err != nil {
		return Guest{}, err
	}
	e := existing(i.User, u)
	g := Guest{Pending: e.Pending, Enabled: e.Enabled, Name: u.GetDisplayName(), Keys: []string{i.Address.Key()}, Language: u.GetPreferredLanguage()}
	for _, text := range u.GetOtherMails() {
		if a, wrong := invitation.ParseAddress(text, false); wrong == "" {
			g.Keys = append(g.Keys, a.Key())
		}
	}
	return g, nil
}

// Judge asks about a redemption as things stand now: the guest object, the
// domain list and both tenants' access settings (INV-59 step R6, repeated at
// the commit by INV-110). An error means that nobody could say, which is never
// taken for a yes.
func (s *Saga) Judge(ctx context.Context, t tenant.ID, i invitation.Invitation, who redemption.Identity) (redemption.Judged, error) {
	guest, err := s.Guest(ctx, t, i)
	if err != nil {
		return redemption.Judged{}, err
	}
	switch {
	case !guest.Enabled:
		return redemption.Judged{Code: redemption.CodeDisabled}, nil
	case !guest.Pending:
		return redemption.Judged{Code: redemption.CodeNotPending}, nil
	}
	ask := &policypb.CheckInviteRequest{ResourceTenantId: t.String(), Email: i.Address.Mailbox(), AtRedemption: true}
	if bound, wrong := invitation.ParseAddress(who.Address, false); wrong == "" {
		ask.BoundDomain = bound.Domain()
	}
	if !who.HomeTenant.IsZero() {
		ask.HomeTenantId = who.HomeTenant.String()
		ask.Subject = &policypb.Subject{UserId: who.HomeObject.String()}
	}
	answer, err := s.Policy.CheckInvite(ctx, ask)
	if err != nil {
		return redemption.Judged{}, err
	}
	if answer.Outcome != policypb.Decision_allow {
		code := redemption.CodePolicy
		if answer.Rule == ruleDomainList {
			code = redemption.CodeDomain
		}
		return redemption.Judged{Code: code}, nil
	}
	verdict := redemption.Judged{Allowed: true, Automatic: answer.AutomaticRedemption}
	if who.HomeTenant.IsZero() {
		return verdict, nil // such a user has no home settings (POL-52)
	}
	entry, err := s.Policy.CheckB2B(ctx, &policypb.CheckB2BRequest{ResourceTenantId: t.String(), HomeTenantId: who.HomeTenant.String(), Subject: ask.Subject})
	if err != nil {
		return redemption.Judged{}, err
	}
	if entry.Outcome != policypb.Decision_allow {
		return redemption.Judged{Code: redemption.CodePolicy}, nil
	}
	return verdict, nil
}

// Take takes the commit lock for a flow that has come to its end: invitation
// and flow change together or not at all. Whoever finds the invitation taken,
// redeemed or withdrawn ends as Failed, and is answered so. also adds to the
// transaction of the one who gets it.
func (s *Saga) Take(ctx context.Context, t tenant.ID, before, after store.Flow, also func(store.Tx) error) (store.Flow, error) {
	saved := after
	err := s.Store.Write(ctx, t, func(tx store.Tx) error {
		now := s.Clock.Now()
		i, err := tx.LockInvitation(before.Invitation)
		if err != nil {
			return err
		}
		next, err := invitation.Next(i.At(now), invitation.CommitBegun)
		if err != nil {
			lost := before
			lost.State, lost.Code, lost.EnteredAt = redemption.Failed, redemption.CodeNotPending, now
			saved, err = tx.SaveFlow(before, lost)
			return errors.Join(err, s.recordRedeem(ctx, tx, i, lost, fault.Precondition(errorspb.Reason_CONFLICT, "The invitation is no longer open.")))
		}
		i.State, i.Redemption, i.RedeemingSince = next, before.ID, now
		// The flow first: a repeated post ends here, before it leaves a trace.
		if saved, err = tx.SaveFlow(before, after); err != nil {
			return err
		}
		tx.SetTimer(store.CommitTimer, i.ID, now.Add(CommitGrace))
		if err := also(tx); err != nil {
			return err
		}
		return tx.SaveInvitation(i, invitation.Pending)
	})
	return saved, err
}

// Commit binds the identity of the flow that holds an invitation, and
// completes both (INV-110). It is repeated at will: the directory knows the
// redemption by its id, and only one caller can move the invitation on.
// renew, which may be nil, changes the flow when it lands.
func (s *Saga) Commit(ctx context.Context, t tenant.ID, id uuid.UUID, renew func(*store.Flow)) error {
	var i invitation.Invitation
	var f store.Flow
	err := s.Store.Read(ctx, t, func(tx store.Tx) (err error) {
		if i, err = tx.Invitation(id); err == nil && i.State == invitation.Redeeming {
			f, err = tx.Flow(i.Redemption)
		}
		return err
	})
	if errors.Is(err, store.ErrNone) || err == nil && i.State != invitation.Redeeming {
		return s.clear(ctx, t, store.CommitTimer, id)
	}
	if err != nil {
		return err
	}
	_, bindErr := retry(ctx, func() (*directorypb.User, error) { return s.Directory.BindExternalIdentity(ctx, binding(t, i, f)) })
	if bindErr != nil && !refusal(bindErr) {
		return bindErr
	}
	err = s.Store.Write(ctx, t, func(tx store.Tx) error { return s.conclude(ctx, tx, i, f, bindErr, renew) })
	if errors.Is(err, store.ErrStale) {
		return nil // somebody else has concluded it
	}
	return err
}

func binding(t tenant.ID, i invitation.Invitation, f store.Flow) *directorypb.BindExternalIdentityRequest {
	r := &directorypb.BindExternalIdentityRequest{
		TenantId: t.String(), UserId: i.User.String(), RedemptionId: i.Redemption.String(), Method: f.Identity.Provider,
		HomeKey: &directorypb.HomeKey{Issuer: f.Identity.Issuer, Subject: f.Identity.Subject},
	}
	if !f.Identity.HomeTenant.IsZero() {
		r.HomeKey = &directorypb.HomeKey{HomeTenantId: f.Identity.HomeTenant.String(), HomeObjectId: f.Identity.HomeObject.String()}
	}
	return r
}

// conclude writes the outcome of the binding to invitation and flow.
func (s *Saga) conclude(ctx context.Context, tx store.Tx, i invitation.Invitation, f store.Flow, bindErr error, renew func(*store.Flow)) error {
	now := s.Clock.Now()
	happened := invitation.Bound
	if bindErr != nil {
		happened = invitation.BindRefused
	}
	next, err := invitation.Next(i.State, happened)
	if err != nil {
		return err
	}
	i.State = next
	if bindErr == nil {
		i.CompletedAt = now
		tx.ClearTimer(store.ExpiryTimer, i.ID)
	} else {
		i.Redemption, i.RedeemingSince = uuid.Nil, time.Time{}
	}
	tx.ClearTimer(store.CommitTimer, i.ID)
	if err := tx.SaveInvitation(i, invitation.Redeeming); err != nil {
		return err
	}
	landed := f
	landed.Flow, err = f.On(redemption.Committed{Bound: bindErr == nil, Code: redemption.CodeBound}, redemption.Rules{}, now)
	if err != nil {
		return err
	}
	if bindErr == nil && renew != nil {
		renew(&landed)
	}
	if _, err := tx.SaveFlow(f, landed); err != nil {
		return err
	}
	if home := f.Identity.HomeTenant; bindErr == nil && !home.IsZero() {
		if err := s.oweHome(tx, i.ID, home, f.Identity.HomeObject, f.Identity.Provider); err != nil {
			return err
		}
	}
	if bindErr == nil {
		if err := s.oweSignIn(ctx, tx, f); err != nil {
			return err
		}
	}
	return s.recordRedeem(ctx, tx, i, landed, bindErr)
}

func (s *Saga) recordRedeem(ctx context.Context, tx store.Tx, i invitation.Invitation, f store.Flow, failed error) error {
	details := []audit.KeyValue{
		detail("InvitationId", i.ID.String()), detail("redemptionId", f.ID.String()), detail("method", f.Identity.Provider),
	}
	if !f.Identity.HomeTenant.IsZero() {
		details = append(details, detail("homeTenantId", f.Identity.HomeTenant.String()))
	}
	if f.Code != "" {
		details = append(details, detail("errorCode", f.Code))
	}
	e := event(actRedeem, f.User, failed, details...)
	if !f.Identity.IsZero() {
		// The person has shown who they are; the call itself is the gateway's.
		e.InitiatedBy = &caller.Caller{Kind: caller.User, ObjectID: f.User, UserPrincipalName: f.Identity.Address, Guest: true, IP: caller.From(ctx).IP}
	}
	return s.Record(ctx, tx, e)
}

// RecordEnd leaves the record of a flow that ended without a commit.
func (s *Saga) RecordEnd(ctx context.Context, tx store.Tx, f store.Flow) error {
	why := map[redemption.State]string{redemption.Declined: "consentDeclined", redemption.Blocked: "blocked", redemption.Failed: "failed"}[f.State]
	if why == "" {
		return nil
	}
	return s.recordRedeem(ctx, tx, invitation.Invitation{ID: f.Invitation}, f, fault.Precondition(errorspb.Reason_CONFLICT, "%s", why))
}

// Expire ends the link of an invitation whose time is over.
func (s *Saga) Expire(ctx context.Context, t tenant.ID, id uuid.UUID) error {
	return s.Store.Write(ctx, t, func(tx store.Tx) error {
		i, err := tx.LockInvitation(id)
		gone := errors.Is(err, store.ErrNone)
		if err != nil && !gone {
			return err
		}
		if !gone && i.State == invitation.Redeeming {
			return nil // looked at again after the lease
		}
		tx.ClearTimer(store.ExpiryTimer, id)
		if gone || i.State != invitation.Pending || i.At(s.Clock.Now()) != invitation.Expired {
			return nil
		}
		if i.State, err = invitation.Next(invitation.Pending, invitation.TimedOut); err != nil {
			return err
		}
		return tx.SaveInvitation(i, invitation.Pending)
	})
}
