package service

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"entente.dev/invitation-svc/internal/api"
	"entente.dev/invitation-svc/internal/flow"
	worker "entente.dev/invitation-svc/internal/jobs"
	"entente.dev/invitation-svc/internal/mail"
	"entente.dev/invitation-svc/internal/migrations"
	"entente.dev/invitation-svc/internal/redemption"
	"entente.dev/invitation-svc/internal/saga"
	"entente.dev/invitation-svc/internal/smtp"
	"entente.dev/invitation-svc/internal/store"
	auditpb "entente.dev/proto/gen/entente/audit/v1"
	directorypb "entente.dev/proto/gen/entente/directory/v1"
	invitationpb "entente.dev/proto/gen/entente/invitation/v1"
	policypb "entente.dev/proto/gen/entente/policy/v1"
	"entente.dev/servicekit/audit"
	"entente.dev/servicekit/clock"
	"entente.dev/servicekit/ended"
	"entente.dev/servicekit/jobs"
	"entente.dev/servicekit/lifecycle"
	"entente.dev/servicekit/odata"
	"entente.dev/servicekit/pg"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/riverqueue/river"
	"google.golang.org/grpc"
)

// Deps are the sibling services, and what tests replace.
type Deps struct {
	Directory grpc.ClientConnInterface
	Policy    grpc.ClientConnInterface
	Log       *slog.Logger
	// Clock tells the time; nil is the machine's.
	Clock clock.Clock
	// Registry receives metrics; it may be nil.
	Registry prometheus.Registerer
}

// Service is invitation-svc, ready to be registered and run.
type Service struct {
	db      *pg.DB
	queue   *jobs.Client
	timers  *worker.Timers
	log     *slog.Logger
	invites *api.Invitations
	bulks   *api.Bulks
	flows   *api.Flows
	audit   auditpb.AuditServiceServer
	relay   *smtp.Relay
	ended   *ended.Purger
}

// Name is this service's identity toward the others.
const Name = worker.Service

// Sources are the migrations of the schema, in order.
func Sources() []pg.Source {
	return []pg.Source{audit.Migrations, jobs.Migrations, migrations.Source, ended.Migrations}
}

// Migrate brings the schema up to date, as its owner.
func Migrate(ctx context.Context, cfg Config) error {
	cfg = cfg.withDefaults()
	if cfg.OwnerDSN == "" {
		return errors.New("the connection string of the schema's owner is required (OWNER_DSN)")
	}
	return pg.Migrate(ctx, cfg.OwnerDSN, cfg.Schema, cfg.ServeRole, Sources()...)
}

// New opens the database and puts the service together. An older schema is
// refused (SCHEMA_OUTDATED).
func New(ctx context.Context, cfg Config, deps Deps) (*Service, error) {
	cfg = cfg.withDefaults()
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if deps.Directory == nil || deps.Policy == nil {
		return nil, errors.New("invitation-svc needs connections to directory-svc and policy-svc")
	}
	if deps.Clock == nil {
		deps.Clock = clock.System()
	}
	if deps.Log == nil {
		deps.Log = slog.New(slog.DiscardHandler)
	}
	keys, err := saga.DeriveKeys([]byte(cfg.Key))
	if err != nil {
		return nil, err
	}
	compose, err := mail.New(cfg.Product, cfg.MailFrom)
	if err != nil {
		return nil, err
	}
	relay, err := smtp.New(cfg.relay())
	if err != nil {
		return nil, err
	}
	db, err := pg.Open(ctx, pg.Config{DSN: cfg.DSN, Schema: cfg.Schema, MaxConns: cfg.MaxConns, Registry: deps.Registry}, deps.Log)
	if err != nil {
		return nil, err
	}
	s, err := build(ctx, cfg, deps, db, keys, compose, relay)
	if err != nil {
		db.Close()
		return nil, err
	}
	return s, nil
}

func build(ctx context.Context, cfg Config, deps Deps, db *pg.DB, keys saga.Keys, compose *mail.Composer, relay *smtp.Relay) (*Service, error) {
	if err := pg.CheckVersion(ctx, db, Sources()...); err != nil {
		return nil, err
	}
	acts := &saga.Saga{
		Config: saga.Config{
			LoginOrigin: cfg.LoginOrigin, PanelURL: cfg.PanelURL, LinkLifetime: cfg.LinkLifetime,
			PasscodeValidity: cfg.PasscodeValidity, Limits: cfg.limits(), OneDatabase: cfg.OneDatabase,
		},
		Store: store.New(db), Clock: deps.Clock, Random: rand.Reader, Keys: keys,
		Directory: directorypb.NewExternalUserServiceClient(deps.Directory),
		Tenants:   directorypb.NewTenantDirectoryServiceClient(deps.Directory),
		People:    directorypb.NewPrincipalServiceClient(deps.Directory),
		Apps:      directorypb.NewServicePrincipalServiceClient(deps.Directory),
		Groups:    directorypb.NewGroupServiceClient(deps.Directory),
		SignIns:   directorypb.NewSignInServiceClient(deps.Directory),
		Policy:    policypb.NewDecisionServiceClient(deps.Policy),
	}
	mailer := &worker.Mailer{Saga: acts, Compose: compose, Relay: relay, Log: deps.Log}
	workers := river.NewWorkers()
	river.AddWorker(workers, mailer)
	river.AddWorker(workers, &worker.Linker{Saga: acts})
	river.AddWorker(workers, &worker.Recorder{Saga: acts})
	river.AddWorker(workers, &worker.HomeRecorder{Saga: acts})
	river.AddWorker(workers, &worker.SignInRecorder{Saga: acts})
	river.AddWorker(workers, &worker.BulkInviter{Saga: acts, Log: deps.Log})
	var err error
	// Many workers, as mails of a tenant share transactions and the relay a few
	// connections: a burst takes little from the callers who make it.
	if acts.Jobs, err = jobs.New(ctx, jobs.Config{DB: db, Log: deps.Log, Workers: workers, MaxWorkers: 50}); err != nil {
		return nil, err
	}
	tokens, err := odata.NewTokens(keys.Cursor, deps.Clock)
	if err != nil {
		return nil, fmt.Errorf("page tokens: %w", err)
	}
	flows := &flow.Flows{Saga: acts, Providers: redemption.Registry{redemption.Passcode{}}, Languages: compose.Languages()}
	return &Service{
		db: db, queue: acts.Jobs, log: deps.Log, timers: &worker.Timers{Saga: acts, Log: deps.Log},
		invites: &api.Invitations{Saga: acts, Tokens: tokens}, bulks: &api.Bulks{Saga: acts}, flows: &api.Flows{Flows: flows},
		audit: audit.NewServer(db, tokens, deps.Clock), relay: relay,
		ended: &ended.Purger{DB: db, Directory: directorypb.NewTenantDirectoryServiceClient(deps.Directory), Clock: deps.Clock, Log: deps.Log},
	}, nil
}

// Register puts the services on a server.
func (s *Service) Register(r grpc.ServiceRegistrar) {
	invitationpb.RegisterInvitationServiceServer(r, s.invites)
	invitationpb.RegisterBulkInvitationServiceServer(r, s.bulks)
	invitationpb.RegisterFlowServiceServer(r, s.flows)
	auditpb.RegisterAuditServiceServer(r, s.audit)
}

// Run does the background work until ctx ends.
func (s *Service) Run(ctx context.Context) error {
	return lifecycle.Group(ctx,
		lifecycle.Part{Name: "timers", Run: func(ctx context.Context) error {
			return lifecycle.Loop(ctx, s.log, "timers", time.Second, 200*time.Millisecond, s.timers.Sweep)
		}},
		lifecycle.Part{Name: "counters", Run: func(ctx context.Context) error {
			return lifecycle.Loop(ctx, s.log, "counters", time.Hour, 10*time.Minute, s.timers.DropCounters)
		}},
		lifecycle.Part{Name: "ended tenants", Run: s.ended.Run},
		lifecycle.Part{Name: "jobs", Run: s.queue.Run},
	)
}

// Close gives the connections back. Run must have ended.
func (s *Service) Close() {
	s.relay.Close()
	s.db.Close()
}
