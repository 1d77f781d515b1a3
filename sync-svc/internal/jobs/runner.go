package jobs

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	directorypb "entente.dev/proto/gen/entente/directory/v1"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/clock"
	"entente.dev/servicekit/fault"
	"github.com/google/uuid"
	"google.golang.org/grpc"

	"entente.dev/sync-svc/internal/engine"
	"entente.dev/sync-svc/internal/store"
)

// Hints tells when a tenant has new changes.
type Hints interface {
	WatchChanges(context.Context, *directorypb.WatchChangesRequest, ...grpc.CallOption) (grpc.ServerStreamingClient[directorypb.ChangeHint], error)
}

// Config has what a runner needs.
type Config struct {
	Store  *store.Store
	Engine *engine.Engine
	Hints  Hints
	Clock  clock.Clock
	Log    *slog.Logger
	// Poll is how often the feed is read while no hints arrive; 0 means a
	// second. With hints, and for jobs to claim, a fifth of that is enough.
	Poll time.Duration
	// MaxJobs bounds the jobs one process holds; 0 means 256.
	MaxJobs int
}

// Runner runs the active jobs of all tenants, shared with the runners of other
// processes by leases.
type Runner struct {
	Config
	owner uuid.UUID
	wake  chan struct{}

	mu   sync.Mutex
	held map[uuid.UUID]chan struct{} // by job key: poked when something may have changed
	wg   sync.WaitGroup
}

// quiet is how many times longer than Poll a runner waits for what it is told
// of anyway. It looks by itself because a hint can get lost with the process
// that owes it.
const quiet = 5

// NewRunner builds a runner.
func NewRunner(c Config) *Runner {
	if c.Poll == 0 {
		c.Poll = time.Second
	}
	if c.MaxJobs == 0 {
		c.MaxJobs = 256
	}
	return &Runner{Config: c, owner: uuid.New(), wake: make(chan struct{}, 1), held: map[uuid.UUID]chan struct{}{}}
}

// Run claims and runs jobs until ctx ends, and waits for what is running.
func (r *Runner) Run(ctx context.Context) error {
	defer r.wg.Wait()
	r.wg.Go(func() {
		if err := r.Store.Listen(ctx, r.poke); err != nil && ctx.Err() == nil {
			r.Log.WarnContext(ctx, "runner does not listen", "error", err)
		}
	})
	for {
		if err := r.claim(ctx); err != nil && ctx.Err() == nil {
			r.Log.WarnContext(ctx, "jobs not claimed", "error", err)
		}
		timer := time.NewTimer(quiet * r.Poll)
		select {
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-r.wake:
			timer.Stop()
		case <-timer.C:
		}
	}
}

// poke wakes the claimer and every held job.
func (r *Runner) poke() {
	signal(r.wake)
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.held {
		signal(c)
	}
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// claim takes jobs that nobody holds.
func (r *Runner) claim(ctx context.Context) error {
	r.mu.Lock()
	free := r.MaxJobs - len(r.held)
	r.mu.Unlock()
	if free <= 0 {
		return nil
	}
	leases, err := r.Store.Claim(ctx, r.owner, r.Clock.Now(), r.Engine.LeaseLife, free)
	for _, l := range leases {
		poke := make(chan struct{}, 1)
		r.mu.Lock()
		r.held[l.JobKey] = poke
		r.mu.Unlock()
		r.wg.Go(func() {
			r.keep(ctx, l, poke)
			r.mu.Lock()
			delete(r.held, l.JobKey)
			r.mu.Unlock()
		})
	}
	return err
}

// keep holds one job until it is not active any more, the lease is lost, or
// ctx ends.
func (r *Runner) keep(ctx context.Context, l store.Lease, poke chan struct{}) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	log := r.Log.With("job", l.JobID, "tenant", l.Tenant.String())
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	wg.Go(func() { r.renew(ctx, l, cancel) })
	watching := ""
	var told atomic.Bool // hints arrive
	pause := time.Duration(0)
	for {
		next, watch, err := r.turn(ctx, l)
		switch {
		case ctx.Err() != nil:
			r.release(l)
			r.Store.Wake() // the runners of other processes
			return
		case fault.Is(err, errorspb.Reason_FENCED):
			log.WarnContext(ctx, "job taken over by another runner")
			return
		case err != nil:
			pause = min(max(2*pause, 200*time.Millisecond), 30*time.Second)
			log.WarnContext(ctx, "cycle interrupted", "error", err)
			next = pause
		case next < 0:
			r.release(l)
			return
		default:
			pause = 0
			if !told.Load() {
				next = min(next, r.Poll)
			}
		}
		if watch != watching && watch != "" {
			watching = watch
			told.Store(false)
			wg.Go(func() { r.watch(ctx, l.Tenant.String(), watch, poke, &told) })
		}
		timer := time.NewTimer(next)
		select {
		case <-ctx.Done():
		case <-poke:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// turn does what is due for a held job and says when to look again where hints
// tell of changes until then; below
// zero, the job is not to be held any more.
func (r *Runner) turn(ctx context.Context, l store.Lease) (next time.Duration, target string, err error) {
	h, err := r.Engine.Hold(ctx, l)
	if fault.Is(err, errorspb.Reason_NOT_FOUND) {
		return -1, "", nil
	}
	if err != nil {
		return 0, "", err
	}
	if !h.Job().Runnable() {
		return -1, "", nil
	}
	if h.Due(r.Clock.Now()) {
		_, err = h.Run(ctx)
	} else {
		_, err = h.Follow(ctx)
	}
	if errors.Is(err, engine.ErrChanged) {
		return 0, "", nil // look at it anew at once
	}
	target = h.Job().Target.String()
	if err == nil && h.Job().Quarantine == nil && h.Due(r.Clock.Now()) {
		return 0, target, nil
	}
	next = quiet * r.Poll
	if left := h.Next().Sub(r.Clock.Now()); left > 0 {
		next = min(next, left)
	}
	return next, target, err
}

// renew prolongs the lease at a third of its life; when it is lost, the work
// ends.
func (r *Runner) renew(ctx context.Context, l store.Lease, lost context.CancelFunc) {
	ticker := time.NewTicker(r.Engine.LeaseLife / 3)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		err := r.Store.Renew(ctx, l, r.Clock.Now().Add(r.Engine.LeaseLife))
		if fault.Is(err, errorspb.Reason_FENCED) {
			lost()
			return
		}
	}
}

// release gives the lease back, so that another runner need not wait for its end.
func (r *Runner) release(l store.Lease) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	if err := r.Store.Release(ctx, l); err != nil {
		r.Log.WarnContext(ctx, "lease not released", "job", l.JobID, "error", err)
	}
}

// watch pokes the job whenever its source or target has changes; told says
// whether it would hear of them. A stream that breaks is opened again; meanwhile
// the feed is polled.
func (r *Runner) watch(ctx context.Context, source, target string, poke chan struct{}, told *atomic.Bool) {
	for ctx.Err() == nil {
		stream, err := r.Hints.WatchChanges(ctx, &directorypb.WatchChangesRequest{TenantIds: []string{source, target}})
		for err == nil {
			if _, err = stream.Recv(); err == nil {
				told.Store(true)
				signal(poke)
			}
		}
		told.Store(false)
		signal(poke) // what happened since the last hint is looked for at once
		timer := time.NewTimer(r.Poll)
		select {
		case <-ctx.Done():
		case <-timer.C:
		}
		timer.Stop()
	}
}
