package pg

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/prometheus/client_golang/prometheus"
	"gorm.io/driver/postgres"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"
)

// Limits of every connection (security ground rules, API surface).
const (
	statementTimeout = 10 * time.Second
	idleTimeout      = 15 * time.Second // of an open transaction
	connectTimeout   = 5 * time.Second
)

// Config says where the database of one service is.
type Config struct {
	// DSN logs in as the serving role, which owns nothing.
	DSN string
	// Schema is the one schema of the service; it becomes the search path.
	Schema string
	// MaxConns bounds the pool; 0 means 16.
	MaxConns int32
	// Params are further settings of every connection, by name.
	Params map[string]string
	// Registry receives the metrics of the pool until it is closed; nil keeps
	// none.
	Registry prometheus.Registerer
}

// DB is a pool of connections to one service's schema, safe for concurrent
// use.
type DB struct {
	pool   *pgxpool.Pool
	sql    *sql.DB
	gorm   *gorm.DB
	log    *slog.Logger
	schema string
	notes  *notifier
	forget func() // the metrics
}

// Open connects and verifies that the server answers. It does not look at the
// schema's version: CheckVersion does.
func Open(ctx context.Context, cfg Config, log *slog.Logger) (*DB, error) {
	pc, err := pgxpool.ParseConfig(cfg.DSN)
	if err != nil {
		return nil, fmt.Errorf("database settings: %w", redactDSN(err, cfg.DSN))
	}
	pc.MaxConns = cfg.MaxConns
	if pc.MaxConns == 0 {
		pc.MaxConns = 16
	}
	pc.MaxConnIdleTime = 5 * time.Minute
	if pc.ConnConfig.ConnectTimeout == 0 {
		pc.ConnConfig.ConnectTimeout = connectTimeout
	}
	params := pc.ConnConfig.RuntimeParams
	params["search_path"] = quoteIdent(cfg.Schema)
	params["timezone"] = "UTC"
	params["statement_timeout"] = millis(statementTimeout)
	params["idle_in_transaction_session_timeout"] = millis(idleTimeout)
	// Statements here are short. A plan that the server prices high, as it does
	// any while statistics are missing or a scan is discouraged, would be
	// compiled for longer than it runs.
	params["jit"] = "off"
	if params["application_name"] == "" {
		params["application_name"] = "entente " + cfg.Schema
	}
	maps.Copy(params, cfg.Params)
	pc.AfterConnect = func(_ context.Context, c *pgx.Conn) error {
		// Times are UTC everywhere; the default is the zone of the machine.
		c.TypeMap().RegisterType(&pgtype.Type{
			Name: "timestamptz", OID: pgtype.TimestamptzOID, Codec: &pgtype.TimestamptzCodec{ScanLocation: time.UTC},
		})
		registerUUID(c.TypeMap())
		return nil
	}
	pool, err := pgxpool.NewWithConfig(ctx, pc)
	if err != nil {
		return nil, fmt.Errorf("open database: %w", redactDSN(err, cfg.DSN))
	}
	if err := pool.Ping(ctx); err != nil {
		pool.Close()
		return nil, unavailable(fmt.Errorf("connect to database: %w", redactDSN(err, cfg.DSN)))
	}
	db := &DB{pool: pool, sql: stdlib.OpenDBFromPool(pool), log: log, schema: cfg.Schema}
	db.gorm, err = gorm.Open(postgres.New(postgres.Config{Conn: db.sql}), &gorm.Config{
		SkipDefaultTransaction: true,
		PrepareStmt:            false, // pgx caches prepared statements itself
		QueryFields:            true,  // SELECT * breaks cached plans when a column is added
		DisableAutomaticPing:   true,
		Logger:                 logger.Discard,
	})
	if err != nil {
		err = errors.Join(err, db.sql.Close())
		pool.Close()
		return nil, fmt.Errorf("open database: %w", err)
	}
	db.notes, db.forget = newNotifier(db), func() {}
	if cfg.Registry != nil {
		c := newCollector(db)
		if err := cfg.Registry.Register(c); err != nil {
			db.Close()
			return nil, fmt.Errorf("open database: %w", err)
		}
		db.forget = func() { cfg.Registry.Unregister(c) }
	}
	return db, nil
}

// Close sends pending notifications and closes all connections. Running
// transactions are waited for.
func (db *DB) Close() {
	db.forget()
	db.notes.close()
	_ = db.sql.Close()
	db.pool.Close()
}

// Pool is the pool underneath, for River and for work outside of tenants.
// Whoever uses it is not bound to a tenant and so sees no tenant rows.
func (db *DB) Pool() *pgxpool.Pool { return db.pool }

// Schema is the schema of the service.
func (db *DB) Schema() string { return db.schema }

// Ping reports whether the server answers, for health checks.
func (db *DB) Ping(ctx context.Context) error { return unavailable(db.pool.Ping(ctx)) }

func quoteIdent(name string) string { return pgx.Identifier{name}.Sanitize() }

func millis(d time.Duration) string { return fmt.Sprint(d.Milliseconds()) }

// redactDSN keeps a connection string, which holds a password, out of errors.
func redactDSN(err error, dsn string) error {
	if dsn != "" && strings.Contains(err.Error(), dsn) {
		return fmt.Errorf("%s", strings.ReplaceAll(err.Error(), dsn, "(connection string)"))
	}
	return err
}
