package saga

import (
	"context"
	"errors"
	"time"

	"entente.dev/invitation-svc/internal/invitation"
	"entente.dev/invitation-svc/internal/store"
	directorypb "entente.dev/proto/gen/entente/directory/v1"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/audit"
	"entente.dev/servicekit/caller"
	"entente.dev/servicekit/fault"
	"entente.dev/servicekit/tenant"
	"github.com/google/uuid"
)

// Patience with bulk invitations.
const (
	// BulkTime is how long one may take.
	BulkTime = time.Hour
	// BulkGrace is how long after that one is left to whoever works on it.
	BulkGrace = 5 * time.Minute
	// BulkMemory is how long one that has ended is kept, with the addresses and
	// messages of its rows.
	BulkMemory = 30 * 24 * time.Hour
)

// Activities of bulk invitations (INV-39, DIR-218).
const (
	actBulkStarted  = "Bulk invite users - started (bulk)"
	actBulkFinished = "Bulk invite users - finished (bulk)"
	actBulkCanceled = "Bulk invite users - canceled (bulk)"
)

// BulkJob works on a bulk invitation.
type BulkJob struct {
	Tenant string    `json:"tenant"`
	Bulk   uuid.UUID `json:"bulk"`
}

// Kind names the job in the queue.
func (BulkJob) Kind() string { return "bulk-invitation" }

func bulkEvent(activity string, bulk uuid.UUID, failed error) audit.Event {
	e := event(activity, uuid.Nil, failed)
	if activity == actBulkStarted {
		e.OperationType = "Add"
	}
	e.Targets = []audit.Target{{ID: bulk.String(), Type: "Other"}}
	return e
}

func deniedBulk() error {
	return fault.Denied(errorspb.Reason_ACCESS_DENIED, "Insufficient privileges to complete the operation.")
}

// MayInviteInBulk refuses whoever may not start, see or stop bulk invitations
// (operation O4).
func (s *Saga) MayInviteInBulk(c caller.Caller) error {
	if !InviterOf(c).MayInviteInBulk() {
		return deniedBulk()
	}
	return nil
}

// StartBulk takes a file and owes the work on its rows.
func (s *Saga) StartBulk(ctx context.Context, c caller.Caller, content []byte) (store.Bulk, error) {
	id, err := s.newID()
	if err != nil {
		return store.Bulk{}, err
	}
	if err := s.MayInviteInBulk(c); err != nil {
		return store.Bulk{}, s.refusedBulk(ctx, c.Tenant, id, err)
	}
	b := store.Bulk{ID: id, Status: invitation.BulkQueued, Kind: InviterOf(c).Kind, By: c.ObjectID, AppID: c.AppID, Request: c.RequestID, CreatedAt: s.Clock.Now()}
	if c.Kind == caller.User {
		b.Scopes = c.Permissions
	}
	rows, err := s.bulkRows(ctx, c.Tenant, content)
	if err != nil {
		return store.Bulk{}, err
	}
	b.Total = int32(len(rows)) //nolint:gosec // a file has far fewer
	err = s.Store.Write(ctx, c.Tenant, func(tx store.Tx) error {
		if err := tx.AddBulk(b, rows); err != nil {
			return err
		}
		tx.SetTimer(store.BulkTimer, b.ID, b.CreatedAt.Add(BulkTime+BulkGrace))
		if err := s.Jobs.Enqueue(tx.Tx, BulkJob{Tenant: c.Tenant.String(), Bulk: b.ID}, time.Time{}); err != nil {
			return err
		}
		return s.Record(ctx, tx, bulkEvent(actBulkStarted, b.ID, nil))
	})
	if fault.Is(err, errorspb.Reason_THROTTLED) {
		err = s.refusedBulk(ctx, c.Tenant, id, err)
	}
	return b, err
}

// bulkRows reads a file and draws the ids of the invitations it asks for.
func (s *Saga) bulkRows(ctx context.Context, t tenant.ID, content []byte) ([]store.BulkRow, error) {
	var settings invitation.Settings
	err := s.Store.Read(ctx, t, func(tx store.Tx) (err error) {
		settings, err = tx.Settings()
		return err
	})
	if err != nil {
		return nil, err
	}
	parsed, err := invitation.ParseBulk(content, settings)
	if err != nil {
		return nil, err
	}
	rows := make([]store.BulkRow, len(parsed))
	for i, p := range parsed {
		rows[i] = store.BulkRow{Number: p.Number, Input: p.Values, SameAs: p.SameAs}
		if rows[i].Invitation, err = s.newID(); err != nil {
			return nil, err
		}
	}
	return rows, nil
}

// refusedBulk leaves the record of a refusal and answers it.
func (s *Saga) refusedBulk(ctx context.Context, t tenant.ID, id uuid.UUID, why error) error {
	return errors.Join(why, s.Store.Write(ctx, t, func(tx store.Tx) error { return s.Record(ctx, tx, bulkEvent(actBulkStarted, id, why)) }))
}

// CancelBulk stops a job; what was done stays.
func (s *Saga) CancelBulk(ctx context.Context, t tenant.ID, id uuid.UUID) error {
	return s.Store.Write(ctx, t, func(tx store.Tx) error {
		b, err := tx.LockBulk(id)
		if err != nil {
			return err
		}
		if b.Status.Ended() {
			return fault.Precondition(errorspb.Reason_BAD_REQUEST, "The bulk invitation has ended.")
		}
		s.close(tx, b, invitation.BulkCanceled)
		return s.Record(ctx, tx, bulkEvent(actBulkCanceled, id, nil))
	})
}

// close ends a job, which is forgotten after a while.
func (s *Saga) close(tx store.Tx, b store.Bulk, status invitation.BulkStatus) {
	b.Status, b.EndedAt = status, s.Clock.Now()
	tx.SaveBulk(b)
	tx.SetTimer(store.BulkTimer, b.ID, b.EndedAt.Add(BulkMemory))
}

// endBulk ends a job that was not canceled, and records it for the one who
// began it.
func (s *Saga) endBulk(ctx context.Context, t tenant.ID, id uuid.UUID, who caller.Caller, status invitation.BulkStatus) error {
	return s.Store.Write(ctx, t, func(tx store.Tx) error {
		b, err := tx.LockBulk(id)
		if err != nil || b.Status.Ended() {
			return err
		}
		s.close(tx, b, status)
		e := bulkEvent(actBulkFinished, id, nil)
		e.InitiatedBy, e.Correlation = &who, b.Request
		return s.Record(ctx, tx, e)
	})
}

// WakeBulk looks at a job whose time is over: one that runs is ended, one that
// has ended is forgotten.
func (s *Saga) WakeBulk(ctx context.Context, t tenant.ID, id uuid.UUID) error {
	var b store.Bulk
	err := s.Store.Read(ctx, t, func(tx store.Tx) (err error) {
		b, err = tx.Bulk(id)
		return err
	})
	if err == nil && !b.Status.Ended() {
		who, _, err := s.starter(ctx, t, b)
		if err != nil {
			return err
		}
		return s.endBulk(ctx, t, id, who, invitation.BulkTimedOut)
	}
	if err != nil && !errors.Is(err, store.ErrNone) {
		return err
	}
	return s.Store.Write(ctx, t, func(tx store.Tx) error {
		tx.DeleteBulk(id)
		tx.ClearTimer(store.BulkTimer, id)
		return nil
	})
}

// starter is who began a job, with the rights of this moment: a user keeps the
// scopes of the token it began with. refusal says why they may go on no more.
func (s *Saga) starter(ctx context.Context, t tenant.ID, b store.Bulk) (who caller.Caller, refusal, err error) {
	who = caller.Caller{Kind: caller.User, Tenant: t, ObjectID: b.By, AppID: b.AppID, Permissions: b.Scopes, RequestID: b.Request}
	if b.Kind == invitation.ByApp {
		who.Kind = caller.Application
	}
	p, err := s.People.GetPrincipal(ctx, &directorypb.GetPrincipalRequest{TenantId: t.String(), ObjectId: b.By.String()})
	if fault.Is(err, errorspb.Reason_NOT_FOUND) {
		return who, deniedBulk(), nil
	}
	if err != nil {
		return who, nil, err
	}
	who.DisplayName, who.UserPrincipalName, who.Guest = p.DisplayName, p.UserPrincipalName, p.Guest
	if who.Kind == caller.Application {
		who.Permissions, who.AppDisplayName = p.Permissions, p.DisplayName
	}
	for _, r := range p.Roles {
		who.Roles = append(who.Roles, caller.Role{Template: r.DisplayName, Scope: r.Scope})
	}
	// Whoever ends the sessions of a user ends what they have begun.
	revoked := who.Kind == caller.User && p.SessionsValidFrom != nil && p.SessionsValidFrom.AsTime().After(b.CreatedAt)
	if !p.Enabled || revoked {
		return who, deniedBulk(), nil
	}
	return who, s.MayInviteInBulk(who), nil
}
