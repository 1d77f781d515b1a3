package pg

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"

	"entente.dev/servicekit/tenant"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"gorm.io/gorm"
)

// Tx is one transaction, bound to one tenant. It lives as long as the function
// it was given to and is not safe for concurrent use.
//
// The transaction begins with the first statement; a function that only
// queues, or refuses before it reads, costs no round trip of its own.
type Tx struct {
	// Tenant is whose rows are visible; zero in Global.
	Tenant tenant.ID

	ctx      context.Context
	db       *DB
	conn     *sql.Conn
	pgx      *pgx.Conn
	gorm     *gorm.DB
	readOnly bool
	begun    bool
	err      error // of begin or of a flush; the transaction is lost
	queue    pgx.Batch
	after    []func()
	saves    int
}

var errReadOnly = errors.New("a read transaction queues no statements")

// Gorm is GORM on this transaction, with its context. Nested transactions
// become savepoints; hooks do not run.
func (tx *Tx) Gorm() *gorm.DB {
	if tx.gorm == nil {
		tx.gorm = tx.db.gorm.Session(&gorm.Session{NewDB: true, Context: tx.ctx, SkipHooks: true})
		tx.gorm.Statement.ConnPool = gormPool{tx}
	}
	return tx.gorm
}

// Pgx is the same transaction for pipelines, hand-written scans and River.
// Commit and Rollback are refused, Begin makes a savepoint. PostgreSQL does not
// COPY into tables with row-level security: send many rows as arrays through
// unnest, or in a multi-row INSERT.
func (tx *Tx) Pgx() pgx.Tx { return borrowed{tx} }

// Context is the context the transaction was opened with.
func (tx *Tx) Context() context.Context { return tx.ctx }

// Queue puts a statement off until the next one that is executed at once, or
// until the commit, whichever is first; all that is queued by then travels in
// one round trip. Statements never change their order. Errors, unique
// violations included, come out of Write.
func (tx *Tx) Queue(sql string, args ...any) {
	if tx.readOnly {
		_ = tx.fail(errReadOnly) // Read answers it
		return
	}
	tx.queue.Queue(sql, args...)
}

// QueueCreate queues the INSERT that GORM builds for a row, or a slice of
// rows. Columns that the database fills are not read back.
func (tx *Tx) QueueCreate(row any) error {
	built := tx.Gorm().Session(&gorm.Session{DryRun: true}).Create(row)
	if built.Error != nil {
		return built.Error
	}
	tx.Queue(built.Statement.SQL.String(), built.Statement.Vars...)
	return nil
}

// Flush executes what is queued and reports its error.
func (tx *Tx) Flush() error {
	if tx.queue.Len() == 0 {
		return tx.err
	}
	return tx.ready(tx.ctx)
}

// AfterCommit has fn called once the transaction is committed, and not at all
// if it is not. fn must not block.
func (tx *Tx) AfterCommit(fn func()) { tx.after = append(tx.after, fn) }

func (tx *Tx) fail(err error) error {
	if tx.err == nil {
		tx.err = err
	}
	return tx.err
}

// ready makes the connection fit for the next statement: the transaction has
// begun and nothing is queued.
func (tx *Tx) ready(ctx context.Context) error {
	if err := tx.alive(); err != nil {
		return err
	}
	if tx.queue.Len() > 0 {
		return tx.flush(ctx, false)
	}
	if tx.begun {
		return nil
	}
	// One trip by the simple protocol. The tenant is a parsed UUID, never text
	// from outside.
	text := tx.beginText()
	if !tx.Tenant.IsZero() {
		text += "; set local app.tenant_id='" + tx.Tenant.String() + "'"
	}
	if _, err := tx.pgx.Exec(ctx, text, pgx.QueryExecModeSimpleProtocol); err != nil {
		return tx.fail(unavailable(fmt.Errorf("begin: %w", err)))
	}
	tx.begun = true
	return nil
}

// alive refuses when the transaction is lost. A connection that broke under
// GORM is taken away by database/sql and must not be touched any more.
func (tx *Tx) alive() error {
	if tx.err != nil {
		return tx.err
	}
	if err := tx.conn.Raw(func(any) error { return nil }); err != nil {
		return tx.fail(unavailable(fmt.Errorf("connection lost: %w", driver.ErrBadConn)))
	}
	return nil
}

func (tx *Tx) beginText() string {
	if tx.readOnly {
		return "begin read only"
	}
	return "begin"
}

// pending takes what is to be sent before anything else: the beginning of the
// transaction, unless it has begun, and what is queued.
func (tx *Tx) pending() *pgx.Batch {
	n := tx.queue.Len() + 2
	batch := &pgx.Batch{QueuedQueries: make([]*pgx.QueuedQuery, 0, n)}
	if !tx.begun {
		batch.Queue(tx.beginText())
		tx.bind(batch)
	}
	batch.QueuedQueries = append(batch.QueuedQueries, tx.queue.QueuedQueries...)
	tx.queue = pgx.Batch{}
	tx.begun = true
	return batch
}

// bind queues what binds the transaction to its tenant.
func (tx *Tx) bind(batch *pgx.Batch) {
	if !tx.Tenant.IsZero() {
		batch.Queue("select set_config('app.tenant_id', $1, true)", tx.Tenant.String())
	}
}

// flush sends what is queued in one round trip, beginning first and
// committing last where asked. A transaction that is all of it has neither
// BEGIN nor COMMIT: what arrives before one Sync is a transaction, and takes
// effect with it.
func (tx *Tx) flush(ctx context.Context, commit bool) error {
	var batch *pgx.Batch
	whole := commit && !tx.begun
	if whole {
		batch = &pgx.Batch{QueuedQueries: make([]*pgx.QueuedQuery, 0, 1+tx.queue.Len())}
		tx.bind(batch)
		batch.QueuedQueries = append(batch.QueuedQueries, tx.queue.QueuedQueries...)
		tx.queue, tx.begun = pgx.Batch{}, true
	} else {
		batch = tx.pending()
		if commit {
			batch.Queue("commit")
		}
	}
	results := tx.pgx.SendBatch(ctx, batch)
	var err error
	for i := 0; i < batch.Len() && err == nil; i++ {
		tag, execErr := results.Exec()
		err = execErr
		if err == nil && commit && !whole && i == batch.Len()-1 && tag.String() != "COMMIT" {
			err = pgx.ErrTxCommitRollback
		}
	}
	if closeErr := results.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return tx.fail(unavailable(err))
	}
	return nil
}

func (tx *Tx) commit() error {
	if err := tx.alive(); err != nil {
		return err
	}
	if !tx.begun && tx.queue.Len() == 0 {
		return nil
	}
	if tx.queue.Len() == 0 {
		tag, err := tx.pgx.Exec(tx.ctx, "commit")
		if err != nil {
			return unavailable(fmt.Errorf("commit: %w", err))
		}
		if tag.String() != "COMMIT" {
			return pgx.ErrTxCommitRollback
		}
		return nil
	}
	return tx.flush(tx.ctx, true)
}

// release ends whatever is still open and gives the connection back, unless
// database/sql has done so because it broke.
func (tx *Tx) release() {
	_ = tx.conn.Raw(func(any) error {
		if !tx.begun || tx.pgx.IsClosed() || tx.pgx.PgConn().TxStatus() == 'I' {
			return nil
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(tx.ctx), connectTimeout)
		defer cancel()
		if _, err := tx.pgx.Exec(ctx, "rollback", pgx.QueryExecModeSimpleProtocol); err != nil {
			_ = tx.pgx.Close(ctx) // the pool drops it
		}
		return nil
	})
	_ = tx.conn.Close()
}

func (db *DB) acquire(ctx context.Context) (*sql.Conn, *pgx.Conn, error) {
	conn, err := db.sql.Conn(ctx)
	if err != nil {
		return nil, nil, unavailable(fmt.Errorf("acquire connection: %w", err))
	}
	var raw *pgx.Conn
	err = conn.Raw(func(d any) error {
		c, ok := d.(*stdlib.Conn)
		if !ok {
			return driver.ErrBadConn
		}
		raw = c.Conn()
		return nil
	})
	if err != nil {
		_ = conn.Close()
		return nil, nil, err
	}
	return conn, raw, nil
}
