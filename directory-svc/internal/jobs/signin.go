package jobs

import (
	"context"
	"time"

	"entente.dev/directory-svc/internal/store"
	"entente.dev/servicekit/clock"
	"entente.dev/servicekit/tenant"
)

// SignInPurger ends rows of the sign-in log that are older than Retention, and
// usage counts older than 25 months (DIR-220, DIR-222).
type SignInPurger struct {
	Store     *store.Store
	Clock     clock.Clock
	Retention time.Duration
}

const (
	signInBatch   = 5000
	monthsCounted = 25
)

// RunOnce ends what is too old in every tenant and answers how many rows of
// the log that were.
func (p *SignInPurger) RunOnce(ctx context.Context) (int64, error) {
	now := p.Clock.Now()
	before, months := now.Add(-p.Retention), store.Month(now).AddDate(0, -monthsCounted, 0)
	var done int64
	var after tenant.ID
	for {
		const page = 200
		found, err := p.Store.Tenants(ctx, 0, "", after, page)
		if err != nil {
			return done, err
		}
		for _, t := range found {
			after = t.ID
			for {
				n, err := p.Store.PurgeSignIns(ctx, t.ID, before, months, signInBatch)
				if err != nil {
					return done, err
				}
				if done += n; n < signInBatch {
					break
				}
			}
		}
		if len(found) < page {
			return done, nil
		}
	}
}
