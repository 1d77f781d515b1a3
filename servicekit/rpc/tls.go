package rpc

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"google.golang.org/grpc/credentials"
)

// reloadEvery bounds how often the files are looked at.
const reloadEvery = 10 * time.Second

// ServerTLS is the server's side of mutual TLS. Services show a certificate of
// the CA; users and applications may come without one and show a bearer token.
// Changed files are taken up for new connections.
func ServerTLS(certFile, keyFile, caFile string) (credentials.TransportCredentials, error) {
	f, err := newFiles(certFile, keyFile, caFile)
	if err != nil {
		return nil, err
	}
	return credentials.NewTLS(&tls.Config{
		MinVersion: tls.VersionTLS12,
		NextProtos: []string{"h2"},
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
			cert, pool := f.current()
			return &tls.Config{
				MinVersion:   tls.VersionTLS12,
				NextProtos:   []string{"h2"},
				Certificates: []tls.Certificate{*cert},
				ClientAuth:   tls.VerifyClientCertIfGiven,
				ClientCAs:    pool,
			}, nil
		},
	}), nil
}

// ClientTLS is a service's side of mutual TLS. The server must show the
// certificate of the service that ClientConfig.Service names; its address is
// not looked at.
func ClientTLS(certFile, keyFile, caFile string) (credentials.TransportCredentials, error) {
	f, err := newFiles(certFile, keyFile, caFile)
	if err != nil {
		return nil, err
	}
	return credentials.NewTLS(&tls.Config{
		MinVersion: tls.VersionTLS12,
		NextProtos: []string{"h2"},
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			cert, _ := f.current()
			return cert, nil
		},
		// Verified below, by identity instead of host name and against the
		// present CA.
		InsecureSkipVerify: true,
		VerifyConnection: func(cs tls.ConnectionState) error {
			_, pool := f.current()
			return verifyServer(cs, pool)
		},
	}), nil
}

func verifyServer(cs tls.ConnectionState, pool *x509.CertPool) error {
	if len(cs.PeerCertificates) == 0 {
		return errors.New("the server shows no certificate")
	}
	between := x509.NewCertPool()
	for _, c := range cs.PeerCertificates[1:] {
		between.AddCert(c)
	}
	leaf := cs.PeerCertificates[0]
	_, err := leaf.Verify(x509.VerifyOptions{Roots: pool, Intermediates: between, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}})
	if err != nil {
		return err
	}
	if got := serviceIn(leaf); got != cs.ServerName || got == "" {
		return fmt.Errorf("the server is %q, expected %q", got, cs.ServerName)
	}
	return nil
}

// files is a key pair and a CA that are read again when they change.
type files struct {
	cert, key, ca string

	mu      sync.Mutex
	checked time.Time
	stamp   string
	pair    *tls.Certificate
	pool    *x509.CertPool
}

func newFiles(cert, key, ca string) (*files, error) {
	f := &files{cert: cert, key: key, ca: ca}
	stamp, err := f.stat()
	if err != nil {
		return nil, err
	}
	return f, f.load(stamp)
}

// current answers what was loaded last; a broken new file keeps the old pair.
func (f *files) current() (*tls.Certificate, *x509.CertPool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if time.Since(f.checked) > reloadEvery {
		f.checked = time.Now()
		if stamp, err := f.stat(); err == nil && stamp != f.stamp {
			_ = f.load(stamp)
		}
	}
	return f.pair, f.pool
}

func (f *files) stat() (string, error) {
	var stamp string
	for _, name := range []string{f.cert, f.key, f.ca} {
		st, err := os.Stat(name)
		if err != nil {
			return "", fmt.Errorf("TLS files: %w", err)
		}
		stamp += fmt.Sprint(st.ModTime().UnixNano(), "/", st.Size(), " ")
	}
	return stamp, nil
}

func (f *files) load(stamp string) error {
	pair, err := tls.LoadX509KeyPair(f.cert, f.key)
	if err != nil {
		return fmt.Errorf("TLS files: %w", err)
	}
	pem, err := os.ReadFile(f.ca)
	if err != nil {
		return fmt.Errorf("TLS files: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return fmt.Errorf("TLS files: %s holds no certificate", f.ca)
	}
	f.pair, f.pool, f.stamp, f.checked = &pair, pool, stamp, time.Now()
	return nil
}
