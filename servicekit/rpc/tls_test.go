package rpc_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	directorypb "entente.dev/proto/gen/entente/directory/v1"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/caller"
	"entente.dev/servicekit/fault"
	"entente.dev/servicekit/rpc"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
)

// authority issues certificates into a folder.
type authority struct {
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{dir: t.TempDir()}
	a.key = newKey(t)
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &a.key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	a.cert, _ = x509.ParseCertificate(der)
	writePEM(t, filepath.Join(a.dir, "ca.pem"), "CERTIFICATE", der)
	return a
}

func (a *authority) issue(t *testing.T, service string) (cert, key, ca string) {
	t.Helper()
	k := newKey(t)
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(2), NotAfter: time.Now().Add(time.Hour),
		URIs:        []*url.URL{{Scheme: "spiffe", Host: "entente", Path: "/" + service}},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, a.cert, &k.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	cert, key, ca = filepath.Join(a.dir, service+".pem"), filepath.Join(a.dir, service+".key"), filepath.Join(a.dir, "ca.pem")
	writePEM(t, cert, "CERTIFICATE", der)
	writePEM(t, key, "PRIVATE KEY", pkcs8)
	return cert, key, ca
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func writePEM(t *testing.T, name, kind string, der []byte) {
	t.Helper()
	if err := os.WriteFile(name, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestMutualTLS(t *testing.T) {
	t.Parallel()
	ca, foreign := newAuthority(t), newAuthority(t)
	serverTLS, err := rpc.ServerTLS(ca.issue(t, "directory-svc"))
	if err != nil {
		t.Fatal(err)
	}
	srv := rpc.NewServer(rpc.ServerConfig{Service: "directory-svc", Creds: serverTLS, Verifier: tokens{"reader": reader}})
	seen := make(chan caller.Caller, 1)
	directorypb.RegisterUserServiceServer(srv, &users{get: func(ctx context.Context, _ *directorypb.GetUserRequest) (*directorypb.User, error) {
		seen <- caller.From(ctx)
		return &directorypb.User{}, nil
	}})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan struct{})
	go func() { defer close(served); _ = srv.Serve(l) }()
	t.Cleanup(func() { srv.Stop(); <-served })

	call := func(service string, creds credentials.TransportCredentials) error {
		conn, err := rpc.Dial(rpc.ClientConfig{Target: l.Addr().String(), Service: service, Creds: creds, Deadline: 5 * time.Second})
		if err != nil {
			return err
		}
		defer conn.Close()
		_, err = directorypb.NewUserServiceClient(conn).GetUser(bearer(t.Context(), "reader"), &directorypb.GetUserRequest{Id: "x"}, grpc.WaitForReady(false))
		return err
	}
	creds := func(a *authority, service string) credentials.TransportCredentials {
		c, err := rpc.ClientTLS(a.issue(t, service))
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	if err := call("directory-svc", creds(ca, "gateway")); err != nil {
		t.Fatal(err)
	}
	if c := <-seen; c.Service != "gateway" {
		t.Errorf("peer %q", c.Service)
	}
	plain := &tls.Config{InsecureSkipVerify: true} // a person's client, without a certificate
	if err := call("directory-svc", credentials.NewTLS(plain)); err != nil {
		t.Error(err)
	}
	if c := <-seen; c.Service != "" {
		t.Errorf("peer without certificate is %q", c.Service)
	}
	for name, err := range map[string]error{
		"another service answers":              call("policy-svc", creds(ca, "gateway")),
		"a client of a foreign authority":      call("directory-svc", creds(foreign, "gateway")),
		"a name announced as on a local route": callLocalStyle(t, l.Addr().String()),
	} {
		if !fault.Is(err, errorspb.Reason_UNAVAILABLE) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// callLocalStyle speaks the in-process handshake over TCP.
func callLocalStyle(t *testing.T, addr string) error {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte("\x07gatewayPRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	buf := make([]byte, 64)
	n, err := conn.Read(buf)
	if err == nil && n > 0 && buf[0] != 0x15 { // anything but a TLS alert
		t.Errorf("the server answered %q", buf[:n])
	}
	return fault.Unavailable(errorspb.Reason_UNAVAILABLE, "refused")
}
