package jobs

import (
	"context"
	"log/slog"
	"time"

	"entente.dev/directory-svc/internal/bulk"
	"entente.dev/directory-svc/internal/store"
	"entente.dev/servicekit/audit"
	"entente.dev/servicekit/caller"
	"entente.dev/servicekit/clock"
	"entente.dev/servicekit/fault"
	"entente.dev/servicekit/tenant"
	"github.com/google/uuid"
)

// Rows does the work of the rows, as the RPCs for single objects do it.
type Rows interface {
	// Actor is who began the operation, as they are now; refusal says why they
	// may go on no more.
	Actor(ctx context.Context, t tenant.ID, o *store.BulkOperation) (who caller.Caller, refusal, err error)
	// Do does one row; done belongs into the transaction of what it does. It
	// answers the object it was about, zero when unknown.
	Do(ctx context.Context, o *store.BulkOperation, row store.BulkRow, done func(*store.Tx) error) (uuid.UUID, error)
}

// Bulk runs bulk operations, one at a time (DIR-217). Several processes share
// the queue: each holds what it works on by a lease.
type Bulk struct {
	Store *store.Store
	Clock clock.Clock
	Log   *slog.Logger
	Rows  Rows
}

const (
	bulkLease   = 30 * time.Second
	bulkChunk   = 50
	bulkTimeout = time.Hour
)

// BulkEvery is how often the queue is looked at.
const BulkEvery = 250 * time.Millisecond

// RunOnce works on the operations that wait until there is none, and answers
// how many it ended.
func (b *Bulk) RunOnce(ctx context.Context) (int, error) {
	ended := 0
	for {
		t, id, ok, err := b.Store.ClaimBulk(ctx, bulkLease)
		if err != nil || !ok {
			return ended, err
		}
		if err := b.operation(ctx, t, id); err != nil {
			return ended, err
		}
		ended++
	}
}

func (b *Bulk) operation(ctx context.Context, t tenant.ID, id uuid.UUID) error {
	var o *store.BulkOperation
	begin := func(tx *store.Tx) (err error) {
		if o, err = tx.Bulk(id, true); err != nil || o.Status.Ended() {
			return err
		}
		if o.Started == nil {
			now := b.Clock.Now()
			o.Status, o.Started = store.BulkRunning, &now
			tx.SaveBulk(o)
		}
		return nil
	}
	if err := b.Store.Write(ctx, t, begin); err != nil {
		return err
	}
	for after := 0; !o.Status.Ended(); {
		// Rights that were taken away meanwhile stop what is left.
		who, refusal, err := b.Rows.Actor(ctx, t, o)
		if err != nil {
			return err
		}
		if b.Clock.Now().Sub(*o.Started) > bulkTimeout {
			return b.end(ctx, t, o, who, store.BulkTimedOut)
		}
		var rows []store.BulkRow
		err = b.Store.Read(ctx, t, func(tx *store.Tx) (err error) {
			if o, err = tx.Bulk(id, false); err != nil { // it may have been canceled
				return err
			}
			rows, err = tx.BulkRows(id, after, bulkChunk, true)
			return err
		})
		if err != nil || o.Status.Ended() {
			return err
		}
		if len(rows) == 0 {
			return b.end(ctx, t, o, who, store.BulkCompleted)
		}
		if err := b.chunk(caller.With(ctx, who), t, o, rows, refusal); err != nil {
			return err
		}
		after = rows[len(rows)-1].Number
		if err := b.Store.HoldBulk(ctx, t, id, bulkLease); err != nil {
			return err
		}
	}
	return nil
}

// chunk does some rows. A row that fails does not stop the others.
func (b *Bulk) chunk(ctx context.Context, t tenant.ID, o *store.BulkOperation, rows []store.BulkRow, refusal error) error {
	type outcome struct {
		row store.BulkRow
		id  uuid.UUID
		err error
	}
	var outcomes []outcome
	for _, row := range rows {
		out := outcome{row: row, err: refusal}
		if refusal == nil {
			out.id, out.err = b.Rows.Do(ctx, o, row, func(tx *store.Tx) error {
				tx.BulkRowDone(o.ID, row.Number)
				return nil
			})
		}
		if ctx.Err() != nil {
			return ctx.Err() // what was not done is done by the next holder
		}
		outcomes = append(outcomes, out)
	}
	return b.Store.Write(ctx, t, func(tx *store.Tx) error {
		for _, out := range outcomes {
			if out.err != nil {
				f := fault.From(out.err)
				_, code, _ := f.Graph()
				tx.BulkRowFailed(o.ID, out.row.Number, code, f.Message)
			} else if out.id != uuid.Nil {
				tx.BulkRowObject(o.ID, out.row.Number, out.id)
			}
		}
		if err := tx.Flush(); err != nil {
			return err
		}
		var err error
		if o.Success, o.Failure, err = tx.CountBulkRows(o.ID); err != nil {
			return err
		}
		now, err := tx.Bulk(o.ID, true)
		if err != nil || now.Status.Ended() {
			return err
		}
		now.Success, now.Failure = o.Success, o.Failure
		tx.SaveBulk(now)
		return nil
	})
}

// end closes an operation and records it for the one who began it.
func (b *Bulk) end(ctx context.Context, t tenant.ID, o *store.BulkOperation, who caller.Caller, status store.BulkStatus) error {
	ctx = caller.With(ctx, who)
	return b.Store.Write(ctx, t, func(tx *store.Tx) error {
		now, err := tx.Bulk(o.ID, true)
		if err != nil || now.Status.Ended() {
			return err
		}
		if now.Kind != bulk.ExportUsers {
			if now.Success, now.Failure, err = tx.CountBulkRows(o.ID); err != nil {
				return err
			}
		}
		at := b.Clock.Now()
		now.Status, now.Completed = status, &at
		if status == store.BulkCompleted && now.Failure > 0 {
			now.Status = store.BulkCompletedWithErrors
		}
		tx.SaveBulk(now)
		activity, category := o.Kind.Activity(bulk.Finished)
		return audit.Write(ctx, tx.Tx, b.Clock, audit.Event{Activity: activity, Category: category, OperationType: "Update",
			Targets: []audit.Target{{ID: o.ID.String(), Type: "Other"}}})
	})
}
