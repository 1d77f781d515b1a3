package pg

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strconv"

	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/fault"
	"github.com/jackc/pgx/v5"
)

// Source is one numbered series of migrations: the `.sql` files of a service,
// or those that a package of this module brings along. Files are named
// `0007_guest_state.sql` and numbered from 1 without gaps.
type Source struct {
	Name string
	FS   fs.FS
	// Run stands in for files where a library migrates its own tables; it is
	// called on every Migrate, as the owner, and must be repeatable. Version
	// then tells what it makes, and changes with it.
	Run     func(ctx context.Context, dsn, schema string) error
	Version string
}

type migration struct {
	version  int
	name     string
	sql      string
	checksum string
}

const versionTable = `create table if not exists schema_migrations (
	source text not null, version int not null, name text not null, checksum text not null,
	applied_at timestamptz not null default now(), primary key (source, version))`

var fileName = regexp.MustCompile(`^([0-9]{4})_[a-z0-9_]+\.sql$`)

// Migrate brings schema up to date, creating it if needed, and grants
// serveRole what it may do there. dsn logs in as the owner. Each file is one
// transaction; concurrent calls wait for each other. A file that was applied
// and has changed since is refused.
func Migrate(ctx context.Context, dsn, schema, serveRole string, sources ...Source) error {
	conn, err := connectOwner(ctx, dsn, schema)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	if _, err := conn.Exec(ctx, "select pg_advisory_lock(hashtextextended($1, 1))", schema); err != nil {
		return fmt.Errorf("lock schema %s: %w", schema, err)
	}
	if err := ensureSchema(ctx, conn, schema); err != nil {
		return err
	}
	for _, s := range sources {
		if err := s.apply(ctx, conn, dsn, schema); err != nil {
			return fmt.Errorf("migrate %s/%s: %w", schema, s.Name, err)
		}
	}
	if err := verifyIsolation(ctx, conn, schema); err != nil {
		return err
	}
	return grant(ctx, conn, schema, serveRole)
}

func connectOwner(ctx context.Context, dsn, schema string) (*pgx.Conn, error) {
	cc, err := pgx.ParseConfig(dsn)
	if err != nil {
		return nil, fmt.Errorf("database settings: %w", redactDSN(err, dsn))
	}
	cc.RuntimeParams["search_path"] = quoteIdent(schema)
	cc.RuntimeParams["application_name"] = "entente migrate " + schema
	conn, err := pgx.ConnectConfig(ctx, cc)
	if err != nil {
		return nil, fmt.Errorf("connect as owner of %s: %w", schema, redactDSN(err, dsn))
	}
	return conn, nil
}

func ensureSchema(ctx context.Context, conn *pgx.Conn, schema string) error {
	var there bool
	if err := conn.QueryRow(ctx, "select to_regnamespace($1) is not null", quoteIdent(schema)).Scan(&there); err != nil {
		return err
	}
	if !there {
		if _, err := conn.Exec(ctx, "create schema "+quoteIdent(schema)); err != nil {
			return fmt.Errorf("create schema %s: %w", schema, err)
		}
	}
	_, err := conn.Exec(ctx, versionTable)
	return err
}

func (s Source) apply(ctx context.Context, conn *pgx.Conn, dsn, schema string) error {
	if s.Run != nil {
		return s.Run(ctx, dsn, schema)
	}
	files, err := s.load()
	if err != nil {
		return err
	}
	applied, err := s.applied(ctx, conn)
	if err != nil {
		return err
	}
	for v := range applied {
		if v > len(files) {
			return fmt.Errorf("the schema is at version %d, newer than this program (%d)", v, len(files))
		}
	}
	for _, m := range files {
		if sum, ok := applied[m.version]; ok {
			if sum != m.checksum {
				return fmt.Errorf("%s was applied with another content; migrations are never edited", m.name)
			}
			continue
		}
		err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, m.sql, pgx.QueryExecModeSimpleProtocol); err != nil {
				return err
			}
			_, err := tx.Exec(ctx, "insert into schema_migrations (source, version, name, checksum) values ($1, $2, $3, $4)",
				s.Name, m.version, m.name, m.checksum)
			return err
		})
		if err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
	}
	return nil
}

func (s Source) applied(ctx context.Context, q querier) (map[int]string, error) {
	rows, err := q.Query(ctx, "select version, checksum from schema_migrations where source = $1", s.Name)
	if err != nil {
		return nil, err
	}
	applied := make(map[int]string)
	var version int
	var sum string
	_, err = pgx.ForEachRow(rows, []any{&version, &sum}, func() error {
		applied[version] = sum
		return nil
	})
	return applied, err
}

type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// load reads the files in order of their numbers.
func (s Source) load() ([]migration, error) {
	names, err := fs.Glob(s.FS, "*.sql")
	if err != nil {
		return nil, err
	}
	slices.Sort(names)
	out := make([]migration, 0, len(names))
	for _, name := range names {
		m := fileName.FindStringSubmatch(name)
		if m == nil {
			return nil, fmt.Errorf("migration %q is not named like 0001_first.sql", name)
		}
		text, err := fs.ReadFile(s.FS, name)
		if err != nil {
			return nil, err
		}
		version, _ := strconv.Atoi(m[1])
		if version != len(out)+1 {
			return nil, fmt.Errorf("migration %q: expected number %04d", name, len(out)+1)
		}
		sum := sha256.Sum256(text)
		out = append(out, migration{version, name, string(text), hex.EncodeToString(sum[:])})
	}
	if len(out) == 0 {
		return nil, errors.New("no migrations")
	}
	return out, nil
}

// Fingerprint names the schema that the sources make: equal fingerprints,
// equal tables.
func Fingerprint(sources ...Source) (string, error) {
	h := sha256.New()
	for _, s := range sources {
		fmt.Fprintf(h, "%s\x00%s\x00", s.Name, s.Version)
		if s.FS == nil {
			continue
		}
		files, err := s.load()
		if err != nil {
			return "", fmt.Errorf("migrations %s: %w", s.Name, err)
		}
		for _, m := range files {
			fmt.Fprintf(h, "%s\x00%s\x00", m.name, m.checksum)
		}
	}
	return hex.EncodeToString(h.Sum(nil))[:16], nil
}

// CheckVersion refuses with SCHEMA_OUTDATED when a migration of the sources
// is not applied. A newer schema is served: expansion comes before the
// program that needs it.
func CheckVersion(ctx context.Context, db *DB, sources ...Source) error {
	for _, s := range sources {
		if s.FS == nil {
			continue
		}
		files, err := s.load()
		if err != nil {
			return fmt.Errorf("migrations %s: %w", s.Name, err)
		}
		applied, err := s.applied(ctx, db.pool)
		if err != nil && SQLState(err) != "42P01" && SQLState(err) != "42501" { // no table, or no right yet: nothing applied
			return unavailable(fmt.Errorf("read schema version: %w", err))
		}
		last := files[len(files)-1]
		if _, ok := applied[last.version]; !ok {
			return fault.Unavailable(errorspb.Reason_SCHEMA_OUTDATED,
				"The schema %s lacks %s; run migrate.", db.schema, last.name)
		}
	}
	return nil
}
