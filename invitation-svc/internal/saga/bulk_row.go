package saga

import (
	"context"
	"errors"
	"time"

	"entente.dev/invitation-svc/internal/invitation"
	"entente.dev/invitation-svc/internal/store"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/caller"
	"entente.dev/servicekit/fault"
	"entente.dev/servicekit/tenant"
	"github.com/google/uuid"
)

// errand is a row of a bulk invitation on its way through Invite: the
// invitation has the id of the row, and whatever transaction decides what
// becomes of it settles the row.
type errand struct {
	bulk, invitation uuid.UUID
	row              int
}

type errandKey struct{}

func errandOf(ctx context.Context) (e errand, ok bool) {
	e, ok = ctx.Value(errandKey{}).(errand)
	return e, ok
}

// idFor is the id of the invitation that is made next.
func (s *Saga) idFor(ctx context.Context) (uuid.UUID, error) {
	if e, ok := errandOf(ctx); ok {
		return e.invitation, nil
	}
	return s.newID()
}

// tell settles the row that the invitation is made for, if there is one.
func tell(ctx context.Context, tx store.Tx, user uuid.UUID, failed error) {
	e, ok := errandOf(ctx)
	switch {
	case !ok:
	case failed == nil:
		tx.BulkRowDone(e.bulk, e.row, user)
	default:
		fail(tx, e.bulk, e.row, failed)
	}
}

// notMade is what is told of a fault of ours.
const notMade = "The invitation could not be created."

func fail(tx store.Tx, bulk uuid.UUID, row int, why error) {
	code, message := Public(why, notMade)
	tx.BulkRowFailed(bulk, row, code, message)
}

// shortly is how long a row waits for a limit that is reached; one that is
// reached for longer fails it.
const shortly = 10 * time.Second

// comesAgain reports that a refusal is nothing to record, as the row waits and
// asks again.
func comesAgain(ctx context.Context, why error) bool {
	_, ok := errandOf(ctx)
	return ok && soon(why)
}

func soon(err error) bool {
	f := fault.From(err)
	return f.Kind == fault.KindExhausted && f.RetryAfter > 0 && f.RetryAfter <= shortly
}

// bulkTurn is how many rows are done in one go, so that other work comes in
// between and a process that is to stop need not wait long.
const bulkTurn = 100

// WorkOnBulk does rows that wait, each as CreateInvitation does it (INV-38);
// more says that others are left. An error leaves the row as it is, for the
// next time.
func (s *Saga) WorkOnBulk(ctx context.Context, t tenant.ID, id uuid.UUID) (more bool, err error) {
	after := 0
	for range bulkTurn {
		b, row, err := s.nextRow(ctx, t, id, after)
		if err != nil || b.Status.Ended() {
			return false, err
		}
		// Rights that were taken away meanwhile stop what is left.
		who, refusal, err := s.starter(ctx, t, b)
		switch {
		case err != nil:
			return false, err
		case s.Clock.Now().Sub(b.StartedAt) > BulkTime:
			return false, s.endBulk(ctx, t, id, who, invitation.BulkTimedOut)
		case row.Number == 0:
			return false, s.endBulk(ctx, t, id, who, invitation.BulkCompleted)
		}
		if err := s.bulkRow(caller.With(ctx, who), t, b, row, refusal); err != nil {
			return false, err
		}
		after = row.Number
	}
	return true, nil
}

// nextRow is the first row that waits, zero when none does. A job that has not
// begun begins.
func (s *Saga) nextRow(ctx context.Context, t tenant.ID, id uuid.UUID, after int) (b store.Bulk, row store.BulkRow, err error) {
	err = s.Store.Read(ctx, t, func(tx store.Tx) error {
		if b, err = tx.Bulk(id); err != nil || b.Status.Ended() {
			return err
		}
		if row, err = tx.NextBulkRow(id, after); errors.Is(err, store.ErrNone) {
			return nil
		}
		return err
	})
	if errors.Is(err, store.ErrNone) {
		return store.Bulk{Status: invitation.BulkCanceled}, row, nil // forgotten
	}
	if err != nil || b.Status != invitation.BulkQueued {
		return b, row, err
	}
	err = s.Store.Write(ctx, t, func(tx store.Tx) error {
		if b, err = tx.LockBulk(id); err != nil || b.Status != invitation.BulkQueued {
			return err
		}
		b.Status, b.StartedAt = invitation.BulkRunning, s.Clock.Now()
		tx.SaveBulk(b)
		return nil
	})
	return b, row, err
}

// bulkRow does one row, for the caller of the context.
func (s *Saga) bulkRow(ctx context.Context, t tenant.ID, b store.Bulk, row store.BulkRow, refusal error) error {
	if row.SameAs != 0 {
		return s.Store.Write(ctx, t, func(tx store.Tx) error {
			tx.ShareOutcome(b.ID, row.Number, row.SameAs)
			return nil
		})
	}
	ctx = context.WithValue(ctx, errandKey{}, errand{bulk: b.ID, invitation: row.Invitation, row: row.Number})
	// Somebody may have been killed over it.
	if settled, err := s.settleRow(ctx, t, row.Invitation); settled || err != nil {
		return err
	}
	r, err := invitation.BulkRequest(row.Input)
	if refusal != nil {
		err = refusal
	}
	if err == nil {
		_, err = s.Invite(ctx, t, InviterOf(caller.From(ctx)), r)
	}
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err() // whoever comes next finds what was begun
	}
	if k := fault.From(err).Kind; soon(err) || k == fault.KindUnavailable || k == fault.KindDeadline {
		return err
	}
	// Somebody else may have done it meanwhile.
	if settled, problem := s.settleRow(ctx, t, row.Invitation); settled || problem != nil {
		return problem
	}
	return s.Store.Write(ctx, t, func(tx store.Tx) error {
		tell(ctx, tx, uuid.Nil, err)
		return nil
	})
}

// settleRow settles a row whose invitation has been begun, by what becomes of
// it.
func (s *Saga) settleRow(ctx context.Context, t tenant.ID, id uuid.UUID) (settled bool, err error) {
	var i invitation.Invitation
	read := func(tx store.Tx) (err error) {
		i, err = tx.Invitation(id)
		return err
	}
	err = s.Store.Read(ctx, t, read)
	if err == nil && i.State == invitation.Creating {
		if err = s.Settle(ctx, t, id); err == nil {
			err = s.Store.Read(ctx, t, read)
		}
	}
	if errors.Is(err, store.ErrNone) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return true, s.Store.Write(ctx, t, func(tx store.Tx) error {
		if i.State == invitation.Failed {
			tell(ctx, tx, uuid.Nil, fault.Internal(errorspb.Reason_INTERNAL, notMade))
			return nil
		}
		tell(ctx, tx, i.User, nil)
		return nil
	})
}
