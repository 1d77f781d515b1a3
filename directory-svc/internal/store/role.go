package store

import (
	"time"

	"entente.dev/directory-svc/internal/object"
	"entente.dev/directory-svc/internal/property"
	"entente.dev/directory-svc/internal/role"
	"github.com/google/uuid"
)

// RoleAssignment is a directory role given to a principal.
type RoleAssignment struct {
	ID            uuid.UUID
	PrincipalID   uuid.UUID
	PrincipalType object.Type
	RoleID        uuid.UUID // template
	Scope         string
	Created       time.Time
}

type roleAssignmentRow struct {
	TenantID      uuid.UUID
	ID            uuid.UUID
	PrincipalID   uuid.UUID
	PrincipalType int16
	RoleID        uuid.UUID
	Scope         string
	CreatedAt     time.Time `gorm:"autoCreateTime:false"`
}

func (roleAssignmentRow) TableName() string { return "role_assignments" }

type directoryRoleRow struct {
	TenantID   uuid.UUID
	ID         uuid.UUID
	TemplateID uuid.UUID
}

func (directoryRoleRow) TableName() string { return "directory_roles" }

func roleAssignmentFromRow(r roleAssignmentRow) RoleAssignment {
	return RoleAssignment{r.ID, r.PrincipalID, object.Type(r.PrincipalType), r.RoleID, r.Scope, r.CreatedAt}
}

// InsertRoleAssignment queues an assignment and activates the role, under id,
// where it is not active yet (DIR-170).
func (tx *Tx) InsertRoleAssignment(a RoleAssignment, activated uuid.UUID) error {
	tx.Queue("insert into directory_roles (tenant_id, id, template_id) values ($1, $2, $3) on conflict (tenant_id, template_id) do nothing",
		[16]byte(tx.Tenant), [16]byte(activated), [16]byte(a.RoleID))
	row := roleAssignmentRow{tx.Tenant.UUID(), a.ID, a.PrincipalID, int16(a.PrincipalType), a.RoleID, a.Scope, a.Created}
	return tx.QueueCreate(&row)
}

// RoleAssignments lists assignments; nil values do not restrict.
func (tx *Tx) RoleAssignments(condition string, args ...any) ([]RoleAssignment, error) {
	var rows []roleAssignmentRow
	q := tx.own().Where("not dormant").Order("id")
	if condition != "" {
		q = q.Where(condition, args...)
	}
	if err := q.Find(&rows).Error; err != nil {
		return nil, err
	}
	out := make([]RoleAssignment, len(rows))
	for i, r := range rows {
		out[i] = roleAssignmentFromRow(r)
	}
	return out, nil
}

// RoleAssignment finds one assignment.
func (tx *Tx) RoleAssignment(id uuid.UUID) (*RoleAssignment, error) {
	list, err := tx.RoleAssignments("id = ?", id)
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, property.NotFound(id.String())
	}
	return &list[0], nil
}

// DeleteRoleAssignment queues the end of an assignment.
func (tx *Tx) DeleteRoleAssignment(id uuid.UUID) {
	tx.Queue("delete from role_assignments where tenant_id = $1 and id = $2", [16]byte(tx.Tenant), [16]byte(id))
}

// ActiveRole is a role that is activated in the tenant, under an id of its
// own.
type ActiveRole struct {
	ID       uuid.UUID
	Template role.Template
}

// ActiveRoles lists the activated roles.
func (tx *Tx) ActiveRoles() ([]ActiveRole, error) {
	var rows []directoryRoleRow
	if err := tx.own().Order("id").Find(&rows).Error; err != nil {
		return nil, err
	}
	var out []ActiveRole
	for _, r := range rows {
		if t, ok := role.ByID(r.TemplateID); ok {
			out = append(out, ActiveRole{r.ID, t})
		}
	}
	return out, nil
}

// ActivateRole queues the activation of a role.
func (tx *Tx) ActivateRole(id, template uuid.UUID) {
	tx.Queue("insert into directory_roles (tenant_id, id, template_id) values ($1, $2, $3)", [16]byte(tx.Tenant), [16]byte(id), [16]byte(template))
}

// RoleHolders are the principals that hold a role, named by its template, over
// the tenant.
var RoleHolders = Relation{"role_assignments", "role_id", "principal_id", "link.principal_type", awake + " and link.scope = '/'"}
