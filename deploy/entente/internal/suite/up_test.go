package suite

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"entente.dev/deploy/entente/internal/keys"
	"entente.dev/deploy/entente/internal/operator"
	"entente.dev/deploy/entente/internal/progress"
	"entente.dev/deploy/entente/internal/state"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
)

// console collects what a suite prints and tells when it says `ready`.
type console struct {
	mu    sync.Mutex
	text  bytes.Buffer
	ready chan struct{}
}

func (c *console) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n, err := c.text.Write(b)
	if string(b) == "ready\n" {
		close(c.ready)
	}
	return n, err
}

func (c *console) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.text.String()
}

// folder is like t.TempDir, but the account of the database may pass through
// it when the test runs as root.
func folder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "entente-up-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if err := os.Chmod(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, "data")
}

func options(t *testing.T, dir string, args ...string) Options {
	t.Helper()
	o, err := ParseOptions(append([]string{"--data-dir", dir, "--listen", "127.0.0.1:0", "--tls-listen", "127.0.0.1:0"}, args...), nil)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// up starts a suite and waits until it is ready; the function it answers ends
// it as Ctrl-C does.
func up(t *testing.T, o Options) (state.Connection, func()) {
	t.Helper()
	out, log := &console{ready: make(chan struct{})}, &console{ready: make(chan struct{})}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- Up(ctx, o, progress.New(out, false), log) }()
	select {
	case <-out.ready:
	case err := <-ended:
		t.Fatalf("ended before it was ready: %v\n%s\n%s", err, out, log)
	}
	c, err := state.ReadConnection(o.DataDir)
	if err != nil {
		t.Fatal(err)
	}
	var once sync.Once
	stop := func() {
		once.Do(func() {
			cancel()
			if err := <-ended; err != nil {
				t.Errorf("ended with %v\n%s\n%s", err, out, log)
			}
		})
	}
	t.Cleanup(stop)
	return c, stop
}

func operatorOf(t *testing.T, dir string, c state.Connection) *operator.Client {
	t.Helper()
	key, err := keys.ReadOperatorKey(keys.OperatorKeyFile(state.KeysIn(dir)))
	if err != nil {
		t.Fatal(err)
	}
	op, err := operator.New(c.GraphURL, c.CAFile, key)
	if err != nil {
		t.Fatal(err)
	}
	return op
}

func TestARestartKeepsTenantsAndAddresses(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	first, stop := up(t, options(t, dir))
	created, err := operatorOf(t, dir, first).CreateTenant(t.Context(), "once", operator.NewTenant{
		DisplayName: "Contoso", TenantType: "workforce", InitialDomainPrefix: "contoso", CountryLetterCode: "NL",
		Administrator: &operator.Administrator{DisplayName: "Admin", UserNamePrefix: "admin"},
	})
	if err != nil || created.Administrator.TemporaryPassword == "" {
		t.Fatalf("%+v, %v", created, err)
	}
	if _, err := state.Open(dir); err == nil {
		t.Error("a second runner got the data folder")
	}
	stop()
	second, _ := up(t, options(t, dir))
	if second.GraphURL != first.GraphURL || second.HTTPURL != first.HTTPURL || second.MailURL != first.MailURL {
		t.Errorf("addresses changed from %+v to %+v", first, second)
	}
	tenants, err := operatorOf(t, dir, second).Tenants(t.Context(), "")
	if err != nil || len(tenants) != 1 || tenants[0].TenantID != created.TenantID || tenants[0].InitialDomain != "contoso.example" {
		t.Errorf("tenants %+v, %v", tenants, err)
	}
}

func TestServicesAnswerOverMutualTLSAndTheAdminListenerOnLoopback(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	o := options(t, dir)
	c, _ := up(t, o)
	pem, err := os.ReadFile(c.CAFile)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	if len(c.GRPC) != len(services) {
		t.Errorf("addresses of %d services", len(c.GRPC))
	}
	for short, address := range c.GRPC {
		conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12})))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		answer, err := healthpb.NewHealthClient(conn).Check(t.Context(), &healthpb.HealthCheckRequest{})
		if err != nil || answer.Status != healthpb.HealthCheckResponse_SERVING {
			t.Errorf("%s: %v, %v", short, answer, err)
		}
	}
	for _, url := range []string{c.HTTPURL + "/metadata/endpoints?api-version=2022-09-01", c.MailURL + "/mail"} {
		resp, err := http.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			t.Errorf("%s: %d", url, resp.StatusCode)
		}
	}
}

func TestTheDemoRefusesAnInstallationWithTenants(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	c, stop := up(t, options(t, dir))
	_, err := operatorOf(t, dir, c).CreateTenant(t.Context(), "once", operator.NewTenant{
		DisplayName: "Real", TenantType: "workforce", InitialDomainPrefix: "real", CountryLetterCode: "NL",
		Administrator: &operator.Administrator{DisplayName: "Admin", UserNamePrefix: "admin"},
	})
	if err != nil {
		t.Fatal(err)
	}
	stop()
	err = Up(t.Context(), options(t, dir, "--demo"), progress.New(&bytes.Buffer{}, false), &bytes.Buffer{})
	if err == nil || !strings.Contains(err.Error(), "demo") {
		t.Fatalf("got %v", err)
	}
}

func TestAnEndWhileStartingLeavesNoServer(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	ctx, cancel := context.WithCancel(t.Context())
	out := progress.New(writerFunc(func(b []byte) (int, error) {
		if bytes.Contains(b, []byte("start PostgreSQL")) {
			cancel()
		}
		return len(b), nil
	}), false)
	if err := Up(ctx, options(t, dir), out, &bytes.Buffer{}); err != nil {
		t.Errorf("Ctrl-C is no failure: %v", err)
	}
	if pid, err := os.ReadFile(filepath.Join(dir, "postgres", "pgdata", "postmaster.pid")); err == nil {
		t.Errorf("the server is still there: %s", pid)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

func TestOptionsComeFromFlagsAndEnvironment(t *testing.T) {
	t.Parallel()
	o, err := ParseOptions([]string{"--listen", "127.0.0.1:1"}, []string{"ENTENTE_LISTEN=127.0.0.1:2", "ENTENTE_DEMO=true", "ENTENTE_DATA_DIR=/d"})
	if err != nil || o.Listen != "127.0.0.1:1" || !o.Demo || o.DataDir != "/d" || o.rate() != 0 || o.signInRate() != 0 {
		t.Errorf("%+v, %v", o, err)
	}
	for _, args := range [][]string{
		{"--listen", "0.0.0.0:0"}, {"--listen", "example.org:80"}, {"--listen", "8080"}, {"--admin-listen", ":9"}, {"--tenant-rate", "many"}, {"--sign-in-rate", "-1"}, {"extra"},
	} {
		if _, err := ParseOptions(args, nil); err == nil {
			t.Errorf("%q is accepted", args)
		}
	}
	if _, err := ParseOptions(nil, []string{"ENTENTE_UNHEARD_OF=1"}); err == nil || !strings.Contains(err.Error(), "ENTENTE_UNHEARD_OF") {
		t.Errorf("an unknown variable: %v", err)
	}
	if o := (Options{Rate: "50", SignInRate: "5", Demo: true}); o.rate() != 50 || o.signInRate() != 5 {
		t.Errorf("rates %v, %v", o.rate(), o.signInRate())
	}
	if o := (Options{}); o.rate() != 200 || o.signInRate() != 20 {
		t.Errorf("rates %v, %v", o.rate(), o.signInRate())
	}
}

func TestGRPCPortsFollowTheGivenOne(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		address string
		i       int
		want    string
	}{{"127.0.0.1:0", 3, "127.0.0.1:0"}, {"0.0.0.0:7000", 2, "0.0.0.0:7002"}, {"127.0.0.1:65535", 1, ""}, {"nowhere", 0, ""}} {
		got, err := following(c.address, c.i)
		if got != c.want || (err != nil) != (c.want == "") {
			t.Errorf("%s + %d: %q, %v", c.address, c.i, got, err)
		}
	}
}

func TestAnInterruptedStartIsNoFailure(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	boom := errors.New("boom")
	if err := interrupted(ctx, boom); !errors.Is(err, boom) {
		t.Errorf("got %v", err)
	}
	cancel()
	if err := interrupted(ctx, context.Canceled); err != nil {
		t.Errorf("got %v", err)
	}
	if err := interrupted(ctx, syscall.ENOSPC); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("got %v", err)
	}
}
