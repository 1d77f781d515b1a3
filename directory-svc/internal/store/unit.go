package store

import (
	"context"
	"time"

	"entente.dev/directory-svc/internal/property"
	"entente.dev/directory-svc/internal/unit"
	"entente.dev/servicekit/odata"
	"entente.dev/servicekit/tenant"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

type unitRow struct {
	TenantID                      uuid.UUID `gorm:"primaryKey"`
	ID                            uuid.UUID `gorm:"primaryKey"`
	DisplayName                   string
	DisplayNameWords              textArray
	Description                   *string
	DescriptionWords              textArray
	Visibility                    *string
	Dynamic                       bool
	MembershipRule                *string
	MembershipRuleProcessingState *string
	Restricted                    bool
	CreatedAt                     time.Time `gorm:"autoCreateTime:false"`
	DeletedAt                     *time.Time
	Version                       int64 `gorm:"default:1"`
}

func (unitRow) TableName() string { return "administrative_units" }

func (tx *Tx) unitRow(u *unit.Unit) unitRow {
	r := unitRow{TenantID: tx.Tenant.UUID(), ID: u.ID, DisplayName: u.DisplayName, DisplayNameWords: odata.SearchTokens(u.DisplayName), Description: u.Description,
		Visibility: u.Visibility, Dynamic: u.Dynamic, MembershipRule: u.Rule, MembershipRuleProcessingState: u.RuleState, Restricted: u.Restricted,
		CreatedAt: u.Created, DeletedAt: u.Deleted, Version: 1}
	if u.Description != nil {
		r.DescriptionWords = odata.SearchTokens(*u.Description)
	}
	return r
}

func unitFromRow(r *unitRow) *unit.Unit {
	return &unit.Unit{ID: r.ID, DisplayName: r.DisplayName, Description: r.Description, Visibility: r.Visibility, Dynamic: r.Dynamic, Rule: r.MembershipRule,
		RuleState: r.MembershipRuleProcessingState, Restricted: r.Restricted, Created: r.CreatedAt, Deleted: r.DeletedAt}
}

// InsertUnit queues a new unit.
func (tx *Tx) InsertUnit(u *unit.Unit) error {
	tx.made++
	row := tx.unitRow(u)
	return tx.QueueCreate(&row)
}

// Unit finds one unit, locked for a change where asked.
func (tx *Tx) Unit(id uuid.UUID, st State, lock bool) (*unit.Unit, error) {
	var row unitRow
	if err := locked(st.where(tx.own()).Where("id = ?", id), lock).Take(&row).Error; err != nil {
		if missing(err) {
			return nil, property.NotFound(id.String())
		}
		return nil, err
	}
	return unitFromRow(&row), nil
}

// SaveUnit writes what may change of a unit. Roles over a deleted unit sleep
// with it.
func (tx *Tx) SaveUnit(u *unit.Unit) error {
	row := tx.unitRow(u)
	err := tx.own().Model(&unitRow{}).Where("id = ?", u.ID).Select("*").Omit("tenant_id", "id", "created_at", "version").Updates(&row).Error
	if err != nil {
		return err
	}
	tx.Queue("update administrative_units set version = version + 1 where tenant_id = $1 and id = $2", [16]byte(tx.Tenant), [16]byte(u.ID))
	tx.Queue("update role_assignments set dormant = $3 where tenant_id = $1 and scope = $2", [16]byte(tx.Tenant), unit.Scope(u.ID), u.Deleted != nil)
	return nil
}

// IsRestrictedUnit reports whether a live unit restricts who manages its
// members.
func (tx *Tx) IsRestrictedUnit(id uuid.UUID) (bool, error) {
	var found bool
	err := tx.Pgx().QueryRow(tx.Context(), "select exists (select from administrative_units where tenant_id = $1 and id = $2 and restricted and deleted_at is null)",
		[16]byte(tx.Tenant), [16]byte(id)).Scan(&found)
	return found, err
}

// PurgeUnit ends a unit with its memberships, the roles over it and its
// extension values.
func (tx *Tx) PurgeUnit(id uuid.UUID) {
	tx.Queue("delete from role_assignments where tenant_id = $1 and scope = $2", [16]byte(tx.Tenant), unit.Scope(id))
	tx.Queue("delete from extension_values where tenant_id = $1 and object_id = $2", [16]byte(tx.Tenant), [16]byte(id))
	tx.Queue("delete from administrative_units where tenant_id = $1 and id = $2", [16]byte(tx.Tenant), [16]byte(id))
}

// UnitColumns says where the properties of units are stored, for queries.
var UnitColumns = odata.Columns{
	"id": {SQL: "administrative_units.id", Type: odata.TypeUUID, NotNull: true},
	"displayName": {SQL: "administrative_units.display_name", Key: "administrative_units.display_name_key", NotNull: true,
		Words: wordsOf("administrative_units.display_name")},
	"description": {SQL: "administrative_units.description", Words: wordsOf("administrative_units.description")},
}

const liveUnits = "administrative_units.tenant_id = ? and administrative_units.deleted_at is null"

// ListUnits reads a page of units, live ones or those deleted after a time.
func (s *Store) ListUnits(ctx context.Context, t tenant.ID, l Listing, deletedAfter *time.Time) (Page[*unit.Unit], error) {
	where, args := liveUnits, []any(nil)
	if deletedAfter != nil {
		where, args = "administrative_units.tenant_id = ? and administrative_units.deleted_at > ?", []any{*deletedAfter}
	}
	found, err := listIDs(ctx, s, t, "administrative_units", where, args, l)
	out := Page[*unit.Unit]{Last: found.Last, Count: found.Count}
	if err != nil {
		return out, err
	}
	return out, s.Read(ctx, t, func(tx *Tx) error {
		out.Items, err = tx.Units(found.Items)
		return err
	})
}

// Units reads units by id, in the order of the ids.
func (tx *Tx) Units(list []uuid.UUID) ([]*unit.Unit, error) {
	rows, err := byID(tx, list, func(r *unitRow) uuid.UUID { return r.ID })
	out := make([]*unit.Unit, len(rows))
	for i, r := range rows {
		out[i] = unitFromRow(r)
	}
	return out, err
}

// CountUnits counts the live units that match.
func (s *Store) CountUnits(ctx context.Context, t tenant.ID, conditions []odata.SQL) (int32, error) {
	return count(ctx, s, t, "administrative_units", liveUnits, nil, conditions)
}

// UnitMembers are the users and groups of a unit.
var UnitMembers = Relation{"unit_members", "unit_id", "member_id", "link.member_type", awake}

// AddUnitMember queues a membership.
func (tx *Tx) AddUnitMember(id uuid.UUID, m Link, at time.Time) {
	tx.Queue("insert into unit_members (tenant_id, unit_id, member_id, member_type, added_at) values ($1, $2, $3, $4, $5)",
		[16]byte(tx.Tenant), [16]byte(id), [16]byte(m.ID), int16(m.Type), at)
}

// UnitsHolding lists the live units that hold an object, with what access
// needs to know of them.
func (tx *Tx) UnitsHolding(id uuid.UUID) ([]*unit.Unit, error) {
	rows, err := tx.Pgx().Query(tx.Context(), `select u.id, u.restricted from unit_members m
		join administrative_units u on u.tenant_id = m.tenant_id and u.id = m.unit_id and u.deleted_at is null
		where m.tenant_id = $1 and m.member_id = $2`, [16]byte(tx.Tenant), [16]byte(id))
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (*unit.Unit, error) {
		u := &unit.Unit{}
		return u, row.Scan((*[16]byte)(&u.ID), &u.Restricted)
	})
}
