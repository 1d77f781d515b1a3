package service

import (
	"context"
	"os"

	"entente.dev/servicekit/authn"
	"entente.dev/servicekit/clock"
	"entente.dev/servicekit/config"
	"entente.dev/servicekit/process"
)

// graphAppID is the audience that clients may ask for instead of the origin.
const graphAppID = "00000003-0000-0000-c000-000000000000"

// settings are what the process of its own reads.
type settings struct {
	Process   process.Config
	Service   Config
	Directory string   `env:"DIRECTORY" flag:"directory" default:"127.0.0.1:7441" help:"address of directory-svc"`
	Policy    string   `env:"POLICY" flag:"policy" default:"127.0.0.1:7442" help:"address of policy-svc"`
	Audiences []string `env:"AUDIENCES" flag:"audiences" help:"audiences of accepted tokens beside the well-known id; the public origins"`
}

// ServeCommand runs the service until a signal ends it.
func ServeCommand(ctx context.Context, args []string) error {
	var s settings
	if err := config.Load("", &s, args, os.Environ()); err != nil {
		return err
	}
	p, err := process.New(ctx, Name, s.Process)
	if err != nil {
		return err
	}
	defer p.Close()
	p.Log.LogAttrs(ctx, 0, "settings", config.Attrs(&s)...)
	directory, err := p.Dial("directory-svc", s.Directory)
	if err != nil {
		return err
	}
	defer directory.Close()
	policy, err := p.Dial("policy-svc", s.Policy)
	if err != nil {
		return err
	}
	defer policy.Close()
	verifier, err := authn.New(authn.Config{
		LoginOrigin: s.Service.LoginOrigin, Audiences: append(s.Audiences, graphAppID), Clock: clock.System(),
		Keys: authn.KeysFromDirectory(directory), Principals: authn.PrincipalsFromDirectory(directory),
	})
	if err != nil {
		return err
	}
	svc, err := New(ctx, s.Service, Deps{Directory: directory, Policy: policy, Log: p.Log, Registry: p.Registry})
	if err != nil {
		return err
	}
	defer svc.Close()
	server, err := p.NewServer(verifier)
	if err != nil {
		return err
	}
	svc.Register(server)
	return p.Serve(ctx, server, svc.Run)
}

// MigrateCommand brings the schema up to date.
func MigrateCommand(ctx context.Context, args []string) error {
	var s settings
	if err := config.Load("", &s, args, os.Environ()); err != nil {
		return err
	}
	return Migrate(ctx, s.Service)
}
