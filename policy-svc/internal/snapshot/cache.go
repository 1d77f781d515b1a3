package snapshot

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"entente.dev/policy-svc/internal/crosstenant"
	"entente.dev/policy-svc/internal/store"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/clock"
	"entente.dev/servicekit/fault"
	"entente.dev/servicekit/tenant"
	"golang.org/x/sync/singleflight"
)

// Ages of an entry since it was last known to be current.
const (
	// refreshAge is when it is checked again, beside the decisions it serves.
	refreshAge = 450 * time.Millisecond
	// freshAge is when a decision waits for the check. A change counts within
	// a second.
	freshAge = 900 * time.Millisecond
	// staleAge is when it serves no longer, even if the check fails (POL-119).
	staleAge = 60 * time.Second
)

// readTimeout bounds a read that several decisions wait for.
const readTimeout = 3 * time.Second

// Bounds of memory: tenants, and stances of one tenant. What is over is
// forgotten and read again.
const (
	maxTenants = 16384
	maxStances = 16384
)

// Source is where policies come from.
type Source interface {
	// Beat sends something that comes back to Heard after all changes that
	// were committed before it.
	Beat(ctx context.Context, sent time.Time) error
	State(ctx context.Context, t tenant.ID) (store.State, error)
	PartnerAt(ctx context.Context, t, other tenant.ID) (*crosstenant.Partner, int64, error)
	Version(ctx context.Context, t tenant.ID) (int64, error)
}

// Tenant is one tenant's policies at one version.
type Tenant struct {
	store.State
	compiled *crosstenant.Compiled
	// checked is when the version was last seen to be the present one.
	checked    atomic.Int64
	refreshing atomic.Bool
	mu         sync.RWMutex
	stances    map[tenant.ID]*crosstenant.Stance
}

// Version is the version of everything the entry answers.
func (t *Tenant) Version() int64 { return t.Policy.Version }

// Cache holds the entries. It is safe for concurrent use.
type Cache struct {
	source Source
	clock  clock.Clock
	cloud  string
	flight singleflight.Group
	// changes counts invalidations, so that a read that began before one is
	// not kept.
	changes atomic.Int64
	// heard is when the last beat was sent that came back: all changes until
	// then were heard of, so what is kept was current at that time.
	heard atomic.Int64
	// asked tells that decisions were made since the last beat.
	asked   atomic.Bool
	mu      sync.RWMutex
	tenants map[tenant.ID]*Tenant
	wait    sync.WaitGroup
}

// New makes an empty cache. cloud is the endpoint in which all tenants of the
// installation live.
func New(source Source, c clock.Clock, cloud string) *Cache {
	return &Cache{source: source, clock: c, cloud: cloud, tenants: make(map[tenant.ID]*Tenant)}
}

// Close waits for checks that are under way.
func (c *Cache) Close() { c.wait.Wait() }

// Invalidate forgets a tenant, or everything when the id is zero.
func (c *Cache) Invalidate(t tenant.ID) {
	c.changes.Add(1)
	c.mu.Lock()
	defer c.mu.Unlock()
	if t.IsZero() {
		clear(c.tenants)
		return
	}
	delete(c.tenants, t)
}

// Tenant answers the policies of a tenant.
func (c *Cache) Tenant(ctx context.Context, t tenant.ID) (*Tenant, error) {
	if !c.asked.Load() {
		c.asked.Store(true)
	}
	c.mu.RLock()
	e := c.tenants[t]
	c.mu.RUnlock()
	if e == nil {
		return c.load(ctx, t)
	}
	age := c.age(e)
	if age <= refreshAge {
		return e, nil
	}
	if age <= freshAge {
		if e.refreshing.CompareAndSwap(false, true) {
			background := context.WithoutCancel(ctx)
			c.wait.Go(func() {
				defer e.refreshing.Store(false)
				_, _ = c.check(background, t, e) // the next decision sees the outcome
			})
		}
		return e, nil
	}
	current, err := c.check(ctx, t, e)
	if err == nil {
		return current, nil
	}
	if c.age(e) <= staleAge && c.holds(t, e) {
		return e, nil
	}
	return nil, fault.Unavailable(errorspb.Reason_POLICY_STALE, "The policies of the tenant cannot be read at the moment.").WithCause(err)
}

// Pair answers what two tenants say about each other, with the entry of the
// resource tenant. home is zero for users without an organizational home.
func (c *Cache) Pair(ctx context.Context, home, resource tenant.ID) (crosstenant.Pair, *Tenant, error) {
	var p crosstenant.Pair
	if home.IsZero() {
		r, err := c.Tenant(ctx, resource)
		return p, r, err
	}
	var err error
	if p.Home, _, err = c.stance(ctx, home, resource); err != nil {
		return p, nil, err
	}
	var r *Tenant
	p.Resource, r, err = c.stance(ctx, resource, home)
	return p, r, err
}

// Stance answers what one tenant says about another.
func (c *Cache) Stance(ctx context.Context, t, other tenant.ID) (*crosstenant.Stance, error) {
	s, _, err := c.stance(ctx, t, other)
	return s, err
}

func (c *Cache) stance(ctx context.Context, t, other tenant.ID) (*crosstenant.Stance, *Tenant, error) {
	for {
		e, err := c.Tenant(ctx, t)
		if err != nil {
			return nil, nil, err
		}
		e.mu.RLock()
		s := e.stances[other]
		e.mu.RUnlock()
		if s != nil {
			return s, e, nil
		}
		partner, version, err := c.source.PartnerAt(ctx, t, other)
		if err != nil {
			return nil, nil, err
		}
		if version != e.Version() {
			// The tenant's policies changed since the entry was made.
			c.Invalidate(t)
			if err := ctx.Err(); err != nil {
				return nil, nil, err
			}
			continue
		}
		s = e.compiled.Toward(other, partner)
		e.mu.Lock()
		forgetOne(e.stances, maxStances)
		e.stances[other] = s
		e.mu.Unlock()
		return s, e, nil
	}
}

func (c *Cache) age(e *Tenant) time.Duration {
	return time.Duration(c.clock.Now().UnixNano() - max(e.checked.Load(), c.heard.Load()))
}

func (c *Cache) holds(t tenant.ID, e *Tenant) bool {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.tenants[t] == e
}

// load reads a tenant that is not held; concurrent decisions share one read.
func (c *Cache) load(ctx context.Context, t tenant.ID) (*Tenant, error) {
	v, err, _ := c.flight.Do("load "+t.String(), func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), readTimeout)
		defer cancel()
		changes, now := c.changes.Load(), c.clock.Now()
		state, err := c.source.State(ctx, t)
		if err != nil {
			return nil, err
		}
		state.Policy.Cloud = c.cloud
		e := &Tenant{State: state, compiled: state.Policy.Compile(), stances: make(map[tenant.ID]*crosstenant.Stance)}
		e.checked.Store(now.UnixNano())
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.changes.Load() == changes {
			forgetOne(c.tenants, maxTenants)
			c.tenants[t] = e
		}
		return e, nil
	})
	if err != nil {
		return nil, err
	}
	e, _ := v.(*Tenant)
	return e, nil
}

// check compares the entry's version with the present one and reads the
// tenant again when they differ.
func (c *Cache) check(ctx context.Context, t tenant.ID, e *Tenant) (*Tenant, error) {
	v, err, _ := c.flight.Do("check "+t.String(), func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), readTimeout)
		defer cancel()
		now := c.clock.Now()
		version, err := c.source.Version(ctx, t)
		if err != nil {
			return nil, err
		}
		if version == e.Version() {
			e.checked.Store(now.UnixNano())
			return e, nil
		}
		c.Invalidate(t)
		return c.load(ctx, t)
	})
	if err != nil {
		return nil, err
	}
	current, _ := v.(*Tenant)
	return current, nil
}
