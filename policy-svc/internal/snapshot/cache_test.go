package snapshot

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"entente.dev/policy-svc/internal/crosstenant"
	"entente.dev/policy-svc/internal/store"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/clock/clocktest"
	"entente.dev/servicekit/fault"
	"entente.dev/servicekit/tenant"
)

var (
	one = tenant.MustParse("00000000-0000-4000-8000-000000000001")
	two = tenant.MustParse("00000000-0000-4000-8000-000000000002")
)

// source answers a version and counts reads.
type source struct {
	version          atomic.Int64
	states, versions atomic.Int64
	beats            atomic.Int64
	broken           atomic.Bool
}

var errBroken = errors.New("no database")

func (s *source) State(_ context.Context, t tenant.ID) (store.State, error) {
	s.states.Add(1)
	if s.broken.Load() {
		return store.State{}, errBroken
	}
	return store.State{Policy: crosstenant.Policy{Tenant: t, Version: s.version.Load()}}, nil
}

func (s *source) PartnerAt(context.Context, tenant.ID, tenant.ID) (*crosstenant.Partner, int64, error) {
	if s.broken.Load() {
		return nil, 0, errBroken
	}
	return nil, s.version.Load(), nil
}

func (s *source) Version(context.Context, tenant.ID) (int64, error) {
	s.versions.Add(1)
	if s.broken.Load() {
		return 0, errBroken
	}
	return s.version.Load(), nil
}

func (s *source) Beat(context.Context, time.Time) error {
	s.beats.Add(1)
	return nil
}

func setup(t *testing.T) (*Cache, *source, *clocktest.Fake) {
	t.Helper()
	now := clocktest.New(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	s := &source{}
	s.version.Store(1)
	c := New(s, now, "")
	t.Cleanup(c.Close)
	return c, s, now
}

func version(t *testing.T, c *Cache) int64 {
	t.Helper()
	p, _, err := c.Pair(t.Context(), one, two)
	if err != nil {
		t.Fatal(err)
	}
	return p.Home.Version
}

func TestAChangeThatNobodyToldIsSeenWithinASecond(t *testing.T) {
	t.Parallel()
	c, s, now := setup(t)
	version(t, c)
	s.version.Store(2)
	now.Advance(freshAge + time.Millisecond)
	if got := version(t, c); got != 2 {
		t.Errorf("version %d", got)
	}
}

func TestAFreshEntryAsksNobody(t *testing.T) {
	t.Parallel()
	c, s, now := setup(t)
	version(t, c)
	now.Advance(refreshAge)
	before := s.states.Load() + s.versions.Load()
	version(t, c)
	if got := s.states.Load() + s.versions.Load(); got != before {
		t.Errorf("%d reads", got-before)
	}
}

func TestAnAgingEntryIsCheckedBeside(t *testing.T) {
	t.Parallel()
	c, s, now := setup(t)
	version(t, c)
	s.version.Store(2)
	now.Advance(refreshAge + time.Millisecond)
	if got := version(t, c); got != 1 {
		t.Errorf("the decision waited for version %d", got)
	}
	c.Close()
	if got := version(t, c); got != 2 {
		t.Errorf("after the check version %d", got)
	}
}

func TestABeatThatComesBackSparesTheChecks(t *testing.T) {
	t.Parallel()
	c, s, now := setup(t)
	version(t, c)
	reads := s.states.Load() + s.versions.Load()
	for range 20 {
		c.beat(t.Context())
		sent := now.Now()
		now.Advance(refreshAge - time.Millisecond)
		c.Heard(sent)
		version(t, c)
	}
	c.Close()
	if got := s.states.Load() + s.versions.Load(); got != reads || s.beats.Load() != 20 {
		t.Errorf("%d reads, %d beats", got-reads, s.beats.Load())
	}
	// Beats that come back late or not at all prove nothing.
	c.Heard(now.Now().Add(-time.Hour))
	now.Advance(freshAge)
	s.version.Store(2)
	if got := version(t, c); got != 2 {
		t.Errorf("version %d", got)
	}
}

func TestNobodyAskingMeansNoBeats(t *testing.T) {
	t.Parallel()
	c, s, _ := setup(t)
	for range 3 {
		c.beat(t.Context())
	}
	version(t, c)
	version(t, c)
	for range 3 {
		c.beat(t.Context())
	}
	if got := s.beats.Load(); got != 1 {
		t.Errorf("%d beats", got)
	}
}

func TestAFullMapForgetsOne(t *testing.T) {
	t.Parallel()
	m := map[tenant.ID]int{one: 1, two: 2}
	forgetOne(m, 3)
	forgetOne(m, 2)
	if len(m) != 1 {
		t.Errorf("%v", m)
	}
}

func TestAnInvalidatedEntryIsReadAgain(t *testing.T) {
	t.Parallel()
	c, s, _ := setup(t)
	version(t, c)
	s.version.Store(2)
	c.Invalidate(one)
	if got := version(t, c); got != 2 {
		t.Errorf("version %d", got)
	}
	s.version.Store(3)
	c.Invalidate(tenant.ID{})
	if got := version(t, c); got != 3 {
		t.Errorf("version %d", got)
	}
}

func TestAPartnerReadAtAnotherVersionReadsTheTenantAgain(t *testing.T) {
	t.Parallel()
	c, s, _ := setup(t)
	if _, err := c.Tenant(t.Context(), one); err != nil {
		t.Fatal(err)
	}
	s.version.Store(2) // nobody told
	if got := version(t, c); got != 2 {
		t.Errorf("version %d", got)
	}
}

func TestWithoutADatabaseDecisionsEndAfterAMinute(t *testing.T) {
	t.Parallel()
	c, s, now := setup(t)
	version(t, c)
	s.broken.Store(true)
	now.Advance(59 * time.Second)
	if got := version(t, c); got != 1 {
		t.Errorf("version %d", got)
	}
	now.Advance(2 * time.Second)
	if _, _, err := c.Pair(t.Context(), one, two); !fault.Is(err, errorspb.Reason_POLICY_STALE) {
		t.Errorf("after a minute: %v", err)
	}
}
