package main

import (
	"fmt"

	"entente.dev/gateway/service"
	"entente.dev/servicekit/process"
	"google.golang.org/grpc"
)

// dial connects to the four services; the connections are made when they are
// first used.
func dial(p *process.Process, cfg settings, deps *service.Deps) error {
	for _, s := range []struct {
		to            *grpc.ClientConnInterface
		name, address string
	}{
		{&deps.Directory, "directory-svc", cfg.Directory}, {&deps.Invitation, "invitation-svc", cfg.Invitation},
		{&deps.Policy, "policy-svc", cfg.Policy}, {&deps.Sync, "sync-svc", cfg.Sync},
	} {
		conn, err := p.Dial(s.name, s.address)
		if err != nil {
			return fmt.Errorf("connect to %s: %w", s.name, err)
		}
		*s.to = conn
	}
	return nil
}
