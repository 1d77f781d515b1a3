package api

import (
	"context"
	"io"
	"log/slog"
	"testing"
	"time"

	syncpb "entente.dev/proto/gen/entente/sync/v1"
	"entente.dev/servicekit/caller"
	"entente.dev/servicekit/clock/clocktest"
	"entente.dev/servicekit/odata"
	"entente.dev/servicekit/pg/pgtest"
	"entente.dev/servicekit/tenant"
	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"

	"entente.dev/sync-svc/internal/directorytest"
	"entente.dev/sync-svc/internal/engine"
	"entente.dev/sync-svc/internal/mapping"
	"entente.dev/sync-svc/internal/migrations"
	"entente.dev/sync-svc/internal/store"
)

// world is a service in front of two tenants, called by an application of the
// source that may do everything.
type world struct {
	*testing.T
	s        *Synchronization
	dir      *directorytest.Directory
	policy   *directorytest.Policy
	clock    *clocktest.Fake
	store    *store.Store
	engine   *engine.Engine
	from, to uuid.UUID
	sp       string
	ctx      context.Context
}

func newWorld(t *testing.T) *world {
	t.Helper()
	t.Parallel()
	w := &world{T: t, policy: directorytest.NewPolicy(), clock: clocktest.New(time.Date(2026, 5, 1, 8, 0, 0, 0, time.UTC)), from: uuid.New(), to: uuid.New()}
	w.dir = directorytest.New(w.policy)
	w.dir.AddTenant(w.from, "s.example")
	w.dir.AddTenant(w.to, "t.example")
	vault, err := store.NewVault(make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	w.store = store.New(pgtest.Open(t, "sync", migrations.Sources...), vault)
	w.engine = engine.New(engine.Config{Store: w.store, Source: w.dir, Target: w.dir, Feed: w.dir, Tenants: w.dir, Policy: w.policy, Clock: w.clock,
		Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
	tokens, err := odata.NewTokens(make([]byte, 32), w.clock)
	if err != nil {
		t.Fatal(err)
	}
	w.s = New(w.store, w.engine, w.dir, tokens, w.clock)
	w.ctx = w.as(w.from, "Synchronization.ReadWrite.All", "Application.ReadWrite.All", "AuditLog.Read.All")
	made, err := w.s.InstantiateApplicationTemplate(w.ctx, &syncpb.InstantiateApplicationTemplateRequest{Id: mapping.ApplicationTemplateID, DisplayName: proto.String("to fabrikam")})
	if err != nil {
		t.Fatal(err)
	}
	w.sp = made.GetServicePrincipal().GetId()
	return w
}

func (w *world) as(t uuid.UUID, permissions ...string) context.Context {
	return caller.With(w.Context(), caller.Caller{Kind: caller.Application, Tenant: tenant.ID(t), ObjectID: uuid.New(), AppDisplayName: "tests", Permissions: permissions})
}

func (w *world) job() *syncpb.SynchronizationJob {
	w.Helper()
	j, err := w.s.CreateJob(w.ctx, &syncpb.CreateJobRequest{ServicePrincipalId: w.sp, Job: &syncpb.SynchronizationJob{TemplateId: proto.String("Azure2Azure")}})
	if err != nil {
		w.Fatal(err)
	}
	return j
}

func (w *world) get(id string) *syncpb.SynchronizationJob {
	w.Helper()
	j, err := w.s.GetJob(w.ctx, &syncpb.GetJobRequest{ServicePrincipalId: w.sp, JobId: id})
	if err != nil {
		w.Fatal(err)
	}
	return j
}

func pair(kv ...string) []*syncpb.SynchronizationSecretKeyStringValuePair {
	var list []*syncpb.SynchronizationSecretKeyStringValuePair
	for i := 0; i < len(kv); i += 2 {
		list = append(list, &syncpb.SynchronizationSecretKeyStringValuePair{Key: proto.String(kv[i]), Value: proto.String(kv[i+1])})
	}
	return list
}

func (w *world) connect(more ...string) {
	w.Helper()
	kv := append([]string{"AuthenticationType", "SyncPolicy", "CompanyId", w.to.String()}, more...)
	if _, err := w.s.PutSecrets(w.ctx, &syncpb.PutSecretsRequest{ServicePrincipalId: w.sp, Value: pair(kv...)}); err != nil {
		w.Fatal(err)
	}
}

func (w *world) user(alias string, change ...func(*directorytest.User)) uuid.UUID {
	w.Helper()
	return w.dir.AddUser(w.from, alias, change...)
}

func (w *world) assigned(alias string) uuid.UUID {
	w.Helper()
	id := w.user(alias)
	w.dir.Assign(w.from, uuid.MustParse(w.sp), id, true)
	return id
}

// cycle runs one cycle of the active job.
func (w *world) cycle() {
	w.Helper()
	w.clock.Advance(2 * time.Minute)
	leases, err := w.store.Claim(w.Context(), uuid.New(), w.clock.Now(), time.Minute, 1)
	if err != nil || len(leases) != 1 {
		w.Fatalf("claimed %v, %v", leases, err)
	}
	h, err := w.engine.Hold(w.Context(), leases[0])
	if err != nil {
		w.Fatal(err)
	}
	if _, err := h.Run(w.Context()); err != nil {
		w.Fatal(err)
	}
}
