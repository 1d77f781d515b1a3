package saga

import (
	"cmp"
	"context"
	"strconv"
	"time"

	"entente.dev/invitation-svc/internal/invitation"
	"entente.dev/invitation-svc/internal/store"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/audit"
	"entente.dev/servicekit/fault"
	"entente.dev/servicekit/tenant"
	"github.com/google/uuid"
)

// Activities as clients filter for them (INV-166).
const (
	actInvite       = "Invite external user"
	actInviteReset  = "Invite external user with reset invitation status"
	actConvert      = "Invite internal user to B2B collaboration"
	actRedeem       = "Redeem external user invite"
	actCodeSent     = "Generate one time password"
	actCodeVerified = "Verify one time password"
	actUnsubscribed = "Email unsubscribed"
	actNotSent      = "Email not sent, user unsubscribed"
	actMail         = "Invitation Email"
	actSettings     = "Update invitation settings"
)

// event is an audit record about a user.
func event(activity string, user uuid.UUID, failed error, details ...audit.KeyValue) audit.Event {
	e := audit.Event{
		Activity: activity, Category: "UserManagement", Service: audit.InvitedUsers, OperationType: "Update",
		Result: audit.Success, Details: details,
	}
	if activity == actInvite {
		e.OperationType = "Add"
	}
	if failed != nil {
		e.Result, e.Reason = audit.Failure, fault.From(failed).Message
	}
	if user != uuid.Nil {
		e.Targets = []audit.Target{{ID: user.String(), Type: "User"}}
	}
	return e
}

func detail(key, value string) audit.KeyValue { return audit.KeyValue{Key: key, Value: value} }

// Record writes an audit record in the transaction of what it tells of.
func (s *Saga) Record(ctx context.Context, tx store.Tx, e audit.Event) error {
	return audit.Write(ctx, tx.Tx, s.Clock, e)
}

func (s *Saga) recordInvite(ctx context.Context, tx store.Tx, i invitation.Invitation, failed error, more ...audit.KeyValue) error {
	activity := actInvite
	switch i.Action {
	case invitation.Reset:
		activity = actInviteReset
	case invitation.Convert:
		activity = actConvert
	}
	details := []audit.KeyValue{
		detail("InvitedUserEmailAddress", i.Address.Typed()),
		detail("InvitationId", i.ID.String()),
		detail("ticketClass", "api"),
		detail("messageSent", strconv.FormatBool(i.SendMessage && failed == nil)),
		detail("origin", origin(i.Inviter.Kind)),
	}
	if i.Action == invitation.Reinvite {
		details = append(details, detail("reinvite", "true"))
	}
	return s.Record(ctx, tx, event(activity, i.User, failed, append(details, more...)...))
}

func origin(k invitation.InviterKind) string {
	switch k {
	case invitation.ByApp:
		return "application"
	case invitation.BySync:
		return "synchronization"
	default:
		return "user"
	}
}

// recordBorn leaves the record of a redemption that happened by itself, and
// has the home tenant, whose directory was asked, told of it.
func (s *Saga) recordBorn(ctx context.Context, tx store.Tx, i invitation.Invitation) error {
	err := s.Record(ctx, tx, event(actRedeem, i.User, nil, detail("InvitationId", i.ID.String()),
		detail("method", methodAutomatic), detail("homeTenantId", i.HomeTenant.String())))
	if err != nil {
		return err
	}
	return s.oweHome(tx, i.ID, i.HomeTenant, i.HomeObject, methodAutomatic)
}

// methodAutomatic is the method of a redemption that happened by itself.
const methodAutomatic = "automatic"

// oweHome has the home tenant of an account told that it became a user here.
func (s *Saga) oweHome(tx store.Tx, id uuid.UUID, home tenant.ID, account uuid.UUID, method string) error {
	return s.Jobs.Enqueue(tx.Tx, HomeJob{Home: home.String(), Resource: tx.Tenant.String(), Invitation: id, Account: account, Method: method}, time.Time{})
}

// RecordHome leaves the record in the home tenant of an account that became a
// user of another tenant (INV-113).
func (s *Saga) RecordHome(ctx context.Context, home tenant.ID, j HomeJob) error {
	return s.Store.Write(ctx, home, func(tx store.Tx) error {
		return s.Record(ctx, tx, event(actRedeem, j.Account, nil, detail("InvitationId", j.Invitation.String()),
			detail("method", cmp.Or(j.Method, methodAutomatic)), detail("resourceTenantId", j.Resource)))
	})
}

// RecordCodeSent leaves the record of a passcode that is owed.
func (s *Saga) RecordCodeSent(ctx context.Context, tx store.Tx, f store.Flow) error {
	return s.Record(ctx, tx, event(actCodeSent, f.User, nil, detail("flowId", f.ID.String())))
}

// RecordCodeTried leaves the record of a try.
func (s *Saga) RecordCodeTried(ctx context.Context, tx store.Tx, f store.Flow, right bool) error {
	var failed error
	if !right {
		failed = fault.Invalid(errorspb.Reason_PASSCODE_WRONG, "The code is wrong or expired.")
	}
	return s.Record(ctx, tx, event(actCodeVerified, f.User, failed, detail("flowId", f.ID.String())))
}

// RecordMail leaves the record of an invitation mail that was delivered or
// given up.
func (s *Saga) RecordMail(ctx context.Context, tx store.Tx, i invitation.Invitation, failed bool) error {
	var why error
	if failed {
		why = fault.Unavailable(errorspb.Reason_UNAVAILABLE, "The mail could not be delivered.")
	}
	return s.Record(ctx, tx, event(actMail, i.User, why, detail("InvitationId", i.ID.String())))
}

// RecordWithheld leaves the record of an invitation mail that is not sent
// because the holder of the address has blocked the organization.
func (s *Saga) RecordWithheld(ctx context.Context, tx store.Tx, kind store.MailKind, i invitation.Invitation) error {
	return s.Record(ctx, tx, aboutReader(actNotSent, kind == store.CopyMail, i))
}

// aboutReader is a record about whoever a mail goes to: the guest, or the one
// who gets a copy, who need not be a user of the tenant.
func aboutReader(activity string, copied bool, i invitation.Invitation) audit.Event {
	if copied {
		return event(activity, uuid.Nil, nil, detail("InvitationId", i.ID.String()), detail("recipient", "copy"))
	}
	return event(activity, i.User, nil, detail("InvitationId", i.ID.String()))
}

// RecordBadLink leaves the record of a link that was refused and why, which
// its holder was not told.
func (s *Saga) RecordBadLink(ctx context.Context, t tenant.ID, id uuid.UUID, why string) error {
	return s.Store.Write(ctx, t, func(tx store.Tx) error {
		refused := fault.Precondition(errorspb.Reason_TICKET_INVALID, "The link was refused.")
		return s.Record(ctx, tx, event(actRedeem, uuid.Nil, refused, detail("InvitationId", id.String()), detail("cause", why)))
	})
}
