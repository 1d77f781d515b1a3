package floor

import (
	"context"
	"embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
)

//go:embed scripts
var scripts embed.FS

// Script names one floor.
type Script string

// The floors; DESIGN section 7 names them.
const (
	ThreeRows  Script = "three_rows"  // one transaction that inserts three rows
	PrimaryKey Script = "primary_key" // one row by its primary key
	Keyset     Script = "keyset"      // a page of 100 rows after a key
)

// Bench is a prepared database with the tables of the scripts.
type Bench struct {
	dsn     string
	pgbench string
	dir     string
}

// Prepare creates the tables in the database of dsn. The folder dir receives
// the scripts.
func Prepare(ctx context.Context, dsn, dir string) (*Bench, error) {
	path, err := find()
	if err != nil {
		return nil, err
	}
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return nil, err
	}
	defer conn.Close(ctx)
	schema, err := scripts.ReadFile("scripts/schema.sql")
	if err != nil {
		return nil, err
	}
	if _, err := conn.Exec(ctx, string(schema)); err != nil {
		return nil, fmt.Errorf("create the floor's tables: %w", err)
	}
	// Settled, as the suite's tables are soon after their demo.
	if _, err := conn.Exec(ctx, "vacuum (analyze) floor.object"); err != nil {
		return nil, fmt.Errorf("analyze the floor's tables: %w", err)
	}
	for _, s := range []Script{ThreeRows, PrimaryKey, Keyset} {
		text, err := scripts.ReadFile("scripts/" + string(s) + ".sql")
		if err != nil {
			return nil, err
		}
		if err := os.WriteFile(filepath.Join(dir, string(s)+".sql"), text, 0o644); err != nil {
			return nil, err
		}
	}
	return &Bench{dsn: dsn, pgbench: path, dir: dir}, nil
}

// find prefers the program of the newest installed server to the wrapper that
// Debian puts on PATH.
func find() (string, error) {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/pgbench")
	if err != nil {
		return "", err
	}
	if len(found) > 0 {
		return slices.Max(found), nil
	}
	path, err := exec.LookPath("pgbench")
	if err != nil {
		return "", fmt.Errorf("pgbench is not installed: it comes with Debian's postgresql package")
	}
	return path, nil
}

var tps = regexp.MustCompile(`tps = ([0-9.]+)`)

// Run answers the transactions per second of a script with c clients.
func (b *Bench) Run(ctx context.Context, s Script, c int, d time.Duration) (float64, error) {
	cmd := exec.CommandContext(ctx, b.pgbench, "-n", "-M", "prepared",
		"-c", strconv.Itoa(c), "-j", strconv.Itoa(min(c, 2)), "-T", strconv.Itoa(max(1, int(d.Seconds()))),
		"-f", filepath.Join(b.dir, string(s)+".sql"), b.dsn)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return 0, fmt.Errorf("pgbench %s: %w\n%s", s, err, out)
	}
	m := tps.FindSubmatch(out)
	if m == nil {
		return 0, fmt.Errorf("pgbench %s printed no rate:\n%s", s, out)
	}
	return strconv.ParseFloat(string(m[1]), 64)
}
