package jobs

import (
	"context"
	"time"

	"entente.dev/servicekit/clock"

	"entente.dev/sync-svc/internal/store"
)

// Purger removes provisioning log records after their retention (SYN-232).
type Purger struct {
	Store     *store.Store
	Clock     clock.Clock
	Retention time.Duration
}

// RunOnce removes what is too old, of every tenant that has jobs.
func (p *Purger) RunOnce(ctx context.Context) (done int, err error) {
	tenants, err := p.Store.Tenants(ctx)
	if err != nil {
		return 0, err
	}
	before := p.Clock.Now().Add(-p.Retention)
	for _, t := range tenants {
		for {
			var n int64
			err := p.Store.Write(ctx, t, func(tx *store.Tx) error {
				var err error
				n, err = tx.PurgeLog(before, 5000)
				return err
			})
			if err != nil {
				return done, err
			}
			done += int(n)
			if n < 5000 {
				break
			}
		}
	}
	return done, nil
}
