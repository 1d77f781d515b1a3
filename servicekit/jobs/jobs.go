package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"entente.dev/servicekit/pg"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"
	"github.com/riverqueue/river/rivertype"
)

// Migrations make River's tables in the schema of the service; put it among
// the service's sources.
var Migrations = pg.Source{Name: "river", Version: "v0.51.0", Run: migrate}

const (
	maxAttempts  = 25
	defaultQueue = "default"
	softStop     = 10 * time.Second
)

// Config says what a client needs.
type Config struct {
	DB  *pg.DB
	Log *slog.Logger
	// Workers do the work; nil makes a client that only inserts.
	Workers *river.Workers
	// MaxWorkers bounds the jobs that run at the same time; 0 means 50.
	MaxWorkers int
	// Timeout bounds one run of a job; 0 means a minute.
	Timeout time.Duration
	// Periodic jobs are inserted by one process of the service at a time.
	Periodic []*river.PeriodicJob
	// Retry decides when a failed job runs again; nil means River's growing
	// pauses.
	Retry river.ClientRetryPolicy
}

// Client inserts jobs and works on them.
type Client struct {
	river   *river.Client[pgx.Tx]
	db      *pg.DB
	id      string
	log     *slog.Logger
	channel string
	works   bool
}

// New makes a client; Run has it work.
func New(_ context.Context, cfg Config) (*Client, error) {
	id := uuid.NewString() // of this life of the process: its jobs die with it
	rc := &river.Config{ID: id, Schema: cfg.DB.Schema(), Logger: quiet(cfg.Log)}
	if cfg.Workers != nil {
		if cfg.MaxWorkers == 0 {
			cfg.MaxWorkers = 50
		}
		rc.Workers = cfg.Workers
		rc.Queues = map[string]river.QueueConfig{defaultQueue: {MaxWorkers: cfg.MaxWorkers}}
		rc.PeriodicJobs = cfg.Periodic
		rc.FetchCooldown = 5 * time.Millisecond // the default of 100 ms is the latency of every job
		rc.FetchPollInterval = time.Second
		rc.JobTimeout = cfg.Timeout
		rc.MaxAttempts = maxAttempts
		rc.RetryPolicy = cfg.Retry
		rc.SoftStopTimeout = softStop
		rc.ErrorHandler = errorLog{cfg.Log}
		rc.ReindexerSchedule = river.NeverSchedule() // the serving role owns no index
	}
	c, err := river.NewClient(riverpgxv5.New(cfg.DB.Pool()), rc)
	if err != nil {
		return nil, fmt.Errorf("jobs: %w", err)
	}
	return &Client{river: c, db: cfg.DB, id: id, log: cfg.Log, channel: cfg.DB.Schema() + ".river_insert", works: cfg.Workers != nil}, nil
}

// Insert adds a job in the transaction, in a round trip of its own. opts, which
// may be nil, can make it unique; inserted is false if it was there already.
func (c *Client) Insert(tx *pg.Tx, args river.JobArgs, opts *river.InsertOpts) (inserted bool, err error) {
	res, err := c.river.InsertTx(tx.Context(), tx.Pgx(), args, opts)
	if err != nil {
		return false, fmt.Errorf("insert job %s: %w", args.Kind(), err)
	}
	return !res.UniqueSkippedAsDuplicate, nil
}

// Enqueue adds a job to the queue of the transaction, so that it costs no
// round trip and notifies only after the commit: the cheap way where no
// uniqueness is asked for. at is when it runs; the zero time means at once.
func (c *Client) Enqueue(tx *pg.Tx, args river.JobArgs, at time.Time) error {
	text, err := json.Marshal(args)
	if err != nil {
		return fmt.Errorf("arguments of job %s: %w", args.Kind(), err)
	}
	if at.IsZero() {
		tx.Queue("insert into river_job (args, kind, max_attempts) values ($1, $2, $3)", string(text), args.Kind(), maxAttempts)
		tx.AfterCommit(func() { c.db.Notify(c.channel, `{"queue": "`+defaultQueue+`"}`) })
		return nil
	}
	tx.Queue("insert into river_job (args, kind, max_attempts, state, scheduled_at) values ($1, $2, $3, 'scheduled', $4)",
		string(text), args.Kind(), maxAttempts, at)
	return nil
}

// Run works until ctx ends; jobs that run then have ten seconds to finish
// before their context ends too.
func (c *Client) Run(ctx context.Context) error {
	if !c.works {
		return errors.New("this client has no workers")
	}
	alive, stop := context.WithCancel(context.WithoutCancel(ctx))
	rescuer, err := keepAlive(alive, c.db.Pool(), c.id, c.log)
	if err != nil {
		stop()
		return fmt.Errorf("start jobs: %w", err)
	}
	defer func() { stop(); <-rescuer }() // after the last job
	// A start is retried by nobody, so it must not depend on a server that is
	// just coming up: Open has already reached it.
	if err := c.river.Start(ctx); err != nil {
		return fmt.Errorf("start jobs: %w", err)
	}
	<-c.river.Stopped()
	return ctx.Err()
}

func migrate(ctx context.Context, dsn, schema string) error {
	pc, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return errors.New("connection string is not valid")
	}
	pc.MaxConns = 2
	pool, err := pgxpool.NewWithConfig(ctx, pc)
	if err != nil {
		return err
	}
	defer pool.Close()
	m, err := rivermigrate.New(riverpgxv5.New(pool), &rivermigrate.Config{Schema: schema, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	_, err = m.Migrate(ctx, rivermigrate.DirectionUp, nil)
	return err
}

// errorLog says which job failed, never its arguments.
type errorLog struct{ log *slog.Logger }

func (e errorLog) HandleError(ctx context.Context, job *rivertype.JobRow, err error) *river.ErrorHandlerResult {
	if e.log != nil {
		e.log.WarnContext(ctx, "job failed", "kind", job.Kind, "job_id", job.ID, "attempt", job.Attempt, "error", err)
	}
	return nil
}

func (e errorLog) HandlePanic(ctx context.Context, job *rivertype.JobRow, value any, trace string) *river.ErrorHandlerResult {
	if e.log != nil {
		e.log.ErrorContext(ctx, "job panicked", "kind", job.Kind, "job_id", job.ID, "panic", fmt.Sprint(value), "stack", trace)
	}
	return nil
}

// quiet leaves out what River says below a warning.
func quiet(log *slog.Logger) *slog.Logger {
	if log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return slog.New(warnings{log.Handler()})
}

type warnings struct{ slog.Handler }

func (w warnings) Enabled(ctx context.Context, l slog.Level) bool {
	return l >= slog.LevelWarn && w.Handler.Enabled(ctx, l)
}
func (w warnings) WithAttrs(a []slog.Attr) slog.Handler { return warnings{w.Handler.WithAttrs(a)} }
func (w warnings) WithGroup(n string) slog.Handler      { return warnings{w.Handler.WithGroup(n)} }
