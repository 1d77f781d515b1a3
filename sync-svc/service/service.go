package service

import (
	"context"
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"time"

	auditpb "entente.dev/proto/gen/entente/audit/v1"
	directorypb "entente.dev/proto/gen/entente/directory/v1"
	policypb "entente.dev/proto/gen/entente/policy/v1"
	syncpb "entente.dev/proto/gen/entente/sync/v1"
	"entente.dev/servicekit/audit"
	"entente.dev/servicekit/clock"
	"entente.dev/servicekit/ended"
	"entente.dev/servicekit/lifecycle"
	"entente.dev/servicekit/odata"
	"entente.dev/servicekit/pg"
	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"

	"entente.dev/sync-svc/internal/api"
	"entente.dev/sync-svc/internal/engine"
	"entente.dev/sync-svc/internal/jobs"
	"entente.dev/sync-svc/internal/migrations"
	"entente.dev/sync-svc/internal/store"
)

// Name is this service's identity toward the others.
const Name = "sync-svc"

// Sources are the migrations of the schema, in order.
func Sources() []pg.Source { return migrations.Sources }

// Deps are what the service is given.
type Deps struct {
	// Directory and Policy reach the siblings as this service.
	Directory, Policy grpc.ClientConnInterface
	// Log may be nil.
	Log *slog.Logger
	// Registry receives metrics; it may be nil.
	Registry prometheus.Registerer
	// Clock may be nil: the system's.
	Clock clock.Clock
}

// Service is a wired sync-svc.
type Service struct {
	db     *pg.DB
	log    *slog.Logger
	api    *api.Synchronization
	audits auditpb.AuditServiceServer
	runner *jobs.Runner
	purger *jobs.Purger
	ended  *ended.Purger
}

// Migrate brings the schema up to date, as its owner.
func Migrate(ctx context.Context, cfg Config) error {
	cfg = cfg.withDefaults()
	if cfg.OwnerDSN == "" {
		return errors.New("the connection string of the schema's owner is required (OWNER_DSN)")
	}
	return pg.Migrate(ctx, cfg.OwnerDSN, cfg.Schema, cfg.ServeRole, Sources()...)
}

// New opens the database, refuses an outdated schema and wires the service.
// Close it when it is no longer served.
func New(ctx context.Context, cfg Config, deps Deps) (*Service, error) {
	cfg = cfg.withDefaults()
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if deps.Directory == nil || deps.Policy == nil {
		return nil, errors.New("sync-svc needs connections to directory-svc and policy-svc")
	}
	if deps.Log == nil {
		deps.Log = slog.New(slog.DiscardHandler)
	}
	if deps.Clock == nil {
		deps.Clock = clock.System()
	}
	vault, tokens, err := keys(cfg, deps.Clock)
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
	rows := store.New(db, vault)
	provisioning := directorypb.NewProvisioningServiceClient(deps.Directory)
	feed := directorypb.NewChangeFeedServiceClient(deps.Directory)
	tenants := directorypb.NewTenantDirectoryServiceClient(deps.Directory)
	run := engine.New(engine.Config{Store: rows, Source: provisioning, Target: provisioning, Feed: feed,
		Tenants: tenants, Policy: policypb.NewDecisionServiceClient(deps.Policy),
		Clock: deps.Clock, Log: deps.Log, Metrics: engine.NewMetrics(deps.Registry), BatchSize: cfg.Batch, LeaseLife: cfg.LeaseLife})
	return &Service{db: db, log: deps.Log,
		api:    api.New(rows, run, provisioning, tokens, deps.Clock),
		audits: audit.NewServer(db, tokens, deps.Clock),
		runner: jobs.NewRunner(jobs.Config{Store: rows, Engine: run, Hints: feed, Clock: deps.Clock, Log: deps.Log, Poll: cfg.Poll, MaxJobs: cfg.MaxJobs}),
		purger: &jobs.Purger{Store: rows, Clock: deps.Clock, Retention: cfg.LogRetention},
		ended: &ended.Purger{DB: db, Directory: tenants, Clock: deps.Clock, Log: deps.Log,
			Forget: (&jobs.Severer{Store: rows, Clock: deps.Clock}).Sever}}, nil
}

// keys makes what seals settings and page tokens.
func keys(cfg Config, c clock.Clock) (*store.Vault, *odata.Tokens, error) {
	master, err := cfg.master()
	if err != nil {
		return nil, nil, err
	}
	vault, err := store.NewVault(master)
	if err != nil {
		return nil, nil, err
	}
	page := []byte(cfg.PageKey)
	if len(page) == 0 {
		if page, err = hkdf.Key(sha256.New, master, nil, "entente sync pages", minPageKey); err != nil {
			return nil, nil, fmt.Errorf("derive key: %w", err)
		}
	}
	tokens, err := odata.NewTokens(page, c)
	return vault, tokens, err
}

// Register offers the service's RPCs on a server.
func (s *Service) Register(r grpc.ServiceRegistrar) {
	syncpb.RegisterSynchronizationServiceServer(r, s.api)
	auditpb.RegisterAuditServiceServer(r, s.audits)
}

// Run runs the active jobs, and removes what is no longer kept, until ctx ends.
func (s *Service) Run(ctx context.Context) error {
	return lifecycle.Group(ctx,
		lifecycle.Part{Name: "provisioning log", Run: func(ctx context.Context) error {
			return lifecycle.Loop(ctx, s.log, "purge provisioning log", time.Hour, time.Minute, func(ctx context.Context) error {
				_, err := s.purger.RunOnce(ctx)
				return err
			})
		}},
		lifecycle.Part{Name: "ended tenants", Run: s.ended.Run},
		lifecycle.Part{Name: "jobs", Run: s.runner.Run},
	)
}

// Close closes the database.
func (s *Service) Close() { s.db.Close() }
