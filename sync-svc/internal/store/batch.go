package store

import (
	"encoding/json"
	"errors"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"entente.dev/sync-svc/internal/job"
)

// Batch is what a job has sent to its target and not yet recorded.
type Batch struct {
	Seq     int64
	Request []byte
	Drafts  []byte
	Cycle   job.Cycle
}

// SaveBatch writes a batch that is about to be sent.
func (tx *Tx) SaveBatch(key uuid.UUID, b Batch) error {
	cycle, err := toJSON(b.Cycle)
	if err != nil {
		return err
	}
	tx.Queue(`insert into batches (tenant_id, job_key, seq, request, drafts, cycle) values ($1, $2, $3, $4, $5, $6)`, tx.Tenant, key, b.Seq, b.Request, b.Drafts, cycle)
	return nil
}

// Batches loads what a job sent and did not record, in order.
func (tx *Tx) Batches(key uuid.UUID) ([]Batch, error) {
	rows, err := tx.Pgx().Query(tx.Context(), `select seq, request, drafts, cycle from batches where tenant_id = $1 and job_key = $2 order by seq`, tx.Tenant, key)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (Batch, error) {
		var b Batch
		var cycle []byte
		if err := row.Scan(&b.Seq, &b.Request, &b.Drafts, &cycle); err != nil {
			return b, err
		}
		return b, json.Unmarshal(cycle, &b.Cycle)
	})
}

// DropBatch forgets a batch, whose outcome is recorded by the same
// transaction, and reports whether it was still there.
func (tx *Tx) DropBatch(key uuid.UUID, seq int64) (bool, error) {
	tag, err := tx.Pgx().Exec(tx.Context(), `delete from batches where tenant_id = $1 and job_key = $2 and seq = $3`, tx.Tenant, key, seq)
	return tag.RowsAffected() > 0, err
}

// DropBatches forgets all batches of a job, none of which was sent.
func (tx *Tx) DropBatches(key uuid.UUID) {
	tx.Queue(`delete from batches where tenant_id = $1 and job_key = $2`, tx.Tenant, key)
}

// AddSynchronized adds newly linked objects to the figure of a job.
func (tx *Tx) AddSynchronized(id string, n int64) {
	tx.Queue(`update jobs set synchronized = synchronized + $3 where tenant_id = $1 and id = $2`, tx.Tenant, id, n)
}

// StartCycle stores that a cycle began.
func (tx *Tx) StartCycle(id string, c job.Cycle) error {
	body, err := toJSON(c)
	if err != nil {
		return err
	}
	tx.Queue(`update jobs set cycle = $3 where tenant_id = $1 and id = $2`, tx.Tenant, id, body)
	return nil
}

// SaveCycle stores the checkpoint of a running cycle, unless the cycle was
// dropped by a restart, and adds newly linked objects to the figure of the job.
func (tx *Tx) SaveCycle(id string, c job.Cycle, newlyLinked int64) error {
	body, err := toJSON(c)
	if err != nil {
		return err
	}
	tx.Queue(`update jobs set cycle = $3, synchronized = synchronized + $4 where tenant_id = $1 and id = $2 and cycle ->> 'id' = $5`,
		tx.Tenant, id, body, newlyLinked, c.ID.String())
	return nil
}

// Generation reads the state a runner must notice: the generation of the job
// and whether it is still there and active. The row is locked.
func (tx *Tx) Generation(id string) (generation int64, active bool, err error) {
	err = tx.Pgx().QueryRow(tx.Context(), `select generation, deleted_at is null and state = 1 from jobs where tenant_id = $1 and id = $2 for update`, tx.Tenant, id).
		Scan(&generation, &active)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, false, nil
	}
	return generation, active, err
}

// Escrow is a failed operation that waits for its next attempt.
type Escrow struct {
	Source   uuid.UUID
	Code     string
	Attempts int
	FirstAt  time.Time
	NextAt   time.Time
}

// Escrows loads the open escrows of the named objects.
func (tx *Tx) Escrows(key uuid.UUID, sources []uuid.UUID) (map[uuid.UUID]Escrow, error) {
	return scanEscrows(tx.Pgx().Query(tx.Context(), `select `+escrowColumns+` from escrows where tenant_id = $1 and job_key = $2 and source_id = any($3)`,
		tx.Tenant, key, sources))
}

const escrowColumns = `source_id, code, attempts, first_at, next_at`

func scanEscrows(rows pgx.Rows, err error) (map[uuid.UUID]Escrow, error) {
	if err != nil {
		return nil, err
	}
	m := map[uuid.UUID]Escrow{}
	var e Escrow
	_, err = pgx.ForEachRow(rows, []any{&e.Source, &e.Code, &e.Attempts, &e.FirstAt, &e.NextAt}, func() error {
		m[e.Source] = e
		return nil
	})
	return m, err
}

// DueEscrows lists objects whose next attempt is due, and those whose first
// failure is older than the limit, which are dropped.
func (tx *Tx) DueEscrows(key uuid.UUID, now time.Time, limit int) ([]uuid.UUID, error) {
	rows, err := tx.Pgx().Query(tx.Context(), `select source_id from escrows where tenant_id = $1 and job_key = $2 and next_at <= $3 order by next_at limit $4`,
		tx.Tenant, key, now, limit)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
}

// CountEscrows counts the open escrows of a job.
func (tx *Tx) CountEscrows(key uuid.UUID) (n int64, err error) {
	err = tx.Pgx().QueryRow(tx.Context(), `select count(*) from escrows where tenant_id = $1 and job_key = $2`, tx.Tenant, key).Scan(&n)
	return n, err
}

// SaveEscrows writes failed operations.
func (tx *Tx) SaveEscrows(key uuid.UUID, list []Escrow) {
	if len(list) == 0 {
		return
	}
	n := len(list)
	sources, codes, attempts := make([]uuid.UUID, n), make([]string, n), make([]int32, n)
	first, next := make([]time.Time, n), make([]time.Time, n)
	for i, e := range list {
		sources[i], codes[i], attempts[i], first[i], next[i] = e.Source, e.Code, int32(e.Attempts), e.FirstAt, e.NextAt
	}
	tx.Queue(`insert into escrows (tenant_id, job_key, source_id, code, attempts, first_at, next_at)
		select $1, $2, s, c, a, f, n from unnest($3::uuid[], $4::text[], $5::int[], $6::timestamptz[], $7::timestamptz[]) as x(s, c, a, f, n)
		on conflict (tenant_id, job_key, source_id) do update set code = excluded.code, attempts = excluded.attempts, next_at = excluded.next_at`,
		tx.Tenant, key, sources, codes, attempts, first, next)
}

// DropEscrows removes the escrows of the named objects.
func (tx *Tx) DropEscrows(key uuid.UUID, sources []uuid.UUID) {
	if len(sources) > 0 {
		tx.Queue(`delete from escrows where tenant_id = $1 and job_key = $2 and source_id = any($3)`, tx.Tenant, key, sources)
	}
}

// DropAllEscrows removes every escrow of a job.
func (tx *Tx) DropAllEscrows(key uuid.UUID) {
	tx.Queue(`delete from escrows where tenant_id = $1 and job_key = $2`, tx.Tenant, key)
}

// Staged is a removal that waits for an administrator.
type Staged struct {
	Source      uuid.UUID
	DisplayName string
}

// SaveStaged adds staged removals and reports which of them are new.
func (tx *Tx) SaveStaged(key uuid.UUID, list []Staged, now time.Time) (map[uuid.UUID]bool, error) {
	sources, names := make([]uuid.UUID, len(list)), make([]string, len(list))
	for i, s := range list {
		sources[i], names[i] = s.Source, s.DisplayName
	}
	rows, err := tx.Pgx().Query(tx.Context(), `insert into staged_deletions (tenant_id, job_key, source_id, display_name, staged_at)
		select $1, $2, s, n, $5 from unnest($3::uuid[], $4::text[]) as x(s, n) on conflict do nothing returning source_id`, tx.Tenant, key, sources, names, now)
	if err != nil {
		return nil, err
	}
	fresh := map[uuid.UUID]bool{}
	var id uuid.UUID
	_, err = pgx.ForEachRow(rows, []any{&id}, func() error {
		fresh[id] = true
		return nil
	})
	return fresh, err
}

// Staged lists the staged removals of a job.
func (tx *Tx) Staged(key uuid.UUID) ([]uuid.UUID, error) {
	rows, err := tx.Pgx().Query(tx.Context(), `select source_id from staged_deletions where tenant_id = $1 and job_key = $2 order by source_id`, tx.Tenant, key)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
}

// DropStaged removes every staged removal of a job.
func (tx *Tx) DropStaged(key uuid.UUID) {
	tx.Queue(`delete from staged_deletions where tenant_id = $1 and job_key = $2`, tx.Tenant, key)
}

// DropStagedExcept removes staged removals that are not among the given ones.
func (tx *Tx) DropStagedExcept(key uuid.UUID, keep []Staged) {
	sources := make([]uuid.UUID, len(keep))
	for i, s := range keep {
		sources[i] = s.Source
	}
	tx.Queue(`delete from staged_deletions where tenant_id = $1 and job_key = $2 and source_id <> all($3)`, tx.Tenant, key, sources)
}

// SaveWatermark moves the watermark of a job.
func (tx *Tx) SaveWatermark(id, watermark string) {
	tx.Queue(`update jobs set watermark = $3 where tenant_id = $1 and id = $2`, tx.Tenant, id, watermark)
}

// StagedDeletions lists the staged removals of a job with names.
func (tx *Tx) StagedDeletions(key uuid.UUID) ([]Staged, error) {
	rows, err := tx.Pgx().Query(tx.Context(), `select source_id, display_name from staged_deletions where tenant_id = $1 and job_key = $2 order by source_id`, tx.Tenant, key)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[Staged])
}
