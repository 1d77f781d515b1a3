package jobs

import (
	"context"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// A process that is killed leaves its jobs `running`. River waits an hour
// before it believes that; a mail would be that late. So each client holds an
// advisory lock on its own id, which ends with its session, and the others
// take the jobs back of whoever holds none.
const (
	// lockClass is the first key of the locks, so that they meet no others.
	lockClass = 0x656e746a
	// orphanPause is how often jobs of the dead are looked for.
	orphanPause = 5 * time.Second
)

const holdLock = `select pg_advisory_lock($1, hashtext($2))`

// takeBack counts the attempt that was lost, and gives a job up with its last
// one: it may be the job that kills its process.
const takeBack = `
update river_job as j set scheduled_at = now(),
       state = case when j.attempt < j.max_attempts then 'available' else 'discarded' end::river_job_state,
       finalized_at = case when j.attempt < j.max_attempts then null else now() end
 where j.state = 'running'
   and not exists (
     select 1 from pg_locks l
      where l.locktype = 'advisory' and l.objsubid = 2 and l.granted
        and l.database = (select oid from pg_database where datname = current_database())
        and l.classid = $1::bigint::oid
        and l.objid = (hashtext(j.attempted_by[array_upper(j.attempted_by, 1)])::bigint & 4294967295)::oid)`

// keepAlive holds the lock on id until ctx ends and takes back the jobs of
// dead clients meanwhile. It returns once the lock is held.
func keepAlive(ctx context.Context, pool *pgxpool.Pool, id string, log *slog.Logger) (stopped <-chan struct{}, err error) {
	conn, err := pool.Acquire(ctx)
	if err != nil {
		return nil, err
	}
	hold := func() error {
		_, err := conn.Exec(ctx, holdLock, lockClass, id)
		return err
	}
	rescue := func() error {
		tag, err := conn.Exec(ctx, takeBack, lockClass)
		if err == nil && tag.RowsAffected() > 0 && log != nil {
			log.WarnContext(ctx, "jobs of a dead process run again", "count", tag.RowsAffected())
		}
		return err
	}
	if err = hold(); err == nil {
		err = rescue()
	}
	if err != nil {
		conn.Release()
		return nil, err
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(orphanPause)
		defer tick.Stop()
		// The session has the lock: it must not go back to the pool alive.
		defer func() {
			_ = conn.Conn().Close(context.WithoutCancel(ctx))
			conn.Release()
		}()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			if rescue() == nil || ctx.Err() != nil {
				continue
			}
			// The session is lost and the lock with it: others may take our jobs
			// over, which work must not mind. Come back as soon as the server does.
			next, err := pool.Acquire(ctx)
			if err != nil {
				continue
			}
			_ = conn.Conn().Close(ctx)
			conn.Release()
			conn = next
			_ = hold()
		}
	}()
	return done, nil
}
