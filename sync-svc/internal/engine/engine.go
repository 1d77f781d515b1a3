package engine

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	directorypb "entente.dev/proto/gen/entente/directory/v1"
	policypb "entente.dev/proto/gen/entente/policy/v1"
	"entente.dev/servicekit/clock"
	"entente.dev/servicekit/tenant"
	"github.com/google/uuid"
	"google.golang.org/grpc"

	"entente.dev/sync-svc/internal/expression"
	"entente.dev/sync-svc/internal/job"
	"entente.dev/sync-svc/internal/mapping"
	"entente.dev/sync-svc/internal/plan"
	"entente.dev/sync-svc/internal/scope"
	"entente.dev/sync-svc/internal/store"
)

// Source is where users come from.
type Source interface {
	ListSourceUsers(context.Context, *directorypb.ListSourceUsersRequest, ...grpc.CallOption) (*directorypb.ListSourceUsersResponse, error)
	ListAssignees(context.Context, *directorypb.ListAssigneesRequest, ...grpc.CallOption) (*directorypb.ListAssigneesResponse, error)
	GetSynchronizationApplication(context.Context, *directorypb.GetSynchronizationApplicationRequest, ...grpc.CallOption) (*directorypb.SynchronizationApplication, error)
}

// Target is where users go: a tenant of this installation today.
type Target interface {
	ListTargetUsers(context.Context, *directorypb.ListTargetUsersRequest, ...grpc.CallOption) (*directorypb.ListTargetUsersResponse, error)
	ApplyExternalUsers(context.Context, *directorypb.ApplyExternalUsersRequest, ...grpc.CallOption) (*directorypb.ApplyExternalUsersResponse, error)
}

// Feed is the change feed of tenants.
type Feed interface {
	GetFeedPosition(context.Context, *directorypb.GetFeedPositionRequest, ...grpc.CallOption) (*directorypb.FeedPosition, error)
	ListChanges(context.Context, *directorypb.ListChangesRequest, ...grpc.CallOption) (*directorypb.ListChangesResponse, error)
}

// Tenants tells facts about tenants.
type Tenants interface {
	LookupTenant(context.Context, *directorypb.LookupTenantRequest, ...grpc.CallOption) (*directorypb.TenantFacts, error)
}

// Policy decides whether users may be synchronized.
type Policy interface {
	CheckSync(context.Context, *policypb.CheckSyncRequest, ...grpc.CallOption) (*policypb.CheckSyncResponse, error)
	CheckSyncUsers(context.Context, *policypb.CheckSyncUsersRequest, ...grpc.CallOption) (*policypb.CheckSyncUsersResponse, error)
}

// Config has what an engine needs.
type Config struct {
	Store   *store.Store
	Source  Source
	Target  Target
	Feed    Feed
	Tenants Tenants
	Policy  Policy
	Clock   clock.Clock
	Log     *slog.Logger
	Metrics *Metrics
	// BatchSize is how many objects are read, decided and written together;
	// 0 means 250.
	BatchSize int
	// LeaseLife is how long a lease lasts without renewal; 0 means a minute.
	LeaseLife time.Duration
}

// Engine runs cycles. It is safe for concurrent use.
type Engine struct {
	Config
	mu       sync.Mutex
	programs map[programKey]*mapping.Program
}

type programKey struct {
	job     uuid.UUID
	version int
}

// New builds an engine.
func New(c Config) *Engine {
	if c.BatchSize == 0 {
		c.BatchSize = 250
	}
	if c.LeaseLife == 0 {
		c.LeaseLife = time.Minute
	}
	if c.Metrics == nil {
		c.Metrics = NewMetrics(nil)
	}
	return &Engine{Config: c, programs: map[programKey]*mapping.Program{}}
}

// run is one job loaded for a cycle or for one object.
type run struct {
	*Engine
	job     job.Job
	meaning job.Meaning
	program *mapping.Program
	lease   store.Lease
	facts   facts
	// origin says who caused the run, for the log.
	origin Origin
	// hold is set when a cycle is bound to a lease; on demand there is none.
	hold bool
	// staging is set while removals wait for an administrator.
	staging bool
	// seq numbers the stored batches of this run.
	seq int64
	// gathered are the candidates of a cycle that fits into one batch, read once.
	gathered []*candidate
	allowed  map[uuid.UUID]bool // removals that an administrator let through
	// always logs every outcome, redundant ones too; the records of the last
	// batch are kept in written.
	always  bool
	written []store.Record
}

// facts are what a run knows of the two tenants.
type facts struct {
	source, target *directorypb.TenantFacts
	verified       map[string]bool // domains the source has verified
}

// Origin is who caused a change.
type Origin struct{ ID, Name, Kind string }

// Schedule is the origin of cycles.
var Schedule = Origin{Name: "Azure AD Provisioning Service", Kind: "system"}

// load reads a job with everything a run needs.
func (e *Engine) load(ctx context.Context, t tenant.ID, jobID string) (*run, error) {
	r := &run{Engine: e, origin: Schedule}
	var secrets map[string]string
	var schema mapping.Schema
	err := e.Store.Read(ctx, t, func(tx *store.Tx) error {
		var err error
		if r.job, err = tx.JobID(jobID); err != nil {
			return err
		}
		if secrets, err = tx.Secrets(r.job.ServicePrincipal); err != nil {
			return err
		}
		if r.program = e.program(r.job); r.program != nil {
			return nil
		}
		schema, err = tx.Schema(r.job.Key)
		return err
	})
	if err != nil {
		return nil, err
	}
	if r.program == nil {
		if r.program, err = mapping.Compile(schema); err != nil {
			return nil, fmt.Errorf("compile schema: %w", err)
		}
		e.keep(r.job, schema.Version, r.program)
	}
	r.meaning = job.Read(secrets, r.job.Settings)
	return r, nil
}

func (e *Engine) program(j job.Job) *mapping.Program {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.programs[programKey{j.Key, j.SchemaVersion}]
}

// keep caches the compiled schema of a job; older versions are dropped.
func (e *Engine) keep(j job.Job, version int, p *mapping.Program) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for k := range e.programs {
		if k.job == j.Key || len(e.programs) > 1000 {
			delete(e.programs, k)
		}
	}
	e.programs[programKey{j.Key, version}] = p
}

// learn fetches the facts of both tenants.
func (r *run) learn(ctx context.Context) error {
	source, err := r.Tenants.LookupTenant(ctx, &directorypb.LookupTenantRequest{TenantId: r.job.Tenant.String()})
	if err != nil {
		return fmt.Errorf("look up source tenant: %w", err)
	}
	target, err := r.Tenants.LookupTenant(ctx, &directorypb.LookupTenantRequest{TenantId: r.job.Target.String()})
	if err != nil {
		return fmt.Errorf("look up target tenant: %w", err)
	}
	r.facts = facts{source: source, target: target, verified: map[string]bool{}}
	for _, d := range append(source.GetVerifiedDomains(), source.GetInitialDomain(), source.GetDefaultDomain()) {
		if d != "" {
			r.facts.verified[strings.ToLower(d)] = true
		}
	}
	return nil
}

func (r *run) settings() plan.Settings {
	return plan.Settings{Add: r.program.Flow&mapping.FlowAdd != 0, Update: r.program.Flow&mapping.FlowUpdate != 0, Delete: r.program.Flow&mapping.FlowDelete != 0,
		SkipOutOfScopeDeletions: r.meaning.SkipOutOfScopeDeletions, DeprovisionDisabled: r.meaning.DeprovisionDisabled, AdoptPending: r.meaning.AdoptPending}
}

func (r *run) rules() scope.Rules {
	return scope.Rules{SyncAll: r.meaning.SyncAll, IncludeInternalGuests: r.meaning.IncludeInternalGuests}
}

// env is what expressions may look at for one source user.
func (r *run) env(u user) *expression.Env {
	return &expression.Env{Source: u, Now: r.Clock.Now(), Random: rand.Reader}
}
