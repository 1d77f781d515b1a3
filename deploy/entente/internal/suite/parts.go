package suite

import (
	"context"
	"errors"
	"net"
	"net/http"
	"path/filepath"
	"time"

	"entente.dev/deploy/entente/internal/mailcatcher"
	"entente.dev/servicekit/lifecycle"
	"entente.dev/servicekit/process"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"google.golang.org/grpc/health"
)

// renewEvery is how often certificates are looked at; each has weeks left when
// it is renewed.
const renewEvery = 12 * time.Hour

// parts makes everything that runs, in the order in which it starts; it ends
// the other way round. The function it answers gives back what is held and
// must be called after all parts have ended, also on an error.
func (s *installation) parts(ctx context.Context) ([]lifecycle.Part, func(), error) {
	s.metrics.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	runnerLog, err := s.logger("entente")
	if err != nil {
		return nil, func() {}, err
	}
	catcher, err := mailcatcher.New(mailcatcher.Config{
		Dir: s.folder.Mail(), SMTP: s.network.smtp, HTTP: s.network.mail, Log: runnerLog,
	})
	if err != nil {
		return nil, func() {}, err
	}
	parts := []lifecycle.Part{
		{Name: "database", Run: s.watchDatabase},
		{Name: "certificates", Run: func(ctx context.Context) error {
			return lifecycle.Loop(ctx, runnerLog, "renew certificates", renewEvery, time.Hour, s.renewCertificates)
		}},
		{Name: "admin listener", Run: func(ctx context.Context) error {
			return serveHTTP(ctx, s.network.admin, process.AdminHandler(s.metrics, health.NewServer()))
		}},
		{Name: "mail catcher", Run: catcher.Run},
	}
	running, closeServices, err := s.services(ctx)
	return append(parts, running...), closeServices, err
}

// watchDatabase ends the suite when a private server ends by itself.
func (s *installation) watchDatabase(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case <-s.database.Exited(): // nil, and so for ever, with a given server
		return errors.New("PostgreSQL ended; its log is " + filepath.Join(s.folder.Postgres(), "server.log"))
	}
}

// serveHTTP serves until ctx ends and then gives running requests a moment.
func serveHTTP(ctx context.Context, l net.Listener, h http.Handler) error {
	srv := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 50 * time.Second}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(l) }()
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	if srv.Shutdown(grace) != nil {
		srv.Close()
	}
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
