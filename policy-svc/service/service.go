package service

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"

	"entente.dev/policy-svc/internal/api"
	"entente.dev/policy-svc/internal/migrations"
	"entente.dev/policy-svc/internal/snapshot"
	"entente.dev/policy-svc/internal/store"
	auditpb "entente.dev/proto/gen/entente/audit/v1"
	directorypb "entente.dev/proto/gen/entente/directory/v1"
	policypb "entente.dev/proto/gen/entente/policy/v1"
	"entente.dev/servicekit/audit"
	"entente.dev/servicekit/clock"
	"entente.dev/servicekit/ended"
	"entente.dev/servicekit/lifecycle"
	"entente.dev/servicekit/odata"
	"entente.dev/servicekit/pg"
	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"
)

// Name is this service's identity toward the others.
const Name = "policy-svc"

// Sources are the migrations of the schema, in order.
func Sources() []pg.Source { return []pg.Source{audit.Migrations, migrations.Source, ended.Migrations} }

// Deps are what the service is given.
type Deps struct {
	// Directory reaches directory-svc as this service.
	Directory grpc.ClientConnInterface
	// Log may be nil.
	Log *slog.Logger
	// Clock may be nil: the system's.
	Clock clock.Clock
	// Registry receives metrics; it may be nil.
	Registry prometheus.Registerer
}

// Service is a wired policy-svc.
type Service struct {
	db        *pg.DB
	store     *store.Store
	cache     *snapshot.Cache
	log       *slog.Logger
	journal   api.Journal
	policies  *api.CrossTenant
	settings  *api.Collaboration
	decisions *api.Decisions
	audits    auditpb.AuditServiceServer
	ended     *ended.Purger
}

// Migrate brings the schema up to date, as its owner.
func Migrate(ctx context.Context, cfg Config) error {
	cfg = cfg.withDefaults()
	if cfg.OwnerDSN == "" {
		return errors.New("the connection string of the schema's owner is required (OWNER_DSN)")
	}
	return pg.Migrate(ctx, cfg.OwnerDSN, cfg.Schema, cfg.ServeRole, Sources()...)
}

// New opens the database, refuses an outdated schema and wires the handlers.
// Close it when it is no longer served.
func New(ctx context.Context, cfg Config, deps Deps) (*Service, error) {
	cfg = cfg.withDefaults()
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if deps.Directory == nil {
		return nil, errors.New("policy-svc needs a connection to directory-svc")
	}
	if deps.Log == nil {
		deps.Log = slog.New(slog.DiscardHandler)
	}
	if deps.Clock == nil {
		deps.Clock = clock.System()
	}
	suite, err := cfg.suite()
	if err != nil {
		return nil, err
	}
	tokens, err := odata.NewTokens(pageKey(cfg), deps.Clock)
	if err != nil {
		return nil, err
	}
	db, err := pg.Open(ctx, pg.Config{DSN: cfg.DSN, Schema: cfg.Schema, MaxConns: cfg.MaxConns, Registry: deps.Registry}, deps.Log)
	if err != nil {
		return nil, err
	}
	if err := pg.CheckVersion(ctx, db, Sources()...); err != nil {
		db.Close()
		return nil, fmt.Errorf("schema of %s: %w", Name, err)
	}
	policies := store.New(db)
	s := &Service{db: db, store: policies, log: deps.Log, cache: snapshot.New(policies, deps.Clock, cfg.Cloud)}
	s.journal = api.Journal{Store: policies, Cache: s.cache, Clock: deps.Clock, Log: deps.Log, WriteLimit: cfg.WriteLimit}
	tenants := directorypb.NewTenantDirectoryServiceClient(deps.Directory)
	s.policies = &api.CrossTenant{Journal: s.journal, Tenants: tenants, Tokens: tokens, Cloud: cfg.Cloud, PeerClouds: cfg.PeerClouds}
	s.settings = &api.Collaboration{Journal: s.journal, Tenants: tenants}
	s.decisions = &api.Decisions{
		Cache: s.cache, Clock: deps.Clock, Tenants: tenants, Suite: suite,
		Groups:   directorypb.NewPrincipalServiceClient(deps.Directory),
		Accounts: directorypb.NewExternalUserServiceClient(deps.Directory),
	}
	s.audits = audit.NewServer(db, tokens, deps.Clock)
	s.ended = &ended.Purger{DB: db, Directory: tenants, Clock: deps.Clock, Log: deps.Log}
	return s, nil
}

func pageKey(cfg Config) []byte {
	if cfg.PageKey != "" {
		return []byte(cfg.PageKey)
	}
	key := make([]byte, minPageKey)
	_, _ = rand.Read(key) // never fails
	return key
}

// Register offers the service's RPCs on a server.
func (s *Service) Register(r grpc.ServiceRegistrar) {
	policypb.RegisterCrossTenantAccessPolicyServiceServer(r, s.policies)
	policypb.RegisterCollaborationPolicyServiceServer(r, s.settings)
	policypb.RegisterDecisionServiceServer(r, s.decisions)
	auditpb.RegisterAuditServiceServer(r, s.audits)
}

// Refused records refusals that are made before a handler runs; hand it to the
// server (rpc.ServerConfig.Refused).
func (s *Service) Refused(ctx context.Context, fullMethod string, refusal error) {
	s.journal.Denied(ctx, fullMethod, refusal)
}

// Run follows changes that other replicas make, and deletes the rows of
// tenants that ended, until ctx ends.
func (s *Service) Run(ctx context.Context) error {
	return lifecycle.Group(ctx,
		lifecycle.Part{Name: "changes", Run: func(ctx context.Context) error {
			return s.store.Listen(ctx, s.cache.Invalidate, s.cache.Heard)
		}},
		lifecycle.Part{Name: "beats", Run: s.cache.Follow},
		lifecycle.Part{Name: "ended tenants", Run: s.ended.Run},
	)
}

// Close ends background checks and closes the database.
func (s *Service) Close() {
	s.cache.Close()
	s.db.Close()
}
