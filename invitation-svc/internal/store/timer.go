package store

import (
	"time"

	"entente.dev/servicekit/tenant"
	"github.com/google/uuid"
)

// TimerKind says what is to be looked at.
type TimerKind int8

// The kinds; the numbers are stored.
const (
	SagaTimer   TimerKind = 1 // an invitation whose user may not exist yet
	CommitTimer TimerKind = 2 // an invitation whose commit may be unfinished
	ExpiryTimer TimerKind = 3 // an invitation whose link ends
	FlowTimer   TimerKind = 4 // a flow to forget
	CodeTimer   TimerKind = 5 // a passcode to forget
	BulkTimer   TimerKind = 6 // a bulk invitation to end or forget
)

// Timer is something to look at, at a time.
type Timer struct {
	At     time.Time
	Kind   TimerKind
	Tenant tenant.ID
	ID     uuid.UUID
}

// SetTimer queues a wake-up, moving the one of the same kind and id. It is a
// plain row and no River job because every invitation needs one and a job
// costs a third of its transaction.
func (tx Tx) SetTimer(k TimerKind, id uuid.UUID, at time.Time) {
	tx.Queue(`insert into timers (at, kind, tenant_id, id) values ($1, $2, $3, $4)
		on conflict (kind, tenant_id, id) do update set at = excluded.at`, at, int8(k), tx.Tenant, id)
}

// ClearTimer queues the end of a wake-up.
func (tx Tx) ClearTimer(k TimerKind, id uuid.UUID) {
	tx.Queue(`delete from timers where kind = $1 and tenant_id = $2 and id = $3`, int8(k), tx.Tenant, id)
}

// DueTimers leases up to limit timers that are due: until the lease is over
// nobody else gets them. Whoever has handled one clears or moves it.
func (tx Tx) DueTimers(now time.Time, limit int, lease time.Duration) ([]Timer, error) {
	rows, err := tx.Pgx().Query(tx.Context(), `update timers t set at = $3 from (
			select kind, tenant_id, id from timers where at <= $1 order by at limit $2 for update skip locked) due
		where t.kind = due.kind and t.tenant_id = due.tenant_id and t.id = due.id
		returning t.at, t.kind, t.tenant_id, t.id`, now, limit, now.Add(lease))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var due []Timer
	for rows.Next() {
		var t Timer
		var kind int8
		if err := rows.Scan(&t.At, &kind, &t.Tenant, &t.ID); err != nil {
			return nil, err
		}
		t.Kind = TimerKind(kind)
		due = append(due, t)
	}
	return due, rows.Err()
}
