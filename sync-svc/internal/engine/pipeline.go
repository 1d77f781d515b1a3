package engine

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	directorypb "entente.dev/proto/gen/entente/directory/v1"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/fault"
	"github.com/google/uuid"

	"entente.dev/sync-svc/internal/job"
)

// flight is a batch on its way through the pipeline of an initial cycle.
type flight struct {
	span    *span
	request *directorypb.ApplyExternalUsersRequest
	drafts  []draft
	seq     int64
	results []*directorypb.ApplyExternalUsersResponse_Result
}

// everybody evaluates the whole scope in the order of ids. Objects that changed
// in the target between reading and writing are evaluated again at the end; an
// escrow keeps them in mind until then.
func (r *run) everybody(ctx context.Context, c *job.Cycle) error {
	var stale []uuid.UUID
	for attempt := 1; ; attempt++ {
		before := c.After
		err := r.pipeline(ctx, c, &stale)
		if err == nil {
			return r.some(ctx, c, stale)
		}
		if c.After != before {
			attempt = 1
		}
		if !fault.Is(err, errorspb.Reason_POLICY_VERSION_STALE) || attempt >= 3 {
			return err
		}
		// The target changed its policies since the pages in flight were allowed:
		// go on from the checkpoint, under the new ones.
		if err := r.forget(ctx); err != nil {
			return err
		}
	}
}

// pipeline works in three steps at the same time: one page is read, decided
// and stored, the one before it is written into the target, and the outcome of
// the one before that is recorded. Pages are recorded in their order, so the
// checkpoint never passes a page that is not.
func (r *run) pipeline(outer context.Context, c *job.Cycle, stale *[]uuid.UUID) error {
	ctx, cancel := context.WithCancel(outer)
	planned, applied := make(chan *flight), make(chan *flight)
	failed := make(chan error, 2)
	var stopping atomic.Bool
	base := *c
	go func() {
		defer close(planned)
		failed <- r.read(ctx, base, planned)
	}()
	go func() {
		defer close(applied)
		failed <- r.write(ctx, planned, applied, &stopping)
	}()
	var first error
	for f := range applied {
		if first != nil && !errors.Is(first, ErrChanged) {
			continue
		}
		// What was written is recorded even when the job was changed meanwhile.
		if err := r.land(ctx, f, c, stale); err != nil && first == nil {
			first = err
			stopping.Store(true)
		}
		if first != nil && !errors.Is(first, ErrChanged) {
			cancel()
		}
	}
	cancel()
	for range planned {
		// Pages that were stored and not written.
	}
	var cause error // of reader or writer
	for range 2 {
		if err := <-failed; cause == nil && err != nil && !errors.Is(err, context.Canceled) {
			cause = err
		}
	}
	switch {
	case errors.Is(first, ErrChanged) && cause == nil:
		// What is stored now was not written and never will be as it is.
		return errors.Join(first, r.forget(outer))
	case first == nil && cause == nil:
		return outer.Err()
	case first == nil:
		return cause
	}
	return first
}

// read reads, decides and stores pages until the end of the scope.
func (r *run) read(ctx context.Context, c job.Cycle, planned chan<- *flight) error {
	after := uuid.Nil
	if c.After != "" {
		parsed, err := uuid.Parse(c.After)
		if err != nil {
			return fmt.Errorf("read checkpoint: %w", err)
		}
		after = parsed
	}
	for {
		s, err := r.span(ctx, after)
		if err != nil {
			return err
		}
		f := &flight{span: s}
		if f.request, f.drafts, err = r.compose(s.page, &c); err != nil {
			return err
		}
		c.After = s.last.String()
		if len(f.request.GetItems()) > 0 {
			if f.seq, err = r.remember(ctx, f.request, f.drafts, c); err != nil {
				return err
			}
		}
		select {
		case planned <- f:
		case <-ctx.Done():
			return ctx.Err()
		}
		if !s.more {
			return nil
		}
		after = s.last
	}
}

// write writes pages into the target. Right before each it asks once more
// whether the target still permits, so that a withdrawal stops the next batch.
func (r *run) write(ctx context.Context, planned <-chan *flight, applied chan<- *flight, stopping *atomic.Bool) error {
	for f := range planned {
		if stopping.Load() {
			return nil
		}
		if len(f.request.GetItems()) > 0 {
			now := &page{}
			err := r.permit(ctx, now)
			if err == nil && now.version != f.request.GetPolicyVersion() {
				err = fault.Precondition(errorspb.Reason_POLICY_VERSION_STALE, "The policy changed since the page was allowed.")
			}
			if err == nil {
				f.results, err = r.apply(ctx, f.request)
			}
			if err != nil {
				return err
			}
		}
		select {
		case applied <- f:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// land records a page that was written.
func (r *run) land(ctx context.Context, f *flight, c *job.Cycle, stale *[]uuid.UUID) error {
	o := r.settle(f.drafts, f.results, true)
	next := *c
	next.After = f.span.last.String()
	total := next.Imported + int64(len(f.span.page.all))
	if f.span.more {
		total += job.PageSize
	}
	next.TotalObjects = max(next.TotalObjects, total)
	before := c.Exported
	err := r.record(ctx, o, &next, f.seq)
	if err == nil && grown(before, next.Exported) {
		err = r.Store.RefreshStatistics(ctx)
	}
	if err == nil || errors.Is(err, ErrChanged) {
		*c = next
		*stale = append(*stale, o.stale...)
	}
	return err
}

// grown reports whether the number of written objects passed a point at which
// the planner should hear of them: 500, 5000, 50 000 and so on.
func grown(before, after int64) bool {
	for point := int64(500); point <= after; point *= 10 {
		if before < point {
			return true
		}
	}
	return false
}
