package pg_test

import (
	"io/fs"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/fault"
	"entente.dev/servicekit/pg"
	"entente.dev/servicekit/pg/cluster"
	"entente.dev/servicekit/pg/pgtest"
)

func files(texts ...string) fs.FS {
	m := fstest.MapFS{}
	for i, text := range texts {
		m["000"+string(rune('1'+i))+"_step.sql"] = &fstest.MapFile{Data: []byte(text)}
	}
	return m
}

func provide(t *testing.T, schema string) cluster.Service {
	t.Helper()
	svc, err := cluster.Provide(t.Context(), pgtest.Empty(t), schema, []byte("tests"))
	if err != nil {
		t.Fatal(err)
	}
	return svc
}

func TestMigrateAppliesEachFileOnce(t *testing.T) {
	t.Parallel()
	svc := provide(t, "steps")
	one, two := "create table a (id int); create table b (id int);", "insert into a values (1)"
	old := pg.Source{Name: "steps", FS: files(one)}
	src := pg.Source{Name: "steps", FS: files(one, two)}
	if err := pg.Migrate(t.Context(), svc.OwnerDSN, "steps", svc.Role, old); err != nil {
		t.Fatal(err)
	}
	db := pgtest.OpenService(t, svc)
	if err := pg.CheckVersion(t.Context(), db, old); err != nil {
		t.Errorf("present schema: %v", err)
	}
	if err := pg.CheckVersion(t.Context(), db, src); !fault.Is(err, errorspb.Reason_SCHEMA_OUTDATED) {
		t.Errorf("older schema: %v", err)
	}
	var wg sync.WaitGroup
	for range 4 { // starters at the same moment wait for each other
		wg.Go(func() {
			if err := pg.Migrate(t.Context(), svc.OwnerDSN, "steps", svc.Role, src); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	var n int
	err := db.Global(t.Context(), func(tx *pg.Tx) error {
		return tx.Pgx().QueryRow(tx.Context(), "select count(*) from a").Scan(&n)
	})
	if err != nil || n != 1 {
		t.Errorf("applied %d times, %v", n, err)
	}
	edited := pg.Source{Name: "steps", FS: files(one+" ", two)}
	if err := pg.Migrate(t.Context(), svc.OwnerDSN, "steps", svc.Role, edited); err == nil {
		t.Error("an edited file is accepted")
	}
	if err := pg.Migrate(t.Context(), svc.OwnerDSN, "steps", svc.Role, old); err == nil {
		t.Error("an older program migrates a newer schema")
	}
}

func TestMigrateLeavesNothingOfAFailedFile(t *testing.T) {
	t.Parallel()
	svc := provide(t, "broken")
	err := pg.Migrate(t.Context(), svc.OwnerDSN, "broken", svc.Role, pg.Source{Name: "x", FS: files("create table a (id int); select 1/0")})
	if err == nil || !strings.Contains(err.Error(), "0001_step.sql") {
		t.Errorf("Migrate: %v", err)
	}
	good := pg.Source{Name: "x", FS: files("create table a (id int)")}
	if err := pg.Migrate(t.Context(), svc.OwnerDSN, "broken", svc.Role, good); err != nil {
		t.Errorf("second try: %v", err)
	}
}

func TestMigrateDemandsRowLevelSecurity(t *testing.T) {
	t.Parallel()
	svc := provide(t, "open")
	src := pg.Source{Name: "x", FS: files("create table bare (tenant_id uuid, id uuid)")}
	err := pg.Migrate(t.Context(), svc.OwnerDSN, "open", svc.Role, src)
	if err == nil || !strings.Contains(err.Error(), "bare") {
		t.Errorf("Migrate: %v", err)
	}
}

func TestMigrationNames(t *testing.T) {
	t.Parallel()
	for name, m := range map[string]fstest.MapFS{
		"gap":      {"0002_a.sql": {}},
		"bad name": {"1_a.sql": {}},
		"none":     {},
	} {
		if _, err := pg.Fingerprint(pg.Source{Name: "x", FS: m}); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}
