package pg

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"entente.dev/servicekit/tenant"
	"github.com/jackc/pgx/v5"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

// writeAttempts bounds how often Write runs its function when transactions
// collide.
const writeAttempts = 6

var errNoTenant = errors.New("a transaction needs a tenant; use Global for the global tables")

// Read runs fn in a READ ONLY transaction of tenant t, which is always rolled
// back: a write hidden in it fails.
func (db *DB) Read(ctx context.Context, t tenant.ID, fn func(*Tx) error) error {
	if t.IsZero() {
		return errNoTenant
	}
	return db.run(ctx, "read", t, true, fn)
}

// Write runs fn in a transaction of tenant t and commits it if fn answers
// nil. When the transaction loses against a concurrent one (40001, 40P01) it
// runs again, so fn may run more than once: it calls no other service and
// sends nothing.
func (db *DB) Write(ctx context.Context, t tenant.ID, fn func(*Tx) error) error {
	if t.IsZero() {
		return errNoTenant
	}
	return db.retry(ctx, "write", t, fn)
}

// Global runs fn as Write does, bound to no tenant: tenant tables show
// nothing and take nothing. It is for the named global tables.
func (db *DB) Global(ctx context.Context, fn func(*Tx) error) error {
	return db.retry(ctx, "global", tenant.ID{}, fn)
}

// GlobalRead is Global for reading alone.
func (db *DB) GlobalRead(ctx context.Context, fn func(*Tx) error) error {
	return db.run(ctx, "global read", tenant.ID{}, true, fn)
}

// bindReadOnly binds the implicit transaction that the statements of one
// pipeline share to a tenant, and forbids it to write.
const bindReadOnly = "select set_config('app.tenant_id', $1, true), set_config('transaction_read_only', 'on', true)"

// ReadBatch runs queries for tenant t in one round trip and one READ ONLY
// transaction: the cheapest read there is. The results are handled by the
// callbacks of the batch (QueryRow, Query) before ReadBatch returns. It takes
// about a third of the time of Read with one GORM query.
func (db *DB) ReadBatch(ctx context.Context, t tenant.ID, queries *pgx.Batch) error {
	if t.IsZero() {
		return errNoTenant
	}
	// The server runs what arrives before one Sync in one transaction. BEGIN
	// and COMMIT would say the same and cost as much as a look-up by key.
	batch := &pgx.Batch{QueuedQueries: make([]*pgx.QueuedQuery, 0, 1+len(queries.QueuedQueries))}
	batch.Queue(bindReadOnly, t.String())
	batch.QueuedQueries = append(batch.QueuedQueries, queries.QueuedQueries...)
	conn, err := db.pool.Acquire(ctx)
	if err != nil {
		return unavailable(err)
	}
	// A connection that is left inside a failed transaction is dropped by Release.
	defer conn.Release()
	return unavailable(conn.SendBatch(ctx, batch).Close())
}

func (db *DB) retry(ctx context.Context, name string, t tenant.ID, fn func(*Tx) error) error {
	for attempt := 1; ; attempt++ {
		err := db.run(ctx, name, t, false, fn)
		state := SQLState(err)
		if (state != serializationFailure && state != deadlockDetected) || attempt == writeAttempts {
			return err
		}
		pause := time.Duration(rand.Int64N(int64(attempt) * int64(8*time.Millisecond)))
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pause):
		}
	}
}

func (db *DB) run(ctx context.Context, name string, t tenant.ID, readOnly bool, fn func(*Tx) error) (err error) {
	if parent := trace.SpanFromContext(ctx); parent.IsRecording() {
		var span trace.Span
		ctx, span = parent.TracerProvider().Tracer("entente.dev/servicekit/pg").Start(ctx, "pg "+name,
			trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(attribute.String("db.namespace", db.schema)))
		defer func() {
			if err != nil {
				span.SetStatus(codes.Error, SQLState(err))
			}
			span.End()
		}()
	}
	conn, raw, err := db.acquire(ctx)
	if err != nil {
		return err
	}
	tx := &Tx{Tenant: t, ctx: ctx, db: db, conn: conn, pgx: raw, readOnly: readOnly}
	defer tx.release() // also when fn panics
	if err := fn(tx); err != nil {
		if ctx.Err() != nil && !errors.Is(err, ctx.Err()) {
			// The end of the context closed the connection; say the cause.
			return fmt.Errorf("%w: %w", ctx.Err(), err)
		}
		return unavailable(err)
	}
	if readOnly {
		return tx.err
	}
	if err := tx.commit(); err != nil {
		return err
	}
	for _, after := range tx.after {
		after()
	}
	return nil
}
