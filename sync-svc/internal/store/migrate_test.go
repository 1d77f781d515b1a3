package store

import (
	"io/fs"
	"slices"
	"testing"
	"testing/fstest"

	"entente.dev/servicekit/pg"
	"entente.dev/servicekit/pg/pgtest"
	"entente.dev/servicekit/tenant"

	"entente.dev/sync-svc/internal/migrations"
)

// upTo is the series of migrations without those after a file.
func upTo(t *testing.T, last string) []pg.Source {
	t.Helper()
	files := fstest.MapFS{}
	names, err := fs.Glob(migrations.Sources[0].FS, "*.sql")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		text, err := fs.ReadFile(migrations.Sources[0].FS, name)
		if err != nil {
			t.Fatal(err)
		}
		if name <= last {
			files[name] = &fstest.MapFile{Data: text}
		}
	}
	sources := slices.Clone(migrations.Sources)
	sources[0].FS = files
	return sources
}

func TestMigrationFindsTheTenantsOfDeletedJobs(t *testing.T) {
	t.Parallel()
	login := pgtest.Services(t, pgtest.Schema{Name: "sync", Sources: upTo(t, "0005_batches.sql")})["sync"]
	db := pgtest.OpenService(t, login)
	s := New(db, nil)
	of := tenant.New()
	j := create(t, s, of)
	err := db.Write(t.Context(), of, func(tx *pg.Tx) error { // as jobs were deleted before
		tx.Queue("update jobs set deleted_at = $2 where tenant_id = $1", of.UUID(), now)
		tx.Queue("delete from job_leases where tenant_id = $1", of.UUID())
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	live := create(t, s, tenant.New())
	if err := pg.Migrate(t.Context(), login.OwnerDSN, login.Schema, login.Role, migrations.Sources...); err != nil {
		t.Fatal(err)
	}
	tenants, err := s.Tenants(t.Context())
	if err != nil || !slices.Contains(tenants, of) || len(tenants) != 2 {
		t.Errorf("tenants %v, %v", tenants, err)
	}
	leases, err := s.Claim(t.Context(), j.Key, now, 1, 10)
	if err != nil || len(leases) != 1 || leases[0].JobKey != live.Key {
		t.Errorf("leases %v, %v", leases, err)
	}
}
