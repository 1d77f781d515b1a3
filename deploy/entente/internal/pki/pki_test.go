package pki_test

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"entente.dev/deploy/entente/internal/pki"
)

var now = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func open(t *testing.T, dir string, at time.Time) *pki.Authority {
	t.Helper()
	a, err := pki.Open(dir, at)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func leaf(t *testing.T, files pki.Files) *x509.Certificate {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(files.Cert, files.Key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(pair.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func roots(t *testing.T, a *pki.Authority) *x509.CertPool {
	t.Helper()
	data, err := os.ReadFile(a.CAFile())
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(data) {
		t.Fatal("ca.pem holds no certificate")
	}
	return pool
}

func TestAServiceCertificateVerifiesAtBothEndsAndNamesItsService(t *testing.T) {
	t.Parallel()
	a := open(t, t.TempDir(), now)
	files, err := a.Service("directory", now)
	if err != nil {
		t.Fatal(err)
	}
	cert := leaf(t, files)
	for _, usage := range []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth} {
		_, err := cert.Verify(x509.VerifyOptions{
			Roots: roots(t, a), CurrentTime: now, DNSName: "127.0.0.1", KeyUsages: []x509.ExtKeyUsage{usage},
		})
		if err != nil {
			t.Errorf("usage %v: %v", usage, err)
		}
	}
	if len(cert.URIs) != 1 || cert.URIs[0].String() != "spiffe://entente/directory" {
		t.Errorf("identity %v", cert.URIs)
	}
}

func TestTheWebCertificateHasNoServiceIdentity(t *testing.T) {
	t.Parallel()
	a := open(t, t.TempDir(), now)
	files, err := a.Web([]string{"Suite.example", "192.0.2.7", "0.0.0.0", "127.0.0.1", "localhost"}, now)
	if err != nil {
		t.Fatal(err)
	}
	cert := leaf(t, files)
	if len(cert.URIs) != 0 {
		t.Errorf("identity %v", cert.URIs)
	}
	if _, err := cert.Verify(x509.VerifyOptions{Roots: roots(t, a), CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}); err == nil {
		t.Error("the web certificate serves as a client's")
	}
	for _, host := range []string{"suite.example", "192.0.2.7", "localhost", "127.0.0.1", "::1"} {
		if err := cert.VerifyHostname(host); err != nil {
			t.Error(err)
		}
	}
	if len(cert.IPAddresses) != 3 || cert.IPAddresses[2].Equal(net.IPv4zero) {
		t.Errorf("addresses %v", cert.IPAddresses)
	}
}

func TestCertificatesAreKeptAndRenewedBeforeTheyEnd(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	serialAt := func(at time.Time, hosts ...string) string {
		t.Helper()
		files, err := open(t, dir, at).Web(hosts, at)
		if err != nil {
			t.Fatal(err)
		}
		return leaf(t, files).SerialNumber.String()
	}
	first := serialAt(now)
	if got := serialAt(now.Add(24 * time.Hour)); got != first {
		t.Error("a fresh certificate was replaced")
	}
	if got := serialAt(now, "suite.example"); got == first {
		t.Error("another host name did not lead to another certificate")
	}
	second := serialAt(now)
	later := now.Add(70 * 24 * time.Hour)
	third := serialAt(later)
	if third == second {
		t.Error("a certificate with less than a third of its life left was kept")
	}
	if again := serialAt(later); again != third {
		t.Error("the renewed certificate was replaced")
	}
}

func TestADamagedOrForeignPairIsReplaced(t *testing.T) {
	t.Parallel()
	dir, other := t.TempDir(), t.TempDir()
	a := open(t, dir, now)
	files, err := a.Service("sync", now)
	if err != nil {
		t.Fatal(err)
	}
	foreign, err := open(t, other, now).Service("sync", now)
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct{ name, from, to string }{
		{"the key of another pair", foreign.Key, files.Key},
		{"a pair of another authority", foreign.Cert, files.Cert},
	} {
		data, err := os.ReadFile(step.from)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(step.to, data, 0o600); err != nil {
			t.Fatal(err)
		}
		renewed, err := a.Service("sync", now)
		if err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		if err := leaf(t, renewed).CheckSignatureFrom(caOf(t, a)); err != nil {
			t.Errorf("%s: %v", step.name, err)
		}
	}
}

func caOf(t *testing.T, a *pki.Authority) *x509.Certificate {
	t.Helper()
	key := strings.TrimSuffix(a.CAFile(), ".pem") + "-key.pem"
	return leaf(t, pki.Files{Cert: a.CAFile(), Key: key})
}

func TestKeysAreReadableByTheOwnerOnly(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	a := open(t, dir, now)
	if _, err := a.Service("policy", now); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]os.FileMode{"ca.pem": 0o644, "ca-key.pem": 0o600, "policy.pem": 0o644, "policy-key.pem": 0o600} {
		stat, err := os.Stat(filepath.Join(dir, name))
		if err != nil || stat.Mode().Perm() != want {
			t.Errorf("%s: %v, %v", name, stat, err)
		}
	}
}

func TestAnEndedAuthorityIsNotReplacedSilently(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	open(t, dir, now)
	if _, err := pki.Open(dir, now.AddDate(11, 0, 0)); err == nil || !strings.Contains(err.Error(), "ca.pem") {
		t.Fatalf("got %v", err)
	}
}
