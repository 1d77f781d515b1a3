package jobs_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"entente.dev/servicekit/jobs"
	"entente.dev/servicekit/pg"
	"entente.dev/servicekit/pg/pgtest"
	"entente.dev/servicekit/tenant"
	"github.com/riverqueue/river"
)

type greet struct {
	Tenant tenant.ID `json:"tenant"`
	Name   string    `json:"name"`
}

func (greet) Kind() string { return "greet" }

type greeter struct {
	river.WorkerDefaults[greet]
	done chan greet
	fail int
}

func (g *greeter) Work(_ context.Context, job *river.Job[greet]) error {
	if job.Attempt <= g.fail {
		return errors.New("not yet")
	}
	g.done <- job.Args
	return nil
}

func (g *greeter) NextRetry(*river.Job[greet]) time.Time { return time.Now() }

func run(t *testing.T, db *pg.DB, w *greeter) *jobs.Client {
	t.Helper()
	workers := river.NewWorkers()
	river.AddWorker(workers, w)
	c, err := jobs.New(t.Context(), jobs.Config{DB: db, Workers: workers, MaxWorkers: 4})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("Run ended with %v", err)
		}
	})
	return c
}

func TestJobsExistWithTheirCause(t *testing.T) {
	t.Parallel()
	db, id := pgtest.Open(t, "mailer", jobs.Migrations), tenant.New()
	w := &greeter{done: make(chan greet, 10)}
	c := run(t, db, w)
	refused := errors.New("refused")
	err := db.Write(t.Context(), id, func(tx *pg.Tx) error {
		if err := c.Enqueue(tx, greet{id, "never"}, time.Time{}); err != nil {
			return err
		}
		if _, err := c.Insert(tx, greet{id, "never"}, nil); err != nil {
			return err
		}
		return refused
	})
	if !errors.Is(err, refused) {
		t.Fatal(err)
	}
	err = db.Write(t.Context(), id, func(tx *pg.Tx) error {
		if err := c.Enqueue(tx, greet{id, "queued"}, time.Time{}); err != nil {
			return err
		}
		if err := c.Enqueue(tx, greet{id, "later"}, time.Now().Add(time.Hour)); err != nil {
			return err
		}
		for _, want := range []bool{true, false} {
			unique := &river.InsertOpts{UniqueOpts: river.UniqueOpts{ByArgs: true}}
			if got, err := c.Insert(tx, greet{id, "inserted"}, unique); err != nil || got != want {
				t.Errorf("inserted %v, %v", got, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]bool{(<-w.done).Name: true, (<-w.done).Name: true}
	if !got["queued"] || !got["inserted"] || len(w.done) != 0 {
		t.Errorf("worked on %v and %d more", got, len(w.done))
	}
}

func TestFailedJobsRunAgain(t *testing.T) {
	t.Parallel()
	db, id := pgtest.Open(t, "mailer", jobs.Migrations), tenant.New()
	w := &greeter{done: make(chan greet, 1), fail: 2}
	c := run(t, db, w)
	err := db.Write(t.Context(), id, func(tx *pg.Tx) error { return c.Enqueue(tx, greet{id, "again"}, time.Time{}) })
	if err != nil {
		t.Fatal(err)
	}
	if got := <-w.done; got.Tenant != id {
		t.Errorf("arguments %+v", got)
	}
}

// TestJobsOfTheDeadRunAgain finds jobs that other processes had begun: the
// ones of a killed process run again, the ones of a living process stay.
func TestJobsOfTheDeadRunAgain(t *testing.T) {
	t.Parallel()
	db, id := pgtest.Open(t, "mailer", jobs.Migrations), tenant.New()
	begun := func(name, by string, attempt int) {
		t.Helper()
		err := db.Write(t.Context(), id, func(tx *pg.Tx) error {
			_, err := tx.Pgx().Exec(t.Context(), `insert into river_job (args, kind, max_attempts, state, attempt, attempted_at, attempted_by)
				values (jsonb_build_object('tenant', $1::text, 'name', $2::text), 'greet', 5, 'running', $4, now(), array[$3])`, id.String(), name, by, attempt)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	living, err := db.Pool().Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer living.Release()
	if _, err := living.Exec(t.Context(), "select pg_advisory_lock($1, hashtext($2))", 0x656e746a, "living"); err != nil {
		t.Fatal(err)
	}
	begun("of the dead", "killed", 4)
	begun("that killed often enough", "killed", 5)
	begun("of the living", "living", 1)
	w := &greeter{done: make(chan greet, 2)}
	run(t, db, w)
	if got := <-w.done; got.Name != "of the dead" || len(w.done) != 0 {
		t.Errorf("worked on %q and %d more", got.Name, len(w.done))
	}
	if _, err := living.Exec(t.Context(), "select pg_advisory_unlock($1, hashtext($2))", 0x656e746a, "living"); err != nil {
		t.Fatal(err)
	}
	if got := <-w.done; got.Name != "of the living" {
		t.Errorf("worked on %q", got.Name)
	}
	var state string
	err = db.Pool().QueryRow(t.Context(), "select state from river_job where args->>'name' = 'that killed often enough' and finalized_at is not null").Scan(&state)
	if err != nil || state != "discarded" || len(w.done) != 0 {
		t.Errorf("a job without attempts left is %q, %v", state, err)
	}
}
