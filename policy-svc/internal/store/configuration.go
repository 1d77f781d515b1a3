package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"entente.dev/policy-svc/internal/crosstenant"
	"entente.dev/servicekit/tenant"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"
)

// Retention is how long a removed partner is kept (POL-32).
const Retention = 30 * 24 * time.Hour

// Default is the stored default and the version that last changed it; the zero
// value when nothing is stored.
func (tx *Tx) Default() (crosstenant.Default, int64, error) {
	var d crosstenant.Default
	var settings, redemption []byte
	var revision int64
	err := tx.Pgx().QueryRow(tx.Context(), `select settings, redemption, revision from defaults where tenant_id = $1`,
		tx.Tenant.UUID()).Scan(&settings, &redemption, &revision)
	if errors.Is(err, pgx.ErrNoRows) {
		return d, 0, nil
	}
	if err != nil {
		return d, 0, fmt.Errorf("read default: %w", err)
	}
	return d, revision, defaultFromRow(&d, settings, redemption)
}

func defaultFromRow(d *crosstenant.Default, settings, redemption []byte) error {
	d.Customized = true
	if err := decode(settings, &d.Settings); err != nil {
		return err
	}
	return decode(redemption, &d.Redemption)
}

// SaveDefault writes the override row.
func (tx *Tx) SaveDefault(d crosstenant.Default, version int64) error {
	settings, err := json.Marshal(d.Settings)
	if err != nil {
		return err
	}
	var redemption []byte
	if d.Redemption != nil {
		if redemption, err = json.Marshal(d.Redemption); err != nil {
			return err
		}
	}
	tx.Queue(`insert into defaults (tenant_id, settings, redemption, revision) values ($1, $2, $3, $4)
		on conflict (tenant_id) do update set settings = excluded.settings, redemption = excluded.redemption, revision = excluded.revision`,
		tx.Tenant.UUID(), settings, redemption, version)
	return nil
}

// DeleteDefault removes the override row.
func (tx *Tx) DeleteDefault() {
	tx.Queue(`delete from defaults where tenant_id = $1`, tx.Tenant.UUID())
}

// partnerRow is a row of partners.
type partnerRow struct {
	TenantID          uuid.UUID
	ID                uuid.UUID
	PartnerTenantID   uuid.UUID
	Settings          []byte
	IsServiceProvider *bool
	IsInOrganization  *bool
	HasSync           bool
	SyncDisplayName   *string
	SyncUsers         *bool
	SyncGroups        *bool
	Revision          int64
	SyncRevision      int64
	CreatedAt         time.Time
	DeletedAt         *time.Time
}

// TableName is GORM's name of the table.
func (partnerRow) TableName() string { return "partners" }

// Partner is a stored partner with its place in the table.
type Partner struct {
	crosstenant.Partner
	ID uuid.UUID
	// Revision and SyncRevision are the versions that last changed the
	// partner and its synchronization policy.
	Revision, SyncRevision int64
	CreatedAt              time.Time
}

func (r partnerRow) partner() (Partner, error) {
	p := Partner{ID: r.ID, Revision: r.Revision, SyncRevision: r.SyncRevision, CreatedAt: r.CreatedAt}
	p.TenantID = tenant.ID(r.PartnerTenantID)
	p.ServiceProvider, p.InOrganization = r.IsServiceProvider, r.IsInOrganization
	if r.HasSync {
		p.Sync = &crosstenant.SyncPolicy{DisplayName: r.SyncDisplayName, UserSync: r.SyncUsers, GroupSync: r.SyncGroups}
	}
	return p, decode(r.Settings, &p.Settings)
}

func (p Partner) row(owner tenant.ID) (partnerRow, error) {
	settings, err := json.Marshal(p.Settings)
	r := partnerRow{
		TenantID: owner.UUID(), ID: p.ID, PartnerTenantID: p.TenantID.UUID(), Settings: settings,
		IsServiceProvider: p.ServiceProvider, IsInOrganization: p.InOrganization,
		Revision: p.Revision, SyncRevision: p.SyncRevision, CreatedAt: p.CreatedAt,
	}
	if p.Sync != nil {
		r.HasSync, r.SyncDisplayName, r.SyncUsers, r.SyncGroups = true, p.Sync.DisplayName, p.Sync.UserSync, p.Sync.GroupSync
	}
	return r, err
}

// Partner finds the live row toward another tenant, nil when there is none.
func (tx *Tx) Partner(other tenant.ID) (*Partner, error) {
	return onePartner(tx.Gorm().Where("tenant_id = ? and partner_tenant_id = ? and deleted_at is null", tx.Tenant.UUID(), other.UUID()))
}

// RemovedPartner reads the row toward another tenant that was removed last, in
// the time over which it can be restored; nil when there is none.
func (tx *Tx) RemovedPartner(other tenant.ID, now time.Time) (*Partner, error) {
	return onePartner(tx.Gorm().Where("tenant_id = ? and partner_tenant_id = ? and deleted_at >= ?", tx.Tenant.UUID(), other.UUID(), now.Add(-Retention)).
		Order("deleted_at desc, id desc"))
}

func onePartner(q *gorm.DB) (*Partner, error) {
	var r partnerRow
	err := q.Take(&r).Error
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read partner: %w", err)
	}
	p, err := r.partner()
	return &p, err
}

// AddPartner inserts a live row.
func (tx *Tx) AddPartner(p Partner) error {
	r, err := p.row(tx.Tenant)
	if err != nil {
		return err
	}
	return tx.QueueCreate(&r)
}

// SavePartner writes a live row back.
func (tx *Tx) SavePartner(p Partner) error {
	r, err := p.row(tx.Tenant)
	if err != nil {
		return err
	}
	tx.Queue(`update partners set settings = $3, is_service_provider = $4, is_in_organization = $5, has_sync = $6,
			sync_display_name = $7, sync_users = $8, sync_groups = $9, revision = $10, sync_revision = $11
		where tenant_id = $1 and id = $2`,
		r.TenantID, r.ID, r.Settings, r.IsServiceProvider, r.IsInOrganization, r.HasSync,
		r.SyncDisplayName, r.SyncUsers, r.SyncGroups, r.Revision, r.SyncRevision)
	return nil
}

// DeletePartner soft-deletes a row, and drops for good those of the tenant
// whose retention is over.
func (tx *Tx) DeletePartner(p Partner, now time.Time) {
	tx.Queue(`update partners set deleted_at = $3 where tenant_id = $1 and id = $2`, tx.Tenant.UUID(), p.ID, now)
	tx.Queue(`delete from partners where tenant_id = $1 and deleted_at < $2`, tx.Tenant.UUID(), now.Add(-Retention))
}

// RestorePartner makes a removed row live again.
func (tx *Tx) RestorePartner(p Partner, version int64) {
	tx.Queue(`update partners set deleted_at = null, revision = $3, sync_revision = $3 where tenant_id = $1 and id = $2`,
		tx.Tenant.UUID(), p.ID, version)
}

// PartnerList says which live partners to list.
type PartnerList struct {
	// Where is a compiled condition whose arguments are numbered from 1; empty
	// lists all.
	Where string
	Args  []any
	// After is the last tenant of the page before.
	After tenant.ID
	Limit int
}

const partnerColumns = `id, partner_tenant_id, settings, is_service_provider, is_in_organization, has_sync,
	sync_display_name, sync_users, sync_groups, revision, sync_revision, created_at`

// Partners lists live rows ordered by the other tenant's id.
func (tx *Tx) Partners(l PartnerList) ([]Partner, error) {
	text, args := l.from()
	text = "select " + partnerColumns + text
	if !l.After.IsZero() {
		args = append(args, l.After.UUID())
		text += fmt.Sprintf(" and partner_tenant_id > $%d", len(args))
	}
	args = append(args, l.Limit)
	text += fmt.Sprintf(" order by partner_tenant_id limit $%d", len(args))
	rows, err := tx.Pgx().Query(tx.Context(), text, args...)
	if err != nil {
		return nil, fmt.Errorf("list partners: %w", err)
	}
	defer rows.Close()
	var out []Partner
	for rows.Next() {
		var r partnerRow
		if err := rows.Scan(&r.ID, &r.PartnerTenantID, &r.Settings, &r.IsServiceProvider, &r.IsInOrganization, &r.HasSync,
			&r.SyncDisplayName, &r.SyncUsers, &r.SyncGroups, &r.Revision, &r.SyncRevision, &r.CreatedAt); err != nil {
			return nil, fmt.Errorf("list partners: %w", err)
		}
		p, err := r.partner()
		if err != nil {
			return nil, err
		}
		out = append(out, p)
	}
	return out, rows.Err()
}

// CountPartners counts what Partners lists on all pages.
func (tx *Tx) CountPartners(l PartnerList) (int, error) {
	text, args := l.from()
	var n int
	err := tx.Pgx().QueryRow(tx.Context(), "select count(*)"+text, args...).Scan(&n)
	return n, err
}

func (l PartnerList) from() (string, []any) {
	text := " from partners where tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid and deleted_at is null"
	if l.Where != "" {
		text += " and (" + l.Where + ")"
	}
	return text, append([]any(nil), l.Args...)
}
