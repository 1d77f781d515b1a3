package snapshot

import (
	"context"
	"time"

	"entente.dev/servicekit/tenant"
)

// beatEvery is the rhythm of beats while decisions are asked for.
const beatEvery = 200 * time.Millisecond

// Follow sends beats until ctx ends.
func (c *Cache) Follow(ctx context.Context) error {
	tick := time.NewTicker(beatEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
			c.beat(ctx)
		}
	}
}

// beat proves, while decisions are asked for, that changes are heard of here:
// what is kept is then current without asking for the version of each tenant.
// A beat that fails is no failure, versions are asked for then.
func (c *Cache) beat(ctx context.Context) {
	if !c.asked.Swap(false) {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, freshAge) // one that comes later helps nobody
	defer cancel()
	_ = c.source.Beat(ctx, c.clock.Now())
}

// Heard takes a beat that came back.
func (c *Cache) Heard(sent time.Time) {
	at := sent.UnixNano()
	for last := c.heard.Load(); at > last; last = c.heard.Load() {
		if c.heard.CompareAndSwap(last, at) {
			return
		}
	}
}

// forgetOne makes room in a full map by dropping any one entry.
func forgetOne[V any](m map[tenant.ID]V, limit int) {
	if len(m) < limit {
		return
	}
	for k := range m {
		delete(m, k)
		return
	}
}
