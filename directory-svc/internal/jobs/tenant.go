package jobs

import (
	"context"
	"log/slog"
	"time"

	"entente.dev/directory-svc/internal/organization"
	"entente.dev/directory-svc/internal/store"
	"entente.dev/servicekit/clock"
	"entente.dev/servicekit/tenant"
)

// TenantPurger ends tenants whose deletion is due (DIR-20), some rows at a
// time, so that neither locks nor a long transaction hold others up.
type TenantPurger struct {
	Store *store.Store
	Clock clock.Clock
	Log   *slog.Logger
}

// tenantBatch is how many rows of each table one transaction ends.
const tenantBatch = 1000

// TenantsEvery is how often tenants are looked at.
const TenantsEvery = 10 * time.Second

// RunOnce ends every tenant that is due and answers how many those were.
func (p *TenantPurger) RunOnce(ctx context.Context) (int, error) {
	done := 0
	var after tenant.ID
	for {
		const page = 200
		found, err := p.Store.Tenants(ctx, organization.Scheduled, "", after, page)
		if err != nil {
			return done, err
		}
		for _, t := range found {
			after = t.ID
			if t.DeletionScheduled == nil || t.DeletionScheduled.After(p.Clock.Now()) {
				continue
			}
			if err := p.tenant(ctx, t); err != nil {
				return done, err
			}
			done++
		}
		if len(found) < page {
			return done, nil
		}
	}
}

func (p *TenantPurger) tenant(ctx context.Context, t *store.Tenant) error {
	for {
		n, err := p.Store.PurgeTenant(ctx, t.ID, p.Clock.Now(), tenantBatch)
		if err != nil {
			return err
		}
		if n == 0 {
			p.Log.InfoContext(ctx, "Directory deleted permanently", "tenant", t.ID.String(), "name", t.DisplayName, "domain", t.InitialDomain)
			return nil
		}
	}
}
