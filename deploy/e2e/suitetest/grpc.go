package suitetest

import (
	"context"
	"crypto/tls"
	"path/filepath"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
)

// Dial connects to a service (`directory`, `invitation`, `policy`, `sync`) over
// TLS without a client certificate, as users and applications do.
func (s *Suite) Dial(t testing.TB, service string) *grpc.ClientConn {
	t.Helper()
	return s.dial(t, service, "")
}

// DialAs connects with the certificate of a service identity.
func (s *Suite) DialAs(t testing.TB, service, identity string) *grpc.ClientConn {
	t.Helper()
	return s.dial(t, service, identity)
}

func (s *Suite) dial(t testing.TB, service, identity string) *grpc.ClientConn {
	t.Helper()
	address := s.GRPC[service]
	if address == "" {
		t.Fatalf("entente.json names no gRPC address of %s", service)
	}
	cfg := &tls.Config{RootCAs: s.roots, MinVersion: tls.VersionTLS12}
	if identity != "" {
		dir := filepath.Join(s.Dir, "certificates")
		pair, err := tls.LoadX509KeyPair(filepath.Join(dir, identity+".pem"), filepath.Join(dir, identity+"-key.pem"))
		if err != nil {
			t.Fatalf("certificate of %s: %v", identity, err)
		}
		cfg.Certificates = []tls.Certificate{pair}
	}
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(credentials.NewTLS(cfg)))
	if err != nil {
		t.Fatalf("dial %s: %v", service, err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// Context returns a context with a deadline that carries a bearer token; an
// empty token is left out.
func Context(t testing.TB, token string) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	if token == "" {
		return ctx
	}
	return metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+token)
}
