package suite

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"path/filepath"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
)

// Dial connects to a service over TLS, with the certificate of the service
// identity `as` from the data folder, or without one when `as` is empty.
func (s *Suite) Dial(service, as string) (*grpc.ClientConn, error) {
	ca, err := os.ReadFile(s.CAFile)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(ca) {
		return nil, fmt.Errorf("%s holds no certificate", s.CAFile)
	}
	cfg := &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	if as != "" {
		dir := filepath.Join(s.Dir, "certificates")
		pair, err := tls.LoadX509KeyPair(filepath.Join(dir, as+".pem"), filepath.Join(dir, as+"-key.pem"))
		if err != nil {
			return nil, err
		}
		cfg.Certificates = []tls.Certificate{pair}
	}
	address, ok := s.GRPC[service]
	if !ok {
		return nil, fmt.Errorf("entente.json names no gRPC address of %s", service)
	}
	return grpc.NewClient(address, grpc.WithTransportCredentials(credentials.NewTLS(cfg)))
}
