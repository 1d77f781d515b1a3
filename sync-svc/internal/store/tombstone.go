package store

import (
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Tombstones lists the jobs that were deleted before a moment.
func (tx *Tx) Tombstones(before time.Time) ([]uuid.UUID, error) {
	rows, err := tx.Pgx().Query(tx.Context(), `select key from jobs where tenant_id = $1 and deleted_at < $2 order by key`, tx.Tenant, before)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
}

// PurgeJob removes at most limit rows of each kind that a deleted job left, and
// answers how many those were; zero means that the job is gone.
func (tx *Tx) PurgeJob(key uuid.UUID, limit int) (int64, error) {
	var gone int64
	for _, sql := range []string{
		`delete from links where tenant_id = $1 and job_key = $2 and source_id in (select source_id from links where tenant_id = $1 and job_key = $2 limit $3)`,
		`delete from escrows where tenant_id = $1 and job_key = $2 and source_id in (select source_id from escrows where tenant_id = $1 and job_key = $2 limit $3)`,
		`delete from staged_deletions where tenant_id = $1 and job_key = $2 and source_id in (select source_id from staged_deletions where tenant_id = $1 and job_key = $2 limit $3)`,
		`delete from batches where tenant_id = $1 and job_key = $2 and seq in (select seq from batches where tenant_id = $1 and job_key = $2 limit $3)`,
	} {
		tag, err := tx.Pgx().Exec(tx.Context(), sql, tx.Tenant, key, limit)
		if err != nil {
			return 0, err
		}
		gone += tag.RowsAffected()
	}
	if gone == 0 {
		tx.Queue(`delete from job_schemas where tenant_id = $1 and job_key = $2`, tx.Tenant, key)
		tx.Queue(`delete from jobs where tenant_id = $1 and key = $2 and deleted_at is not null`, tx.Tenant, key)
	}
	return gone, nil
}

// DropLeases removes the leases of jobs that are gone, once the tenant needs
// none to be found: another job has one, or its log is empty.
func (tx *Tx) DropLeases() {
	tx.Queue(`delete from job_leases l where tenant_id = $1
		and not exists (select from jobs where tenant_id = $1 and key = l.job_key)
		and (exists (select from jobs where tenant_id = $1) or not exists (select from provisioning_log where tenant_id = $1))`, tx.Tenant)
}
