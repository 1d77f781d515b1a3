package store

import (
	"time"

	"github.com/google/uuid"
)

// Modified is one written property of a record.
type Modified struct {
	Name string  `json:"n"`
	Old  *string `json:"o,omitempty"`
	New  *string `json:"v,omitempty"`
}

// Record is one record of the provisioning log.
type Record struct {
	ID          uuid.UUID         `json:"id"`
	ChangeID    uuid.UUID         `json:"change"`
	CycleID     uuid.UUID         `json:"cycle"`
	JobID       string            `json:"job"`
	At          time.Time         `json:"at"`
	Duration    time.Duration     `json:"dur"`
	Action      int16             `json:"action"`
	Status      int16             `json:"status"`
	ErrorCode   string            `json:"code,omitempty"`
	Category    int16             `json:"cat,omitempty"`
	Reason      string            `json:"reason,omitempty"`
	Details     string            `json:"details,omitempty"`
	Recommended string            `json:"rec,omitempty"`
	Source      Identity          `json:"source"`
	Target      Identity          `json:"target"`
	Type        string            `json:"type"`
	App         Identity          `json:"app"`
	Initiator   Identity          `json:"by"`
	Kind        string            `json:"kind"` // user, application or system
	Modified    []Modified        `json:"mod,omitempty"`
	Steps       map[string]string `json:"steps,omitempty"` // details by step
}

// Identity names an object in a record.
type Identity struct {
	ID   string `json:"id,omitempty"`
	Name string `json:"name,omitempty"`
	UPN  string `json:"upn,omitempty"`
}

// AppendLog adds records in one statement.
func (tx *Tx) AppendLog(records []Record) error {
	if len(records) == 0 {
		return nil
	}
	n := len(records)
	ids, changes, cycles := make([]uuid.UUID, n), make([]uuid.UUID, n), make([]uuid.UUID, n)
	at, durations := make([]time.Time, n), make([]int32, n)
	actions, statuses, categories := make([]int16, n), make([]int16, n), make([]int16, n)
	var texts [19][]string
	for i := range texts {
		texts[i] = make([]string, n)
	}
	for i, r := range records {
		ids[i], changes[i], cycles[i], at[i] = r.ID, r.ChangeID, r.CycleID, r.At
		durations[i] = int32(min(r.Duration.Milliseconds(), 1<<31-1))
		actions[i], statuses[i], categories[i] = r.Action, r.Status, r.Category
		modified, steps := "[]", "{}"
		var err error
		if len(r.Modified) > 0 {
			if modified, err = toJSON(r.Modified); err != nil {
				return err
			}
		}
		if len(r.Steps) > 0 {
			if steps, err = toJSON(r.Steps); err != nil {
				return err
			}
		}
		for k, v := range [...]string{r.JobID, r.ErrorCode, r.Reason, r.Details, r.Recommended, r.Source.ID, r.Source.Name, r.Source.UPN, r.Target.ID,
			r.Target.Name, r.Target.UPN, r.Type, r.App.ID, r.App.Name, r.Initiator.ID, r.Initiator.Name, r.Kind, modified, steps} {
			texts[k][i] = v
		}
	}
	tx.Queue(`insert into provisioning_log (tenant_id, id, change_id, cycle_id, at, duration_ms, action, status, error_category,
			job_id, error_code, reason, details, recommended, source_id, source_name, source_upn, target_id, target_name, target_upn,
			identity_type, service_principal_id, service_principal, initiator_id, initiator, initiator_type, modified, steps)
		select $1, x.* from unnest($2::uuid[], $3::uuid[], $4::uuid[], $5::timestamptz[], $6::int[], $7::smallint[], $8::smallint[], $9::smallint[],
			$10::text[], $11::text[], $12::text[], $13::text[], $14::text[], $15::text[], $16::text[], $17::text[], $18::text[], $19::text[],
			$20::text[], $21::text[], $22::text[], $23::text[], $24::text[], $25::text[], $26::text[], $27::text[], $28::text[]) as x`,
		tx.Tenant, ids, changes, cycles, at, durations, actions, statuses, categories,
		texts[0], texts[1], texts[2], texts[3], texts[4], texts[5], texts[6], texts[7], texts[8], texts[9],
		texts[10], texts[11], texts[12], texts[13], texts[14], texts[15], texts[16], texts[17], texts[18])
	return nil
}

// PurgeLog removes at most limit records older than a moment.
func (tx *Tx) PurgeLog(before time.Time, limit int) (int64, error) {
	tag, err := tx.Pgx().Exec(tx.Context(), `delete from provisioning_log where tenant_id = $1 and id in
		(select id from provisioning_log where tenant_id = $1 and at < $2 order by at limit $3)`, tx.Tenant, before, limit)
	return tag.RowsAffected(), err
}
