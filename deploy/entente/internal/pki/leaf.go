package pki

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Files names one certificate and its key on disk, both PEM.
type Files struct{ Cert, Key string }

// Service ensures a certificate with the identity spiffe://entente/<service>
// for loopback, valid at both ends of a connection between services.
func (a *Authority) Service(service string, now time.Time) (Files, error) {
	return a.ensure(service, now, &x509.Certificate{
		Subject:     pkix.Name{Organization: []string{"Entente"}, CommonName: service},
		URIs:        []*url.URL{{Scheme: "spiffe", Host: "entente", Path: "/" + service}},
		DNSNames:    []string{"localhost"},
		IPAddresses: loopback(),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	})
}

// Web ensures the certificate that clients of the REST facade see: for
// loopback and for hosts (names or addresses). It carries no service identity,
// so its key opens no door inside.
func (a *Authority) Web(hosts []string, now time.Time) (Files, error) {
	template := &x509.Certificate{
		Subject:     pkix.Name{Organization: []string{"Entente"}, CommonName: "Entente"},
		DNSNames:    []string{"localhost"},
		IPAddresses: loopback(),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for _, host := range hosts {
		ip := net.ParseIP(host)
		switch {
		case ip == nil:
			if name := strings.ToLower(host); !slices.Contains(template.DNSNames, name) {
				template.DNSNames = append(template.DNSNames, name)
			}
		case !ip.IsUnspecified() && !slices.ContainsFunc(template.IPAddresses, ip.Equal):
			template.IPAddresses = append(template.IPAddresses, ip)
		}
	}
	return a.ensure("web", now, template)
}

func loopback() []net.IP { return []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback} }

// ensure keeps the certificate on disk while it is ours, holds for the same
// names and has a third of its life left, and makes a new one otherwise.
func (a *Authority) ensure(name string, now time.Time, template *x509.Certificate) (Files, error) {
	files := Files{Cert: filepath.Join(a.dir, name+".pem"), Key: filepath.Join(a.dir, name+"-key.pem")}
	if cert, _, err := loadPair(files.Cert, files.Key); err == nil && a.good(cert, template, now) {
		return files, nil
	}
	// Unreadable, foreign or missing alike: a service certificate holds
	// nothing that a new one would not.
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return Files{}, fmt.Errorf("make key of %s: %w", name, err)
	}
	serial, err := newSerial()
	if err != nil {
		return Files{}, err
	}
	template.SerialNumber = serial
	template.NotBefore = now.Add(-skew)
	template.NotAfter = now.Add(leafLife)
	if template.NotAfter.After(a.cert.NotAfter) {
		template.NotAfter = a.cert.NotAfter
	}
	template.KeyUsage = x509.KeyUsageDigitalSignature
	template.BasicConstraintsValid = true
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	if err != nil {
		return Files{}, fmt.Errorf("sign certificate of %s: %w", name, err)
	}
	if err := savePair(files.Cert, files.Key, der, key); err != nil {
		return Files{}, err
	}
	return files, nil
}

func (a *Authority) good(cert, want *x509.Certificate, now time.Time) bool {
	// CheckSignatureFrom, not Verify: that would judge by the wall clock.
	if cert.CheckSignatureFrom(a.cert) != nil || now.Before(cert.NotBefore) {
		return false
	}
	life := cert.NotAfter.Sub(cert.NotBefore)
	return cert.NotAfter.Sub(now) > life/3 &&
		slices.Equal(cert.DNSNames, want.DNSNames) &&
		slices.EqualFunc(cert.IPAddresses, want.IPAddresses, net.IP.Equal) &&
		slices.EqualFunc(cert.URIs, want.URIs, func(a, b *url.URL) bool { return a.String() == b.String() })
}
