package suite

import (
	"context"
	"crypto/tls"
	"fmt"
	"sync"
	"time"

	"entente.dev/gateway/service"
	"entente.dev/servicekit/lifecycle"
	"entente.dev/servicekit/rpc"
	"google.golang.org/grpc"
)

// gatewayPart makes the HTTP edge on both listeners, connected in process to
// every host.
func (s *installation) gatewayPart(ctx context.Context, hosts map[string]*host) (lifecycle.Part, func(), error) {
	log, err := s.logger(gatewayIdentity)
	if err != nil {
		return lifecycle.Part{}, func() {}, err
	}
	var conns []*rpc.Conn
	closeAll := func() {
		for _, c := range conns {
			c.Close()
		}
	}
	to := make(map[string]grpc.ClientConnInterface, len(hosts))
	for short, h := range hosts {
		conn, err := h.dial(gatewayIdentity, rpc.ClientConfig{})
		if err != nil {
			return lifecycle.Part{}, closeAll, fmt.Errorf("connect the gateway to %s: %w", h.name, err)
		}
		conns, to[short] = append(conns, conn), conn
	}
	rate, signIns := s.options.rate(), s.options.signInRate()
	gateway, err := service.New(ctx, service.Config{
		Origins: s.origins(), LoginOrigin: s.graphURL, Product: "Entente", PageKey: s.keys.PageKey(),
		TenantRate: rate, TenantBurst: 2 * rate, ApplicationRate: rate, ApplicationBurst: 2 * rate,
		AddressRate: rate, AddressBurst: 2 * rate, SignInRate: signIns, SignInBurst: signIns,
	}, service.Deps{
		Directory: to["directory"], Invitation: to["invitation"], Policy: to["policy"], Sync: to["sync"],
		Log: log, Registry: s.metrics,
	})
	if err != nil {
		return lifecycle.Part{}, closeAll, fmt.Errorf("gateway: %w", err)
	}
	web := &webCertificate{of: s}
	if _, err := web.get(nil); err != nil {
		return lifecycle.Part{}, closeAll, err
	}
	run := func(ctx context.Context) error {
		return both(ctx,
			func(ctx context.Context) error { return gateway.Serve(ctx, s.network.http, nil) },
			func(ctx context.Context) error {
				return gateway.Serve(ctx, s.network.tls, &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: web.get})
			})
	}
	return lifecycle.Part{Name: gatewayIdentity, Run: run}, func() { gateway.Close(); closeAll() }, nil
}

// both runs two servers until ctx ends or one of them does, and answers the
// first error.
func both(ctx context.Context, a, b func(context.Context) error) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var wait sync.WaitGroup
	var failures [2]error
	for i, run := range []func(context.Context) error{a, b} {
		wait.Go(func() {
			failures[i] = run(ctx)
			stop(failures[i])
		})
	}
	wait.Wait()
	for _, err := range failures {
		if err != nil {
			return err
		}
	}
	return nil
}

// webCertificate is the certificate of the HTTPS address, taken up again after
// it was renewed.
type webCertificate struct {
	of *installation

	mu     sync.Mutex
	loaded time.Time
	pair   *tls.Certificate
}

// reloadEvery bounds how often the files are read.
const reloadEvery = time.Minute

func (w *webCertificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.pair != nil && time.Since(w.loaded) < reloadEvery {
		return w.pair, nil
	}
	w.loaded = time.Now()
	files, err := w.of.pki.Web(w.of.webHosts(), w.loaded)
	if err == nil {
		var pair tls.Certificate
		if pair, err = tls.LoadX509KeyPair(files.Cert, files.Key); err == nil {
			w.pair = &pair
		}
	}
	if w.pair == nil {
		return nil, fmt.Errorf("certificate of the HTTPS address: %w", err)
	}
	return w.pair, nil
}
