package jobs

import (
	"context"
	"time"

	"entente.dev/directory-svc/internal/lockout"
	"entente.dev/directory-svc/internal/store"
	"entente.dev/directory-svc/internal/usage"
	"entente.dev/servicekit/clock"
	"entente.dev/servicekit/tenant"
)

// Retention forgets what is kept for a time alone: the sign-in log, counts of
// wrong passwords, familiar locations, months of usage (DIR-220, DIR-222).
type Retention struct {
	Store *store.Store
	Clock clock.Clock
	// SignIns is how long the sign-in log is kept.
	SignIns time.Duration
}

const (
	forgetBatch = 5000
	// countsFor is how long wrong passwords are remembered after the last one;
	// no lock is longer.
	countsFor = 24 * time.Hour
	// resetsFor is how long the state of a password reset can be asked for.
	resetsFor = 24 * time.Hour
)

// RunOnce forgets what is due in every tenant and answers how many rows of the
// sign-in log and of months that were.
func (r *Retention) RunOnce(ctx context.Context) (int, error) {
	done := 0
	var after tenant.ID
	for {
		const page = 200
		found, err := r.Store.Tenants(ctx, 0, "", after, page)
		if err != nil {
			return done, err
		}
		for _, t := range found {
			after = t.ID
			n, err := r.tenant(ctx, t.ID)
			if done += n; err != nil {
				return done, err
			}
		}
		if len(found) < page {
			return done, nil
		}
	}
}

func (r *Retention) tenant(ctx context.Context, t tenant.ID) (int, error) {
	now, done := r.Clock.Now(), 0
	for {
		n := 0
		err := r.Store.Write(ctx, t, func(tx *store.Tx) (err error) {
			tx.ForgetSignIns(now.Add(-countsFor), now.Add(-lockout.FamiliarFor), now.Add(-resetsFor), forgetBatch)
			n, err = tx.ForgetSignInLog(now.Add(-r.SignIns), usage.Month(now).AddDate(0, 1-usage.Kept, 0), forgetBatch)
			return err
		})
		if done += n; err != nil || n < forgetBatch {
			return done, err
		}
	}
}
