package suite

import (
	"context"

	"entente.dev/policy-svc/service"
	"entente.dev/servicekit/pg/cluster"
)

func (s *installation) policyConfig(login cluster.Service) (service.Config, error) {
	c, err := defaults[service.Config]()
	c.DSN, c.OwnerDSN, c.ServeRole, c.Schema, c.PageKey = login.DSN, login.OwnerDSN, login.Role, login.Schema, s.keys.PageKey()
	return c, err
}

func migratePolicy(ctx context.Context, s *installation, login cluster.Service) error {
	c, err := s.policyConfig(login)
	if err != nil {
		return err
	}
	return service.Migrate(ctx, c)
}

func makePolicy(ctx context.Context, s *installation, login cluster.Service, h *host, to siblings) (made, error) {
	c, err := s.policyConfig(login)
	if err != nil {
		return nil, err
	}
	return service.New(ctx, c, service.Deps{Directory: to["directory"], Log: h.log, Registry: s.metrics})
}
