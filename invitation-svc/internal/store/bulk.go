package store

import (
	"errors"
	"time"

	"entente.dev/invitation-svc/internal/invitation"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/fault"
	"entente.dev/servicekit/pg"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Bulk is a bulk invitation with who began it.
type Bulk struct {
	ID                            uuid.UUID
	Status                        invitation.BulkStatus
	Total, Succeeded, Failed      int32
	Kind                          invitation.InviterKind
	By, AppID                     uuid.UUID
	Scopes                        []string // of a user
	Request                       string   // the id of the request that began it
	CreatedAt, StartedAt, EndedAt time.Time
}

// BulkRow is one row of a bulk invitation.
type BulkRow struct {
	Number     int
	Input      []string
	SameAs     int       // the earlier row whose outcome it shares, 0 for none
	Invitation uuid.UUID // which it makes
	// Settled says that the row has an outcome; Code and Message are those of a
	// failure, empty for a success.
	Settled       bool
	Code, Message string
	User          uuid.UUID
}

// retryBulk is when somebody comes back who found another job running.
const retryBulk = 30 * time.Second

// AddBulk writes a job with its rows, or refuses it while another runs.
func (tx Tx) AddBulk(b Bulk, rows []BulkRow) error {
	_, err := tx.Pgx().Exec(tx.Context(), `insert into bulk_invitations (tenant_id, id, status, total, inviter_kind, inviter_id, app_id, scopes, request_id, created_at)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`, tx.Tenant, b.ID, int8(b.Status), b.Total, int8(b.Kind), b.By, b.AppID, append([]string{}, b.Scopes...), b.Request, b.CreatedAt)
	if pg.Constraint(err) == "bulk_invitations_running" {
		return fault.Exhausted(errorspb.Reason_THROTTLED, "At most one bulk invitation of a tenant runs at a time.").WithRetryAfter(retryBulk)
	}
	if err != nil {
		return err
	}
	values := make([][]any, len(rows))
	for i, r := range rows {
		values[i] = []any{[16]byte(b.ID), r.Number, r.Input, r.SameAs, [16]byte(r.Invitation)}
	}
	tx.QueueRows("bulk_invitation_rows", []pg.Column{{Name: "bulk_id", Type: "uuid"}, {Name: "row_number", Type: "int"}, {Name: "input", Type: "text[]"},
		{Name: "same_as", Type: "int"}, {Name: "invitation_id", Type: "uuid"}}, values)
	return nil
}

const bulkSQL = `select id, status, total, inviter_kind, inviter_id, app_id, scopes, request_id, created_at, started_at, completed_at from bulk_invitations where tenant_id = $1 and id = $2`

// Bulk reads one job without its counts; ErrNone when the tenant has no such
// id.
func (tx Tx) Bulk(id uuid.UUID) (Bulk, error) { return tx.bulk(bulkSQL, id) }

// LockBulk is Bulk, locked until the transaction ends.
func (tx Tx) LockBulk(id uuid.UUID) (Bulk, error) { return tx.bulk(bulkSQL+" for update", id) }

func (tx Tx) bulk(sql string, id uuid.UUID) (Bulk, error) {
	var b Bulk
	var started, ended *time.Time
	err := none(tx.Pgx().QueryRow(tx.Context(), sql, tx.Tenant, id).Scan(&b.ID, (*int8)(&b.Status), &b.Total, (*int8)(&b.Kind), &b.By, &b.AppID, &b.Scopes, &b.Request,
		&b.CreatedAt, &started, &ended))
	if err != nil {
		return b, err
	}
	b.StartedAt, b.EndedAt = plain(started), plain(ended)
	return b, nil
}

// CountedBulk is Bulk with the counts of its outcomes.
func (tx Tx) CountedBulk(id uuid.UUID) (Bulk, error) {
	b, err := tx.Bulk(id)
	if err != nil {
		return b, err
	}
	err = tx.Pgx().QueryRow(tx.Context(), `select count(*) filter (where outcome = 1), count(*) filter (where outcome = 2) from bulk_invitation_rows where tenant_id = $1 and bulk_id = $2`,
		tx.Tenant, id).Scan(&b.Succeeded, &b.Failed)
	return b, err
}

// SaveBulk queues the state of a job.
func (tx Tx) SaveBulk(b Bulk) {
	tx.Queue(`update bulk_invitations set status = $3, started_at = $4, completed_at = $5 where tenant_id = $1 and id = $2`,
		tx.Tenant, b.ID, int8(b.Status), nullTime(b.StartedAt), nullTime(b.EndedAt))
}

// DeleteBulk queues the end of a job and its rows.
func (tx Tx) DeleteBulk(id uuid.UUID) {
	tx.Queue(`delete from bulk_invitations where tenant_id = $1 and id = $2`, tx.Tenant, id)
}

const rowSQL = `select row_number, input, same_as, invitation_id, outcome is not null, coalesce(error_code, ''), coalesce(error_message, ''), user_id from bulk_invitation_rows
	where tenant_id = $1 and bulk_id = $2 `

func scanBulkRow(row pgx.CollectableRow) (BulkRow, error) {
	var r BulkRow
	var user *uuid.UUID
	err := row.Scan(&r.Number, &r.Input, &r.SameAs, &r.Invitation, &r.Settled, &r.Code, &r.Message, &user)
	r.User = plain(user)
	return r, err
}

// BulkRows are up to limit rows behind a number.
func (tx Tx) BulkRows(id uuid.UUID, after, limit int) ([]BulkRow, error) {
	rows, err := tx.Pgx().Query(tx.Context(), rowSQL+`and row_number > $3 order by row_number limit $4`, tx.Tenant, id, after, limit)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, scanBulkRow)
}

// NextBulkRow is the first row behind a number without an outcome; ErrNone when
// all have one.
func (tx Tx) NextBulkRow(id uuid.UUID, after int) (BulkRow, error) {
	rows, err := tx.Pgx().Query(tx.Context(), rowSQL+`and row_number > $3 and outcome is null order by row_number limit 1`, tx.Tenant, id, after)
	if err != nil {
		return BulkRow{}, err
	}
	r, err := pgx.CollectExactlyOneRow(rows, scanBulkRow)
	if errors.Is(err, pgx.ErrNoRows) {
		err = ErrNone
	}
	return r, err
}

// settleSQL keeps the outcome that a row has.
const settleSQL = `update bulk_invitation_rows set outcome = $4, user_id = $5, error_code = $6, error_message = $7
	where tenant_id = $1 and bulk_id = $2 and row_number = $3 and outcome is null`

// BulkRowDone queues that a row has invited. It belongs into the transaction
// that makes the invitation, so that nobody repeats it.
func (tx Tx) BulkRowDone(bulk uuid.UUID, number int, user uuid.UUID) {
	tx.Queue(settleSQL, tx.Tenant, bulk, number, 1, nullID(user), nil, nil)
}

// BulkRowFailed queues that a row has failed.
func (tx Tx) BulkRowFailed(bulk uuid.UUID, number int, code, message string) {
	tx.Queue(settleSQL, tx.Tenant, bulk, number, 2, nil, code, message)
}

// ShareOutcome queues that a row ends as an earlier one has.
func (tx Tx) ShareOutcome(bulk uuid.UUID, number, as int) {
	tx.Queue(`update bulk_invitation_rows r set outcome = f.outcome, user_id = f.user_id, error_code = f.error_code, error_message = f.error_message
		from bulk_invitation_rows f where r.tenant_id = $1 and r.bulk_id = $2 and r.row_number = $3
		and f.tenant_id = r.tenant_id and f.bulk_id = r.bulk_id and f.row_number = $4`, tx.Tenant, bulk, number, as)
}
