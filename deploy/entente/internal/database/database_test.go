package database_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"entente.dev/deploy/entente/internal/database"
	"entente.dev/servicekit/pg/cluster"
	"github.com/jackc/pgx/v5"
)

// folder is like t.TempDir, but the account of the server may pass through it
// when the test runs as root.
func folder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "entente-db-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if err := os.Chmod(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	return dir
}

func config(t *testing.T, dir string) database.Config {
	t.Helper()
	return database.Config{
		Dir: filepath.Join(dir, "postgres"), Key: []byte("of " + t.Name()),
		InstallationFile: filepath.Join(dir, "installation"), Say: t.Logf,
	}
}

func open(t *testing.T, cfg database.Config) *database.Database {
	t.Helper()
	d, err := database.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func stop(t *testing.T, d *database.Database) {
	t.Helper()
	if err := d.Stop(); err != nil {
		t.Error(err)
	}
}

func login(t *testing.T, dsn string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(t.Context()) })
	return conn
}

func TestAPrivateServerKeepsItsDataAndEndsWithItsRunner(t *testing.T) {
	t.Parallel()
	cfg := config(t, folder(t))
	d := open(t, cfg)
	if got, err := d.Progress(t.Context()); err != nil || got != (database.Progress{}) {
		t.Errorf("a new database says %+v, %v", got, err)
	}
	want := database.Progress{Demo: true}
	if err := d.SetProgress(t.Context(), want); err != nil {
		t.Fatal(err)
	}
	pid, id := d.PID(), d.ID()
	stop(t, d)
	if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("the server's process %d is still there: %v", pid, err)
	}
	d = open(t, cfg)
	defer stop(t, d)
	if got, err := d.Progress(t.Context()); err != nil || got != want || d.ID() != id {
		t.Errorf("after a restart: %+v, %v", got, err)
	}
}

func TestServicesLogInToTheirOwnSchemaAndNoOther(t *testing.T) {
	t.Parallel()
	d := open(t, config(t, folder(t)))
	defer stop(t, d)
	for _, schema := range database.Schemas {
		owner := login(t, d.Service(schema).OwnerDSN)
		if _, err := owner.Exec(t.Context(), "create table "+schema+".probe (n int)"); err != nil {
			t.Errorf("%s: %v", schema, err)
		}
		serve := login(t, d.Service(schema).DSN)
		for _, sql := range []string{"create table " + schema + ".other (n int)", "select id from entente_runner.installation"} {
			if _, err := serve.Exec(t.Context(), sql); err == nil || !strings.Contains(err.Error(), "permission denied") {
				t.Errorf("%s as the serving role of %s: %v", sql, schema, err)
			}
		}
	}
}

func TestAGivenServerIsUsedAndGoesOn(t *testing.T) {
	t.Parallel()
	server, err := cluster.Start(t.Context(), cluster.Config{Dir: filepath.Join(folder(t), "given"), Disposable: true, TCP: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Stop() })
	for _, name := range []string{"one", "two"} {
		if err := server.EnsureDatabase(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
	dir := folder(t)
	cfg := config(t, dir)
	cfg.DSN = server.AdminDSN("one")
	first := open(t, cfg)
	stop(t, first)
	if first.PID() != 0 {
		t.Error("a private server was started beside the given one")
	}
	if _, err := os.Stat(cfg.Dir); !errors.Is(err, os.ErrNotExist) {
		t.Error("a private server left its folder")
	}
	again := open(t, cfg)
	if again.ID() != first.ID() {
		t.Error("the installation changed its id")
	}
	for _, schema := range database.Schemas {
		login(t, again.Service(schema).DSN)
	}

	t.Run("another data folder on the same database is refused", func(t *testing.T) {
		other := config(t, folder(t))
		other.DSN = cfg.DSN
		if _, err := database.Open(t.Context(), other); err == nil || !strings.Contains(err.Error(), "installation") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("another data folder on the same server gets roles of its own", func(t *testing.T) {
		other := config(t, folder(t))
		other.DSN = server.AdminDSN("two")
		for range 2 { // the names stay the same
			second := open(t, other)
			if second.Service("sync").Role == again.Service("sync").Role {
				t.Error("two installations share a role")
			}
			login(t, second.Service("sync").DSN)
		}
		login(t, again.Service("sync").DSN)
	})
}

func TestAnUnreachableServerIsAnError(t *testing.T) {
	t.Parallel()
	cfg := config(t, folder(t))
	cfg.DSN = "postgres://nobody:secret@127.0.0.1:1/none"
	_, err := database.Open(t.Context(), cfg)
	if err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("got %v", err)
	}
}
