package suite

import (
	"context"
	"time"

	"entente.dev/servicekit/pg/cluster"
	"entente.dev/sync-svc/service"
)

// leaseLife is shorter than where several processes share the jobs: here the
// only one that can hold a lease is the one before a crash.
const leaseLife = 10 * time.Second

func (s *installation) syncConfig(login cluster.Service) (service.Config, error) {
	c, err := defaults[service.Config]()
	c.DSN, c.OwnerDSN, c.ServeRole, c.Schema = login.DSN, login.OwnerDSN, login.Role, login.Schema
	c.MasterKey, c.LeaseLife = s.keys.MasterKey(), leaseLife
	return c, err
}

func migrateSync(ctx context.Context, s *installation, login cluster.Service) error {
	c, err := s.syncConfig(login)
	if err != nil {
		return err
	}
	return service.Migrate(ctx, c)
}

func makeSync(ctx context.Context, s *installation, login cluster.Service, h *host, to siblings) (made, error) {
	c, err := s.syncConfig(login)
	if err != nil {
		return nil, err
	}
	return service.New(ctx, c, service.Deps{Directory: to["directory"], Policy: to["policy"], Log: h.log, Registry: s.metrics})
}
