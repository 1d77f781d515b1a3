package store_test

import (
	"io/fs"
	"slices"
	"testing"
	"testing/fstest"

	"entente.dev/directory-svc/internal/migrations"
	"entente.dev/servicekit/audit"
	"entente.dev/servicekit/odata"
	"entente.dev/servicekit/pg"
	"entente.dev/servicekit/pg/pgtest"
	"entente.dev/servicekit/tenant"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// before is the series of migrations up to one that is left out.
func before(t *testing.T, first string) pg.Source {
	t.Helper()
	names, err := fs.Glob(migrations.Source.FS, "*.sql")
	if err != nil {
		t.Fatal(err)
	}
	files := make(fstest.MapFS)
	for _, name := range names {
		text, err := fs.ReadFile(migrations.Source.FS, name)
		if err != nil {
			t.Fatal(err)
		}
		if name < first {
			files[name] = &fstest.MapFile{Data: text}
		}
	}
	return pg.Source{Name: migrations.Source.Name, FS: files}
}

// TestOldRowsGetTheirSearchTokens brings rows of several tenants up to date:
// they are found by the same tokens as rows that are written since.
func TestOldRowsGetTheirSearchTokens(t *testing.T) {
	t.Parallel()
	service := pgtest.Services(t, pgtest.Schema{Name: "directory", Sources: []pg.Source{audit.Migrations, before(t, "0019")}})["directory"]
	owner, err := pgx.Connect(t.Context(), service.OwnerDSN)
	if err != nil {
		t.Fatal(err)
	}
	defer owner.Close(t.Context())
	texts := []string{"Sales Portal", "OneVideo", "Team-42b_X", " -- ", "ÄrgerÜber 7", "ACME acme", "self-service", "x1y2Z", "a.b c"}
	run := func(query string, args ...any) {
		t.Helper()
		if _, err := owner.Exec(t.Context(), query, args...); err != nil {
			t.Fatal(err)
		}
	}
	run("select set_config('search_path', 'directory', false), set_config('app.fed', 'on', false), set_config('app.audited', 'on', false)")
	ids := make(map[uuid.UUID]string)
	for _, text := range texts {
		home, id := tenant.New(), uuid.New()
		ids[id] = text
		run("select set_config('app.tenant_id', $1, false)", home.String())
		run(`insert into directory.groups (tenant_id, id, display_name, description, mail_nickname, unified, dynamic, mail_enabled, security_enabled, created_at)
			values ($1, $2, 'g', $3, 'g', false, false, false, true, now())`, home.String(), id, text)
		run("insert into directory.applications (tenant_id, id, app_id, display_name, document, created_at) values ($1, $2, $2, $3, '{}', now())", home.String(), id, text)
		run("insert into directory.service_principals (tenant_id, id, app_id, display_name, document, created_at) values ($1, $2, $2, $3, '{}', now())", home.String(), id, text)
	}
	if err := pg.Migrate(t.Context(), service.OwnerDSN, service.Schema, service.Role, migrations.Source); err != nil {
		t.Fatal(err)
	}
	for _, table := range []string{"groups", "applications", "service_principals"} {
		var forced bool
		if err := owner.QueryRow(t.Context(), "select relforcerowsecurity from pg_class where oid = ('directory.' || $1)::regclass", table).Scan(&forced); err != nil || !forced {
			t.Errorf("%s: row-level security is not forced any more: %v", table, err)
		}
		run("alter table directory." + table + " no force row level security")
		column := "display_name_words"
		if table == "groups" {
			column = "description_words"
		}
		rows, err := owner.Query(t.Context(), "select id, "+column+" from directory."+table)
		if err != nil {
			t.Fatal(err)
		}
		var id [16]byte
		var got []string
		n := 0
		_, err = pgx.ForEachRow(rows, []any{&id, &got}, func() error {
			n++
			want := odata.SearchTokens(ids[id])
			slices.Sort(want)
			slices.Sort(got)
			if !slices.Equal(want, got) {
				t.Errorf("%s %q: %q, want %q", table, ids[id], got, want)
			}
			got = nil
			return nil
		})
		if err != nil || n != len(texts) {
			t.Errorf("%s: %d rows, %v", table, n, err)
		}
	}
}

// TestOldCustomersLoseThePasswordTheyNeverUsed: customers who sign in elsewhere
// alone had a password before; it goes, and they can be changed and deleted.
func TestOldCustomersLoseThePasswordTheyNeverUsed(t *testing.T) {
	t.Parallel()
	service := pgtest.Services(t, pgtest.Schema{Name: "directory", Sources: []pg.Source{audit.Migrations, before(t, "0016")}})["directory"]
	owner, err := pgx.Connect(t.Context(), service.OwnerDSN)
	if err != nil {
		t.Fatal(err)
	}
	defer owner.Close(t.Context())
	run := func(query string, args ...any) {
		t.Helper()
		if _, err := owner.Exec(t.Context(), query, args...); err != nil {
			t.Fatal(err)
		}
	}
	run("select set_config('search_path', 'directory', false)")
	home := tenant.New()
	run("select set_config('app.tenant_id', $1, false)", home.String())
	for name, identities := range map[string]string{"elsewhere": `[{"type": 2, "issuer": "google.com"}]`, "both": `[{"type": 2, "issuer": "google.com"}, {"type": 3, "issuer": "x"}]`, "here": `[{"type": 3, "issuer": "x"}]`} {
		run(`insert into users (tenant_id, id, account_enabled, display_name, display_name_key, user_principal_name, user_principal_name_key, user_type, identities,
			password_scheme, password_verifier, password_must_change, created_at) values ($1, gen_random_uuid(), true, $2, $2, $2, $2, 1, $3, 1, 'x', true, now())`, home.String(), name, identities)
	}
	if err := pg.Migrate(t.Context(), service.OwnerDSN, service.Schema, service.Role, migrations.Source); err != nil {
		t.Fatal(err)
	}
	run("select set_config('app.fed', 'on', false), set_config('app.audited', 'on', false)")
	rows, err := owner.Query(t.Context(), "select display_name from users where password_verifier is not null order by 1")
	if err != nil {
		t.Fatal(err)
	}
	if left, err := pgx.CollectRows(rows, pgx.RowTo[string]); err != nil || !slices.Equal(left, []string{"both", "here"}) {
		t.Errorf("%v keep a password: %v", left, err)
	}
	run("update users set deleted_at = now(), version = version + 1")
}
