package suite

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"entente.dev/servicekit/authn"
	"entente.dev/servicekit/clock"
	"entente.dev/servicekit/config"
	"entente.dev/servicekit/lifecycle"
	"entente.dev/servicekit/pg/cluster"
	"entente.dev/servicekit/rpc"
	"google.golang.org/grpc"
)

// graphAppID is the published id of Graph, which clients may name as audience
// instead of the origin.
const graphAppID = "00000003-0000-0000-c000-000000000000"

// kind is how one service is made. Everything that differs between the
// services is in these two functions.
type kind struct {
	migrate func(ctx context.Context, s *installation, login cluster.Service) error
	make    func(ctx context.Context, s *installation, login cluster.Service, h *host, to siblings) (made, error)
}

// siblings are connections of one service to the others, by short name.
type siblings map[string]grpc.ClientConnInterface

// kinds are the services by short name.
var kinds = map[string]kind{
	"directory":  {migrateDirectory, makeDirectory},
	"policy":     {migratePolicy, makePolicy},
	"invitation": {migrateInvitation, makeInvitation},
	"sync":       {migrateSync, makeSync},
}

// defaults are the settings a service has when nobody says anything.
func defaults[T any]() (T, error) {
	var c T
	err := config.Load("", &c, nil, nil)
	return c, err
}

// migrate brings all schemas up to date at once.
func (s *installation) migrate(ctx context.Context) error {
	return s.out.Step("bring the schemas up to date", func(say func(string, ...any)) (string, error) {
		var wait sync.WaitGroup
		failures := make([]error, len(services))
		for i, short := range services {
			wait.Go(func() {
				if err := kinds[short].migrate(ctx, s, s.database.Service(short)); err != nil {
					failures[i] = fmt.Errorf("%s: %w", identity(short), err)
				}
			})
		}
		wait.Wait()
		return "", errors.Join(failures...)
	})
}

// services makes every service and the gateway, ready to run. The function it
// answers closes them, the last one first.
func (s *installation) services(ctx context.Context) ([]lifecycle.Part, func(), error) {
	hosts := make(map[string]*host, len(services))
	closeAll := func() {
		for i := len(services) - 1; i >= 0; i-- {
			if h := hosts[services[i]]; h != nil {
				h.close()
			}
		}
	}
	for _, short := range services {
		h, err := s.newHost(short)
		if err != nil {
			return nil, closeAll, err
		}
		hosts[short] = h
	}
	var parts []lifecycle.Part
	for _, short := range services {
		if err := s.assemble(ctx, short, hosts); err != nil {
			return nil, closeAll, fmt.Errorf("%s: %w", identity(short), err)
		}
		parts = append(parts, hosts[short].parts()...)
	}
	gateway, closeGateway, err := s.gatewayPart(ctx, hosts)
	return append(parts, gateway), func() { closeGateway(); closeAll() }, err
}

// assemble connects one service to its siblings, makes it and puts it on its
// server.
func (s *installation) assemble(ctx context.Context, short string, hosts map[string]*host) error {
	h := hosts[short]
	to := make(siblings, len(hosts))
	for other, sibling := range hosts {
		conn, err := sibling.dial(h.name, rpc.ClientConfig{})
		if err != nil {
			return fmt.Errorf("connect to %s: %w", sibling.name, err)
		}
		h.conns = append(h.conns, conn)
		to[other] = conn
	}
	svc, err := kinds[short].make(ctx, s, s.database.Service(short), h, to)
	if err != nil {
		return err
	}
	verifier, err := s.verifier(to["directory"])
	if err != nil {
		svc.Close()
		return err
	}
	return h.serveWith(s, svc, verifier)
}

// verifier checks tokens as a service of its own would: with the keys and the
// accounts that directory-svc answers.
func (s *installation) verifier(directory grpc.ClientConnInterface) (*authn.Verifier, error) {
	return authn.New(authn.Config{
		LoginOrigin: s.graphURL, Audiences: s.audiences(), OperatorKey: s.keys.Operator().Public(), Clock: clock.System(),
		Keys: authn.KeysFromDirectory(directory), Principals: authn.PrincipalsFromDirectory(directory),
	})
}

// audiences are the names of this deployment in tokens.
func (s *installation) audiences() []string { return append(s.origins(), graphAppID) }

// origins are the addresses of the facade, the public one first.
func (s *installation) origins() []string {
	return []string{s.graphURL, "http://" + s.network.http.Addr().String()}
}
