package evaluator

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"entente.dev/directory-svc/internal/store"
	"entente.dev/servicekit/clock"
	"entente.dev/servicekit/tenant"
)

// Rhythms of the work.
const (
	// feedPage and userPage bound what one transaction does.
	feedPage = 500
	userPage = 1000
	// rulesAtOnce is how many rules one scan of users serves.
	rulesAtOnce = 50
	// again is when to look at changes that an open transaction holds back.
	again = 150 * time.Millisecond
	// afterFailure is the pause for a tenant whose step failed.
	afterFailure = 2 * time.Second
	// everyDay is how often the date is looked at, for rules that ask about it.
	everyDay = time.Minute
)

// Evaluator is the background work. Store, Clock and Log must be set; Tell may
// be called at any time, Run once.
type Evaluator struct {
	Store *store.Store
	Clock clock.Clock
	Log   *slog.Logger

	mu     sync.Mutex
	queued map[tenant.ID]struct{}
	queue  []tenant.ID
	wake   chan struct{}

	rules map[tenant.ID]*rules // of the one goroutine in Run
}

// New makes an evaluator.
func New(s *store.Store, c clock.Clock, log *slog.Logger) *Evaluator {
	return &Evaluator{Store: s, Clock: c, Log: log, queued: make(map[tenant.ID]struct{}), wake: make(chan struct{}, 1), rules: make(map[tenant.ID]*rules)}
}

// Tell hints that a tenant has new changes. It never blocks.
func (e *Evaluator) Tell(t tenant.ID) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if _, ok := e.queued[t]; ok {
		return
	}
	e.queued[t] = struct{}{}
	e.queue = append(e.queue, t)
	select {
	case e.wake <- struct{}{}:
	default:
	}
}

// next takes the tenant that has waited longest.
func (e *Evaluator) next() (tenant.ID, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.queue) == 0 {
		return tenant.ID{}, false
	}
	t := e.queue[0]
	e.queue = e.queue[1:]
	delete(e.queued, t)
	return t, true
}

// Run evaluates until ctx ends. Tenants take turns, a step each.
func (e *Evaluator) Run(ctx context.Context) error {
	if err := e.tellAll(ctx); err != nil {
		e.Log.WarnContext(ctx, "dynamic membership: the tenants cannot be listed yet", "error", err)
	}
	days := time.NewTicker(everyDay)
	defer days.Stop()
	day := e.today()
	for {
		for t, ok := e.next(); ok; t, ok = e.next() {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			e.turn(ctx, t)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-e.wake:
		case <-days.C:
			if now := e.today(); !now.Equal(day) {
				day = now
				if err := e.tellAll(ctx); err != nil {
					day = time.Time{} // again in a minute
				}
			}
		}
	}
}

func (e *Evaluator) turn(ctx context.Context, t tenant.ID) {
	state, err := e.Step(ctx, t)
	switch {
	case err != nil && ctx.Err() == nil:
		e.Log.WarnContext(ctx, "dynamic membership: a step failed and is repeated", "tenant", t.String(), "error", err)
		time.AfterFunc(afterFailure, func() { e.Tell(t) })
	case state == More:
		e.Tell(t)
	case state == Behind:
		time.AfterFunc(again, func() { e.Tell(t) })
	}
}

// tellAll hints at every tenant: for what was left undone by a former process
// and for rules that ask about the day.
func (e *Evaluator) tellAll(ctx context.Context) error {
	var after tenant.ID
	for {
		const page = 500
		found, err := e.Store.Tenants(ctx, 0, "", after, page)
		if err != nil {
			return err
		}
		for _, t := range found {
			e.Tell(t.ID)
			after = t.ID
		}
		if len(found) < page {
			return nil
		}
	}
}

func (e *Evaluator) today() time.Time { return dayOf(e.Clock.Now()) }

func dayOf(t time.Time) time.Time { return t.UTC().Truncate(24 * time.Hour) }
