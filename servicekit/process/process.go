package process

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"os"
	"time"

	"entente.dev/servicekit/lifecycle"
	"entente.dev/servicekit/rpc"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
)

// Process is the surroundings of one service.
type Process struct {
	Name     string
	Config   Config
	Log      *slog.Logger
	Registry *prometheus.Registry
	Tracer   trace.TracerProvider // nil when traces are off
	Health   *health.Server
	// Refused and Failed are handed to the servers that are made (rpc.ServerConfig).
	Refused, Failed func(ctx context.Context, fullMethod string, refusal error)

	shutdown func(context.Context) error
}

// New sets up log, metrics and traces. The log goes to standard error.
func New(ctx context.Context, name string, cfg Config) (*Process, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	log, err := NewLog(os.Stderr, name, cfg.LogLevel)
	if err != nil {
		return nil, err
	}
	p := &Process{Name: name, Config: cfg, Log: log, Registry: prometheus.NewRegistry(), Health: health.NewServer(),
		shutdown: func(context.Context) error { return nil }}
	p.Registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	if cfg.OTLPEndpoint != "" {
		tracer, err := NewTracer(ctx, name, cfg.OTLPEndpoint, cfg.TraceRatio)
		if err != nil {
			return nil, err
		}
		p.Tracer, p.shutdown = tracer, tracer.Shutdown
	}
	return p, nil
}

// Close sends what traces are left.
func (p *Process) Close() {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := p.shutdown(ctx); err != nil {
		p.Log.Warn("traces not sent", "error", err)
	}
}

// NewServer makes the gRPC server of the process.
func (p *Process) NewServer(v rpc.Verifier) (*rpc.Server, error) {
	creds, err := rpc.ServerTLS(p.Config.CertFile, p.Config.KeyFile, p.Config.CAFile)
	if err != nil {
		return nil, err
	}
	return rpc.NewServer(rpc.ServerConfig{Service: p.Name, Verifier: v, Log: p.Log, Registry: p.Registry, Tracer: p.Tracer,
		Reflection: p.Config.Reflection, Creds: creds, Health: p.Health, Refused: p.Refused, Failed: p.Failed}), nil
}

// Dial makes a connection to a sibling service as this one.
func (p *Process) Dial(service, target string) (*grpc.ClientConn, error) {
	creds, err := rpc.ClientTLS(p.Config.CertFile, p.Config.KeyFile, p.Config.CAFile)
	if err != nil {
		return nil, err
	}
	return rpc.Dial(rpc.ClientConfig{Target: target, Service: service, Creds: creds, Tracer: p.Tracer})
}

// Serve listens and works until ctx ends or a signal arrives, then drains:
// health says NOT_SERVING, running calls finish within DrainTimeout, and
// background, which may be nil, ends last.
func (p *Process) Serve(ctx context.Context, srv *rpc.Server, background func(context.Context) error) error {
	l, err := net.Listen("tcp", p.Config.Listen)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	var parts []lifecycle.Part
	if background != nil {
		parts = append(parts, lifecycle.Part{Name: "background work", Run: background})
	}
	if p.Config.AdminListen != "" {
		admin, err := net.Listen("tcp", p.Config.AdminListen)
		if err != nil {
			_ = l.Close()
			return fmt.Errorf("listen: %w", err)
		}
		parts = append(parts, lifecycle.Part{Name: "admin listener", Run: func(ctx context.Context) error { return p.serveAdmin(ctx, admin) }})
		p.Log.InfoContext(ctx, "admin listener ready", "address", admin.Addr().String())
	}
	parts = append(parts, lifecycle.Part{Name: "gRPC listener", Run: func(ctx context.Context) error { return p.ServeOn(ctx, srv, l) }})
	p.Log.InfoContext(ctx, "ready", "address", l.Addr().String())
	return lifecycle.Run(ctx, parts...)
}

// ServeOn serves one listener until ctx ends, then drains.
func (p *Process) ServeOn(ctx context.Context, srv *rpc.Server, l net.Listener) error {
	return Drain(ctx, srv, l, p.Health, p.Config.DrainTimeout)
}

// Drain serves srv on l until ctx ends; then health turns to NOT_SERVING, and
// calls have until limit to finish before they are cut off.
func Drain(ctx context.Context, srv *rpc.Server, l net.Listener, h *health.Server, limit time.Duration) error {
	served := make(chan error, 1)
	go func() { served <- srv.Serve(l) }()
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	if h != nil {
		h.Shutdown()
	}
	done := make(chan struct{})
	go func() {
		srv.GracefulStop()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(limit):
		srv.Stop()
		<-done
	}
	if err := <-served; err != nil && !errors.Is(err, grpc.ErrServerStopped) {
		return err
	}
	return nil
}

func (p *Process) serveAdmin(ctx context.Context, l net.Listener) error {
	srv := &http.Server{Handler: p.adminHandler(), ReadHeaderTimeout: 5 * time.Second}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(l) }()
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	_ = srv.Close()
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func (p *Process) adminHandler() http.Handler { return AdminHandler(p.Registry, p.Health) }

// AdminHandler answers metrics, health and profiles. It belongs on loopback:
// profiles show memory.
func AdminHandler(metrics prometheus.Gatherer, h *health.Server) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(metrics, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, r *http.Request) {
		resp, err := h.Check(r.Context(), &healthpb.HealthCheckRequest{})
		if err != nil || resp.Status != healthpb.HealthCheckResponse_SERVING {
			http.Error(w, "not serving", http.StatusServiceUnavailable)
			return
		}
		_, _ = w.Write([]byte("serving\n"))
	})
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	return mux
}
