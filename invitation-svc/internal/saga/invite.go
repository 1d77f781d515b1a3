package saga

import (
	"context"
	"errors"
	"time"

	"entente.dev/invitation-svc/internal/invitation"
	"entente.dev/invitation-svc/internal/store"
	"entente.dev/invitation-svc/internal/ticket"
	directorypb "entente.dev/proto/gen/entente/directory/v1"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/audit"
	"entente.dev/servicekit/fault"
	"entente.dev/servicekit/tenant"
	"github.com/google/uuid"
	"google.golang.org/protobuf/types/known/emptypb"
)

// Made is an invitation with the link for its inviter.
type Made struct {
	invitation.Invitation
	RedeemURL string
}

// Invite takes a request through the gates and makes the invitation.
func (s *Saga) Invite(ctx context.Context, t tenant.ID, by invitation.Inviter, r invitation.Request) (Made, error) {
	return s.invite(ctx, t, by, ownersRight{}, r)
}

func (s *Saga) invite(ctx context.Context, t tenant.ID, by invitation.Inviter, right ownersRight, r invitation.Request) (Made, error) {
	by, err := s.Inviter(ctx, t, by)
	if err != nil {
		return Made{}, err
	}
	now, limits := s.Clock.Now(), s.counted(t, by, r)
	ahead, err := s.Store.Before(ctx, t, keys(readers(r)), limits, now)
	if err != nil {
		return Made{}, err
	}
	settings := ahead.Settings
	d, wrong := invitation.Check(r, settings)
	f, decision, err := s.lookUp(ctx, t, by, right, d, wrong)
	if err != nil {
		return Made{}, err
	}
	f.Quota = quota(limits, ahead.Used, now)
	plan, err := invitation.Admit(d, f)
	if err != nil {
		return Made{}, s.refused(ctx, t, by, r, err)
	}
	id, err := s.idFor(ctx)
	if err != nil {
		return Made{}, err
	}
	if settings.LinkLifetime == 0 {
		settings.LinkLifetime = s.LinkLifetime
	}
	i := invitation.Make(id, d, by, plan, s.Clock.Now(), settings.LinkLifetime)
	omitted := d.Message != "" && i.Message == ""
	switch plan.Action {
	case invitation.Convert:
		i.UserType = f.Target.UserType // which does not change
	case invitation.Create:
		if i.HomeTenant, i.HomeObject, err = s.homeAccount(ctx, d, decision); err != nil {
			return Made{}, err
		}
	}
	made, err := s.begin(ctx, t, i, known{blocked: ahead.Blocked, omitted: omitted})
	if errors.Is(err, store.ErrSpent) {
		return Made{}, s.refused(ctx, t, by, r, s.spent(ctx, t, limits))
	}
	return made, err
}

// known is what the handler of an invitation knows when it is finished; who
// finishes it after a kill knows none of it.
type known struct {
	blocked store.Blocked // who of its readers wants no mail; nil where nobody has looked
	omitted bool          // the message of the inviter is left out
}

// refused leaves the record of a refusal (INV-25) and answers it.
func (s *Saga) refused(ctx context.Context, t tenant.ID, by invitation.Inviter, r invitation.Request, why error) error {
	if comesAgain(ctx, why) {
		return why
	}
	details := []audit.KeyValue{detail("InvitedUserEmailAddress", invitation.Clean(r.Address)), detail("origin", origin(by.Kind))}
	if err := s.Store.Write(ctx, t, func(tx store.Tx) error {
		tell(ctx, tx, uuid.Nil, why)
		return s.Record(ctx, tx, event(actInvite, uuid.Nil, why, details...))
	}); err != nil {
		return errors.Join(why, err)
	}
	return why
}

// accepted answers for somebody who has accepted long ago: no ticket, no mail,
// a link straight to the resource (INV-19).
func (s *Saga) accepted(ctx context.Context, t tenant.ID, i invitation.Invitation) (Made, error) {
	i.State, i.CompletedAt, i.SendMessage = invitation.Completed, i.CreatedAt, false
	err := s.Store.Write(ctx, t, func(tx store.Tx) error {
		tx.AddInvitation(i)
		s.spend(tx, t, i, nil)
		tell(ctx, tx, i.User, nil)
		return s.recordInvite(ctx, tx, i, nil)
	})
	return Made{Invitation: i, RedeemURL: i.Redirect.String()}, err
}

// begin makes the invitation durable before anything else happens, so that
// whatever follows is found again after a kill.
func (s *Saga) begin(ctx context.Context, t tenant.ID, i invitation.Invitation, k known) (Made, error) {
	if i.Action == invitation.Known {
		return s.accepted(ctx, t, i)
	}
	err := s.Store.Write(ctx, t, func(tx store.Tx) error {
		if s.OneDatabase {
			// The directory commits its part to the same log after this, and waits
			// for the disk: there is no user on disk without its invitation.
			tx.Loosely()
		}
		tx.AddInvitation(i)
		tx.SetTimer(store.SagaTimer, i.ID, i.CreatedAt.Add(SagaGrace))
		s.spend(tx, t, i, k.blocked)
		return nil
	})
	if err != nil {
		return Made{}, err
	}
	made, err := s.finish(ctx, t, i, k)
	if err == nil {
		return made, nil
	}
	return Made{}, s.giveUp(ctx, t, i, err)
}

// finish takes an invitation from Creating to what it is to become. It may be
// repeated: the directory knows the invitation by its id.
func (s *Saga) finish(ctx context.Context, t tenant.ID, i invitation.Invitation, k known) (Made, error) {
	user, err := s.directoryStep(ctx, t, i)
	if err != nil {
		return Made{}, err
	}
	made := Made{Invitation: i}
	happened := invitation.UserCreated
	if !i.HomeTenant.IsZero() && user.accepted {
		happened = invitation.BornAccepted
	}
	var key ticket.Ticket
	if happened == invitation.UserCreated {
		if key, err = ticket.New(s.Random); err != nil {
			return Made{}, err
		}
	}
	attempt := 0
	err = s.Store.Write(ctx, t, func(tx store.Tx) error {
		now := s.Clock.Now()
		n := i
		attempt++
		var err error
		if n.State, err = invitation.Next(i.State, happened); err != nil {
			return err
		}
		n.User = user.id
		made.RedeemURL = n.Redirect.String()
		if happened == invitation.BornAccepted {
			n.CompletedAt = now
		} else {
			// A new user has nothing open, as a rule; where that is wrong, the
			// unique index says so and the next attempt looks.
			if n.Action != invitation.Create || attempt > 1 {
				if err := s.takeOver(tx, n); err != nil {
					return err
				}
			}
			made.RedeemURL = ticket.Link{Tenant: t, Invitation: n.ID, Ticket: key}.URL(s.LoginOrigin)
		}
		// All of it travels with the commit.
		tx.QueueSave(n, i.State)
		if happened == invitation.UserCreated {
			tx.AddTicket(n.ID, ticket.API, key.Sum(n.ID), now)
			tx.SetTimer(store.ExpiryTimer, n.ID, n.ExpiresAt)
		}
		tx.ClearTimer(store.SagaTimer, n.ID)
		tell(ctx, tx, n.User, nil)
		blocked, err := s.oweMails(ctx, tx, n, k.blocked, user.language)
		if err != nil {
			return err
		}
		made.Invitation = n
		if blocked {
			n.SendMessage = false
		}
		var more []audit.KeyValue
		if k.omitted {
			more = append(more, detail("customBodyOmitted", "true"))
		}
		if happened == invitation.BornAccepted {
			if err := s.recordBorn(ctx, tx, n); err != nil {
				return err
			}
		}
		return s.recordInvite(ctx, tx, n, nil, more...)
	})
	return made, err
}

// takeOver ends what was open for the user, so that only the new link lives.
func (s *Saga) takeOver(tx store.Tx, i invitation.Invitation) error {
	open, err := tx.OpenInvitation(i.User)
	if errors.Is(err, store.ErrNone) {
		return nil
	}
	if err != nil {
		return err
	}
	// A commit that runs is not overtaken.
	if open.State, err = invitation.Next(open.State, invitation.Reinvited); err != nil {
		return fault.Aborted(errorspb.Reason_CONFLICT, "The invitation of this user is being redeemed at the moment.")
	}
	tx.ClearTimer(store.ExpiryTimer, open.ID)
	return tx.SaveInvitation(open, invitation.Pending)
}

type madeUser struct {
	id       uuid.UUID
	accepted bool
	language *string // which the user prefers, empty for none; nil where nobody told
}

// directoryStep has the directory do what the action needs.
func (s *Saga) directoryStep(ctx context.Context, t tenant.ID, i invitation.Invitation) (madeUser, error) {
	switch i.Action {
	case invitation.Reinvite:
		return madeUser{id: i.User}, s.claim(ctx, t, i)
	case invitation.Reset:
		if err := s.claim(ctx, t, i); err != nil {
			return madeUser{}, err
		}
		_, err := retry(ctx, func() (*directorypb.User, error) {
			return s.Directory.ResetExternalIdentity(ctx, &directorypb.ResetExternalIdentityRequest{
				TenantId: t.String(), UserId: i.User.String(), Email: i.Address.Mailbox()})
		})
		return madeUser{id: i.User}, err
	case invitation.Convert:
		return madeUser{id: i.User}, s.beginConversion(ctx, t, i)
	}
	answer, err := retry(ctx, func() (*directorypb.CreateExternalUserResponse, error) {
		return s.Directory.CreateExternalUser(ctx, creation(t, i))
	})
	if err != nil {
		return madeUser{}, err
	}
	id, err := uuid.Parse(answer.GetUser().GetId())
	if err != nil {
		return madeUser{}, errors.New("the directory answered a user without an id")
	}
	language := answer.User.GetPreferredLanguage()
	return madeUser{id: id, accepted: answer.User.GetExternalUserState() == directorypb.User_Accepted, language: &language}, nil
}

// claim has the directory hold the user by this invitation from here on: the
// one before may be on its way to be undone or taken back with its user.
func (s *Saga) claim(ctx context.Context, t tenant.ID, i invitation.Invitation) error {
	_, err := retry(ctx, func() (*emptypb.Empty, error) {
		return s.Directory.ClaimExternalUser(ctx, &directorypb.ClaimExternalUserRequest{TenantId: t.String(), UserId: i.User.String(), InvitationId: i.ID.String()})
	})
	if fault.Is(err, errorspb.Reason_NOT_FOUND) {
		return fault.Aborted(errorspb.Reason_CONFLICT, "The invited user was removed meanwhile. Invite again.")
	}
	return err
}

func creation(t tenant.ID, i invitation.Invitation) *directorypb.CreateExternalUserRequest {
	r := &directorypb.CreateExternalUserRequest{
		TenantId: t.String(), InvitationId: i.ID.String(), Email: i.Address.Mailbox(), DisplayName: i.DisplayName,
		UserType: directorypb.User_Guest,
	}
	if i.UserType == invitation.Member {
		r.UserType = directorypb.User_Member
	}
	for _, id := range i.Sponsors {
		r.SponsorIds = append(r.SponsorIds, id.String())
	}
	if !i.HomeTenant.IsZero() {
		r.HomeKey = &directorypb.HomeKey{HomeTenantId: i.HomeTenant.String(), HomeObjectId: i.HomeObject.String()}
	}
	return r
}

// retry repeats a call that nobody may have received, with growing pauses,
// while the caller still waits.
func retry[A any](ctx context.Context, call func() (A, error)) (A, error) {
	const attempts = 4
	pause := 50 * time.Millisecond
	for attempt := 1; ; attempt++ {
		answer, err := call()
		if err == nil || attempt == attempts || fault.From(err).Kind != fault.KindUnavailable {
			return answer, err
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return answer, err
		case <-timer.C:
		}
		pause *= 4
	}
}

// giveUp tells the inviter of a failure and has what was begun undone: at once
// if the directory refused, by the timer if nobody knows what it did. The
// reason of a refusal is passed on.
func (s *Saga) giveUp(ctx context.Context, t tenant.ID, i invitation.Invitation, why error) error {
	certain, answer := refusal(why), why
	if !certain {
		answer = fault.Internal(errorspb.Reason_INTERNAL, notMade)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	err := s.Store.Write(ctx, t, func(tx store.Tx) error {
		n := i
		n.Abandoned = true
		if certain {
			n.State = invitation.Failed
			tx.ClearTimer(store.SagaTimer, i.ID)
		} else {
			tx.SetTimer(store.SagaTimer, i.ID, s.Clock.Now())
		}
		if err := tx.SaveInvitation(n, invitation.Creating); err != nil {
			return err
		}
		tell(ctx, tx, uuid.Nil, answer)
		return s.recordInvite(ctx, tx, n, why)
	})
	if certain {
		return why
	}
	return fault.From(answer).WithCause(errors.Join(why, err))
}

// refusal reports whether an error is the other side's decision, after which
// nothing was done there.
func refusal(err error) bool {
	switch fault.From(err).Kind {
	case fault.KindInvalid, fault.KindDenied, fault.KindNotFound, fault.KindExists, fault.KindPrecondition, fault.KindExhausted, fault.KindAborted, fault.KindUnauthenticated:
		return true
	default:
		return false
	}
}

// Settle finishes an invitation that was left in Creating: forward when its
// inviter was never told of a failure, back when they were.
func (s *Saga) Settle(ctx context.Context, t tenant.ID, id uuid.UUID) error {
	var i invitation.Invitation
	err := s.Store.Read(ctx, t, func(tx store.Tx) (err error) {
		i, err = tx.Invitation(id)
		return err
	})
	if errors.Is(err, store.ErrNone) || err == nil && i.State != invitation.Creating {
		return s.clear(ctx, t, store.SagaTimer, id)
	}
	if err != nil {
		return err
	}
	if i.Abandoned {
		return s.compensate(ctx, t, i)
	}
	_, err = s.finish(ctx, t, i, known{})
	if err == nil || errors.Is(err, store.ErrStale) {
		return nil
	}
	if refusal(err) {
		return s.Store.Write(ctx, t, func(tx store.Tx) error {
			n := i
			n.State = invitation.Failed
			tx.ClearTimer(store.SagaTimer, id)
			tell(ctx, tx, uuid.Nil, err)
			if err := s.recordInvite(ctx, tx, n, err); err != nil {
				return err
			}
			return tx.SaveInvitation(n, invitation.Creating)
		})
	}
	return err
}

// compensate takes back the user that a failed invitation may have made.
func (s *Saga) compensate(ctx context.Context, t tenant.ID, i invitation.Invitation) error {
	if i.Action == invitation.Create {
		// The repeat says which user is meant: the one that was made for this
		// invitation, or one that was there before and stays.
		answer, err := s.Directory.CreateExternalUser(ctx, creation(t, i))
		if err != nil && !refusal(err) {
			return err
		}
		needed := false
		if err == nil && !answer.AlreadyExisted {
			// The inviter may have tried again meanwhile, and met the user that
			// was made for this invitation.
			if needed, err = s.invitedAgain(ctx, t, answer.User.GetId()); err != nil {
				return err
			}
		}
		if err == nil && !answer.AlreadyExisted && !needed {
			_, err := s.Directory.SoftDeleteExternalUser(ctx, &directorypb.SoftDeleteExternalUserRequest{
				TenantId: t.String(), UserId: answer.User.GetId(), Reason: "compensation", InvitationId: i.ID.String()})
			if err != nil && !fault.Is(err, errorspb.Reason_NOT_FOUND) {
				return err
			}
		}
	}
	return s.Store.Write(ctx, t, func(tx store.Tx) error {
		n := i
		n.State = invitation.Failed
		tx.ClearTimer(store.SagaTimer, i.ID)
		return tx.SaveInvitation(n, invitation.Creating)
	})
}

// invitedAgain reports whether another invitation is about the user.
func (s *Saga) invitedAgain(ctx context.Context, t tenant.ID, user string) (bool, error) {
	id, err := uuid.Parse(user)
	if err != nil {
		return false, errors.New("the directory answered a user without an id")
	}
	err = s.Store.Read(ctx, t, func(tx store.Tx) error {
		_, err := tx.LatestInvitation(id)
		return err
	})
	if errors.Is(err, store.ErrNone) {
		return false, nil
	}
	return err == nil, err
}

func (s *Saga) clear(ctx context.Context, t tenant.ID, k store.TimerKind, id uuid.UUID) error {
	return s.Store.Write(ctx, t, func(tx store.Tx) error {
		tx.ClearTimer(k, id)
		return nil
	})
}

// oweMails queues the mails of an invitation. Somebody who has blocked the
// organization gets none (INV-48), which is recorded; blocked says that it is
// the invited person. seen is what was read of that already, language what the
// guest prefers, both nil where nobody knows. Whoever blocks it later is found
// at delivery.
func (s *Saga) oweMails(ctx context.Context, tx store.Tx, i invitation.Invitation, seen store.Blocked, language *string) (blocked bool, err error) {
	if !i.SendMessage {
		return false, nil
	}
	if seen == nil {
		if seen, err = tx.Blocked(i.Address.Key(), i.CC.Key()); err != nil {
			return false, err
		}
	}
	kind := store.InvitationMail
	if i.State == invitation.Completed {
		kind = store.NoticeMail
	}
	if seen[i.Address.Key()] {
		return true, s.withhold(ctx, tx, kind, i)
	}
	if err := s.OweMail(tx, kind, i.ID, uuid.Nil, language); err != nil || i.CC.IsZero() {
		return false, err
	}
	if seen[i.CC.Key()] {
		return false, s.withhold(ctx, tx, store.CopyMail, i)
	}
	return false, s.OweMail(tx, store.CopyMail, i.ID, uuid.Nil, language)
}

// withhold keeps a mail from somebody who wants none.
func (s *Saga) withhold(ctx context.Context, tx store.Tx, kind store.MailKind, i invitation.Invitation) error {
	id, err := s.newID()
	if err != nil {
		return err
	}
	tx.AddMail(store.Mail{ID: id, Kind: kind, Invitation: i.ID, State: store.Withheld, CreatedAt: s.Clock.Now()})
	return s.RecordWithheld(ctx, tx, kind, i)
}

// OweMail queues one mail with the job that delivers it. language is what its
// reader prefers; nil has the directory asked when it is composed.
func (s *Saga) OweMail(tx store.Tx, kind store.MailKind, invited, code uuid.UUID, language *string) error {
	id, err := s.newID()
	if err != nil {
		return err
	}
	m := store.Mail{ID: id, Kind: kind, Invitation: invited, Passcode: code, State: store.Queued, CreatedAt: s.Clock.Now()}
	if language != nil {
		m.Language, m.Asked = *language, true
	}
	tx.AddMail(m)
	return s.Jobs.Enqueue(tx.Tx, MailJob{Tenant: tx.Tenant.String(), Mail: id, Code: kind == store.PasscodeMail}, time.Time{})
}
