package jobs

import (
	"context"

	"entente.dev/servicekit/clock"
	"entente.dev/servicekit/tenant"

	"entente.dev/sync-svc/internal/store"
)

// Severer deletes the jobs toward a tenant that ended (DIR-20), with what they
// know of its users. Their configurations stay: they are their tenants'.
type Severer struct {
	Store *store.Store
	Clock clock.Clock
}

// Sever deletes the jobs of all tenants whose target is gone.
func (s *Severer) Sever(ctx context.Context, gone tenant.ID) error {
	tenants, err := s.Store.Tenants(ctx)
	if err != nil {
		return err
	}
	for _, t := range tenants {
		if t == gone {
			continue
		}
		err := s.Store.Write(ctx, t, func(tx *store.Tx) error { return s.sever(tx, gone) })
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *Severer) sever(tx *store.Tx, gone tenant.ID) error {
	jobs, err := tx.LockJobsToward(gone)
	if err != nil {
		return err
	}
	for _, j := range jobs {
		tx.DropLinks(j.Key)
		tx.DropAllEscrows(j.Key)
		if err := tx.DeleteJob(j, s.Clock.Now()); err != nil {
			return err
		}
		err := tx.Audit(s.Clock, store.Event{Activity: "Delete provisioning configuration", Category: "ProvisioningManagement", Operation: "Delete",
			Reason: "The target tenant was deleted permanently.", ServicePrincipal: j.ServicePrincipal.String(), Name: j.DisplayName,
			Modified: []store.Modified{{Name: "JobId", Old: &j.ID}}})
		if err != nil {
			return err
		}
	}
	return nil
}
