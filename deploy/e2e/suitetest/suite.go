package suitetest

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// DataDirVariable names the variable with the data folder of a running suite.
const DataDirVariable = "ENTENTE_E2E_DATA_DIR"

// Tenant is a tenant with the credentials of its administrators, in the words
// of entente.json.
type Tenant struct {
	Name         string `json:"name"`
	ID           string `json:"tenantId"`
	Domain       string `json:"domain"`
	Type         string `json:"tenantType"`
	ClientID     string `json:"clientId"`
	ClientSecret string `json:"clientSecret"`
	Admin        struct {
		UserPrincipalName string `json:"userPrincipalName"`
		Password          string `json:"password"`
	} `json:"admin"`
	// ServicePrincipalID is known of tenants that a test has made.
	ServicePrincipalID string `json:"-"`
}

// Connection is the content of entente.json.
type Connection struct {
	GraphURL string            `json:"graphUrl"`
	LoginURL string            `json:"loginUrl"`
	HTTPURL  string            `json:"httpUrl"`
	CAFile   string            `json:"caFile"`
	MailURL  string            `json:"mailUrl"`
	GRPC     map[string]string `json:"grpc"`
	Tenants  []Tenant          `json:"tenants"`
}

// Suite is a running suite as its users see it.
type Suite struct {
	Connection
	// Dir is the data folder.
	Dir string

	roots     *x509.CertPool
	transport *http.Transport
	tokens    sync.Map // key of a token to its text
	operator  func() (string, error)
	issuer    func() (*issuer, error)
	names     *names // nil for a suite that was joined
}

// Open reads how to reach the suite of a data folder.
func Open(dir string) (*Suite, error) {
	text, err := os.ReadFile(filepath.Join(dir, "entente.json"))
	if err != nil {
		return nil, err
	}
	s := &Suite{Dir: dir, roots: x509.NewCertPool()}
	if err := json.Unmarshal(text, &s.Connection); err != nil {
		return nil, fmt.Errorf("entente.json: %w", err)
	}
	s.GraphURL = strings.TrimSuffix(s.GraphURL, "/")
	s.LoginURL = strings.TrimSuffix(s.LoginURL, "/")
	ca, err := os.ReadFile(s.CAFile)
	if err != nil {
		return nil, err
	}
	if !s.roots.AppendCertsFromPEM(ca) {
		return nil, fmt.Errorf("%s holds no certificate", s.CAFile)
	}
	s.transport = &http.Transport{
		TLSClientConfig:     &tls.Config{RootCAs: s.roots, MinVersion: tls.VersionTLS12},
		ForceAttemptHTTP2:   true,
		MaxIdleConnsPerHost: 16,
		IdleConnTimeout:     30 * time.Second,
	}
	s.operator = sync.OnceValues(func() (string, error) {
		out, err := Command(context.Background(), "token", "--data-dir", dir)
		return strings.TrimSpace(out), err
	})
	s.issuer = openIssuer(dir)
	return s, nil
}

// Demo returns the demo tenant whose domain begins with the name.
func (s *Suite) Demo(t testing.TB, name string) Tenant {
	t.Helper()
	for _, tenant := range s.Tenants {
		if strings.HasPrefix(tenant.Domain, name+".") {
			return tenant
		}
	}
	t.Fatalf("entente.json has no tenant %s.*", name)
	return Tenant{}
}

// Forget closes the connections that are kept open, after the suite was restarted.
func (s *Suite) Forget() { s.transport.CloseIdleConnections() }

// Transport returns the transport that trusts the suite's authority.
func (s *Suite) Transport() http.RoundTripper { return s.transport }

var shared struct {
	suite *Suite
	err   error
}

// Shared returns the suite that Main started.
func Shared(t testing.TB) *Suite {
	t.Helper()
	if shared.err != nil {
		t.Fatalf("the suite does not run: %v", shared.err)
	}
	return shared.suite
}

// Main runs the tests of a binary against one suite and returns the exit status.
func Main(m *testing.M) int {
	defer removeScratches()
	if dir := os.Getenv(DataDirVariable); dir != "" {
		shared.suite, shared.err = Open(dir)
		return m.Run()
	}
	dir, remove, err := DataDir()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer remove()
	dns, err := serveNames()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer dns.stop()
	program, err := Start(context.Background(), dir, "--demo", "--resolver", dns.address())
	if err != nil {
		shared.err = err
		return m.Run() // each story says that there is nothing to run against
	}
	if shared.suite, shared.err = Open(dir); shared.err == nil {
		shared.suite.names = dns
	}
	code := m.Run()
	if code != 0 {
		keepLog(program)
	}
	if err := program.Interrupt(); err != nil {
		fmt.Fprintf(os.Stderr, "stop the suite: %v\n", err)
		return 1
	}
	return code
}

// keepLog leaves what the suite printed where a person can read it.
func keepLog(p *Program) {
	f, err := os.CreateTemp("", "entente-e2e-*.log")
	if err != nil {
		return
	}
	defer f.Close()
	if _, err := f.WriteString(p.Log()); err == nil {
		fmt.Fprintf(os.Stderr, "the log of the suite is in %s\n", f.Name())
	}
}

// DataDir makes a folder for a suite. The account of the database must be able
// to walk into it, which the usual temporary folders of tests forbid.
func DataDir() (dir string, remove func(), err error) {
	base, err := os.MkdirTemp("", "entente-e2e-")
	if err != nil {
		return "", nil, err
	}
	if err := os.Chmod(base, 0o755); err != nil {
		return "", nil, err
	}
	return filepath.Join(base, "data"), func() { _ = os.RemoveAll(base) }, nil
}

// Eventually asks until the answer is yes, and fails the test after the limit.
// what says what was waited for.
func Eventually(t testing.TB, limit time.Duration, what string, ask func() bool) {
	t.Helper()
	deadline := time.NewTimer(limit)
	defer deadline.Stop()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !ask() {
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("not within %s: %s", limit, what)
		}
	}
}
