package ended_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	directorypb "entente.dev/proto/gen/entente/directory/v1"
	"entente.dev/servicekit/audit"
	"entente.dev/servicekit/clock/clocktest"
	"entente.dev/servicekit/ended"
	"entente.dev/servicekit/pg"
	"entente.dev/servicekit/pg/pgtest"
	"entente.dev/servicekit/tenant"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// tables refer to each other, and one is global.
var tables = pg.Source{Name: "tables", FS: fstest.MapFS{"0001_tables.sql": {Data: []byte(`
	create table parents (tenant_id uuid, id int, primary key (tenant_id, id));
	create table children (tenant_id uuid, id int, parent int, primary key (tenant_id, id), foreign key (tenant_id, parent) references parents on delete restrict);
	create table marks (tenant_id uuid, id int, primary key (id, tenant_id));
	comment on table marks is '@global';
	do $$ declare t text; begin
		foreach t in array array['parents', 'children'] loop
			execute format('alter table %I enable row level security', t);
			execute format('alter table %I force row level security', t);
			execute format('create policy tenant on %I using (tenant_id = nullif(current_setting(''app.tenant_id'', true), '''')::uuid)', t);
		end loop;
	end $$`)}}}

// directory is the log of ended tenants in the order of their end.
type directory struct {
	ended []*directorypb.EndedTenant
	asked int
	err   error
}

func (d *directory) end(t tenant.ID, at time.Time) {
	d.ended = append(d.ended, &directorypb.EndedTenant{TenantId: t.String(), EndedAt: timestamppb.New(at)})
	slices.SortFunc(d.ended, func(a, b *directorypb.EndedTenant) int {
		return cmp.Or(a.GetEndedAt().AsTime().Compare(b.GetEndedAt().AsTime()), strings.Compare(a.GetTenantId(), b.GetTenantId()))
	})
}

func (d *directory) ListEndedTenants(_ context.Context, req *directorypb.ListEndedTenantsRequest, _ ...grpc.CallOption) (*directorypb.ListEndedTenantsResponse, error) {
	d.asked++
	resp := &directorypb.ListEndedTenantsResponse{}
	for _, t := range d.ended {
		since, at := req.GetSince().AsTime(), t.GetEndedAt().AsTime()
		if (at.After(since) || at.Equal(since) && t.GetTenantId() > req.GetAfterId()) && len(resp.Tenants) < int(req.GetLimit()) {
			resp.Tenants = append(resp.Tenants, t)
		}
	}
	return resp, d.err
}

type world struct {
	*testing.T
	db     *pg.DB
	dir    *directory
	clock  *clocktest.Fake
	purger *ended.Purger
}

func newWorld(t *testing.T) *world {
	t.Helper()
	t.Parallel()
	w := &world{T: t, db: pgtest.Open(t, "ended", audit.Migrations, tables, ended.Migrations), dir: &directory{},
		clock: clocktest.New(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))}
	w.purger = &ended.Purger{DB: w.db, Directory: w.dir, Clock: w.clock, Log: slog.New(slog.DiscardHandler)}
	return w
}

// fill gives a tenant n rows of each table.
func (w *world) fill(t tenant.ID, n int) {
	w.Helper()
	err := w.db.Write(w.Context(), t, func(tx *pg.Tx) error {
		for i, table := range []string{"parents (tenant_id, id)", "marks (tenant_id, id)", "children (tenant_id, id, parent)"} {
			column := ""
			if i == 2 {
				column = ", 1"
			}
			tx.Queue("insert into "+table+" select $1, i"+column+" from generate_series(1, $2::int) i", t.UUID(), n)
		}
		return audit.Write(w.Context(), tx, w.clock, audit.Event{Activity: "Act", Category: "Acts"})
	})
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) count(t tenant.ID) string {
	w.Helper()
	var n [4]int
	err := w.db.Read(w.Context(), t, func(tx *pg.Tx) error {
		for i, table := range []string{"parents", "children", "marks", "audit_events"} {
			if err := tx.Pgx().QueryRow(w.Context(), "select count(*) from "+table+" where tenant_id = $1", t.UUID()).Scan(&n[i]); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		w.Fatal(err)
	}
	return fmt.Sprint(n)
}

func (w *world) run() int {
	w.Helper()
	n, err := w.purger.RunOnce(w.Context())
	if err != nil {
		w.Fatal(err)
	}
	return n
}

func TestRowsOfAnEndedTenantGo(t *testing.T) {
	w := newWorld(t)
	gone, stays := tenant.New(), tenant.New()
	w.fill(gone, 2500) // several rounds
	w.fill(stays, 3)
	if n := w.run(); n != 0 {
		t.Fatalf("%d rows deleted although no tenant ended", n)
	}
	w.dir.end(gone, w.clock.Now())
	if n := w.run(); n != 7501 {
		t.Errorf("%d rows deleted", n)
	}
	if got := w.count(gone); got != "[0 0 0 0]" {
		t.Errorf("left of the ended tenant: %s", got)
	}
	if got := w.count(stays); got != "[3 3 3 1]" {
		t.Errorf("left of the other tenant: %s", got)
	}
}

func TestATenantThatHasNotEndedIsNotPurged(t *testing.T) {
	w := newWorld(t)
	other, stays := tenant.New(), tenant.New()
	w.fill(stays, 1)
	w.dir.end(other, w.clock.Now())
	w.run()
	for _, bound := range []tenant.ID{stays, other} {
		err := w.db.Write(t.Context(), bound, func(tx *pg.Tx) error {
			_, err := tx.Pgx().Exec(t.Context(), "select purge_ended_tenant($1, 10)", stays.UUID())
			return err
		})
		if pg.SQLState(err) != "42501" {
			t.Errorf("purge of a tenant that has not ended: %v", err)
		}
	}
	// A table of the caller's own does not stand in for that of the owner.
	err := w.db.Write(t.Context(), stays, func(tx *pg.Tx) error {
		if _, err := tx.Pgx().Exec(t.Context(), "create temp table ended_tenants as select $1::uuid as id", stays.UUID()); err != nil {
			return err
		}
		_, err := tx.Pgx().Exec(t.Context(), "select purge_ended_tenant($1, 10)", stays.UUID())
		return err
	})
	if pg.SQLState(err) != "42501" {
		t.Errorf("purge by a table put in between: %v", err)
	}
	if got := w.count(stays); got != "[1 1 1 1]" {
		t.Errorf("left: %s", got)
	}
}

func TestWhatComesLateGoesUntilTheTenantIsSettled(t *testing.T) {
	w := newWorld(t)
	gone := tenant.New()
	var forgotten []tenant.ID
	w.purger.Forget = func(_ context.Context, t tenant.ID) error {
		forgotten = append(forgotten, t)
		return nil
	}
	w.dir.end(gone, w.clock.Now())
	w.run()
	w.fill(gone, 1)
	w.clock.Advance(25 * time.Hour)
	if n := w.run(); n != 4 || w.count(gone) != "[0 0 0 0]" {
		t.Errorf("%d late rows deleted", n)
	}
	if n := w.run(); n != 0 || !slices.Equal(forgotten, []tenant.ID{gone, gone, gone}) {
		t.Errorf("%d rows deleted, forgotten %d times", n, len(forgotten))
	}
	// Settled: nobody looks at it any more.
	if w.run(); len(forgotten) != 3 {
		t.Errorf("forgotten %d times", len(forgotten))
	}
}

func TestManyEndedTenantsAreLearned(t *testing.T) {
	w := newWorld(t)
	last := tenant.MustParse("ffffffff-ffff-4fff-bfff-ffffffffffff")
	w.fill(last, 1)
	for range 1200 {
		w.dir.end(tenant.New(), w.clock.Now())
	}
	w.dir.end(last, w.clock.Now())
	if n := w.run(); n != 4 || w.dir.asked != 2 {
		t.Errorf("%d rows, asked %d times", n, w.dir.asked)
	}
	// One that becomes visible late is not missed.
	late := tenant.New()
	w.fill(late, 1)
	w.dir.end(late, w.clock.Now().Add(-time.Minute))
	if n := w.run(); n != 4 {
		t.Errorf("%d rows of the tenant that became visible late", n)
	}
}

func TestADirectoryThatDoesNotAnswerIsAskedAgain(t *testing.T) {
	w := newWorld(t)
	gone := tenant.New()
	w.fill(gone, 1)
	w.dir.end(gone, w.clock.Now())
	w.dir.err = errors.New("not now")
	if _, err := w.purger.RunOnce(t.Context()); !errors.Is(err, w.dir.err) {
		t.Fatalf("error %v", err)
	}
	w.dir.err = nil
	if n := w.run(); n != 4 {
		t.Errorf("%d rows deleted", n)
	}
}
