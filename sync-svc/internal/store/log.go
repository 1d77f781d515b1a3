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

// Header is what the records of one batch have in common.
type Header struct {
	CycleID   uuid.UUID `json:"cycle"`
	JobID     string    `json:"job"`
	Type      string    `json:"type"`
	App       Identity  `json:"app"`
	Initiator Identity  `json:"by"`
	Kind      string    `json:"kind"` // user, application or system
}

// Record is one record of the provisioning log.
type Record struct {
	Header      `json:"-"`        // stored once per batch
	ID          uuid.UUID         `json:"id"`
	ChangeID    uuid.UUID         `json:"change"`
	At          time.Time         `json:"at"`
	Duration    time.Duration     `json:"dur"`
	Action      int16             `json:"action"`
	Status      int16             `json:"status"`
	ErrorCode   string            `json:"code,omitempty"`
	Category    int16             `json:"cat,omitempty"`
	Reason      string            `json:"reason,omitempty"`
	Details     string            `json:"details,omitempty"`
	Recommended string            `json:"rec,omitempty"`
	Source      Identity          `json:"source,omitzero"`
	Target      Identity          `json:"target,omitzero"`
	Modified    []Modified        `json:"mod,omitempty"`
	Steps       map[string]string `json:"steps,omitempty"` // details by step
}

// Identity names an object in a record.
type Identity struct {
	ID   string `json:"id,omitempty"`
	Name string `json:"name,omitempty"`
	UPN  string `json:"upn,omitempty"`
}

// AppendLog adds records, one statement for each run of records with the same
// header.
func (tx *Tx) AppendLog(records []Record) error {
	for len(records) > 0 {
		n := 1
		for n < len(records) && records[n].Header == records[0].Header {
			n++
		}
		if err := tx.appendLog(records[0].Header, records[:n]); err != nil {
			return err
		}
		records = records[n:]
	}
	return nil
}

func (tx *Tx) appendLog(h Header, records []Record) error {
	n := len(records)
	ids, changes := make([]uuid.UUID, n), make([]uuid.UUID, n)
	at, durations := make([]time.Time, n), make([]int32, n)
	actions, statuses, categories := make([]int16, n), make([]int16, n), make([]int16, n)
	var texts [12][]string
	for i := range texts {
		texts[i] = make([]string, n)
	}
	for i := range records {
		r := &records[i]
		ids[i], changes[i], at[i] = r.ID, r.ChangeID, r.At
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
		for k, v := range [...]string{r.ErrorCode, r.Reason, r.Details, r.Recommended, r.Source.ID, r.Source.Name, r.Source.UPN, r.Target.ID,
			r.Target.Name, r.Target.UPN, modified, steps} {
			texts[k][i] = v
		}
	}
	tx.Queue(`insert into provisioning_log (tenant_id, cycle_id, job_id, identity_type, service_principal_id, service_principal, initiator_id, initiator, initiator_type,
			id, change_id, at, duration_ms, action, status, error_category, error_code, reason, details, recommended,
			source_id, source_name, source_upn, target_id, target_name, target_upn, modified, steps)
		select $1, $2, $3, $4, $5, $6, $7, $8, $9, x.* from unnest($10::uuid[], $11::uuid[], $12::timestamptz[], $13::int[], $14::smallint[], $15::smallint[],
			$16::smallint[], $17::text[], $18::text[], $19::text[], $20::text[], $21::text[], $22::text[], $23::text[], $24::text[], $25::text[],
			$26::text[], $27::text[], $28::text[]) as x`,
		tx.Tenant, h.CycleID, h.JobID, h.Type, h.App.ID, h.App.Name, h.Initiator.ID, h.Initiator.Name, h.Kind,
		ids, changes, at, durations, actions, statuses, categories,
		texts[0], texts[1], texts[2], texts[3], texts[4], texts[5], texts[6], texts[7], texts[8], texts[9], texts[10], texts[11])
	return nil
}

// PurgeLog removes at most limit records older than a moment.
func (tx *Tx) PurgeLog(before time.Time, limit int) (int64, error) {
	tag, err := tx.Pgx().Exec(tx.Context(), `delete from provisioning_log where tenant_id = $1 and id in
		(select id from provisioning_log where tenant_id = $1 and at < $2 order by at limit $3)`, tx.Tenant, before, limit)
	return tag.RowsAffected(), err
}
