package store

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// LogQuery selects records of the provisioning log. Where and Order are SQL
// made by this service, never text of a client.
type LogQuery struct {
	Where string
	Args  []any // of $1 and up
	Order string
	Limit int
}

const logColumns = `id, change_id, cycle_id, job_id, at, duration_ms, action, status, error_code, error_category, reason, details, recommended,
	source_id, source_name, source_upn, target_id, target_name, target_upn, identity_type, service_principal_id, service_principal,
	initiator_id, initiator, initiator_type, modified, steps`

// Log reads records.
func (tx *Tx) Log(q LogQuery) ([]Record, error) {
	n := len(q.Args)
	rows, err := tx.Pgx().Query(tx.Context(), fmt.Sprintf(`select %s from provisioning_log where tenant_id = $%d and (%s) order by %s limit $%d`,
		logColumns, n+1, q.Where, q.Order, n+2), append(append([]any(nil), q.Args...), tx.Tenant, q.Limit)...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, scanRecord)
}

func scanRecord(row pgx.CollectableRow) (Record, error) {
	var r Record
	var duration int64
	var modified, steps string
	err := row.Scan(&r.ID, &r.ChangeID, &r.CycleID, &r.JobID, &r.At, &duration, &r.Action, &r.Status, &r.ErrorCode, &r.Category, &r.Reason, &r.Details,
		&r.Recommended, &r.Source.ID, &r.Source.Name, &r.Source.UPN, &r.Target.ID, &r.Target.Name, &r.Target.UPN, &r.Type, &r.App.ID, &r.App.Name,
		&r.Initiator.ID, &r.Initiator.Name, &r.Kind, &modified, &steps)
	if err != nil {
		return r, err
	}
	r.Duration = time.Duration(duration) * time.Millisecond
	if err := json.Unmarshal([]byte(modified), &r.Modified); err != nil {
		return r, fmt.Errorf("decode record: %w", err)
	}
	if err := json.Unmarshal([]byte(steps), &r.Steps); err != nil {
		return r, fmt.Errorf("decode record: %w", err)
	}
	return r, nil
}
