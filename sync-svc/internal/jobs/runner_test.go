package jobs

import (
	"context"
	"io"
	"log/slog"
	"testing"
	"time"

	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/clock"
	"entente.dev/servicekit/clock/clocktest"
	"entente.dev/servicekit/fault"
	"entente.dev/servicekit/pg/pgtest"
	"entente.dev/servicekit/tenant"
	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"

	"entente.dev/sync-svc/internal/directorytest"
	"entente.dev/sync-svc/internal/engine"
	"entente.dev/sync-svc/internal/job"
	"entente.dev/sync-svc/internal/mapping"
	"entente.dev/sync-svc/internal/migrations"
	"entente.dev/sync-svc/internal/store"
)

type world struct {
	*testing.T
	dir      *directorytest.Directory
	store    *store.Store
	engine   *engine.Engine
	from, to uuid.UUID
	id       string
	applied  chan struct{}
}

func newWorld(t *testing.T) *world {
	t.Helper()
	t.Parallel()
	policy := directorytest.NewPolicy()
	w := &world{T: t, dir: directorytest.New(policy), from: uuid.New(), to: uuid.New(), applied: make(chan struct{}, 1000)}
	w.dir.AddTenant(w.from, "s.example")
	w.dir.AddTenant(w.to, "t.example")
	w.dir.After = func(method string) error {
		if method == "ApplyExternalUsers" {
			w.applied <- struct{}{}
		}
		return nil
	}
	vault, err := store.NewVault(make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	w.store = store.New(pgtest.Open(t, "sync", migrations.Sources...), vault)
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	w.engine = engine.New(engine.Config{Store: w.store, Source: w.dir, Target: w.dir, Feed: w.dir, Tenants: w.dir, Policy: policy, Clock: clock.System(), Log: log, BatchSize: 50})
	key, sp := uuid.New(), w.dir.AddApp(w.from, mapping.ApplicationTemplateID)
	w.id = job.NewID(mapping.TemplateID, tenant.ID(w.from), key)
	w.change(func(tx *store.Tx) error {
		j := job.Job{Tenant: tenant.ID(w.from), ID: w.id, Key: key, ServicePrincipal: sp, Application: uuid.New(), Target: tenant.ID(w.to), State: job.Active,
			Code: job.NotRun, Interval: job.DefaultInterval, SchemaVersion: 1, DueAt: clock.System().Now()}
		if err := tx.CreateJob(j, mapping.Template("s", "r", "a", "b"), j.DueAt); err != nil {
			return err
		}
		return tx.SaveSecrets(sp, map[string]string{job.KeyAuthenticationType: job.SyncPolicy, job.KeyCompanyID: w.to.String(), job.KeySyncAll: "true"})
	})
	return w
}

func (w *world) change(fn func(*store.Tx) error) {
	w.Helper()
	if err := w.store.Write(w.Context(), tenant.ID(w.from), fn); err != nil {
		w.Fatal(err)
	}
}

// run runs a runner until the returned function is called.
func (w *world) run(poll time.Duration) (stop func()) {
	w.Helper()
	r := NewRunner(Config{Store: w.store, Engine: w.engine, Hints: w.dir, Clock: clock.System(), Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Poll: poll})
	ctx, cancel := context.WithCancel(w.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = r.Run(ctx)
	}()
	return func() { cancel(); <-done }
}

// wait waits for a write into the target.
func (w *world) wait(within time.Duration) time.Duration {
	w.Helper()
	began := time.Now()
	select {
	case <-w.applied:
	case <-time.After(within):
		w.Fatalf("nothing was written within %s", within)
	}
	return time.Since(began)
}

func TestAChangeArrivesWithinASecond(t *testing.T) {
	w := newWorld(t)
	id := w.dir.AddUser(w.from, "u")
	stop := w.run(time.Second)
	defer stop()
	w.wait(10 * time.Second)
	// Whether the change falls into the first cycle or after it, it is followed.
	// A busy machine slows some of the changes down, a missed hint all of them.
	fastest := time.Hour
	for i := range 5 {
		w.dir.Change(w.from, id, func(u *directorytest.User) { u.User.JobTitle = proto.String(string(rune('a' + i))) }, "jobTitle")
		fastest = min(fastest, w.wait(20*time.Second))
	}
	if fastest > 1500*time.Millisecond {
		t.Errorf("the fastest of five changes took %s", fastest)
	}
}

func TestAnotherRunnerTakesOver(t *testing.T) {
	w := newWorld(t)
	w.dir.AddUser(w.from, "u")
	first := w.run(50 * time.Millisecond)
	w.wait(10 * time.Second)
	first()
	w.dir.AddUser(w.from, "v")
	second := w.run(50 * time.Millisecond)
	defer second()
	// The first write may be the batch that the first runner left behind.
	for w.dir.Count(w.to) < 2 {
		w.wait(10 * time.Second)
	}
}

func TestTwoRunnersShareOneJob(t *testing.T) {
	w := newWorld(t)
	for range 200 {
		w.dir.AddUser(w.from, "u"+uuid.NewString()[:8])
	}
	a, b := w.run(20*time.Millisecond), w.run(20*time.Millisecond)
	for range 4 {
		w.wait(10 * time.Second)
	}
	a()
	b()
	if n := w.dir.Count(w.to); n != 200 {
		t.Errorf("%d users", n)
	}
}

func TestPurgerRemovesOldRecords(t *testing.T) {
	w := newWorld(t)
	now := clock.System().Now()
	w.change(func(tx *store.Tx) error {
		return tx.AppendLog([]store.Record{{ID: uuid.New(), At: now.Add(-31 * 24 * time.Hour)}, {ID: uuid.New(), At: now}})
	})
	p := &Purger{Store: w.store, Clock: clock.System(), Retention: 30 * 24 * time.Hour}
	if n, err := p.RunOnce(t.Context()); err != nil || n != 1 {
		t.Errorf("%d removed, %v", n, err)
	}
}

func TestPurgerRemovesWhatADeletedJobLeft(t *testing.T) {
	w := newWorld(t)
	fake := clocktest.New(clock.System().Now())
	p := &Purger{Store: w.store, Clock: fake, Retention: 60 * 24 * time.Hour}
	purge := func(after time.Duration) (removed int) {
		t.Helper()
		fake.Advance(after)
		n, err := p.RunOnce(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	var lease store.Lease
	if leases, err := w.store.Claim(t.Context(), uuid.New(), fake.Now(), time.Hour, 1); err != nil || len(leases) != 1 {
		t.Fatalf("%d leases, %v", len(leases), err)
	} else {
		lease = leases[0]
	}
	w.change(func(tx *store.Tx) error {
		j, err := tx.LockJobID(w.id)
		if err != nil {
			return err
		}
		tx.SaveLinks(j.Key, []store.Link{{Source: uuid.New(), Target: uuid.New(), State: store.Linked}}, fake.Now())
		tx.SaveEscrows(j.Key, []store.Escrow{{Source: uuid.New(), FirstAt: fake.Now(), NextAt: fake.Now()}})
		if err := tx.AppendLog([]store.Record{{ID: uuid.New(), At: fake.Now()}}); err != nil {
			return err
		}
		return tx.DeleteJob(j, fake.Now())
	})
	if err := w.store.Renew(t.Context(), lease, fake.Now().Add(time.Hour)); !fault.Is(err, errorspb.Reason_FENCED) {
		t.Errorf("the holder of a deleted job: %v", err)
	}
	if leases, err := w.store.Claim(t.Context(), uuid.New(), fake.Now().Add(2*time.Hour), time.Hour, 1); err != nil || len(leases) != 0 {
		t.Errorf("%d leases of a deleted job, %v", len(leases), err)
	}
	if n := purge(29 * 24 * time.Hour); n != 0 {
		t.Errorf("SYN-18: %d rows removed before 30 days", n)
	}
	if n := purge(2 * 24 * time.Hour); n != 2 {
		t.Errorf("SYN-18: %d rows removed after 30 days, want connection and escrow", n)
	}
	// The record outlives the job, and goes after its own retention.
	if n := purge(30 * 24 * time.Hour); n != 1 {
		t.Errorf("SYN-232: %d rows removed after the retention of the log", n)
	}
	var left int
	w.change(func(tx *store.Tx) error {
		return tx.Pgx().QueryRow(t.Context(), `select (select count(*) from jobs) + (select count(*) from job_schemas) + (select count(*) from links)
			+ (select count(*) from job_leases) + (select count(*) from provisioning_log)`).Scan(&left)
	})
	if left != 0 {
		t.Errorf("%d rows left of a deleted job", left)
	}
}

func TestJobsTowardAnEndedTenantAreDeleted(t *testing.T) {
	w := newWorld(t)
	w.change(func(tx *store.Tx) error {
		list, err := tx.LockJobsToward(tenant.ID(w.to))
		if err == nil {
			tx.SaveLinks(list[0].Key, []store.Link{{Source: uuid.New(), Target: uuid.New(), State: store.Linked}}, clock.System().Now())
		}
		return err
	})
	s := &Severer{Store: w.store, Clock: clock.System()}
	left := func() (jobs, links int, audits int64) {
		t.Helper()
		w.change(func(tx *store.Tx) error {
			list, err := tx.LockJobsToward(tenant.ID(w.to))
			if err != nil {
				return err
			}
			jobs = len(list)
			if err := tx.Pgx().QueryRow(t.Context(), "select count(*) from links").Scan(&links); err != nil {
				return err
			}
			return tx.Pgx().QueryRow(t.Context(), "select count(*) from audit_events where activity = 'Delete provisioning configuration'").Scan(&audits)
		})
		return jobs, links, audits
	}
	if err := s.Sever(t.Context(), tenant.New()); err != nil {
		t.Fatal(err)
	}
	if jobs, links, audits := left(); jobs != 1 || links != 1 || audits != 0 {
		t.Fatalf("another tenant ended: %d jobs, %d links, %d audit records", jobs, links, audits)
	}
	for range 2 {
		if err := s.Sever(t.Context(), tenant.ID(w.to)); err != nil {
			t.Fatal(err)
		}
	}
	if jobs, links, audits := left(); jobs != 0 || links != 0 || audits != 1 {
		t.Errorf("the target ended: %d jobs, %d links, %d audit records", jobs, links, audits)
	}
	if leases, err := w.store.Claim(t.Context(), uuid.New(), clock.System().Now().Add(time.Hour), time.Minute, 10); err != nil || len(leases) != 0 {
		t.Errorf("%d leases, %v", len(leases), err)
	}
}
