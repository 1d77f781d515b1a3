package jobs

import (
	"context"
	"log/slog"
	"time"

	"entente.dev/invitation-svc/internal/saga"
	"entente.dev/servicekit/fault"
	"entente.dev/servicekit/tenant"
	"github.com/riverqueue/river"
)

// BulkInviter works on bulk invitations, a number of rows at a time.
type BulkInviter struct {
	river.WorkerDefaults[saga.BulkJob]
	Saga *saga.Saga
	Log  *slog.Logger
}

const (
	// bulkTimeout bounds the rows of one turn.
	bulkTimeout = 10 * time.Minute
	// bulkPause is how long work rests that a neighbour or a limit holds up.
	bulkPause = 5 * time.Second
)

// Timeout leaves more time than mails have.
func (*BulkInviter) Timeout(*river.Job[saga.BulkJob]) time.Duration { return bulkTimeout }

// Work does a number of rows and comes again for the rest. A row that has to
// wait costs the job no attempt: its own time ends it.
func (b *BulkInviter) Work(ctx context.Context, job *river.Job[saga.BulkJob]) error {
	t, err := tenant.Parse(job.Args.Tenant)
	if err != nil {
		return river.JobCancel(err)
	}
	more, err := b.Saga.WorkOnBulk(asService(ctx, t), t, job.Args.Bulk)
	if err == nil && more {
		return river.JobSnooze(0)
	}
	if f := fault.From(err); err != nil && ctx.Err() == nil && (f.Kind == fault.KindUnavailable || f.Kind == fault.KindDeadline || f.Kind == fault.KindExhausted) {
		b.Log.WarnContext(ctx, "bulk invitation waits", "id", job.Args.Bulk, "error", err)
		return river.JobSnooze(max(f.RetryAfter, bulkPause))
	}
	return err
}
