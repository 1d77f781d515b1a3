package floor_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"entente.dev/deploy/bench/internal/floor"
	"entente.dev/servicekit/pg/cluster"
)

func TestEachScriptRuns(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	// Not t.TempDir: root's database runs under another user, who may not
	// enter that folder.
	dir, err := os.MkdirTemp("", "entente-floor-")
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
	if err := db.EnsureDatabase(ctx, "floor"); err != nil {
		t.Fatal(err)
	}
	b, err := floor.Prepare(ctx, db.AdminDSN("floor"), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []floor.Script{floor.ThreeRows, floor.PrimaryKey, floor.Keyset} {
		rate, err := b.Run(ctx, s, 2, time.Second)
		if err != nil {
			t.Fatal(err)
		}
		if rate <= 0 {
			t.Errorf("%s: rate %v", s, rate)
		}
		t.Logf("%s: %.0f/s", s, rate)
	}
}
