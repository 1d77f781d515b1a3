package saga

import (
	"context"
	"errors"

	"entente.dev/invitation-svc/internal/invitation"
	"entente.dev/invitation-svc/internal/store"
	directorypb "entente.dev/proto/gen/entente/directory/v1"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/audit"
	"entente.dev/servicekit/fault"
	"entente.dev/servicekit/tenant"
	"github.com/google/uuid"
	"google.golang.org/protobuf/types/known/emptypb"
)

var errNoInvitation = fault.NotFound(errorspb.Reason_NOT_FOUND,
	"Resource does not exist or one of its queried reference-property objects are not present.")

// Resend puts a fresh invitation in the place of one, and mails its link to
// the invited address (INV-35). Older links end.
func (s *Saga) Resend(ctx context.Context, t tenant.ID, by invitation.Inviter, id uuid.UUID) error {
	if err := s.mayInvite(ctx, t, by, id); err != nil {
		return err
	}
	return s.resend(ctx, t, id, s.perInviter(t, by))
}

// mayInvite is what resending and revoking need (operation O3): the right to
// see an invitation and to invite its target.
func (s *Saga) mayInvite(ctx context.Context, t tenant.ID, by invitation.Inviter, id uuid.UUID) error {
	i, err := s.read(ctx, t, id)
	if err != nil {
		return err
	}
	if err := s.MaySee(ctx, t, by, i.Inviter.ID); err != nil {
		return err
	}
	f := invitation.Facts{Inviter: by}
	if _, err := s.askPolicy(ctx, t, by, ownersRight{}, invitation.Draft{Address: i.Address, UserType: i.UserType}, &f); err != nil {
		return err
	}
	return invitation.MayTouch(i, f)
}

// resend counts a fresh link against limits, beside those of the user and of
// the address.
func (s *Saga) resend(ctx context.Context, t tenant.ID, id uuid.UUID, limits []store.Counted) error {
	i, err := s.read(ctx, t, id)
	if err != nil {
		return err
	}
	if i.User == uuid.Nil || i.State == invitation.Completed {
		return fault.Precondition(errorspb.Reason_CONFLICT, "The invitation is not pending.")
	}
	guest, err := s.Guest(ctx, t, i)
	if err != nil {
		return err
	}
	if !guest.Pending || !guest.Enabled {
		return fault.Precondition(errorspb.Reason_CONFLICT, "The invited user is not waiting for an invitation.")
	}
	limits = append(limits, s.mailsTo(i.Address)...)
	if err = s.again(ctx, t, i, guest.Language, limits); errors.Is(err, store.ErrSpent) {
		return s.spent(ctx, t, limits)
	}
	return err
}

// Renew is Resend for whoever holds an old link: it does nothing at all when
// the invitation is not one that can be renewed (INV-52).
func (s *Saga) Renew(ctx context.Context, t tenant.ID, id uuid.UUID) error {
	err := s.resend(ctx, t, id, nil)
	if err != nil && refusal(err) {
		return nil
	}
	return err
}

func (s *Saga) again(ctx context.Context, t tenant.ID, old invitation.Invitation, language string, limits []store.Counted) error {
	id, err := s.newID()
	if err != nil {
		return err
	}
	return s.Store.Write(ctx, t, func(tx store.Tx) error {
		now := s.Clock.Now()
		latest, err := tx.LatestInvitation(old.User)
		if err != nil {
			return err
		}
		if latest, err = tx.LockInvitation(latest.ID); err != nil { // against a revoke at this moment
			return err
		}
		if latest.State == invitation.Revoked {
			return fault.Precondition(errorspb.Reason_CONFLICT, "The invitation was revoked.")
		}
		for _, l := range s.Limits.NewLinksOf {
			if ok, wait, err := tx.SpendCounter(s.subject("links", l, t.String(), old.User.String()), l, now); err != nil {
				return err
			} else if !ok {
				return tooMany(wait)
			}
		}
		settings, err := tx.Settings()
		if err != nil {
			return err
		}
		if settings.LinkLifetime == 0 {
			settings.LinkLifetime = s.LinkLifetime
		}
		n := latest.Again(id, now, settings.LinkLifetime)
		if err := s.takeOver(tx, n); err != nil {
			return err
		}
		tx.AddInvitation(n)
		tx.SetTimer(store.ExpiryTimer, n.ID, n.ExpiresAt)
		tx.Spend(limits, now)
		if _, err := s.oweMails(ctx, tx, n, nil, &language); err != nil {
			return err
		}
		return s.recordInvite(ctx, tx, n, nil, detail("resend", "true"))
	})
}

// Revoke ends an open invitation, and with deleteUser the pending user as
// well (INV-35), unless it was here before as an internal user, whom an
// invitation that is taken back leaves alone (INV-34). It may be repeated: an
// invitation that has ended so has only the user left to delete. The directory
// refuses to delete who waits for a later invitation or has redeemed one.
func (s *Saga) Revoke(ctx context.Context, t tenant.ID, by invitation.Inviter, id uuid.UUID, deleteUser bool) error {
	if err := s.mayInvite(ctx, t, by, id); err != nil {
		return err
	}
	var i invitation.Invitation
	err := s.Store.Write(ctx, t, func(tx store.Tx) (err error) {
		if i, err = tx.LockInvitation(id); errors.Is(err, store.ErrNone) {
			return errNoInvitation
		}
		if err != nil {
			return err
		}
		if deleteUser {
			if err := s.mayDelete(tx, i, by); err != nil {
				return err
			}
		}
		from := i.State
		if from == invitation.Revoked {
			return nil
		}
		if i.State, err = invitation.Next(from, invitation.Withdrawn); err != nil {
			return err
		}
		tx.ClearTimer(store.ExpiryTimer, id)
		if err := tx.SaveInvitation(i, from); err != nil {
			return err
		}
		return s.Record(ctx, tx, event("Revoke external user invite", i.User, nil, detail("InvitationId", id.String())))
	})
	if err != nil || !deleteUser {
		return err
	}
	_, err = retry(ctx, func() (*emptypb.Empty, error) {
		return s.Directory.SoftDeleteExternalUser(ctx, &directorypb.SoftDeleteExternalUserRequest{
			TenantId: t.String(), UserId: i.User.String(), Reason: "revoke", InvitationId: i.Origin().String()})
	})
	if fault.Is(err, errorspb.Reason_NOT_FOUND) {
		return nil
	}
	return err
}

// mayDelete decides whether the user of an invitation may be deleted with it.
func (s *Saga) mayDelete(tx store.Tx, i invitation.Invitation, by invitation.Inviter) error {
	all, err := tx.InvitationsOf(i.User)
	if err != nil {
		return err
	}
	if err := invitation.MayDelete(all, by); err != nil {
		return err
	}
	internal, err := tx.Converting(i.User)
	if err == nil && internal {
		err = fault.Precondition(errorspb.Reason_CONFLICT, "The user is an internal user and is not deleted with the invitation.")
	}
	return err
}

func (s *Saga) read(ctx context.Context, t tenant.ID, id uuid.UUID) (i invitation.Invitation, err error) {
	err = s.Store.Read(ctx, t, func(tx store.Tx) (err error) {
		i, err = tx.Invitation(id)
		return err
	})
	if errors.Is(err, store.ErrNone) {
		return i, errNoInvitation
	}
	return i, err
}

// ChangeSettings changes the tenant's settings and records that they were.
func (s *Saga) ChangeSettings(ctx context.Context, t tenant.ID, change func(*invitation.Settings) error) error {
	return s.Store.Write(ctx, t, func(tx store.Tx) error {
		set, err := tx.Settings()
		if err != nil {
			return err
		}
		before := set
		if err := change(&set); err != nil {
			return err
		}
		tx.SaveSettings(set)
		e := event(actSettings, uuid.Nil, nil)
		e.Category = "Policy"
		e.Targets = []audit.Target{{ID: t.String(), Type: "Other", Modified: []audit.Modified{{Name: "invitationSettings", Old: audit.JSON(before), New: audit.JSON(set)}}}}
		return s.Record(ctx, tx, e)
	})
}
