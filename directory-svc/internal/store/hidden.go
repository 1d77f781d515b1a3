package store

import (
	"strings"

	"entente.dev/directory-svc/internal/object"
	"entente.dev/servicekit/odata"
	"github.com/google/uuid"
)

// Viewer is somebody from whom groups and units may hide their members
// (DIR-136, DIR-157); nil sees them all. A group hides them from those who
// neither belong to it nor own it, a unit from those without a role over it.
type Viewer struct {
	ID uuid.UUID
	// Units are those over which the viewer holds a role.
	Units []uuid.UUID
}

// id is the viewer as an argument, null for one who sees everything.
func (v *Viewer) id() any {
	if v == nil {
		return nil
	}
	return [16]byte(v.ID)
}

// hidesGroup is the condition that a group hides its members from a viewer;
// all three are expressions.
func hidesGroup(tenant, group, viewer string) string {
	return strings.NewReplacer(":tenant", tenant, ":group", group, ":viewer", viewer).Replace(`exists (select from groups shy
		where shy.tenant_id = :tenant and shy.id = :group and shy.visibility = 'HiddenMembership'
		and not exists (select from group_members own where own.tenant_id = :tenant and own.group_id = :group and own.member_id = :viewer)
		and not exists (select from object_owners own where own.tenant_id = :tenant and own.object_id = :group and own.owner_id = :viewer))`)
}

const hidesUnit = `exists (select from administrative_units shy where shy.tenant_id = link.tenant_id and shy.id = link.holder_id and shy.visibility = 'HiddenMembership')`

// Holders is the condition on a list of MemberOf that the viewer may know of
// the link.
func (v *Viewer) Holders() odata.SQL {
	if v == nil {
		return odata.SQL{}
	}
	return odata.SQL{Text: "not (link.type = 2 and " + hidesGroup("link.tenant_id", "link.holder_id", "?") + ") and not (link.type = 7 and link.holder_id <> all(?) and " + hidesUnit + ")",
		Args: []any{[16]byte(v.ID), [16]byte(v.ID), ids(v.Units)}}
}

var (
	hidingGroups = "select shown.id from unnest($2::uuid[]) shown (id) where " + hidesGroup("$1", "shown.id", "$3")
	hidingUnits  = `select id from administrative_units where tenant_id = $1 and id = any($2) and visibility = 'HiddenMembership' and id <> all($3::uuid[])`
)

// Hiding lists those of the groups or units that hide their members from the
// viewer.
func (tx *Tx) Hiding(v *Viewer, t object.Type, list []uuid.UUID) ([]uuid.UUID, error) {
	if v == nil || len(list) == 0 {
		return nil, nil
	}
	query, viewer := hidingGroups, any([16]byte(v.ID))
	switch t {
	case object.Group:
	case object.Unit:
		query, viewer = hidingUnits, ids(v.Units)
	default:
		return nil, nil
	}
	rows, err := tx.Pgx().Query(tx.Context(), query, [16]byte(tx.Tenant), ids(list), viewer)
	if err != nil {
		return nil, err
	}
	return collectIDs(rows)
}
