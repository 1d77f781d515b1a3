package service

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"entente.dev/gateway/internal/batch"
	"entente.dev/gateway/internal/edge"
	"entente.dev/gateway/internal/limits"
	"entente.dev/gateway/internal/oauth"
	"entente.dev/gateway/internal/pages"
	"entente.dev/gateway/internal/route"
	"entente.dev/proto"
	directorypb "entente.dev/proto/gen/entente/directory/v1"
	invitationpb "entente.dev/proto/gen/entente/invitation/v1"
	"entente.dev/servicekit/clock"
	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"
	"golang.org/x/sync/singleflight"
	"google.golang.org/grpc"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
)

// Deps are what the gateway stands on.
type Deps struct {
	// Connections to the services, all required.
	Directory, Invitation, Policy, Sync grpc.ClientConnInterface
	// Clock is the system's where it is nil.
	Clock clock.Clock
	// Log receives one line per request; nil discards them.
	Log *slog.Logger
	// Registry receives the metrics, Tracer the spans; nil keeps none.
	Registry prometheus.Registerer
	Tracer   trace.TracerProvider
}

// Service is the gateway.
type Service struct {
	cfg     Config
	log     *slog.Logger
	handler http.Handler
}

// New wires the gateway. It starts nothing.
func New(ctx context.Context, cfg Config, deps Deps) (*Service, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	proxies, err := cfg.proxies()
	if err != nil {
		return nil, err
	}
	if deps.Clock == nil {
		deps.Clock = clock.System()
	}
	if deps.Log == nil {
		deps.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Product == "" {
		cfg.Product = "Entente"
	}
	if cfg.LoginOrigin == "" && len(cfg.Origins) > 0 {
		cfg.LoginOrigin = cfg.Origins[0]
	}
	key := []byte(cfg.PageKey)
	if len(key) == 0 {
		key = make([]byte, 32)
		_, _ = rand.Read(key) // never fails
	}
	router, err := route.New(ctx, route.Config{
		Conns: route.Conns{Directory: deps.Directory, Invitation: deps.Invitation, Policy: deps.Policy, Sync: deps.Sync},
		Clock: deps.Clock, TokenKey: key,
	})
	if err != nil {
		return nil, fmt.Errorf("routes: %w", err)
	}
	limiter := func(perSecond, burst float64) *limits.Limiter {
		return limits.New(deps.Clock, limits.Rate{PerSecond: perSecond, Burst: burst})
	}
	addresses, signIns := limiter(cfg.AddressRate, cfg.AddressBurst), limiter(cfg.SignInRate, cfg.SignInBurst)
	api := &limits.Handler{
		Next: router, Clock: deps.Clock, Address: addresses,
		Tenant: limiter(cfg.TenantRate, cfg.TenantBurst), Application: limiter(cfg.ApplicationRate, cfg.ApplicationBurst),
	}
	tokens := &oauth.Handler{Tokens: directorypb.NewTokenServiceClient(deps.Directory), Clock: deps.Clock, LoginOrigin: cfg.LoginOrigin, Name: cfg.Product}
	people := &pages.Handler{Flows: invitationpb.NewFlowServiceClient(deps.Invitation), Clock: deps.Clock, Product: cfg.Product}
	document, err := openAPI(cfg.Product)
	if err != nil {
		return nil, err
	}
	outer, err := edge.New(edge.Config{
		Handlers: edge.Handlers{
			Graph: api,
			Batch: &limits.Handler{Next: &batch.Handler{Next: api, Clock: deps.Clock, Log: deps.Log}, Clock: deps.Clock, Address: addresses},
			OAuth: &limits.Gate{Next: tokens, Refuse: tokens.Busy, Limiter: func(r *http.Request) *limits.Limiter {
				if oauth.SignIn(r.URL.Path) {
					return signIns
				}
				return addresses
			}},
			Pages: &limits.Gate{Next: people, Refuse: people.Busy, Limiter: func(r *http.Request) *limits.Limiter {
				if pages.SignIn(r.URL.Path) {
					return signIns
				}
				return nil
			}},
			OpenAPI: document,
			Ready:   ready(deps),
		},
		Origins: cfg.Origins, TrustedProxies: proxies, Clock: deps.Clock, Log: deps.Log, Registry: deps.Registry, Tracer: deps.Tracer,
	})
	if err != nil {
		return nil, err
	}
	return &Service{cfg: cfg, log: deps.Log, handler: outer}, nil
}

// Handler answers everything; whoever serves it sets the limits of Server.
func (s *Service) Handler() http.Handler { return s.handler }

// Close gives back nothing: the gateway holds nothing.
func (s *Service) Close() {}

// ready asks every service whether it serves. Whoever asks meanwhile hears the
// same: anybody may, and each time four services are asked.
func ready(deps Deps) func(*http.Request) error {
	conns := []grpc.ClientConnInterface{deps.Directory, deps.Invitation, deps.Policy, deps.Sync}
	var asking singleflight.Group
	return func(r *http.Request) error {
		_, err, _ := asking.Do("", func() (any, error) {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), 2*time.Second)
			defer cancel()
			for _, c := range conns {
				res, err := healthpb.NewHealthClient(c).Check(ctx, &healthpb.HealthCheckRequest{})
				if err != nil {
					return nil, err
				}
				if res.GetStatus() != healthpb.HealthCheckResponse_SERVING {
					return nil, fmt.Errorf("a service answers %s", res.GetStatus())
				}
			}
			return nil, nil
		})
		return err
	}
}

// openAPI gives the generated document its title.
func openAPI(product string) ([]byte, error) {
	var doc map[string]json.RawMessage
	if err := json.Unmarshal(proto.OpenAPI, &doc); err != nil {
		return nil, fmt.Errorf("OpenAPI document: %w", err)
	}
	info, err := json.Marshal(map[string]string{
		"title": product, "version": "v1",
		"description": "The REST API: Microsoft Graph shapes under /v1.0 and /beta, native operations under /entente/v1, the operator's under /admin/v1.",
	})
	if err != nil {
		return nil, err
	}
	doc["info"] = info
	return json.Marshal(doc)
}
