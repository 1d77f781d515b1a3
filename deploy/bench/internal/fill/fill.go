package fill

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// chunk is how many copies one transaction makes.
const chunk = 10_000

// workers is how many connections insert at a time.
const workers = 2

// DB is the database of a running suite.
type DB struct{ DSN string }

// Replacement is a text in the rows of the prototype and the SQL expression,
// over the number n of a copy, that stands in its place.
type Replacement struct{ Old, SQL string }

// Spec says which rows to copy.
type Spec struct {
	// Schema is where the rows are.
	Schema string
	// Tenant is whose rows they are.
	Tenant string
	// Anchors are ids; a row belongs to the prototype when each of them is in
	// one of its uuid columns.
	Anchors []string
	// Replace is applied to every column that holds one of the texts. No text
	// may be part of another.
	Replace []Replacement
	// Set has an SQL expression for columns whose value is not to be copied.
	Set map[string]string
	// Params are parameters of the server for the connections that copy.
	Params map[string]string
}

// ID is the SQL expression of the id of copy n of the object with id: its
// last twelve digits count. Copy answers the same to a program.
func ID(id string) string { return "left('" + id + "', 24) || lpad(to_hex(n), 12, '0')" }

// Copy is the id of copy n of the object with id.
func Copy(id string, n int64) string { return fmt.Sprintf("%s%012x", id[:24], n) }

// Rows inserts the copies from to to, both included, and answers how many rows
// of the prototype it copied for each.
func (db DB) Rows(ctx context.Context, s Spec, from, to int64) (int, error) {
	inserts, err := db.inserts(ctx, s)
	if err != nil {
		return 0, err
	}
	if len(inserts) == 0 {
		return 0, fmt.Errorf("no row of schema %s holds %s", s.Schema, strings.Join(s.Anchors, " and "))
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	starts := make(chan int64)
	failed := make(chan error, workers)
	for range workers {
		go func() {
			err := db.run(ctx, s, inserts, starts, to)
			if err != nil {
				cancel()
			}
			failed <- err
		}()
	}
hand:
	for n := from; n <= to; n += chunk {
		select {
		case starts <- n:
		case <-ctx.Done():
			break hand
		}
	}
	close(starts)
	for range workers {
		err = errors.Join(err, <-failed)
	}
	if err == nil {
		err = ctx.Err()
	}
	return len(inserts), err
}

// run inserts the chunks that it is handed. Triggers find the tables of the
// schema by their bare names, as they do for the suite.
func (db DB) run(ctx context.Context, s Spec, inserts []insert, starts <-chan int64, to int64) error {
	cfg, err := pgx.ParseConfig(db.DSN)
	if err != nil {
		return err
	}
	maps.Copy(cfg.RuntimeParams, s.Params)
	cfg.RuntimeParams["search_path"] = s.Schema
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	for n := range starts {
		err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
			for _, i := range inserts {
				if _, err := tx.Exec(ctx, i.text, i.row, n, min(to, n+chunk-1)); err != nil {
					return fmt.Errorf("fill %s: %w", i.table, err)
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// Await polls a query that answers one boolean until it is true.
func (db DB) Await(ctx context.Context, query string, args ...any) error {
	conn, err := pgx.Connect(ctx, db.DSN)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		var done bool
		if err := conn.QueryRow(ctx, query, args...).Scan(&done); err != nil || done {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// Settle brings the statistics of a schema up to date and does at once what
// the server would do in the background after a fill, when it would disturb.
func (db DB) Settle(ctx context.Context, schema string) error {
	conn, err := pgx.Connect(ctx, db.DSN)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	rows, err := conn.Query(ctx, "select format('%I.%I', schemaname, tablename) from pg_tables where schemaname = $1", schema)
	if err != nil {
		return err
	}
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return err
	}
	for _, t := range tables {
		if _, err := conn.Exec(ctx, "vacuum (analyze) "+t); err != nil {
			return fmt.Errorf("analyze %s: %w", t, err)
		}
	}
	// What the fill left in memory is written now, not during a turn.
	_, err = conn.Exec(ctx, "checkpoint")
	return err
}
