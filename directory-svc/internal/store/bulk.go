package store

import (
	"context"
	"errors"
	"time"

	"entente.dev/directory-svc/internal/bulk"
	"entente.dev/directory-svc/internal/property"
	"entente.dev/servicekit/pg"
	"entente.dev/servicekit/tenant"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// BulkStatus is the state of a bulk operation. The numbers are stored and are
// those of the messages.
type BulkStatus int16

// The states of DIR-217.
const (
	BulkQueued              BulkStatus = 1
	BulkRunning             BulkStatus = 2
	BulkCompleted           BulkStatus = 3
	BulkCompletedWithErrors BulkStatus = 4
	BulkTimedOut            BulkStatus = 5
	BulkCanceled            BulkStatus = 6
)

// Ended reports that nothing more happens.
func (s BulkStatus) Ended() bool { return s >= BulkCompleted }

// BulkOperation is a bulk operation with who began it.
type BulkOperation struct {
	ID                      uuid.UUID
	Kind                    bulk.Kind
	GroupID                 *uuid.UUID
	Status                  BulkStatus
	Total, Success, Failure int32
	By, AppID               uuid.UUID
	Scopes                  []string // of a user; nil for an application
	Request                 string   // the id of the request that began it
	Created                 time.Time
	Started, Completed      *time.Time
}

// BulkRow is one row of an operation.
type BulkRow struct {
	Number        int
	Input         []string
	Secret        []byte
	Succeeded     *bool // nil while it waits
	Code, Message *string
	ObjectID      *uuid.UUID
}

const bulkColumns = "id, kind, group_id, status, total_count, success_count, failure_count, started_by, app_id, scopes, request_id, created_at, started_at, completed_at"

func scanBulk(row pgx.CollectableRow) (BulkOperation, error) {
	var o BulkOperation
	return o, row.Scan((*[16]byte)(&o.ID), (*string)(&o.Kind), &o.GroupID, (*int16)(&o.Status), &o.Total, &o.Success, &o.Failure, (*[16]byte)(&o.By),
		(*[16]byte)(&o.AppID), &o.Scopes, &o.Request, &o.Created, &o.Started, &o.Completed)
}

// InsertBulk writes an operation with its rows and puts it into the queue.
func (tx *Tx) InsertBulk(o BulkOperation, rows []BulkRow) error {
	_, err := tx.Pgx().Exec(tx.Context(), `insert into bulk_operations (tenant_id, id, kind, group_id, status, total_count, started_by, app_id, scopes, request_id, created_at)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`, [16]byte(tx.Tenant), [16]byte(o.ID), string(o.Kind), idOf(o.GroupID), int16(o.Status), o.Total,
		[16]byte(o.By), [16]byte(o.AppID), o.Scopes, o.Request, o.Created)
	if err != nil {
		return err
	}
	const batch = 500
	for len(rows) > 0 {
		n := min(batch, len(rows))
		pipeline := &pgx.Batch{}
		for _, r := range rows[:n] {
			pipeline.Queue("insert into bulk_rows (tenant_id, operation_id, row_number, input, secret) values ($1, $2, $3, $4, $5)",
				[16]byte(tx.Tenant), [16]byte(o.ID), r.Number, r.Input, r.Secret)
		}
		if err := tx.Pgx().SendBatch(tx.Context(), pipeline).Close(); err != nil {
			return err
		}
		rows = rows[n:]
	}
	tx.Queue("insert into bulk_queue (tenant_id, operation_id, lease_until) values ($1, $2, '-infinity')", [16]byte(tx.Tenant), [16]byte(o.ID))
	return nil
}

// Bulk finds one operation, locked for a change where asked.
func (tx *Tx) Bulk(id uuid.UUID, lock bool) (*BulkOperation, error) {
	query := "select " + bulkColumns + " from bulk_operations where tenant_id = $1 and id = $2"
	if lock {
		query += " for update"
	}
	rows, err := tx.Pgx().Query(tx.Context(), query, [16]byte(tx.Tenant), [16]byte(id))
	if err != nil {
		return nil, err
	}
	found, err := pgx.CollectRows(rows, scanBulk)
	if err == nil && len(found) == 0 {
		err = property.NotFound(id.String())
	}
	if err != nil {
		return nil, err
	}
	return &found[0], nil
}

// Bulks lists operations before an id, newest first.
func (tx *Tx) Bulks(before uuid.UUID, limit int) ([]BulkOperation, error) {
	rows, err := tx.Pgx().Query(tx.Context(), "select "+bulkColumns+" from bulk_operations where tenant_id = $1 and id < $2 order by id desc limit $3",
		[16]byte(tx.Tenant), [16]byte(before), limit)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, scanBulk)
}

// RunningBulks counts the operations of the tenant that have not ended.
func (tx *Tx) RunningBulks() (n int, err error) {
	err = tx.Pgx().QueryRow(tx.Context(), "select count(*) from bulk_queue where tenant_id = $1", [16]byte(tx.Tenant)).Scan(&n)
	return n, err
}

// SaveBulk queues the state of an operation; one that has ended leaves the
// queue and forgets its secrets.
func (tx *Tx) SaveBulk(o *BulkOperation) {
	key := [16]byte(o.ID)
	tx.Queue("update bulk_operations set status = $3, success_count = $4, failure_count = $5, started_at = $6, completed_at = $7 where tenant_id = $1 and id = $2",
		[16]byte(tx.Tenant), key, int16(o.Status), o.Success, o.Failure, o.Started, o.Completed)
	if o.Status.Ended() {
		tx.Queue("delete from bulk_queue where tenant_id = $1 and operation_id = $2", [16]byte(tx.Tenant), key)
		tx.Queue("update bulk_rows set secret = null where tenant_id = $1 and operation_id = $2 and secret is not null", [16]byte(tx.Tenant), key)
	}
}

// BulkRows reads rows behind a number, all or those that wait.
func (tx *Tx) BulkRows(operation uuid.UUID, after, limit int, waiting bool) ([]BulkRow, error) {
	rows, err := tx.Pgx().Query(tx.Context(), `select row_number, input, secret, outcome = 1, error_code, error_message, object_id from bulk_rows
		where tenant_id = $1 and operation_id = $2 and row_number > $3 and (outcome is null or not $5) order by row_number limit $4`,
		[16]byte(tx.Tenant), [16]byte(operation), after, limit, waiting)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (BulkRow, error) {
		var r BulkRow
		return r, row.Scan(&r.Number, &r.Input, &r.Secret, &r.Succeeded, &r.Code, &r.Message, &r.ObjectID)
	})
}

// BulkRowDone queues that a row succeeded. It belongs into the transaction of
// what the row did, so that a restart repeats nothing.
func (tx *Tx) BulkRowDone(operation uuid.UUID, number int) {
	tx.Queue("update bulk_rows set outcome = 1, secret = null where tenant_id = $1 and operation_id = $2 and row_number = $3", [16]byte(tx.Tenant), [16]byte(operation), number)
}

// BulkRowObject queues which object a row was about.
func (tx *Tx) BulkRowObject(operation uuid.UUID, number int, id uuid.UUID) {
	tx.Queue("update bulk_rows set object_id = $4 where tenant_id = $1 and operation_id = $2 and row_number = $3",
		[16]byte(tx.Tenant), [16]byte(operation), number, [16]byte(id))
}

// BulkRowFailed queues that a row failed.
func (tx *Tx) BulkRowFailed(operation uuid.UUID, number int, code, message string) {
	tx.Queue("update bulk_rows set outcome = 2, secret = null, error_code = $4, error_message = $5 where tenant_id = $1 and operation_id = $2 and row_number = $3 and outcome is null",
		[16]byte(tx.Tenant), [16]byte(operation), number, code, message)
}

// CountBulkRows counts the outcomes of an operation.
func (tx *Tx) CountBulkRows(operation uuid.UUID) (succeeded, failed int32, err error) {
	err = tx.Pgx().QueryRow(tx.Context(), "select count(*) filter (where outcome = 1), count(*) filter (where outcome = 2) from bulk_rows where tenant_id = $1 and operation_id = $2",
		[16]byte(tx.Tenant), [16]byte(operation)).Scan(&succeeded, &failed)
	return succeeded, failed, err
}

// ClaimBulk takes an operation that nobody works on, for a while; ok is false
// when there is none.
func (s *Store) ClaimBulk(ctx context.Context, lease time.Duration) (t tenant.ID, id uuid.UUID, ok bool, err error) {
	err = s.db.Global(ctx, func(tx *pg.Tx) error {
		err := tx.Pgx().QueryRow(ctx, `update bulk_queue q set lease_until = clock_timestamp() + $1 from (
				select tenant_id, operation_id from bulk_queue where lease_until < clock_timestamp() order by lease_until, operation_id limit 1 for update skip locked) due
			where q.tenant_id = due.tenant_id and q.operation_id = due.operation_id returning q.tenant_id, q.operation_id`, lease).
			Scan((*[16]byte)(&t), (*[16]byte)(&id))
		ok = err == nil
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		return err
	})
	return t, id, ok, err
}

// HoldBulk prolongs the claim on an operation.
func (s *Store) HoldBulk(ctx context.Context, t tenant.ID, id uuid.UUID, lease time.Duration) error {
	return s.db.Global(ctx, func(tx *pg.Tx) error {
		_, err := tx.Pgx().Exec(ctx, "update bulk_queue set lease_until = clock_timestamp() + $3 where tenant_id = $1 and operation_id = $2", [16]byte(t), [16]byte(id), lease)
		return err
	})
}
