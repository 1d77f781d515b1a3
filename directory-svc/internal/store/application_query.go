package store

import (
	"context"
	"time"

	"entente.dev/directory-svc/internal/application"
	"entente.dev/directory-svc/internal/object"
	"entente.dev/servicekit/odata"
	"entente.dev/servicekit/tenant"
	"github.com/google/uuid"
)

// ApplicationColumns says where the properties of applications are stored.
var ApplicationColumns = odata.Columns{
	"id":              {SQL: "applications.id", Type: odata.TypeUUID, NotNull: true},
	"appId":           {SQL: "applications.app_id", Type: odata.TypeUUID, NotNull: true},
	"displayName":     {SQL: "applications.display_name", Key: "applications.display_name_key", NotNull: true, Words: wordsOf("applications.display_name")},
	"uniqueName":      {SQL: "applications.unique_name", Key: "applications.unique_name_key"},
	"createdDateTime": {SQL: "applications.created_at", NotNull: true},
	"identifierUris":  {SQL: "applications.identifier_uris", Items: folded("applications.identifier_uris")},
}

// ServicePrincipalColumns says where the properties of service principals are
// stored.
var ServicePrincipalColumns = odata.Columns{
	"id":                    {SQL: "service_principals.id", Type: odata.TypeUUID, NotNull: true},
	"appId":                 {SQL: "service_principals.app_id", Type: odata.TypeUUID, NotNull: true},
	"displayName":           {SQL: "service_principals.display_name", Key: "service_principals.display_name_key", NotNull: true, Words: wordsOf("service_principals.display_name")},
	"servicePrincipalType":  {SQL: "service_principals.service_principal_type", Key: "service_principals.service_principal_type_key", NotNull: true},
	"servicePrincipalNames": {SQL: "service_principals.service_principal_names", Items: folded("service_principals.service_principal_names")},
	"tags":                  {SQL: "service_principals.tags", Items: folded("service_principals.tags")},
}

// AssignmentColumns says where the properties of app role assignments are
// stored.
var AssignmentColumns = odata.Columns{
	"id":          {SQL: "app_role_assignments.id", Type: odata.TypeUUID, NotNull: true},
	"appRoleId":   {SQL: "app_role_assignments.app_role_id", Type: odata.TypeUUID, NotNull: true},
	"principalId": {SQL: "app_role_assignments.principal_id", Type: odata.TypeUUID, NotNull: true},
	"resourceId":  {SQL: "app_role_assignments.resource_id", Type: odata.TypeUUID, NotNull: true},
}

func stateCondition(table string, deletedAfter *time.Time) (string, []any) {
	if deletedAfter != nil {
		return table + ".tenant_id = ? and " + table + ".deleted_at > ?", []any{*deletedAfter}
	}
	return table + ".tenant_id = ? and " + table + ".deleted_at is null", nil
}

// ListApplications reads a page of applications, live ones or those deleted
// after a time.
func (s *Store) ListApplications(ctx context.Context, t tenant.ID, l Listing, deletedAfter *time.Time) (Page[*application.Application], error) {
	where, args := stateCondition("applications", deletedAfter)
	found, err := listIDs(ctx, s, t, "applications", where, args, l)
	out := Page[*application.Application]{Last: found.Last, Count: found.Count}
	if err != nil {
		return out, err
	}
	return out, s.Read(ctx, t, func(tx *Tx) error {
		out.Items, err = tx.Applications(found.Items)
		return err
	})
}

// Applications reads applications by id, in the order of the ids.
func (tx *Tx) Applications(list []uuid.UUID) ([]*application.Application, error) {
	rows, err := byID(tx, list, func(r *applicationRow) uuid.UUID { return r.ID })
	out := make([]*application.Application, len(rows))
	for i, r := range rows {
		out[i] = applicationFromRow(r)
	}
	return out, err
}

// ListServicePrincipals reads a page of service principals, live ones or
// those deleted after a time.
func (s *Store) ListServicePrincipals(ctx context.Context, t tenant.ID, l Listing, deletedAfter *time.Time) (Page[*application.ServicePrincipal], error) {
	where, args := stateCondition("service_principals", deletedAfter)
	found, err := listIDs(ctx, s, t, "service_principals", where, args, l)
	out := Page[*application.ServicePrincipal]{Last: found.Last, Count: found.Count}
	if err != nil {
		return out, err
	}
	return out, s.Read(ctx, t, func(tx *Tx) error {
		out.Items, err = tx.ServicePrincipals(found.Items)
		return err
	})
}

// ServicePrincipals reads service principals by id, in the order of the ids.
func (tx *Tx) ServicePrincipals(list []uuid.UUID) ([]*application.ServicePrincipal, error) {
	rows, err := byID(tx, list, func(r *servicePrincipalRow) uuid.UUID { return r.ID })
	out := make([]*application.ServicePrincipal, len(rows))
	for i, r := range rows {
		out[i] = servicePrincipalFromRow(r)
	}
	return out, err
}

// CountApplications counts the live applications that match.
func (s *Store) CountApplications(ctx context.Context, t tenant.ID, conditions []odata.SQL) (int32, error) {
	return count(ctx, s, t, "applications", "applications.tenant_id = ? and applications.deleted_at is null", nil, conditions)
}

// CountServicePrincipals counts the live service principals that match.
func (s *Store) CountServicePrincipals(ctx context.Context, t tenant.ID, conditions []odata.SQL) (int32, error) {
	return count(ctx, s, t, "service_principals", "service_principals.tenant_id = ? and service_principals.deleted_at is null", nil, conditions)
}

// ListAssignments reads a page of app role assignments of a principal or to a
// resource; the other id is nil.
func (s *Store) ListAssignments(ctx context.Context, t tenant.ID, principal, resource uuid.UUID, l Listing) (Page[Assignment], error) {
	where, id := "app_role_assignments.principal_id = ?", principal
	if principal == uuid.Nil {
		where, id = "app_role_assignments.resource_id = ?", resource
	}
	return page(ctx, s, t, source[Assignment]{columns: "id, principal_id, principal_type, resource_id, app_role_id, created_at", from: "app_role_assignments",
		where: "app_role_assignments.tenant_id = ? and not app_role_assignments.dormant and " + where, args: []any{[16]byte(id)},
		scan: func(row scanner, key **string) (Assignment, uuid.UUID, error) {
			var a Assignment
			err := row.Scan((*[16]byte)(&a.ID), (*[16]byte)(&a.PrincipalID), (*int16)(&a.PrincipalType), (*[16]byte)(&a.ResourceID), (*[16]byte)(&a.AppRoleID), &a.CreatedAt, key)
			return a, a.ID, err
		}}, l)
}

// Name is the display name of an object of any type.
type Name struct {
	Type object.Type
	Text string
}

// Names reads the display names of objects, soft-deleted ones too.
func (tx *Tx) Names(list []uuid.UUID) (map[uuid.UUID]Name, error) {
	rows, err := tx.Pgx().Query(tx.Context(), `
		select id, 1::smallint, display_name from users where tenant_id = $1 and id = any($2)
		union all select id, 2::smallint, display_name from groups where tenant_id = $1 and id = any($2)
		union all select id, 3::smallint, display_name from service_principals where tenant_id = $1 and id = any($2)
		union all select id, 4::smallint, display_name from applications where tenant_id = $1 and id = any($2)
		union all select id, 5::smallint, display_name from contacts where tenant_id = $1 and id = any($2)
		union all select id, 7::smallint, display_name from administrative_units where tenant_id = $1 and id = any($2)`, [16]byte(tx.Tenant), ids(list))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := make(map[uuid.UUID]Name, len(list))
	for rows.Next() {
		var id [16]byte
		var n Name
		if err := rows.Scan(&id, (*int16)(&n.Type), &n.Text); err != nil {
			return nil, err
		}
		out[id] = n
	}
	return out, rows.Err()
}

// RolesOn lists the app roles that a user holds on a service principal:
// directly, or as a direct member of an assigned group (DIR-187).
func (tx *Tx) RolesOn(resource, user uuid.UUID) ([]uuid.UUID, error) {
	rows, err := tx.Pgx().Query(tx.Context(), `select a.app_role_id from app_role_assignments a
		where a.tenant_id = $1 and a.resource_id = $2 and not a.dormant and (a.principal_id = $3 or a.principal_id in (
			select m.group_id from group_members m join groups g on g.tenant_id = m.tenant_id and g.id = m.group_id and g.deleted_at is null
			where m.tenant_id = $1 and m.member_id = $3 and not m.dormant))`, [16]byte(tx.Tenant), [16]byte(resource), [16]byte(user))
	if err != nil {
		return nil, err
	}
	return collectIDs(rows)
}

// RolesHeld lists the assignments that a principal itself has on a service
// principal.
func (tx *Tx) RolesHeld(resource, principal uuid.UUID) ([]uuid.UUID, error) {
	rows, err := tx.Pgx().Query(tx.Context(), "select id from app_role_assignments where tenant_id = $1 and resource_id = $2 and principal_id = $3 and not dormant order by id",
		[16]byte(tx.Tenant), [16]byte(resource), [16]byte(principal))
	if err != nil {
		return nil, err
	}
	return collectIDs(rows)
}
