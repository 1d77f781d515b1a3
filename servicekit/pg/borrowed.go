package pg

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

var errBorrowed = errors.New("the transaction belongs to whoever opened it")

// gormPool lends a transaction to GORM. Having Commit and Rollback it passes
// for an open transaction, so that GORM nests by savepoints.
type gormPool struct{ tx *Tx }

func (p gormPool) PrepareContext(ctx context.Context, query string) (*sql.Stmt, error) {
	if err := p.tx.ready(ctx); err != nil {
		return nil, err
	}
	return p.tx.conn.PrepareContext(ctx, query)
}

func (p gormPool) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	if err := p.tx.ready(ctx); err != nil {
		return nil, err
	}
	return p.tx.conn.ExecContext(ctx, query, args...)
}

func (p gormPool) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	if err := p.tx.ready(ctx); err != nil {
		return nil, err
	}
	return p.tx.conn.QueryContext(ctx, query, args...)
}

func (p gormPool) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	if err := p.tx.ready(ctx); err != nil {
		// A Row cannot be made with an error; an ended context makes one.
		ended, cancel := context.WithCancelCause(ctx)
		cancel(err)
		ctx = ended
	}
	return p.tx.conn.QueryRowContext(ctx, query, args...)
}

func (p gormPool) Commit() error   { return errBorrowed }
func (p gormPool) Rollback() error { return errBorrowed }

// borrowed lends a transaction as a pgx.Tx.
type borrowed struct{ tx *Tx }

var _ pgx.Tx = borrowed{}

func (b borrowed) Begin(ctx context.Context) (pgx.Tx, error) {
	if err := b.tx.ready(ctx); err != nil {
		return nil, err
	}
	b.tx.saves++
	name := fmt.Sprintf("entente_%d", b.tx.saves)
	if _, err := b.tx.pgx.Exec(ctx, "savepoint "+name); err != nil {
		return nil, err
	}
	return &savepoint{borrowed: b, name: name}, nil
}

func (b borrowed) Commit(context.Context) error   { return errBorrowed }
func (b borrowed) Rollback(context.Context) error { return errBorrowed }

func (b borrowed) CopyFrom(ctx context.Context, table pgx.Identifier, columns []string, src pgx.CopyFromSource) (int64, error) {
	if err := b.tx.ready(ctx); err != nil {
		return 0, err
	}
	return b.tx.pgx.CopyFrom(ctx, table, columns, src)
}

// SendBatch sends what is queued in front of the batch and, where it has not
// happened yet, the beginning of the transaction, all in one round trip.
func (b borrowed) SendBatch(ctx context.Context, batch *pgx.Batch) pgx.BatchResults {
	tx := b.tx
	if err := tx.alive(); err != nil {
		return failedBatch{err}
	}
	before := tx.pending()
	ahead := before.Len()
	if ahead == 0 {
		return tx.pgx.SendBatch(ctx, batch)
	}
	before.QueuedQueries = append(before.QueuedQueries, batch.QueuedQueries...)
	results := tx.pgx.SendBatch(ctx, before)
	for range ahead {
		if _, err := results.Exec(); err != nil {
			_ = results.Close()
			return failedBatch{tx.fail(unavailable(err))}
		}
	}
	return results
}

// LargeObjects is not offered: they know no tenant.
func (b borrowed) LargeObjects() pgx.LargeObjects { return pgx.LargeObjects{} }

func (b borrowed) Prepare(ctx context.Context, name, sql string) (*pgconn.StatementDescription, error) {
	if err := b.tx.ready(ctx); err != nil {
		return nil, err
	}
	return b.tx.pgx.Prepare(ctx, name, sql)
}

func (b borrowed) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	if err := b.tx.ready(ctx); err != nil {
		return pgconn.CommandTag{}, err
	}
	return b.tx.pgx.Exec(ctx, sql, args...)
}

func (b borrowed) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	if err := b.tx.ready(ctx); err != nil {
		return nil, err
	}
	return b.tx.pgx.Query(ctx, sql, args...)
}

func (b borrowed) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	if err := b.tx.ready(ctx); err != nil {
		return failedRow{err}
	}
	return b.tx.pgx.QueryRow(ctx, sql, args...)
}

func (b borrowed) Conn() *pgx.Conn {
	_ = b.tx.ready(b.tx.ctx) // a failure sticks to the transaction and comes out of its end
	return b.tx.pgx
}

// savepoint is a nested transaction.
type savepoint struct {
	borrowed
	name string
	done bool
}

func (s *savepoint) Commit(ctx context.Context) error { return s.end(ctx, "release savepoint ") }

func (s *savepoint) Rollback(ctx context.Context) error { return s.end(ctx, "rollback to savepoint ") }

func (s *savepoint) end(ctx context.Context, verb string) error {
	if s.done {
		return pgx.ErrTxClosed
	}
	s.done = true
	_, err := s.tx.pgx.Exec(ctx, verb+s.name)
	return err
}

type failedRow struct{ err error }

func (r failedRow) Scan(...any) error { return r.err }

type failedBatch struct{ err error }

func (b failedBatch) Exec() (pgconn.CommandTag, error) { return pgconn.CommandTag{}, b.err }
func (b failedBatch) Query() (pgx.Rows, error)         { return nil, b.err }
func (b failedBatch) QueryRow() pgx.Row                { return failedRow(b) }
func (b failedBatch) Close() error                     { return b.err }
func (b failedBatch) Tx() pgx.Tx                       { return nil }
