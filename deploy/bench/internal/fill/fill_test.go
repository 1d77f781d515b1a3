package fill_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"entente.dev/deploy/bench/internal/fill"
	"entente.dev/servicekit/pg/cluster"
)

const (
	owner     = "11111111-1111-4111-8111-111111111111"
	stranger  = "22222222-2222-4222-8222-222222222222"
	prototype = "0190a5b0-0000-7000-8000-00000000abcd"
	group     = "0190a5b0-0000-7000-8000-00000000dddd"
)

// schema has what the suite's tables have: forced row security, generated,
// identity and default columns, arrays, JSON, rows with ids of their own, triggers
// that name tables without their schema.
const schema = `
create schema things;
set search_path = things;
create table things.person (
	tenant_id uuid not null, id uuid not null, name text not null, name_key text collate "C" not null,
	words text[], doc jsonb, lower_name text generated always as (lower(name)) stored, secret bytea, note text,
	at timestamptz not null default now(), primary key (tenant_id, id));
create unique index on things.person (tenant_id, name_key);
create table things.address (tenant_id uuid not null, owner_id uuid not null, ordinal smallint not null, address text not null, primary key (tenant_id, owner_id, ordinal));
create table things.log (tenant_id uuid not null, xid xid8 not null default pg_current_xact_id(), seq bigint generated always as identity, object_id uuid not null,
	related_id uuid, primary key (tenant_id, xid, seq));
create table things.ticket (tenant_id uuid not null, id uuid not null, person_id uuid not null, primary key (tenant_id, id));
create table things.member (tenant_id uuid not null, group_id uuid not null, member_id uuid not null, primary key (tenant_id, group_id, member_id));
create function things.keep_member() returns trigger language plpgsql as $$
declare link member := new; begin return link; end $$;
create trigger keep before insert on things.member for each row execute function things.keep_member();
create table things.country (code text primary key);
alter table things.person enable row level security, force row level security;
insert into things.person (tenant_id, id, name, name_key, words, doc, secret) values
	('` + owner + `', '` + prototype + `', 'Ann NQ', 'ann nq', '{ann,nq}', '{"mail": "nq@example"}', '\x00ff'),
	('` + stranger + `', '` + prototype + `', 'Ann NQ', 'ann nq', null, null, null);
insert into things.address values ('` + owner + `', '` + prototype + `', 0, 'nq@example'), ('` + owner + `', '` + prototype + `', 1, 'ann.nq@example');
insert into things.log (tenant_id, object_id) values ('` + owner + `', '` + prototype + `');
insert into things.ticket values ('` + owner + `', gen_random_uuid(), '` + prototype + `');
`

func TestCopiesOfEveryRowOfThePrototype(t *testing.T) {
	t.Parallel()
	conn, db := start(t)
	rows, err := db.Rows(t.Context(), fill.Spec{Schema: "things", Tenant: owner, Anchors: []string{prototype}, Replace: []fill.Replacement{
		{Old: prototype, SQL: fill.ID(prototype)}, {Old: "nq", SQL: "n::text"}, {Old: "NQ", SQL: "n::text"},
	}, Set: map[string]string{"secret": "null"}}, 1, 25_000)
	if err != nil {
		t.Fatal(err)
	}
	if rows != 5 {
		t.Errorf("copied %d rows for each, want 5", rows)
	}
	for _, tt := range []struct{ name, query, want string }{
		{"everyone", "select count(*)::text from things.person where tenant_id = '" + owner + "'", "25001"},
		{"a stranger's rows stay alone", "select count(*)::text from things.person where tenant_id = '" + stranger + "'", "1"},
		{"every column that holds a text", "select concat_ws('|', name, name_key, lower_name, words::text, doc->>'mail', secret::text) from things.person where id = '" + fill.Copy(prototype, 20_001) + "'",
			"Ann 20001|ann 20001|ann 20001|{ann,20001}|20001@example"},
		{"several rows of one table", "select string_agg(address, ' ' order by ordinal) from things.address where owner_id = '" + fill.Copy(prototype, 7) + "'", "7@example ann.7@example"},
		{"numbers that the server gives", "select count(distinct seq)::text from things.log", "25001"},
		{"ids of their own", "select count(distinct id)::text || ' ' || count(distinct person_id) from things.ticket", "25001 25001"},
	} {
		var got string
		if err := conn.QueryRow(t.Context(), tt.query).Scan(&got); err != nil || got != tt.want {
			t.Errorf("%s: got %q, %v, want %q", tt.name, got, err, tt.want)
		}
	}
	if err := db.Settle(t.Context(), "things"); err != nil {
		t.Error(err)
	}

	// A link between two objects is copied by both its ends.
	if _, err := conn.Exec(t.Context(), `insert into things.member values ($1, $2, $3)`, owner, group, prototype); err != nil {
		t.Fatal(err)
	}
	rows, err = db.Rows(t.Context(), fill.Spec{Schema: "things", Tenant: owner, Anchors: []string{group, prototype},
		Replace: []fill.Replacement{{Old: prototype, SQL: fill.ID(prototype)}}}, 1, 10)
	if err != nil || rows != 1 {
		t.Fatalf("%d rows for each link, %v", rows, err)
	}
	var joined int
	if err := conn.QueryRow(t.Context(), `select count(*) from things.member m join things.person p on p.tenant_id = m.tenant_id and p.id = m.member_id
		where m.group_id = $1`, group).Scan(&joined); err != nil || joined != 11 {
		t.Errorf("%d members, %v", joined, err)
	}
}

func TestFailuresAreTold(t *testing.T) {
	t.Parallel()
	_, db := start(t)
	_, err := db.Rows(t.Context(), fill.Spec{Schema: "things", Tenant: owner, Anchors: []string{group}}, 1, 10)
	if err == nil || !strings.Contains(err.Error(), group) {
		t.Errorf("without a prototype: %v", err)
	}
	// Names that are not replaced collide.
	_, err = db.Rows(t.Context(), fill.Spec{Schema: "things", Tenant: owner, Anchors: []string{prototype},
		Replace: []fill.Replacement{{Old: prototype, SQL: fill.ID(prototype)}}}, 1, 50_000)
	if err == nil || !strings.Contains(err.Error(), "person") {
		t.Errorf("with a name taken: %v", err)
	}
}

// start gives a server with the schema.
func start(t *testing.T) (*pgx.Conn, fill.DB) {
	t.Helper()
	ctx := context.Background()
	// Not t.TempDir: root's database runs under another user, who may not
	// enter that folder.
	dir, err := os.MkdirTemp("", "entente-fill-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	db, err := cluster.Start(ctx, cluster.Config{Dir: filepath.Join(dir, "pg"), Disposable: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Stop(); err != nil {
			t.Error(err)
		}
	})
	if err := db.EnsureDatabase(ctx, "fill"); err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.Connect(ctx, db.AdminDSN("fill"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(ctx) })
	if _, err := conn.Exec(ctx, schema); err != nil {
		t.Fatal(err)
	}
	return conn, fill.DB{DSN: db.AdminDSN("fill")}
}
