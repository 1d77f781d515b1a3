package suite

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"time"

	"entente.dev/servicekit/lifecycle"
	"entente.dev/servicekit/process"
	"entente.dev/servicekit/rpc"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
)

// drainLimit is how long running calls may take at the end.
const drainLimit = 10 * time.Second

// made is what each service package makes.
type made interface {
	// Register puts its RPCs on a server.
	Register(grpc.ServiceRegistrar)
	// Run does its background work until ctx ends.
	Run(ctx context.Context) error
	// Close gives back what it holds.
	Close()
}

// refuser is a service that records the refusals made before a handler runs.
type refuser interface {
	Refused(ctx context.Context, fullMethod string, refusal error)
}

// failer is a service that records what its handlers refuse.
type failer interface {
	Failed(ctx context.Context, fullMethod string, failure error)
}

// host is one service with its server, reached in process and over TCP.
type host struct {
	name    string // its identity
	log     *slog.Logger
	local   net.Listener
	dial    rpc.Dialer
	tcp     net.Listener
	server  *rpc.Server
	health  *health.Server
	service made
	conns   []*rpc.Conn // to its siblings
}

// newHost opens the in-process listener, so that siblings can be given
// connections before anything runs.
func (s *installation) newHost(short string) (*host, error) {
	h := &host{name: identity(short), tcp: s.network.grpc[short], health: health.NewServer()}
	h.local, h.dial = rpc.Local(h.name)
	var err error
	h.log, err = s.logger(h.name)
	return h, err
}

// serveWith makes the server and puts the service on it.
func (h *host) serveWith(s *installation, svc made, verifier rpc.Verifier) error {
	files, err := s.pki.Service(h.name, time.Now())
	if err != nil {
		return err
	}
	creds, err := rpc.ServerTLS(files.Cert, files.Key, s.pki.CAFile())
	if err != nil {
		return err
	}
	h.service = svc
	cfg := rpc.ServerConfig{
		Service: h.name, Verifier: verifier, Log: h.log, Registry: s.metrics,
		Reflection: s.options.Reflection, Creds: creds, Health: h.health,
	}
	if r, ok := svc.(refuser); ok {
		cfg.Refused = r.Refused
	}
	if f, ok := svc.(failer); ok {
		cfg.Failed = f.Failed
	}
	h.server = rpc.NewServer(cfg)
	svc.Register(h.server)
	return nil
}

// parts are the background work and the server. They end the other way round:
// calls are drained first, since they may need the background.
func (h *host) parts() []lifecycle.Part {
	return []lifecycle.Part{
		{Name: h.name + " background work", Run: h.service.Run},
		{Name: h.name, Run: func(ctx context.Context) error {
			local := make(chan error, 1)
			go func() { local <- h.server.Serve(h.local) }()
			err := process.Drain(ctx, h.server, h.tcp, h.health, drainLimit)
			h.server.Stop() // where TCP failed, the local listener is still served
			if localErr := <-local; !errors.Is(localErr, grpc.ErrServerStopped) {
				err = errors.Join(err, localErr)
			}
			return err
		}},
	}
}

func (h *host) close() {
	for _, c := range h.conns {
		c.Close()
	}
	if h.service != nil {
		h.service.Close()
	}
}
