package jobs

import (
	"context"
	"time"

	"entente.dev/servicekit/clock"
	"entente.dev/servicekit/tenant"
	"github.com/google/uuid"

	"entente.dev/sync-svc/internal/store"
)

// Purger removes provisioning log records after their retention (SYN-232), and
// what deleted jobs left behind (SYN-18).
type Purger struct {
	Store     *store.Store
	Clock     clock.Clock
	Retention time.Duration
}

const (
	// tombstones is how long the connections of a deleted job are kept.
	tombstones = 30 * 24 * time.Hour
	// purgeBatch is how many rows one transaction removes.
	purgeBatch = 5000
)

// RunOnce removes what is too old, of every tenant that has or had jobs.
func (p *Purger) RunOnce(ctx context.Context) (done int, err error) {
	tenants, err := p.Store.Tenants(ctx)
	if err != nil {
		return 0, err
	}
	for _, t := range tenants {
		n, err := p.tenant(ctx, t)
		done += n
		if err != nil {
			return done, err
		}
	}
	return done, nil
}

func (p *Purger) tenant(ctx context.Context, t tenant.ID) (done int, err error) {
	now := p.Clock.Now()
	done, err = p.drain(ctx, t, func(tx *store.Tx) (int64, error) { return tx.PurgeLog(now.Add(-p.Retention), purgeBatch) })
	if err != nil {
		return done, err
	}
	var dead []uuid.UUID
	err = p.Store.Read(ctx, t, func(tx *store.Tx) error {
		var err error
		dead, err = tx.Tombstones(now.Add(-tombstones))
		return err
	})
	if err != nil {
		return done, err
	}
	for _, key := range dead {
		n, err := p.drain(ctx, t, func(tx *store.Tx) (int64, error) { return tx.PurgeJob(key, purgeBatch) })
		done += n
		if err != nil {
			return done, err
		}
	}
	return done, p.Store.Write(ctx, t, func(tx *store.Tx) error {
		tx.DropLeases()
		return nil
	})
}

// drain removes rows until none is left.
func (p *Purger) drain(ctx context.Context, t tenant.ID, remove func(*store.Tx) (int64, error)) (done int, err error) {
	for {
		var n int64
		err := p.Store.Write(ctx, t, func(tx *store.Tx) error {
			var err error
			n, err = remove(tx)
			return err
		})
		if err != nil || n == 0 {
			return done, err
		}
		done += int(n)
	}
}
