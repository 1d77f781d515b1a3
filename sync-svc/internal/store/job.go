package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"entente.dev/servicekit/tenant"
	"github.com/google/uuid"
	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"entente.dev/sync-svc/internal/job"
	"entente.dev/sync-svc/internal/mapping"
)

// jobRow is one row of jobs.
type jobRow struct {
	TenantID           tenant.ID `gorm:"primaryKey"`
	ID                 string    `gorm:"primaryKey"`
	Key                uuid.UUID
	ServicePrincipalID uuid.UUID
	ApplicationID      uuid.UUID
	AppID              string
	DisplayName        string
	TargetTenant       tenant.ID
	State              job.State
	Code               job.Code
	IntervalSeconds    int
	Settings           string
	SchemaVersion      int
	Generation         int64
	Watermark          string
	Cycle              *string
	DueAt              time.Time
	LastExecution      *string
	LastSuccess        *string
	LastExports        *string
	Quarantine         *string
	SteadyFirst        *time.Time
	SteadyLast         *time.Time
	EscrowsPruned      bool
	CompleteFailures   int64
	Synchronized       int64
	ForceDeletes       bool
	CreatedAt          time.Time
	DeletedAt          *time.Time
}

// TableName names the table for GORM.
func (jobRow) TableName() string { return "jobs" }

func rowFromJob(j job.Job) (jobRow, error) {
	r := jobRow{TenantID: j.Tenant, ID: j.ID, Key: j.Key, ServicePrincipalID: j.ServicePrincipal, ApplicationID: j.Application, AppID: j.AppID,
		DisplayName: j.DisplayName, TargetTenant: j.Target, State: j.State, Code: j.Code, IntervalSeconds: int(j.Interval / time.Second),
		SchemaVersion: j.SchemaVersion, Generation: j.Generation, Watermark: j.Watermark, DueAt: j.DueAt, SteadyFirst: optionalTime(j.SteadyFirst),
		SteadyLast: optionalTime(j.SteadyLast), EscrowsPruned: j.EscrowsPruned, CompleteFailures: j.CompleteFailures, Synchronized: j.Synchronized,
		ForceDeletes: j.ForceDeletes}
	if j.Settings == nil {
		j.Settings = map[string]string{}
	}
	var errs [6]error
	r.Settings, errs[0] = toJSON(j.Settings)
	r.Cycle, errs[1] = optionalJSON(j.Cycle)
	r.LastExecution, errs[2] = optionalJSON(j.Last)
	r.LastSuccess, errs[3] = optionalJSON(j.LastSuccess)
	r.LastExports, errs[4] = optionalJSON(j.LastExports)
	r.Quarantine, errs[5] = optionalJSON(j.Quarantine)
	return r, errors.Join(errs[:]...)
}

func jobFromRow(r jobRow) (job.Job, error) {
	j := job.Job{Tenant: r.TenantID, ID: r.ID, Key: r.Key, ServicePrincipal: r.ServicePrincipalID, Application: r.ApplicationID, AppID: r.AppID,
		DisplayName: r.DisplayName, Target: r.TargetTenant, State: r.State, Code: r.Code, Interval: time.Duration(r.IntervalSeconds) * time.Second,
		SchemaVersion: r.SchemaVersion, Generation: r.Generation, Watermark: r.Watermark, DueAt: r.DueAt, SteadyFirst: fromTime(r.SteadyFirst),
		SteadyLast: fromTime(r.SteadyLast), EscrowsPruned: r.EscrowsPruned, CompleteFailures: r.CompleteFailures, Synchronized: r.Synchronized,
		ForceDeletes: r.ForceDeletes}
	var errs [6]error
	errs[0] = json.Unmarshal([]byte(r.Settings), &j.Settings)
	j.Cycle, errs[1] = fromJSON[job.Cycle](r.Cycle)
	j.Last, errs[2] = fromJSON[job.Execution](r.LastExecution)
	j.LastSuccess, errs[3] = fromJSON[job.Execution](r.LastSuccess)
	j.LastExports, errs[4] = fromJSON[job.Execution](r.LastExports)
	j.Quarantine, errs[5] = fromJSON[job.Quarantine](r.Quarantine)
	return j, errors.Join(errs[:]...)
}

func optionalTime(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func fromTime(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return *t
}

// CreateJob stores a new job with its schema.
func (tx *Tx) CreateJob(j job.Job, s mapping.Schema, now time.Time) error {
	r, err := rowFromJob(j)
	if err != nil {
		return err
	}
	r.CreatedAt = now
	if err := tx.Gorm().Create(&r).Error; err != nil {
		return err
	}
	if err := tx.SaveSchema(j.Key, s); err != nil {
		return err
	}
	tx.Queue(`insert into job_leases (tenant_id, job_key, job_id, source, active, due_at) values ($1, $2, $3, $1, $4, $5)`,
		j.Tenant, j.Key, j.ID, j.Runnable(), j.DueAt)
	return nil
}

// Job finds a live job of a configuration.
func (tx *Tx) Job(servicePrincipal uuid.UUID, id string) (job.Job, error) {
	return tx.job(tx.Gorm().Where("service_principal_id = ?", servicePrincipal), id)
}

// LockJob is Job with the row locked until the transaction ends.
func (tx *Tx) LockJob(servicePrincipal uuid.UUID, id string) (job.Job, error) {
	return tx.job(tx.Gorm().Where("service_principal_id = ?", servicePrincipal).Clauses(clause.Locking{Strength: "UPDATE"}), id)
}

// LockJobID locks a live job, whatever its configuration.
func (tx *Tx) LockJobID(id string) (job.Job, error) {
	return tx.job(tx.Gorm().Clauses(clause.Locking{Strength: "UPDATE"}), id)
}

// JobID finds a live job, whatever its configuration.
func (tx *Tx) JobID(id string) (job.Job, error) { return tx.job(tx.Gorm(), id) }

func (tx *Tx) job(q *gorm.DB, id string) (job.Job, error) {
	var r jobRow
	if err := q.Where("tenant_id = ? and id = ? and deleted_at is null", tx.Tenant, id).Take(&r).Error; err != nil {
		return job.Job{}, translate(err)
	}
	return jobFromRow(r)
}

// Jobs lists the live jobs of a configuration.
func (tx *Tx) Jobs(servicePrincipal uuid.UUID) ([]job.Job, error) {
	return tx.jobs(tx.Gorm().Where("service_principal_id = ?", servicePrincipal))
}

func (tx *Tx) jobs(q *gorm.DB) ([]job.Job, error) {
	var rows []jobRow
	err := q.Where("tenant_id = ? and deleted_at is null", tx.Tenant).Order("id").Find(&rows).Error
	if err != nil {
		return nil, err
	}
	list := make([]job.Job, len(rows))
	for i, r := range rows {
		if list[i], err = jobFromRow(r); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// LockJobsToward locks the live jobs whose target is a tenant.
func (tx *Tx) LockJobsToward(target tenant.ID) ([]job.Job, error) {
	return tx.jobs(tx.Gorm().Where("target_tenant = ?", target).Clauses(clause.Locking{Strength: "UPDATE"}))
}

// SaveJob writes everything that may change of a job, and tells the runners
// what they need to know of it.
func (tx *Tx) SaveJob(j job.Job) error {
	r, err := rowFromJob(j)
	if err != nil {
		return err
	}
	err = tx.Gorm().Model(&r).Select("TargetTenant", "DisplayName", "State", "Code", "IntervalSeconds", "Settings", "SchemaVersion", "Generation", "Watermark", "Cycle",
		"DueAt", "LastExecution", "LastSuccess", "LastExports", "Quarantine", "SteadyFirst", "SteadyLast", "EscrowsPruned", "CompleteFailures",
		"Synchronized", "ForceDeletes").Updates(&r).Error
	if err != nil {
		return translate(err)
	}
	tx.Queue(`update job_leases set active = $3, due_at = $4 where tenant_id = $1 and job_key = $2`, j.Tenant, j.Key, j.Runnable(), j.DueAt)
	tx.AfterCommit(tx.store.Wake)
	return nil
}

// DeleteJob hides a job and takes it from its holder; its links stay as
// tombstones (SYN-18), and its lease until nothing is left of it.
func (tx *Tx) DeleteJob(j job.Job, now time.Time) error {
	err := tx.Gorm().Model(&jobRow{TenantID: j.Tenant, ID: j.ID}).Select("DeletedAt", "Generation").Updates(&jobRow{DeletedAt: &now, Generation: j.Generation + 1}).Error
	if err != nil {
		return err
	}
	tx.Queue(`update job_leases set active = false, owner = null, expires_at = null, fence = fence + 1 where tenant_id = $1 and job_key = $2`, j.Tenant, j.Key)
	tx.Queue(`delete from batches where tenant_id = $1 and job_key = $2`, j.Tenant, j.Key)
	tx.AfterCommit(tx.store.Wake)
	return nil
}

// Schema loads the schema of a job.
func (tx *Tx) Schema(key uuid.UUID) (mapping.Schema, error) {
	var body []byte
	var s mapping.Schema
	err := tx.Pgx().QueryRow(tx.Context(), `select body from job_schemas where tenant_id = $1 and job_key = $2`, tx.Tenant, key).Scan(&body)
	if err != nil {
		return s, fmt.Errorf("load schema: %w", err)
	}
	return s, json.Unmarshal(body, &s)
}

// SaveSchema stores the schema of a job.
func (tx *Tx) SaveSchema(key uuid.UUID, s mapping.Schema) error {
	body, err := toJSON(s)
	if err != nil {
		return err
	}
	tx.Queue(`insert into job_schemas (tenant_id, job_key, version, body) values ($1, $2, $3, $4)
		on conflict (tenant_id, job_key) do update set version = excluded.version, body = excluded.body`, tx.Tenant, key, s.Version, body)
	return nil
}

// Reset drops the rows that the flags name (SYN-152).
func (tx *Tx) Reset(key uuid.UUID, r job.Reset) {
	if r&job.ResetLinks != 0 {
		tx.DropLinks(key)
	}
	if r&job.ResetEscrows != 0 {
		tx.DropAllEscrows(key)
	}
	if r&job.ResetQuarantine != 0 && r&job.ResetForceDeletes == 0 {
		tx.DropStaged(key)
	}
}
