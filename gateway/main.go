// Command gateway is the HTTP edge of the suite: Graph REST, the token
// endpoint and the redemption pages. It keeps no data.
package main

import (
	"context"
	"errors"
	"log/slog"
	"os"

	"entente.dev/gateway/service"
	"entente.dev/servicekit/config"
	"entente.dev/servicekit/process"
)

type settings struct {
	Process    process.Config
	Service    service.Config
	Directory  string `env:"DIRECTORY_ADDR" flag:"directory-addr" required:"true" help:"gRPC address of directory-svc"`
	Invitation string `env:"INVITATION_ADDR" flag:"invitation-addr" required:"true" help:"gRPC address of invitation-svc"`
	Policy     string `env:"POLICY_ADDR" flag:"policy-addr" required:"true" help:"gRPC address of policy-svc"`
	Sync       string `env:"SYNC_ADDR" flag:"sync-addr" required:"true" help:"gRPC address of sync-svc"`
}

func main() {
	process.Main("gateway", map[string]process.Command{
		"serve": serve,
		"migrate": func(context.Context, []string) error {
			return errors.New("the gateway has no database: there is nothing to migrate")
		},
	})
}

// serve answers HTTP; its gRPC listener has health and nothing else.
func serve(ctx context.Context, args []string) error {
	var cfg settings
	if err := config.Load("", &cfg, args, os.Environ()); err != nil {
		return err
	}
	p, err := process.New(ctx, "gateway", cfg.Process)
	if err != nil {
		return err
	}
	defer p.Close()
	p.Log.LogAttrs(ctx, slog.LevelInfo, "settings", config.Attrs(cfg)...)
	deps := service.Deps{Log: p.Log, Registry: p.Registry, Tracer: p.Tracer}
	if err := dial(p, cfg, &deps); err != nil {
		return err
	}
	svc, err := service.New(ctx, cfg.Service, deps)
	if err != nil {
		return err
	}
	srv, err := p.NewServer(nil)
	if err != nil {
		return err
	}
	return p.Serve(ctx, srv, svc.Run)
}
