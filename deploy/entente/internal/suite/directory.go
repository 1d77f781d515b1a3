package suite

import (
	"context"

	"entente.dev/directory-svc/service"
	"entente.dev/servicekit/pg/cluster"
)

func (s *installation) directoryConfig(login cluster.Service) (service.Config, error) {
	c, err := defaults[service.Config]()
	c.DSN, c.OwnerDSN, c.ServeRole = login.DSN, login.OwnerDSN, login.Role
	c.MasterKey, c.Suffix, c.Resolver = s.keys.MasterKey(), s.options.Suffix, s.options.Resolver
	c.LoginOrigin, c.Origins = s.graphURL, s.origins()
	return c, err
}

func migrateDirectory(ctx context.Context, s *installation, login cluster.Service) error {
	c, err := s.directoryConfig(login)
	if err != nil {
		return err
	}
	return service.Migrate(ctx, c)
}

func makeDirectory(ctx context.Context, s *installation, login cluster.Service, h *host, to siblings) (made, error) {
	c, err := s.directoryConfig(login)
	if err != nil {
		return nil, err
	}
	return service.New(ctx, c, service.Deps{Policy: to["policy"], Log: h.log, Registry: s.metrics})
}
