package database

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"entente.dev/deploy/entente/internal/atomicfile"
	"entente.dev/servicekit/pg/cluster"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// The runner's own row. It lies in a schema of its own that no service may read.
const installationTable = `
create schema if not exists entente_runner;
create table if not exists entente_runner.installation (
	only_one boolean primary key default true check (only_one),
	id text not null,
	role_prefix text not null,
	demo boolean not null default false,
	seeded boolean not null default false,
	tour_done boolean not null default false,
	created_at timestamptz not null default now()
)`

// claim makes the database the installation's, or confirms that it is, and
// answers how its roles' names begin. The id is written to the file first: a
// crash in between leaves a claim to be made.
func claim(ctx context.Context, conn *pgx.Conn, file string) (id, rolePrefix string, err error) {
	if id, err = installationID(file); err != nil {
		return "", "", err
	}
	var owner, prefix string
	err = pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		// Two runners on one new database: the second waits and sees the first's row.
		if _, err := tx.Exec(ctx, "select pg_advisory_xact_lock(hashtextextended('entente installation', 0))"); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, installationTable); err != nil {
			return err
		}
		free, err := freePrefix(ctx, tx, id)
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, "insert into entente_runner.installation (id, role_prefix) values ($1, $2) on conflict do nothing", id, free); err != nil {
			return err
		}
		return tx.QueryRow(ctx, "select id, role_prefix from entente_runner.installation").Scan(&owner, &prefix)
	})
	if err != nil {
		return "", "", fmt.Errorf("claim database: %w", err)
	}
	if owner != id {
		return "", "", fmt.Errorf("this database belongs to the installation %s, and the data folder to %s: "+
			"its keys do not fit. Use the folder that made the database, or an empty database", owner, id)
	}
	return id, prefix, nil
}

func installationID(file string) (string, error) {
	data, err := os.ReadFile(file)
	if err == nil {
		id := strings.TrimSpace(string(data))
		if uuid.Validate(id) != nil {
			return "", fmt.Errorf("%s holds no installation id", file)
		}
		return id, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("read installation id: %w", err)
	}
	id := uuid.NewString()
	return id, atomicfile.Write(file, []byte(id+"\n"), 0o600)
}

// freePrefix is how the roles' names begin in a new database. Roles belong to
// the whole server: taking over those of another installation would lock it
// out, so the second one on a server has its id in the names.
func freePrefix(ctx context.Context, tx pgx.Tx, id string) (string, error) {
	var taken bool
	err := tx.QueryRow(ctx, `
		select exists (select from pg_roles where rolname = any($1) and shobj_description(oid, 'pg_authid') is distinct from $2)`,
		roles(cluster.RolePrefix), roleMark+id).Scan(&taken)
	if err != nil || !taken {
		return cluster.RolePrefix, err
	}
	return cluster.RolePrefix + "_" + id[:8], nil
}

// roleMark begins the comment that says whose a role is.
const roleMark = "entente installation "

func roles(prefix string) []string {
	var names []string
	for _, schema := range Schemas {
		names = append(names, prefix+"_"+schema, prefix+"_"+schema+"_owner")
	}
	return names
}

func markRoles(ctx context.Context, conn *pgx.Conn, prefix, id string) error {
	for _, role := range roles(prefix) {
		// Both are of our own making: a fixed name and a UUID.
		if _, err := conn.Exec(ctx, "comment on role "+pgx.Identifier{role}.Sanitize()+" is '"+roleMark+id+"'"); err != nil {
			return fmt.Errorf("mark role %s: %w", role, err)
		}
	}
	return nil
}

// Progress is how far the demo has come in this database.
type Progress struct {
	// Demo says that this database is for demo data.
	Demo bool
	// Seeded says that all of it is there.
	Seeded bool
	// TourDone says that the main job was run here to its end.
	TourDone bool
}

// Progress reads how far the demo has come.
func (d *Database) Progress(ctx context.Context) (Progress, error) {
	var p Progress
	err := d.row(ctx, func(conn *pgx.Conn) error {
		return conn.QueryRow(ctx, "select demo, seeded, tour_done from entente_runner.installation").Scan(&p.Demo, &p.Seeded, &p.TourDone)
	})
	return p, err
}

// SetProgress writes how far the demo has come.
func (d *Database) SetProgress(ctx context.Context, p Progress) error {
	return d.row(ctx, func(conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, "update entente_runner.installation set demo = $1, seeded = $2, tour_done = $3", p.Demo, p.Seeded, p.TourDone)
		return err
	})
}

func (d *Database) row(ctx context.Context, fn func(*pgx.Conn) error) error {
	conn, err := pgx.Connect(ctx, d.adminDSN)
	if err != nil {
		return fmt.Errorf("reach the database: %w", err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if err := fn(conn); err != nil {
		return fmt.Errorf("read or write the installation's row: %w", err)
	}
	return nil
}

// ID names the installation; it is made with the data folder.
func (d *Database) ID() string { return d.id }
