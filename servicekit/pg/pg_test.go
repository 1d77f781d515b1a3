package pg_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/fault"
	"entente.dev/servicekit/pg"
	"entente.dev/servicekit/pg/pgtest"
	"entente.dev/servicekit/tenant"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

const first = `
create table things (
	tenant_id uuid not null, id uuid not null, name text not null, made_at timestamptz not null default now(),
	primary key (tenant_id, id));
create unique index things_name on things (tenant_id, name);
alter table things enable row level security;
alter table things force row level security;
create policy tenant on things using (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid)
	with check (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid);
create table journal (id bigint generated always as identity, text text not null);
comment on table journal is 'What happened. @append-only';
create table registry (tenant_id uuid primary key, domain text not null);
comment on table registry is 'Domains of all tenants. @global';
create function refuse_late() returns trigger language plpgsql as $$
begin
	raise exception 'too late' using errcode = '23514', constraint = 'late';
end $$;
create constraint trigger things_late after insert on things deferrable initially deferred
	for each row when (new.name = 'late') execute function refuse_late();
`

var source = pg.Source{Name: "sample", FS: fstest.MapFS{"0001_first.sql": {Data: []byte(first)}}}

type thing struct {
	TenantID tenant.ID `gorm:"column:tenant_id;primaryKey"`
	ID       uuid.UUID `gorm:"primaryKey"`
	Name     string
	MadeAt   time.Time
}

func newThing(t tenant.ID, name string) *thing {
	return &thing{TenantID: t, ID: uuid.New(), Name: name, MadeAt: time.Now().UTC().Truncate(time.Microsecond)}
}

func count(t *testing.T, db *pg.DB, of tenant.ID) int {
	t.Helper()
	var n int64
	if err := db.Read(t.Context(), of, func(tx *pg.Tx) error { return tx.Gorm().Model(&thing{}).Count(&n).Error }); err != nil {
		t.Fatal(err)
	}
	return int(n)
}

func TestTransactionIsSharedByGormPgxAndQueue(t *testing.T) {
	t.Parallel()
	db, id := pgtest.Open(t, "sample", source), tenant.New()
	var committed atomic.Bool
	want := newThing(id, "gorm")
	err := db.Write(t.Context(), id, func(tx *pg.Tx) error {
		tx.AfterCommit(func() { committed.Store(true) })
		tx.Queue("insert into journal (text) values ($1)", "queued before")
		if err := tx.Gorm().Create(want).Error; err != nil {
			return err
		}
		if _, err := tx.Pgx().Exec(tx.Context(), "insert into things (tenant_id, id, name) values ($1, $2, $3)", id, uuid.New(), "pgx"); err != nil {
			return err
		}
		// COPY works on tables without row-level security alone.
		if _, err := tx.Pgx().CopyFrom(tx.Context(), pgx.Identifier{"journal"}, []string{"text"}, pgx.CopyFromRows([][]any{{"copied"}})); err != nil {
			return err
		}
		if err := tx.QueueCreate(newThing(id, "queued")); err != nil {
			return err
		}
		var n int64 // what is queued is visible to the next statement
		if err := tx.Gorm().Model(&thing{}).Count(&n).Error; err != nil || n != 3 {
			t.Errorf("within the transaction: %d rows, %v", n, err)
		}
		return tx.QueueCreate([]*thing{newThing(id, "last a"), newThing(id, "last b")})
	})
	if err != nil {
		t.Fatal(err)
	}
	if n := count(t, db, id); n != 5 || !committed.Load() {
		t.Errorf("%d rows, after commit called: %v", n, committed.Load())
	}
	var got thing
	err = db.Read(t.Context(), id, func(tx *pg.Tx) error { return tx.Gorm().Take(&got, "id = ?", want.ID).Error })
	if err != nil || got != *want {
		t.Errorf("read back %+v, want %+v, %v", got, *want, err)
	}
}

func TestNothingRemainsOfAFailedWrite(t *testing.T) {
	t.Parallel()
	db, id := pgtest.Open(t, "sample", source), tenant.New()
	refuse := errors.New("refused")
	for name, fn := range map[string]func(*pg.Tx) error{
		"error after a statement": func(tx *pg.Tx) error {
			if err := tx.Gorm().Create(newThing(id, "x")).Error; err != nil {
				return err
			}
			return refuse
		},
		"error with only a queue": func(tx *pg.Tx) error {
			if err := tx.QueueCreate(newThing(id, "x")); err != nil {
				return err
			}
			return refuse
		},
		"an error that the function swallowed": func(tx *pg.Tx) error {
			_ = tx.Gorm().Create(newThing(id, "x")).Error
			_ = tx.Gorm().Exec("select 1/0").Error
			return nil
		},
	} {
		if err := db.Write(t.Context(), id, fn); err == nil {
			t.Errorf("%s: Write succeeded", name)
		}
	}
	func() {
		defer func() { _ = recover() }()
		_ = db.Write(t.Context(), id, func(tx *pg.Tx) error {
			_ = tx.Gorm().Create(newThing(id, "x")).Error
			panic("boom")
		})
	}()
	if n := count(t, db, id); n != 0 {
		t.Errorf("%d rows remain", n)
	}
}

// TestQueuedWriteStandsOrFallsWhole writes by queued statements alone, which
// travel without BEGIN and COMMIT: one that fails, at once or when the
// transaction ends, takes the others with it, and the tenant is forgotten.
func TestQueuedWriteStandsOrFallsWhole(t *testing.T) {
	t.Parallel()
	db, id := pgtest.Open(t, "sample", source), tenant.New()
	insert := "insert into things (tenant_id, id, name) values ($1, gen_random_uuid(), $2)"
	write := func(names ...string) error {
		done := false
		err := db.Write(t.Context(), id, func(tx *pg.Tx) error {
			for _, name := range names {
				tx.Queue(insert, id, name)
			}
			tx.AfterCommit(func() { done = true })
			return nil
		})
		if done != (err == nil) {
			t.Errorf("after commit %v, %v", done, err)
		}
		return err
	}
	for range 20 {
		if err := write("a", "late"); pg.Constraint(err) != "late" {
			t.Fatal("refused at its end:", err)
		}
		if err := write("a", "b", "b", "c"); pg.Constraint(err) != "things_name" {
			t.Fatal("refused in the middle:", err)
		}
	}
	if n := count(t, db, id); n != 0 {
		t.Errorf("%d rows remain of failed writes", n)
	}
	if err := write("a", "b"); err != nil {
		t.Fatal(err)
	}
	if n := count(t, db, id); n != 2 {
		t.Errorf("%d rows", n)
	}
	var seen int64
	err := db.Global(t.Context(), func(tx *pg.Tx) error { return tx.Gorm().Model(&thing{}).Count(&seen).Error })
	if err != nil || seen != 0 {
		t.Errorf("no tenant sees %d rows, %v", seen, err)
	}
}

func TestQueuedViolationNamesItsConstraint(t *testing.T) {
	t.Parallel()
	db, id := pgtest.Open(t, "sample", source), tenant.New()
	for i := range 2 {
		err := db.Write(t.Context(), id, func(tx *pg.Tx) error { return tx.QueueCreate(newThing(id, "same")) })
		if got := pg.Constraint(err); (i == 0) != (err == nil) || i == 1 && got != "things_name" {
			t.Errorf("write %d: constraint %q, %v", i, got, err)
		}
	}
}

func TestResistsMissingTenantFilter(t *testing.T) {
	t.Parallel()
	db, mine, theirs := pgtest.Open(t, "sample", source), tenant.New(), tenant.New()
	other := newThing(theirs, "secret")
	if err := db.Write(t.Context(), theirs, func(tx *pg.Tx) error { return tx.Gorm().Create(other).Error }); err != nil {
		t.Fatal(err)
	}
	// No statement below names a tenant: row-level security alone decides.
	if n := count(t, db, mine); n != 0 {
		t.Errorf("%d rows of another tenant are visible", n)
	}
	err := db.Write(t.Context(), mine, func(tx *pg.Tx) error {
		res := tx.Gorm().Exec("update things set name = 'taken'")
		if res.RowsAffected != 0 {
			t.Errorf("%d rows of another tenant changed", res.RowsAffected)
		}
		return res.Error
	})
	if err != nil {
		t.Error(err)
	}
	err = db.Write(t.Context(), mine, func(tx *pg.Tx) error { return tx.Gorm().Create(newThing(theirs, "planted")).Error })
	if pg.SQLState(err) != "42501" {
		t.Errorf("writing a row of another tenant: %v", err)
	}
	err = db.Global(t.Context(), func(tx *pg.Tx) error {
		var n int64
		if err := tx.Gorm().Model(&thing{}).Count(&n).Error; err != nil || n != 0 {
			t.Errorf("without a tenant %d rows are visible, %v", n, err)
		}
		return tx.Gorm().Exec("insert into registry values (?, 'contoso.example')", mine).Error
	})
	if err != nil {
		t.Error(err)
	}
	if err := db.Read(t.Context(), tenant.ID{}, func(*pg.Tx) error { return nil }); err == nil {
		t.Error("a transaction without tenant opens")
	}
}

func TestReadRefusesWrites(t *testing.T) {
	t.Parallel()
	db, id := pgtest.Open(t, "sample", source), tenant.New()
	err := db.Read(t.Context(), id, func(tx *pg.Tx) error { return tx.Gorm().Create(newThing(id, "x")).Error })
	if pg.SQLState(err) != "25006" {
		t.Errorf("create: %v", err)
	}
	if err := db.Read(t.Context(), id, func(tx *pg.Tx) error { tx.Queue("select 1"); return nil }); err == nil {
		t.Error("a read queues")
	}
}

func TestAppendOnlyTableKeepsItsRows(t *testing.T) {
	t.Parallel()
	db, id := pgtest.Open(t, "sample", source), tenant.New()
	for sql, allowed := range map[string]bool{
		"insert into journal (text) values ('a')": true,
		"update journal set text = 'b'":           false,
		"delete from journal":                     false,
		"truncate journal":                        false,
		"drop table journal":                      false,
		"delete from schema_migrations":           false,
	} {
		err := db.Write(t.Context(), id, func(tx *pg.Tx) error { return tx.Gorm().Exec(sql).Error })
		if (err == nil) != allowed || !allowed && pg.SQLState(err) != "42501" {
			t.Errorf("%s: %v", sql, err)
		}
	}
}

func TestSchemasAreFencedOff(t *testing.T) {
	t.Parallel()
	svc := pgtest.Services(t, pgtest.Schema{Name: "alpha", Sources: []pg.Source{source}}, pgtest.Schema{Name: "beta", Sources: []pg.Source{source}})
	db := pgtest.OpenService(t, svc["beta"])
	err := db.Global(t.Context(), func(tx *pg.Tx) error { return tx.Gorm().Exec("select * from alpha.journal").Error })
	if pg.SQLState(err) != "42501" {
		t.Errorf("beta reads alpha: %v", err)
	}
}

func TestWriteRunsAgainAfterADeadlock(t *testing.T) {
	t.Parallel()
	db, id := pgtest.Open(t, "sample", source), tenant.New()
	a, b := newThing(id, "a"), newThing(id, "b")
	if err := db.Write(t.Context(), id, func(tx *pg.Tx) error { return tx.QueueCreate([]*thing{a, b}) }); err != nil {
		t.Fatal(err)
	}
	var both sync.WaitGroup
	both.Add(2)
	var runs atomic.Int32
	cross := func(first, second *thing) error {
		met := false
		return db.Write(t.Context(), id, func(tx *pg.Tx) error {
			runs.Add(1)
			if err := tx.Gorm().Model(first).Update("name", first.Name+"!").Error; err != nil {
				return err
			}
			if !met { // both hold their first row before either asks for its second
				met = true
				both.Done()
				both.Wait()
			}
			return tx.Gorm().Model(second).Update("name", second.Name+"!").Error
		})
	}
	var wg sync.WaitGroup
	for _, pair := range [][2]thing{{*a, *b}, {*b, *a}} {
		wg.Go(func() {
			if err := cross(&pair[0], &pair[1]); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if runs.Load() < 3 {
		t.Errorf("%d runs: no deadlock happened", runs.Load())
	}
}

func TestEndedContextRollsBackAndKeepsThePool(t *testing.T) {
	t.Parallel()
	db, id := pgtest.Open(t, "sample", source), tenant.New()
	ctx, cancel := context.WithCancel(t.Context())
	err := db.Write(ctx, id, func(tx *pg.Tx) error {
		if err := tx.Gorm().Create(newThing(id, "x")).Error; err != nil {
			return err
		}
		cancel()
		return tx.Gorm().Exec("select pg_sleep(60)").Error
	})
	if fault.From(err).Kind != fault.KindCanceled {
		t.Errorf("Write: %v", err)
	}
	if n := count(t, db, id); n != 0 {
		t.Errorf("%d rows remain", n)
	}
}

func TestReadBatch(t *testing.T) {
	t.Parallel()
	db, id := pgtest.Open(t, "sample", source), tenant.New()
	if err := db.Write(t.Context(), id, func(tx *pg.Tx) error { return tx.QueueCreate(newThing(id, "x")) }); err != nil {
		t.Fatal(err)
	}
	for of, want := range map[tenant.ID]int{id: 1, tenant.New(): 0} {
		var got int
		batch := &pgx.Batch{}
		batch.Queue("select count(*) from things").QueryRow(func(row pgx.Row) error { return row.Scan(&got) })
		if err := db.ReadBatch(t.Context(), of, batch); err != nil || got != want {
			t.Errorf("%d rows, want %d, %v", got, want, err)
		}
	}
	bad := &pgx.Batch{}
	bad.Queue("select 1/0")
	if err := db.ReadBatch(t.Context(), id, bad); pg.SQLState(err) != "22012" {
		t.Errorf("ReadBatch: %v", err)
	}
	if n := count(t, db, id); n != 1 {
		t.Errorf("after a failed batch: %d rows", n)
	}
}

// TestReadBatchLeavesNothingBehind has one connection serve batches and then
// look at itself.
func TestReadBatchLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	db, id := pgtest.Open(t, "sample", source), tenant.New()
	// The statements are prepared by the first run, and not by the second.
	for range 2 {
		var tenants [2]string
		var readOnly string
		batch := &pgx.Batch{}
		batch.Queue("select current_setting('app.tenant_id'), current_setting('transaction_read_only')").
			QueryRow(func(row pgx.Row) error { return row.Scan(&tenants[0], &readOnly) })
		batch.Queue("select current_setting('app.tenant_id')").QueryRow(func(row pgx.Row) error { return row.Scan(&tenants[1]) })
		if err := db.ReadBatch(t.Context(), id, batch); err != nil {
			t.Fatal(err)
		}
		if tenants[0] != id.String() || tenants[1] != id.String() || readOnly != "on" {
			t.Errorf("inside the batch: tenants %q, read only %s", tenants, readOnly)
		}
		write := &pgx.Batch{}
		write.Queue("insert into things (tenant_id, id, name) values ($1, $2, 'x')", [16]byte(id), [16]byte(tenant.New()))
		if err := db.ReadBatch(t.Context(), id, write); pg.SQLState(err) != "25006" {
			t.Errorf("a write in a batch of reads: %v", err)
		}
		ended := &pgx.Batch{}
		ended.Queue("select 1/0")
		_ = db.ReadBatch(t.Context(), id, ended)
		conn, err := db.Pool().Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var left string
		err = conn.QueryRow(t.Context(), "select coalesce(current_setting('app.tenant_id', true), '') || current_setting('transaction_read_only')").Scan(&left)
		conn.Release()
		if err != nil || left != "off" {
			t.Errorf("the connection keeps %q, %v", left, err)
		}
	}
}

func TestSavepoints(t *testing.T) {
	t.Parallel()
	db, id := pgtest.Open(t, "sample", source), tenant.New()
	err := db.Write(t.Context(), id, func(tx *pg.Tx) error {
		inner, err := tx.Pgx().Begin(tx.Context())
		if err != nil {
			return err
		}
		if _, err := inner.Exec(tx.Context(), "select 1/0"); err == nil {
			t.Error("division by zero works")
		}
		if err := inner.Rollback(tx.Context()); err != nil {
			return err
		}
		failed := errors.New("inner")
		err = tx.Gorm().Transaction(func(g *gormDB) error {
			if err := g.Create(newThing(id, "inner")).Error; err != nil {
				return err
			}
			return failed
		})
		if !errors.Is(err, failed) {
			t.Errorf("nested GORM transaction: %v", err)
		}
		return tx.Gorm().Create(newThing(id, "outer")).Error
	})
	if err != nil {
		t.Fatal(err)
	}
	if n := count(t, db, id); n != 1 {
		t.Errorf("%d rows", n)
	}
}

func TestUnreachableServerIsUnavailable(t *testing.T) {
	t.Parallel()
	_, err := pg.Open(t.Context(), pg.Config{DSN: "postgres://u:canary-password@127.0.0.1:1/x", Schema: "sample"}, nil)
	if !fault.Is(err, errorspb.Reason_UNAVAILABLE) {
		t.Errorf("Open: %v", err)
	}
}

func TestLostConnectionIsUnavailable(t *testing.T) {
	t.Parallel()
	db, id := pgtest.Open(t, "sample", source), tenant.New()
	err := db.Write(t.Context(), id, func(tx *pg.Tx) error {
		if err := tx.Gorm().Create(newThing(id, "x")).Error; err != nil {
			return err
		}
		var pid int
		if err := tx.Gorm().Raw("select pg_backend_pid()").Scan(&pid).Error; err != nil {
			return err
		}
		if _, err := db.Pool().Exec(tx.Context(), "select pg_terminate_backend($1, 5000)", pid); err != nil {
			return err
		}
		first := tx.Gorm().Exec("select 1").Error
		// Going on regardless touches nothing that is no longer ours.
		if _, err := tx.Pgx().Exec(tx.Context(), "select 1"); err == nil {
			t.Error("a statement works on a lost connection")
		}
		tx.Queue("select 1")
		return first
	})
	if !fault.Is(err, errorspb.Reason_UNAVAILABLE) {
		t.Errorf("Write: %v", err)
	}
	if n := count(t, db, id); n != 0 {
		t.Errorf("%d rows remain", n)
	}
}
