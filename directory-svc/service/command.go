package service

import (
	"context"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"log/slog"
	"net"
	"os"

	"entente.dev/directory-svc/internal/token"
	"entente.dev/servicekit/authn"
	"entente.dev/servicekit/clock"
	"entente.dev/servicekit/config"
	"entente.dev/servicekit/lifecycle"
	"entente.dev/servicekit/process"
	"entente.dev/servicekit/rpc"
	"google.golang.org/grpc"
)

// Name is the identity of the service among its siblings.
const Name = "directory-svc"

// settings are what the process of its own reads.
type settings struct {
	Process     process.Config
	Service     Config
	Policy      string `env:"POLICY" flag:"policy" default:"127.0.0.1:7442" help:"address of policy-svc"`
	OperatorKey string `env:"OPERATOR_KEY" help:"public key that verifies operator tokens, PEM"`
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
	p.Log.LogAttrs(ctx, slog.LevelInfo, "settings", config.Attrs(&s)...)
	policy, err := p.Dial("policy-svc", s.Policy)
	if err != nil {
		return err
	}
	defer policy.Close()
	svc, err := New(ctx, s.Service, Deps{Policy: policy, Log: p.Log, Registry: p.Registry})
	if err != nil {
		return err
	}
	defer svc.Close()
	// Tokens are verified as everywhere else: by asking directory-svc, which
	// here is this process.
	local, dial := rpc.Local(Name)
	self, err := dial(Name, rpc.ClientConfig{})
	if err != nil {
		return err
	}
	defer self.Close()
	operator, err := parseOperatorKey(s.OperatorKey)
	if err != nil {
		return err
	}
	verifier, err := authn.New(authn.Config{LoginOrigin: svc.cfg.LoginOrigin, Audiences: append(svc.cfg.Origins[:len(svc.cfg.Origins):len(svc.cfg.Origins)], token.GraphAppID),
		Keys: authn.KeysFromDirectory(self), Principals: authn.PrincipalsFromDirectory(self), OperatorKey: operator, Clock: clock.System()})
	if err != nil {
		return err
	}
	p.Refused, p.Failed = svc.Refused, svc.Failed
	server, err := p.NewServer(verifier)
	if err != nil {
		return err
	}
	svc.Register(server)
	return p.Serve(ctx, server, func(ctx context.Context) error {
		return lifecycle.Group(ctx, lifecycle.Part{Name: "background work", Run: svc.Run},
			lifecycle.Part{Name: "calls to itself", Run: func(ctx context.Context) error { return serveSelf(ctx, server, local) }})
	})
}

// serveSelf serves the listener inside the process. The drain of the public
// listener stops the server as a whole: that is no failure, and the rest of
// the background work ends in its own time.
func serveSelf(ctx context.Context, server *rpc.Server, local net.Listener) error {
	defer context.AfterFunc(ctx, server.Stop)()
	if err := server.Serve(local); err != nil && !errors.Is(err, grpc.ErrServerStopped) {
		return err
	}
	<-ctx.Done()
	return nil
}

// MigrateCommand brings the schema up to date.
func MigrateCommand(ctx context.Context, args []string) error {
	var s settings
	if err := config.Load("", &s, args, os.Environ()); err != nil {
		return err
	}
	return Migrate(ctx, s.Service)
}

// parseOperatorKey reads the key that verifies operator tokens; without one
// they are all refused.
func parseOperatorKey(text string) (crypto.PublicKey, error) {
	if text == "" {
		return nil, nil
	}
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return nil, errors.New("the operator key is not PEM")
	}
	return x509.ParsePKIXPublicKey(block.Bytes)
}
