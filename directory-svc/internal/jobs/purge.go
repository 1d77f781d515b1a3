package jobs

import (
	"context"
	"time"

	"entente.dev/directory-svc/internal/purge"
	"entente.dev/directory-svc/internal/store"
	"entente.dev/directory-svc/internal/user"
	"entente.dev/servicekit/caller"
	"entente.dev/servicekit/clock"
	"entente.dev/servicekit/tenant"
)

// Purger ends objects that were soft-deleted thirty days ago (DIR-101).
type Purger struct {
	Store *store.Store
	Clock clock.Clock
}

// purgeBatch is how many objects one transaction ends.
const purgeBatch = 200

// lifecycle is who the audit log names for it.
var lifecycle = &caller.Caller{Kind: caller.Application, AppDisplayName: "Entente Directory Lifecycle"}

// RunOnce purges what is due in every tenant and answers how many objects
// that were.
func (p *Purger) RunOnce(ctx context.Context) (int, error) {
	done := 0
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
				n, err := p.tenant(ctx, t.ID)
				if err != nil {
					return done, err
				}
				if done += n; n < purgeBatch {
					break
				}
			}
		}
		if len(found) < page {
			return done, nil
		}
	}
}

func (p *Purger) tenant(ctx context.Context, t tenant.ID) (int, error) {
	due, err := p.Store.DuePurges(ctx, t, p.Clock.Now().Add(-user.Retention), purgeBatch)
	if err != nil || len(due) == 0 {
		return 0, err
	}
	err = p.Store.Write(ctx, t, func(tx *store.Tx) error {
		for _, link := range due {
			if err := purge.Object(ctx, tx, p.Clock, link, "", lifecycle); err != nil {
				return err
			}
		}
		return nil
	})
	return len(due), err
}

// Every is how often the purge runs at least (DIR-101).
const Every = time.Hour
