package service

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"entente.dev/directory-svc/internal/api"
	"entente.dev/directory-svc/internal/evaluator"
	"entente.dev/directory-svc/internal/jobs"
	"entente.dev/directory-svc/internal/migrations"
	"entente.dev/directory-svc/internal/password"
	"entente.dev/directory-svc/internal/store"
	"entente.dev/directory-svc/internal/token"
	"entente.dev/directory-svc/internal/vault"
	auditpb "entente.dev/proto/gen/entente/audit/v1"
	pb "entente.dev/proto/gen/entente/directory/v1"
	"entente.dev/servicekit/audit"
	"entente.dev/servicekit/lifecycle"
	"entente.dev/servicekit/odata"
	"entente.dev/servicekit/pg"
	"entente.dev/servicekit/tenant"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
)

// Deps are the sibling services that directory-svc calls.
type Deps struct {
	// Policy is policy-svc, which knows what a tenant lets users without a role
	// do; without it that is the default policy.
	Policy grpc.ClientConnInterface
	// Log receives what background work has to say; nil discards it.
	Log *slog.Logger
	// Registry receives metrics; it may be nil.
	Registry prometheus.Registerer
}

// Service is directory-svc, put together.
type Service struct {
	db    *pg.DB
	cfg   Config
	log   *slog.Logger
	core  *api.Core
	ring  *api.Keys
	hints *api.Hints
	audit auditpb.AuditServiceServer
	bulk  *api.Bulk
	// keyKey seals the private parts of signing keys.
	keyKey []byte
}

// Sources are the migrations that make the schema.
func Sources() []pg.Source { return []pg.Source{audit.Migrations, migrations.Source} }

// Migrate brings the schema up to date, as its owner.
func Migrate(ctx context.Context, cfg Config) error {
	return pg.Migrate(ctx, cfg.OwnerDSN, Schema, cfg.ServeRole, Sources()...)
}

// New opens the database and makes everything that serves. It refuses a
// schema that is older than the program. Close ends it.
func New(ctx context.Context, cfg Config, deps Deps) (*Service, error) {
	master, err := cfg.validate()
	if err != nil {
		return nil, fmt.Errorf("settings of directory-svc: %w", err)
	}
	derived := make(map[string][]byte)
	for _, purpose := range []string{"signing keys", "passwords", "page tokens", "bulk secrets"} {
		if derived[purpose], err = vault.Derive(master, purpose); err != nil {
			return nil, err
		}
	}
	log := deps.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	tokens, err := odata.NewTokens(derived["page tokens"], cfg.Clock)
	if err != nil {
		return nil, err
	}
	// Every table of tenants is read by an index. A plan that was made while one
	// was still tiny would read it from end to end, and prepared plans stay.
	db, err := pg.Open(ctx, pg.Config{DSN: cfg.DSN, Schema: Schema, MaxConns: cfg.MaxConns, Params: map[string]string{"enable_seqscan": "off"}, Registry: deps.Registry}, log)
	if err != nil {
		return nil, err
	}
	s := &Service{db: db, cfg: cfg, log: log, ring: &api.Keys{}, hints: &api.Hints{}, keyKey: derived["signing keys"],
		audit: audit.NewServer(db, tokens, cfg.Clock)}
	if err := pg.CheckVersion(ctx, db, Sources()...); err != nil {
		db.Close()
		return nil, err
	}
	s.core = &api.Core{Store: store.New(db, cfg.Clock), Clock: cfg.Clock, Log: log, Verifiers: password.NewVerifiers(derived["passwords"]), Tokens: tokens, Suffix: cfg.Suffix, Resolver: resolver(cfg.Resolver), Policy: deps.Policy}
	objects := api.NewObjects(s.core)
	s.bulk = &api.Bulk{Core: s.core, Users: objects.Users, Groups: objects.Groups, Objects: objects, SecretKey: derived["bulk secrets"]}
	if err := s.loadKeys(ctx); err != nil {
		db.Close()
		return nil, err
	}
	return s, nil
}

// keysAhead is how long before its end a signing key gets a successor, so that
// verifiers know it in time.
const keysAhead = time.Hour

func (s *Service) loadKeys(ctx context.Context) error {
	ring, err := s.core.Store.SigningKeys(ctx, s.keyKey, s.cfg.Clock.Now(), keysAhead)
	if err == nil {
		s.ring.Set(ring)
	}
	return err
}

// Register puts every service of the module on a server.
func (s *Service) Register(r grpc.ServiceRegistrar) {
	objects := s.bulk.Objects
	pb.RegisterUserServiceServer(r, objects.Users)
	pb.RegisterOrganizationServiceServer(r, &api.Organizations{Core: s.core})
	pb.RegisterGroupServiceServer(r, objects.Groups)
	pb.RegisterAdministrativeUnitServiceServer(r, objects.Units)
	pb.RegisterContactServiceServer(r, &api.Contacts{Core: s.core})
	pb.RegisterGroupSettingServiceServer(r, &api.Settings{Core: s.core})
	pb.RegisterRoleServiceServer(r, &api.Roles{Core: s.core})
	pb.RegisterApplicationServiceServer(r, objects.Applications)
	pb.RegisterExtensionServiceServer(r, &api.Extensions{Core: s.core, Applications: objects.Applications})
	pb.RegisterPermissionGrantServiceServer(r, &api.Grants{Core: s.core})
	pb.RegisterServicePrincipalServiceServer(r, objects.ServicePrincipals)
	pb.RegisterDirectoryObjectServiceServer(r, objects)
	pb.RegisterBulkOperationServiceServer(r, s.bulk)
	pb.RegisterTenantServiceServer(r, &api.Tenants{Core: s.core})
	pb.RegisterTokenServiceServer(r, &api.TokenIssuer{Core: s.core, Ring: s.ring, Reload: s.loadKeys, LoginOrigin: s.cfg.LoginOrigin,
		Resources: token.Resources{Origins: s.cfg.Origins}})
	pb.RegisterPrincipalServiceServer(r, &api.Principals{Core: s.core})
	pb.RegisterTenantDirectoryServiceServer(r, &api.TenantDirectory{Core: s.core})
	pb.RegisterExternalUserServiceServer(r, &api.ExternalUsers{Core: s.core})
	pb.RegisterCredentialServiceServer(r, &api.Credentials{Core: s.core})
	pb.RegisterSignInServiceServer(r, &api.SignIns{Core: s.core})
	pb.RegisterDeltaServiceServer(r, &api.Delta{Core: s.core})
	pb.RegisterChangeFeedServiceServer(r, &api.Feed{Core: s.core, Hints: s.hints})
	pb.RegisterProvisioningServiceServer(r, &api.Provisioning{Core: s.core})
	auditpb.RegisterAuditServiceServer(r, s.audit)
}

// Failed records refusals of writes that handlers leave without a record; hand
// it to the server (rpc.ServerConfig.Failed).
func (s *Service) Failed(ctx context.Context, fullMethod string, failure error) {
	s.core.Failed(ctx, fullMethod, failure)
}

// Refused records refusals that are made before a handler runs; hand it to the
// server (rpc.ServerConfig.Refused).
func (s *Service) Refused(ctx context.Context, fullMethod string, refusal error) {
	s.core.Refused(ctx, fullMethod, refusal)
}

// Rhythms of the background work.
const (
	hardenEvery = time.Second
	hardenBatch = 2
	keysEvery   = 5 * time.Minute
)

// Run does the background work until ctx ends.
func (s *Service) Run(ctx context.Context) error {
	hardener := &jobs.Hardener{Store: s.core.Store, Verifiers: s.core.Verifiers, Batch: hardenBatch}
	purger := &jobs.Purger{Store: s.core.Store, Clock: s.cfg.Clock}
	tenants := &jobs.TenantPurger{Store: s.core.Store, Clock: s.cfg.Clock, Log: s.log}
	bulk := &jobs.Bulk{Store: s.core.Store, Clock: s.cfg.Clock, Log: s.log, Rows: s.bulk}
	retention := &jobs.Retention{Store: s.core.Store, Clock: s.cfg.Clock, SignIns: time.Duration(s.cfg.SignInDays) * 24 * time.Hour}
	members := evaluator.New(s.core.Store, s.cfg.Clock, s.log)
	group, ctx := errgroup.WithContext(ctx)
	for _, work := range []func() error{
		func() error { return s.core.Store.WatchTenants(ctx) },
		func() error {
			return s.core.Store.WatchChanges(ctx, func(t tenant.ID) {
				s.hints.Tell(t)
				members.Tell(t)
			})
		},
		func() error { return members.Run(ctx) },
		func() error {
			return lifecycle.Loop(ctx, s.log, "rotate signing keys", keysEvery, time.Minute, s.loadKeys)
		},
		func() error {
			return lifecycle.Loop(ctx, s.log, "harden passwords", hardenEvery, hardenEvery/4, func(ctx context.Context) error {
				_, err := hardener.RunOnce(ctx)
				return err
			})
		},
		func() error {
			return lifecycle.Loop(ctx, s.log, "bulk operations", jobs.BulkEvery, 0, func(ctx context.Context) error {
				_, err := bulk.RunOnce(ctx)
				return err
			})
		},
		func() error {
			return lifecycle.Loop(ctx, s.log, "purge deleted tenants", jobs.TenantsEvery, jobs.TenantsEvery/4, func(ctx context.Context) error {
				_, err := tenants.RunOnce(ctx)
				return err
			})
		},
		func() error {
			return lifecycle.Loop(ctx, s.log, "forget old sign-ins", jobs.Every, time.Minute, func(ctx context.Context) error {
				_, err := retention.RunOnce(ctx)
				return err
			})
		},
		func() error {
			return lifecycle.Loop(ctx, s.log, "purge deleted objects", jobs.Every, time.Minute, func(ctx context.Context) error {
				_, err := purger.RunOnce(ctx)
				return err
			})
		},
	} {
		group.Go(work)
	}
	err := group.Wait()
	if ctx.Err() != nil && errors.Is(context.Cause(ctx), context.Canceled) {
		return nil
	}
	return err
}

// Close gives the connections back. Calls must have ended.
func (s *Service) Close() { s.db.Close() }
