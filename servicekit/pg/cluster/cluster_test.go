package cluster_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"entente.dev/servicekit/pg/cluster"
	"github.com/jackc/pgx/v5"
)

// folder is a data folder that the server's account can reach, as t.TempDir
// is not when the tests run as root.
func folder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "entente-cluster-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, "data")
}

func TestRestartOnTheSameFolder(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	for round, tcp := range []bool{false, true} {
		c, err := cluster.Start(t.Context(), cluster.Config{Dir: dir, TCP: tcp, Settings: map[string]string{"shared_buffers": "16MB"}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := cluster.Start(t.Context(), cluster.Config{Dir: filepath.Dir(dir), Binaries: "/nonexistent"}); err == nil {
			t.Error("binaries that do not exist are accepted")
		}
		if err := c.EnsureDatabase(t.Context(), "entente"); err != nil {
			t.Fatal(err)
		}
		svc, err := c.Provide(t.Context(), "entente", "alpha")
		if err != nil {
			t.Fatal(err)
		}
		owner, err := pgx.Connect(t.Context(), svc.OwnerDSN)
		if err != nil {
			t.Fatal(err)
		}
		if round == 0 {
			_, err = owner.Exec(t.Context(), "create table alpha.kept (n int); insert into alpha.kept values (7)")
		} else {
			var n int
			err = owner.QueryRow(t.Context(), "select n from alpha.kept").Scan(&n)
		}
		if err != nil {
			t.Error(err)
		}
		if _, err := pgx.Connect(t.Context(), c.DSN("entente", svc.Role, "wrong")); err == nil {
			t.Error("a wrong password is accepted")
		}
		_ = owner.Close(t.Context())
		if err := c.Stop(); err != nil {
			t.Error(err)
		}
	}
}

func TestKilledServerRecovers(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	cfg := cluster.Config{Dir: dir, Disposable: true}
	c, err := cluster.Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	p, err := os.FindProcess(c.PID())
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Kill(); err != nil {
		t.Fatal(err)
	}
	<-c.Exited()
	again, err := cluster.Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Stop(); err != nil {
		t.Error(err)
	}
}

func TestForeignVersionIsRefused(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	if err := os.MkdirAll(filepath.Join(dir, "pgdata"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "pgdata", "PG_VERSION"), []byte("9\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := cluster.Start(t.Context(), cluster.Config{Dir: dir})
	if err == nil || !strings.Contains(err.Error(), "PostgreSQL 9") {
		t.Errorf("Start: %v", err)
	}
}

func TestWithLogin(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"postgres://a:b@h:1/d?sslmode=disable": "postgres://r:p@h:1/d?sslmode=disable",
		"postgres:///d?host=/s&user=a":         "postgres://r:p@/d?host=%2Fs",
		"host=h dbname=d user=a":               "host=h dbname=d user=a user='r' password='p'",
	} {
		if got, err := cluster.WithLogin(in, "r", "p"); err != nil || got != want {
			t.Errorf("WithLogin(%q) = %q, %v", in, got, err)
		}
	}
}
