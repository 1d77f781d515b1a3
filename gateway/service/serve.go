package service

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"entente.dev/gateway/internal/edge"
)

// drain is how long running requests may take at the end.
const drain = 15 * time.Second

// Server is an http.Server with the limits of the edge around h. Idle
// connections end before a minute: there are clients that open one per request
// and leave it (WIRE-3).
func Server(h http.Handler) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       40 * time.Second,
		WriteTimeout:      60 * time.Second,
		IdleTimeout:       50 * time.Second,
		MaxHeaderBytes:    edge.MaxHeader,
		HTTP2:             &http.HTTP2Config{MaxConcurrentStreams: 250, MaxReadFrameSize: 1 << 20},
	}
}

// Run serves the configured listeners until ctx ends, then drains.
func (s *Service) Run(ctx context.Context) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var all sync.WaitGroup
	start := func(address string, conf *tls.Config) error {
		l, err := net.Listen("tcp", address)
		if err != nil {
			return fmt.Errorf("listen: %w", err)
		}
		s.log.InfoContext(ctx, "listener ready", "address", l.Addr().String(), "tls", conf != nil)
		all.Go(func() { stop(s.Serve(ctx, l, conf)) })
		return nil
	}
	err := s.listeners(start)
	if err != nil {
		stop(err)
	}
	<-ctx.Done()
	all.Wait()
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
		return cause
	}
	return nil
}

func (s *Service) listeners(start func(string, *tls.Config) error) error {
	if s.cfg.HTTPSListen == "" && s.cfg.HTTPListen == "" {
		return errors.New("no listener is configured")
	}
	if s.cfg.HTTPSListen != "" {
		cert := &certificate{certFile: s.cfg.CertFile, keyFile: s.cfg.KeyFile}
		if _, err := cert.get(nil); err != nil {
			return err
		}
		if err := start(s.cfg.HTTPSListen, &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: cert.get}); err != nil {
			return err
		}
	}
	if s.cfg.HTTPListen != "" {
		return start(s.cfg.HTTPListen, nil)
	}
	return nil
}

// Serve serves one listener until ctx ends, then lets running requests finish.
// conf is nil for plain HTTP.
func (s *Service) Serve(ctx context.Context, l net.Listener, conf *tls.Config) error {
	srv := Server(s.handler)
	srv.TLSConfig = conf
	srv.ErrorLog = slog.NewLogLogger(s.log.Handler(), slog.LevelDebug) // broken handshakes of clients
	served := make(chan error, 1)
	go func() {
		if conf != nil {
			served <- srv.ServeTLS(l, "", "")
			return
		}
		served <- srv.Serve(l)
	}()
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), drain)
	defer cancel()
	if srv.Shutdown(grace) != nil {
		_ = srv.Close()
	}
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
