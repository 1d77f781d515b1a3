package process

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	directorypb "entente.dev/proto/gen/entente/directory/v1"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/fault"
	"entente.dev/servicekit/rpc"
	"go.uber.org/goleak"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type keys struct {
	directorypb.UnimplementedTokenServiceServer
	entered, leave chan struct{}
}

func (k *keys) ListSigningKeys(ctx context.Context, _ *directorypb.ListSigningKeysRequest) (*directorypb.ListSigningKeysResponse, error) {
	close(k.entered)
	select {
	case <-k.leave:
		return &directorypb.ListSigningKeysResponse{}, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func TestDrainFinishesRunningCalls(t *testing.T) {
	t.Parallel()
	h := health.NewServer()
	srv := rpc.NewServer(rpc.ServerConfig{Service: "directory-svc", Health: h})
	svc := &keys{entered: make(chan struct{}), leave: make(chan struct{})}
	directorypb.RegisterTokenServiceServer(srv, svc)
	l, dial := rpc.Local("directory-svc")
	conn, err := dial("policy-svc", rpc.ClientConfig{})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ctx, stop := context.WithCancel(t.Context())
	drained := make(chan error, 1)
	go func() { drained <- Drain(ctx, srv, l, h, time.Minute) }()

	watch, err := healthpb.NewHealthClient(conn).Watch(t.Context(), &healthpb.HealthCheckRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if s, err := watch.Recv(); err != nil || s.Status != healthpb.HealthCheckResponse_SERVING {
		t.Fatalf("health at the start: %v, %v", s, err)
	}
	answered := make(chan error, 1)
	go func() {
		_, err := directorypb.NewTokenServiceClient(conn).ListSigningKeys(t.Context(), &directorypb.ListSigningKeysRequest{})
		answered <- err
	}()
	<-svc.entered
	stop()
	if s, err := watch.Recv(); err != nil || s.Status != healthpb.HealthCheckResponse_NOT_SERVING {
		t.Errorf("health while draining: %v, %v", s, err)
	}
	close(svc.leave)
	if err := <-answered; err != nil {
		t.Errorf("the running call: %v", err)
	}
	conn.Close() // the watch is a call as well and would last
	if err := <-drained; err != nil {
		t.Error(err)
	}
}

func TestDrainCutsOffAtItsLimit(t *testing.T) {
	t.Parallel()
	srv := rpc.NewServer(rpc.ServerConfig{Service: "directory-svc"})
	svc := &keys{entered: make(chan struct{}), leave: make(chan struct{})}
	directorypb.RegisterTokenServiceServer(srv, svc)
	l, dial := rpc.Local("directory-svc")
	conn, err := dial("policy-svc", rpc.ClientConfig{})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ctx, stop := context.WithCancel(t.Context())
	drained := make(chan error, 1)
	go func() { drained <- Drain(ctx, srv, l, nil, time.Millisecond) }()
	answered := make(chan error, 1)
	go func() {
		_, err := directorypb.NewTokenServiceClient(conn).ListSigningKeys(t.Context(), &directorypb.ListSigningKeysRequest{})
		answered <- err
	}()
	<-svc.entered
	stop()
	if err := <-answered; !fault.Is(err, errorspb.Reason_UNAVAILABLE) {
		t.Errorf("the running call: %v", err)
	}
	if err := <-drained; err != nil {
		t.Error(err)
	}
}

func TestAdminListenerStaysOnLoopback(t *testing.T) {
	t.Parallel()
	for addr, ok := range map[string]bool{"127.0.0.1:0": true, "[::1]:9": true, "localhost:9": true, "": true,
		"0.0.0.0:9": false, ":9": false, "192.0.2.1:9": false, "127.0.0.1": false} {
		err := Config{AdminListen: addr, CertFile: "c", KeyFile: "k", CAFile: "a"}.Validate()
		if (err == nil) != ok {
			t.Errorf("%q: %v", addr, err)
		}
	}
	if (Config{}).Validate() == nil {
		t.Error("a process without certificate is accepted")
	}
}

func TestAdminHandler(t *testing.T) {
	t.Parallel()
	p, err := New(t.Context(), "policy-svc", Config{CertFile: "c", KeyFile: "k", CAFile: "a", LogLevel: "error"})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	get := func(path string) *httptest.ResponseRecorder {
		rec := httptest.NewRecorder()
		p.adminHandler().ServeHTTP(rec, httptest.NewRequest(http.MethodGet, path, nil))
		return rec
	}
	if rec := get("/metrics"); rec.Code != 200 || !strings.Contains(rec.Body.String(), "go_goroutines") {
		t.Errorf("metrics: %d", rec.Code)
	}
	if rec := get("/healthz"); rec.Code != 200 {
		t.Errorf("health: %d", rec.Code)
	}
	p.Health.Shutdown()
	if rec := get("/healthz"); rec.Code != 503 {
		t.Errorf("health after shutdown: %d", rec.Code)
	}
}

func TestLogIsJSONInUTC(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	log, err := NewLog(&b, "policy-svc", "info")
	if err != nil {
		t.Fatal(err)
	}
	log.Info("line\nbreak", "text", "a\x00b")
	var line struct{ Time, Service string }
	if err := json.Unmarshal(b.Bytes(), &line); err != nil || !strings.HasSuffix(line.Time, "Z") || line.Service != "policy-svc" || bytes.Count(b.Bytes(), []byte("\n")) != 1 {
		t.Errorf("%s, %v", b.String(), err)
	}
	if _, err := NewLog(&b, "x", "loud"); err == nil {
		t.Error("an unknown level is accepted")
	}
}

func TestExitCodes(t *testing.T) {
	t.Parallel()
	commands := map[string]Command{
		"serve":   func(context.Context, []string) error { return nil },
		"migrate": func(context.Context, []string) error { return errors.New("boom") },
		"help":    func(context.Context, []string) error { return flag.ErrHelp },
	}
	for arg, want := range map[string]int{"serve": 0, "migrate": 1, "help": 0, "nothing": 64} {
		if got := run("policy-svc", commands, []string{arg}); got != want {
			t.Errorf("%s: exit %d", arg, got)
		}
	}
}
