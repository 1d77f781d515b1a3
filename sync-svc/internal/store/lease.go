package store

import (
	"context"
	"time"

	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/fault"
	"entente.dev/servicekit/pg"
	"entente.dev/servicekit/tenant"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Lease is the right to run a job until it expires. Its fence rises with every
// holder, and directory-svc refuses writes with an older one (SYN-165).
type Lease struct {
	Tenant tenant.ID
	JobKey uuid.UUID
	JobID  string
	Fence  int64
	Owner  uuid.UUID
}

// Claim takes the leases of active jobs that nobody holds, at most limit.
func (s *Store) Claim(ctx context.Context, owner uuid.UUID, now time.Time, life time.Duration, limit int) ([]Lease, error) {
	var leases []Lease
	err := s.db.Global(ctx, func(tx *pg.Tx) error {
		rows, err := tx.Pgx().Query(ctx, `
			update job_leases l set owner = $1, expires_at = $2, fence = fence + 1
			from (select tenant_id, job_key from job_leases
				where active and (expires_at is null or expires_at <= $3) order by expires_at nulls first limit $4 for update skip locked) f
			where l.tenant_id = f.tenant_id and l.job_key = f.job_key
			returning l.tenant_id, l.job_key, l.job_id, l.fence`, owner, now.Add(life), now, limit)
		if err != nil {
			return err
		}
		leases, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (Lease, error) {
			l := Lease{Owner: owner}
			err := row.Scan(&l.Tenant, &l.JobKey, &l.JobID, &l.Fence)
			return l, err
		})
		return err
	})
	return leases, err
}

// Renew prolongs a lease; FENCED when another holder has taken it, or the job
// is gone.
func (s *Store) Renew(ctx context.Context, l Lease, until time.Time) error {
	return s.db.Global(ctx, func(tx *pg.Tx) error { return hold(tx, l, until) })
}

// Release gives a lease back at once.
func (s *Store) Release(ctx context.Context, l Lease) error {
	return s.db.Global(ctx, func(tx *pg.Tx) error {
		tx.Queue(`update job_leases set owner = null, expires_at = null where tenant_id = $1 and job_key = $2 and fence = $3`, l.Tenant, l.JobKey, l.Fence)
		return nil
	})
}

// Hold prolongs a lease within a transaction of the job, so that what the
// transaction writes is the holder's.
func (tx *Tx) Hold(l Lease, until time.Time) error { return hold(tx.Tx, l, until) }

func hold(tx *pg.Tx, l Lease, until time.Time) error {
	tag, err := tx.Pgx().Exec(tx.Context(), `update job_leases set expires_at = greatest(expires_at, $4) where tenant_id = $1 and job_key = $2 and fence = $3`,
		l.Tenant, l.JobKey, l.Fence, until)
	if err != nil {
		return err
	}
	if tag.RowsAffected() == 0 {
		return fault.Aborted(errorspb.Reason_FENCED, "Another runner holds the job.")
	}
	return nil
}

// Fence is the token of the present holder of a job.
func (s *Store) Fence(ctx context.Context, t tenant.ID, key uuid.UUID) (fence int64, err error) {
	err = s.db.GlobalRead(ctx, func(tx *pg.Tx) error {
		return tx.Pgx().QueryRow(ctx, `select fence from job_leases where tenant_id = $1 and job_key = $2`, t, key).Scan(&fence)
	})
	return fence, err
}

// Tenants lists the tenants that have jobs, or records of former ones.
func (s *Store) Tenants(ctx context.Context) (list []tenant.ID, err error) {
	err = s.db.GlobalRead(ctx, func(tx *pg.Tx) error {
		rows, err := tx.Pgx().Query(ctx, `select distinct tenant_id from job_leases`)
		if err != nil {
			return err
		}
		list, err = pgx.CollectRows(rows, pgx.RowTo[tenant.ID])
		return err
	})
	return list, err
}
