package engine

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"testing"
	"time"

	"entente.dev/servicekit/clock/clocktest"
	"entente.dev/servicekit/pg/pgtest"
	"entente.dev/servicekit/tenant"
	"github.com/google/uuid"

	"entente.dev/sync-svc/internal/directorytest"
	"entente.dev/sync-svc/internal/job"
	"entente.dev/sync-svc/internal/mapping"
	"entente.dev/sync-svc/internal/migrations"
	"entente.dev/sync-svc/internal/store"
)

// world is a source and a target tenant with one active job between them.
type world struct {
	t        *testing.T
	dir      *directorytest.Directory
	policy   *directorytest.Policy
	store    *store.Store
	engine   *Engine
	clock    *clocktest.Fake
	from, to uuid.UUID
	sp       uuid.UUID
	jobID    string
	key      uuid.UUID
}

func newWorld(t *testing.T, settings map[string]string) *world {
	t.Helper()
	t.Parallel()
	w := &world{t: t, policy: directorytest.NewPolicy(), clock: clocktest.New(time.Date(2026, 5, 1, 8, 0, 0, 0, time.UTC)), from: uuid.New(), to: uuid.New(), key: uuid.New()}
	w.dir = directorytest.New(w.policy)
	w.dir.AddTenant(w.from, "s.example")
	w.dir.AddTenant(w.to, "t.example")
	w.sp = w.dir.AddApp(w.from, mapping.ApplicationTemplateID)
	vault, err := store.NewVault(make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	w.store = store.New(pgtest.Open(t, "sync", testSources...), vault)
	w.engine = New(Config{Store: w.store, Source: w.dir, Target: w.dir, Feed: w.dir, Tenants: w.dir, Policy: w.policy, Clock: w.clock,
		Log: slog.New(slog.NewTextHandler(io.Discard, nil)), BatchSize: 10})
	source := tenant.ID(w.from)
	w.jobID = job.NewID(mapping.TemplateID, source, w.key)
	secrets := map[string]string{job.KeyAuthenticationType: job.SyncPolicy, job.KeyCompanyID: w.to.String()}
	for k, v := range settings {
		secrets[k] = v
	}
	w.write(func(tx *store.Tx) error {
		j := job.Job{Tenant: source, ID: w.jobID, Key: w.key, ServicePrincipal: w.sp, Application: uuid.New(), DisplayName: "configuration", Target: tenant.ID(w.to),
			State: job.Active, Code: job.NotRun, Interval: job.DefaultInterval, SchemaVersion: 1, DueAt: w.clock.Now()}
		if err := tx.CreateJob(j, mapping.Template(uuid.NewString(), uuid.NewString(), uuid.NewString(), uuid.NewString()), w.clock.Now()); err != nil {
			return err
		}
		return tx.SaveSecrets(w.sp, secrets)
	})
	return w
}

var testSources = migrations.Sources

func (w *world) write(fn func(*store.Tx) error) {
	w.t.Helper()
	if err := w.store.Write(w.t.Context(), tenant.ID(w.from), fn); err != nil {
		w.t.Fatal(err)
	}
}

// assigned makes an assigned user.
func (w *world) assigned(alias string, change ...func(*directorytest.User)) uuid.UUID {
	w.t.Helper()
	id := w.dir.AddUser(w.from, alias, change...)
	w.dir.Assign(w.from, w.sp, id, true)
	return id
}

// claim takes the lease of the job, whoever has it. After a kill the server may
// still be ending the transaction that locks the row; claims skip it meanwhile.
func (w *world) claim() store.Lease {
	w.t.Helper()
	w.clock.Advance(2 * time.Minute)
	ctx, cancel := context.WithTimeout(w.t.Context(), 20*time.Second)
	defer cancel()
	for {
		leases, err := w.store.Claim(ctx, uuid.New(), w.clock.Now(), time.Minute, 1)
		if err != nil {
			w.t.Fatal(err)
		}
		if len(leases) == 1 {
			return leases[0]
		}
	}
}

// try runs one cycle as a fresh runner would.
func (w *world) try(ctx context.Context) error {
	w.t.Helper()
	l := w.claim()
	h, err := w.engine.Hold(ctx, l)
	if err != nil {
		return err
	}
	_, err = h.Run(ctx)
	return err
}

func (w *world) cycle() {
	w.t.Helper()
	if err := w.try(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) job() job.Job {
	w.t.Helper()
	var j job.Job
	if err := w.store.Read(w.t.Context(), tenant.ID(w.from), func(tx *store.Tx) error {
		var err error
		j, err = tx.JobID(w.jobID)
		return err
	}); err != nil {
		w.t.Fatal(err)
	}
	return j
}

// log reads the whole provisioning log, oldest first, as action/status/code by
// source id.
func (w *world) log() []store.Record {
	w.t.Helper()
	var list []store.Record
	if err := w.store.Read(w.t.Context(), tenant.ID(w.from), func(tx *store.Tx) error {
		var err error
		list, err = tx.Log(store.LogQuery{Where: "true", Order: "at, id", Limit: 10_000})
		return err
	}); err != nil {
		w.t.Fatal(err)
	}
	return list
}

// told counts records of an object with an action, a status and a code.
func (w *world) told(object uuid.UUID, action, status int16, code string) (n int) {
	w.t.Helper()
	for _, r := range w.log() {
		if r.Source.ID == object.String() && r.Action == action && r.Status == status && r.ErrorCode == code {
			n++
		}
	}
	return n
}

// target is the user of the target tenant that came from a source user.
func (w *world) target(object uuid.UUID) *directorytest.User {
	w.t.Helper()
	return w.dir.Find(w.to, w.from, object)
}

// schema replaces the schema of the job and demands an initial cycle.
func (w *world) schema(change func(*mapping.Schema)) {
	w.t.Helper()
	w.write(func(tx *store.Tx) error {
		j, err := tx.LockJobID(w.jobID)
		if err != nil {
			return err
		}
		s, err := tx.Schema(w.key)
		if err != nil {
			return err
		}
		before := s
		change(&s)
		s = mapping.Normalize(s, before)
		if faults := mapping.Validate(s, before, false); len(faults) > 0 {
			return errors.New(faults[0].Message)
		}
		s.Version++
		j.SchemaVersion, j.Watermark, j.Cycle = s.Version, "", nil
		j.Generation++
		if err := tx.SaveSchema(w.key, s); err != nil {
			return err
		}
		return tx.SaveJob(j)
	})
}

func (w *world) settings(secrets map[string]string) {
	w.t.Helper()
	w.write(func(tx *store.Tx) error {
		j, err := tx.LockJobID(w.jobID)
		if err != nil {
			return err
		}
		before, err := tx.Secrets(w.sp)
		if err != nil {
			return err
		}
		after := map[string]string{}
		for k, v := range before {
			after[k] = v
		}
		for k, v := range secrets {
			after[k] = v
		}
		if job.NeedsInitial(job.Read(before, j.Settings), job.Read(after, j.Settings)) {
			j.Watermark, j.Cycle = "", nil
		}
		j.Generation++
		if err := tx.SaveSecrets(w.sp, after); err != nil {
			return err
		}
		return tx.SaveJob(j)
	})
}

func (w *world) restart(flags string) {
	w.t.Helper()
	w.write(func(tx *store.Tx) error {
		j, err := tx.LockJobID(w.jobID)
		if err != nil {
			return err
		}
		r, err := job.ParseReset(flags)
		if err != nil {
			return err
		}
		tx.Reset(j.Key, r)
		return tx.SaveJob(job.Restart(j, r, w.clock.Now()))
	})
}
