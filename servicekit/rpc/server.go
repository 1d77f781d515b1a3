package rpc

import (
	"context"
	"log/slog"
	"time"

	"entente.dev/servicekit/caller"
	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/reflection"
)

// Limits of every server and client (security ground rules, API surface).
const (
	maxRequest      = 4 << 20
	maxAnswer       = 16 << 20
	maxStreams      = 250
	streamWorkers   = 32
	maxHeader       = 16 << 10
	keepaliveFloor  = 30 * time.Second
	defaultDeadline = 10 * time.Second
	// reserve is kept from the caller's deadline for the answer's way back.
	reserve = 20 * time.Millisecond
	// leastTime is what is left at least for a call that is worth starting.
	leastTime = 5 * time.Millisecond
)

// Verifier turns a bearer token into a verified caller. *authn.Verifier is
// one.
type Verifier interface {
	// Verify answers a caller whose Kind, Tenant, ids, names, permissions,
	// roles and TokenID are verified, or a fault. bearer is the token without
	// its scheme.
	Verify(ctx context.Context, bearer string) (caller.Caller, error)
}

// ServerConfig says what a server needs.
type ServerConfig struct {
	// Service is the name of this service, for instance `policy-svc`.
	Service string
	// Verifier checks bearer tokens; nil refuses every token.
	Verifier Verifier
	// Log receives one line per RPC; nil discards them.
	Log *slog.Logger
	// Registry receives the metrics; nil keeps none.
	Registry prometheus.Registerer
	// Tracer makes spans; nil makes none.
	Tracer trace.TracerProvider
	// Reflection lists the services to grpcurl and ghz.
	Reflection bool
	// Creds are for TCP listeners (ServerTLS); nil serves Local listeners only.
	Creds credentials.TransportCredentials
	// Health answers health checks; nil makes one that says SERVING.
	Health *health.Server
	// Deadline is for calls that come without one; 0 means 10 s.
	Deadline time.Duration
	// Refused is told of each call that the access rules refuse to a verified
	// caller, before it is answered, so that the service can record it.
	Refused func(ctx context.Context, fullMethod string, refusal error)
	// Failed is told likewise of each unary call whose handler fails.
	Failed func(ctx context.Context, fullMethod string, failure error)
}

// NewServer makes a server; services are registered on it, then it serves
// Local and TCP listeners alike.
func NewServer(cfg ServerConfig) *Server {
	s := &server{cfg: cfg, metrics: newMetrics(cfg.Registry)}
	if s.cfg.Log == nil {
		s.cfg.Log = slog.New(slog.DiscardHandler)
	}
	if s.cfg.Deadline == 0 {
		s.cfg.Deadline = defaultDeadline
	}
	opts := []grpc.ServerOption{
		grpc.Creds(serverCreds{cfg.Creds}),
		grpc.MaxRecvMsgSize(maxRequest),
		grpc.MaxSendMsgSize(maxAnswer),
		grpc.MaxConcurrentStreams(maxStreams),
		// A new goroutine per call grows its stack anew, in several copies.
		grpc.NumStreamWorkers(streamWorkers),
		grpc.MaxHeaderListSize(maxHeader),
		grpc.ConnectionTimeout(handshakeMax),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: keepaliveFloor, PermitWithoutStream: true}),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: 2 * time.Minute, Timeout: 20 * time.Second}),
		grpc.UnaryInterceptor(s.unary),
		grpc.StreamInterceptor(s.stream),
	}
	if cfg.Tracer != nil {
		opts = append(opts, grpc.StatsHandler(otelgrpc.NewServerHandler(
			otelgrpc.WithTracerProvider(cfg.Tracer), otelgrpc.WithPropagators(propagation.TraceContext{}))))
	}
	srv := &Server{Server: grpc.NewServer(opts...), unary: s.unary, framed: cfg.Tracer != nil,
		methods: make(map[string]method), idle: make(chan struct{})}
	srv.ctx, srv.stop = context.WithCancel(context.Background())
	if cfg.Health == nil {
		cfg.Health = health.NewServer()
	}
	healthpb.RegisterHealthServer(srv, cfg.Health)
	if cfg.Reflection {
		reflection.Register(srv)
	}
	return srv
}

type server struct {
	cfg      ServerConfig
	metrics  *metrics
	rules    methodRules
	required requiredFields
}
