package jobs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"entente.dev/invitation-svc/internal/saga"
	"entente.dev/invitation-svc/internal/store"
)

// Timers looks at what is due: sagas and commits that a kill left behind,
// links that end, flows and codes to forget, bulk invitations to end or forget.
type Timers struct {
	Saga *saga.Saga
	Log  *slog.Logger
}

const (
	batch = 100
	// lease is how long a timer is somebody's; work that failed or was killed
	// is looked at again when it is over.
	lease = time.Minute
)

// RunOnce handles one batch and answers how many there were.
func (s *Timers) RunOnce(ctx context.Context) (done int, err error) {
	var due []store.Timer
	err = s.Saga.Store.Global(ctx, func(tx store.Tx) (err error) {
		due, err = tx.DueTimers(s.Saga.Clock.Now(), batch, lease)
		return err
	})
	if err != nil {
		return 0, err
	}
	var failures []error
	for _, t := range due {
		if err := s.handle(asService(ctx, t.Tenant), t); err != nil {
			s.Log.WarnContext(ctx, "timer not handled", "timer_kind", int(t.Kind), "id", t.ID, "error", err)
			failures = append(failures, err)
		}
	}
	if len(failures) == len(due) && len(due) > 0 {
		return len(due), errors.Join(failures...) // the neighbours are away: slow down
	}
	return len(due), nil
}

// Sweep is RunOnce until nothing is due, for a loop.
func (s *Timers) Sweep(ctx context.Context) error {
	for {
		n, err := s.RunOnce(ctx)
		if err != nil || n < batch {
			return err
		}
	}
}

func (s *Timers) handle(ctx context.Context, t store.Timer) error {
	switch t.Kind {
	case store.SagaTimer:
		return s.Saga.Settle(ctx, t.Tenant, t.ID)
	case store.CommitTimer:
		return s.Saga.Commit(ctx, t.Tenant, t.ID, nil)
	case store.ExpiryTimer:
		return s.Saga.Expire(ctx, t.Tenant, t.ID)
	case store.FlowTimer:
		return s.forget(ctx, t)
	case store.CodeTimer:
		return s.Saga.Store.Write(ctx, t.Tenant, func(tx store.Tx) error {
			tx.DeletePasscode(t.ID)
			tx.ClearTimer(t.Kind, t.ID)
			return nil
		})
	case store.BulkTimer:
		return s.Saga.WakeBulk(ctx, t.Tenant, t.ID)
	default:
		return fmt.Errorf("timer of unknown kind %d", t.Kind)
	}
}

// forget deletes a flow whose time is over, which comes sooner for one in
// which nobody has shown who they are.
func (s *Timers) forget(ctx context.Context, t store.Timer) error {
	return s.Saga.Store.Write(ctx, t.Tenant, func(tx store.Tx) error {
		f, err := tx.Flow(t.ID)
		if err != nil && !errors.Is(err, store.ErrNone) {
			return err
		}
		if end := f.StartedAt.Add(saga.FlowMemory); err == nil && !f.Identity.IsZero() && s.Saga.Clock.Now().Before(end) {
			tx.SetTimer(t.Kind, t.ID, end)
			return nil
		}
		tx.DeleteFlow(t.ID)
		tx.ClearTimer(t.Kind, t.ID)
		return nil
	})
}

// DropCounters forgets events that no limit looks at any more.
func (s *Timers) DropCounters(ctx context.Context) error {
	return s.Saga.Store.Global(ctx, func(tx store.Tx) error { return tx.DropCounters(s.Saga.Clock.Now()) })
}
