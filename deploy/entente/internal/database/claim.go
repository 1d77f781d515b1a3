package database

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"entente.dev/deploy/entente/internal/atomicfile"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// The runner's own row. It lies in a schema of its own that no service may read.
const installationTable = `
create schema if not exists entente_runner;
create table if not exists entente_runner.installation (
	only_one boolean primary key default true check (only_one),
	id text not null,
	demo boolean not null default false,
	tour_done boolean not null default false,
	created_at timestamptz not null default now()
)`

// claim makes the database the installation's, or confirms that it is. The id
// is written to the file first: a crash in between leaves a claim to be made.
func claim(ctx context.Context, conn *pgx.Conn, file string) (string, error) {
	id, err := installationID(file)
	if err != nil {
		return "", err
	}
	var owner string
	err = pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		// Two runners on one new database: the second waits and sees the first's row.
		if _, err := tx.Exec(ctx, "select pg_advisory_xact_lock(hashtextextended('entente installation', 0))"); err != nil {
			return err
		}
		if err := rolesAreFree(ctx, tx, id); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, installationTable); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, "insert into entente_runner.installation (id) values ($1) on conflict do nothing", id); err != nil {
			return err
		}
		return tx.QueryRow(ctx, "select id from entente_runner.installation").Scan(&owner)
	})
	if err != nil {
		return "", fmt.Errorf("claim database: %w", err)
	}
	if owner != id {
		return "", fmt.Errorf("this database belongs to the installation %s, and the data folder to %s: "+
			"its keys do not fit. Use the folder that made the database, or an empty database", owner, id)
	}
	return id, nil
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

// rolesAreFree refuses a server whose roles serve another installation. Roles
// belong to the whole server: taking them over would lock the other one out.
func rolesAreFree(ctx context.Context, tx pgx.Tx, id string) error {
	var role, owner string
	err := tx.QueryRow(ctx, `
		select rolname, shobj_description(oid, 'pg_authid') from pg_roles
		where rolname = any($1) and shobj_description(oid, 'pg_authid') <> $2 limit 1`,
		roles(), roleMark+id).Scan(&role, &owner)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	return fmt.Errorf("the role %s of this server belongs to another installation (%s): one server holds one installation",
		role, strings.TrimPrefix(owner, roleMark))
}

// roleMark begins the comment that says whose a role is.
const roleMark = "entente installation "

func roles() []string {
	var names []string
	for _, schema := range Schemas {
		names = append(names, "entente_"+schema, "entente_"+schema+"_owner")
	}
	return names
}

func markRoles(ctx context.Context, conn *pgx.Conn, id string) error {
	for _, role := range roles() {
		// Both are of our own making: a fixed name and a UUID.
		if _, err := conn.Exec(ctx, "comment on role "+pgx.Identifier{role}.Sanitize()+" is '"+roleMark+id+"'"); err != nil {
			return fmt.Errorf("mark role %s: %w", role, err)
		}
	}
	return nil
}

// Progress is how far the demo has come in this database.
type Progress struct {
	// Demo says that demo data was put here.
	Demo bool
	// TourDone says that the main job was run here to its end.
	TourDone bool
}

// Progress reads how far the demo has come.
func (d *Database) Progress(ctx context.Context) (Progress, error) {
	var p Progress
	err := d.row(ctx, func(conn *pgx.Conn) error {
		return conn.QueryRow(ctx, "select demo, tour_done from entente_runner.installation").Scan(&p.Demo, &p.TourDone)
	})
	return p, err
}

// SetProgress writes how far the demo has come.
func (d *Database) SetProgress(ctx context.Context, p Progress) error {
	return d.row(ctx, func(conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, "update entente_runner.installation set demo = $1, tour_done = $2", p.Demo, p.TourDone)
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
