package store

import (
	"context"
	"errors"
	"time"

	"entente.dev/directory-svc/internal/object"
	"entente.dev/directory-svc/internal/property"
	"entente.dev/directory-svc/internal/role"
	"entente.dev/directory-svc/internal/token"
	"entente.dev/servicekit/tenant"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// HeldRole is a directory role that a principal holds.
type HeldRole struct {
	Template role.Template
	Scope    string
}

// Principal is a caller as it is now.
type Principal struct {
	Type              object.Type
	ID                uuid.UUID
	Enabled           bool
	DisplayName       string
	UserPrincipalName string
	Mail              string
	Guest             bool
	AppID             uuid.UUID
	Roles             []HeldRole
	Permissions       []string // application permissions on Graph
	SessionsValidFrom time.Time
}

// rolesQuery finds the roles of principals ($2): their own, and those of
// role-assignable groups they are direct members of (DIR-173).
const rolesQuery = `
	select principal_id, role_id, scope from role_assignments where tenant_id = $1 and principal_id = any($2) and (not dormant or $3)
	union
	select m.member_id, a.role_id, a.scope from group_members m
		join groups g on g.tenant_id = m.tenant_id and g.id = m.group_id and g.is_assignable_to_role and g.deleted_at is null
		join role_assignments a on a.tenant_id = m.tenant_id and a.principal_id = m.group_id
		where m.tenant_id = $1 and m.member_id = any($2) and (not m.dormant or $3)`

// permissionsQuery finds the values of the app roles that a service principal
// ($2) holds on Graph.
const permissionsQuery = `
	select a.app_role_id from app_role_assignments a
		join service_principals r on r.tenant_id = a.tenant_id and r.id = a.resource_id and r.app_id = '` + token.GraphAppID + `' and r.deleted_at is null
		where a.tenant_id = $1 and a.principal_id = $2 and not a.dormant`

// Principal reads who a user or service principal is now, in one round trip.
func (s *Store) Principal(ctx context.Context, t tenant.ID, id uuid.UUID) (*Principal, error) {
	p := &Principal{ID: id}
	batch := &pgx.Batch{}
	key := [16]byte(id)
	batch.Queue(`select account_enabled, display_name, user_principal_name, coalesce(mail, ''), user_type = 2, sessions_valid_from from users`+userWhereID+` and deleted_at is null order by users.id limit 1`, [16]byte(t), key).QueryRow(func(row pgx.Row) error {
		var valid *time.Time
		err := row.Scan(&p.Enabled, &p.DisplayName, &p.UserPrincipalName, &p.Mail, &p.Guest, &valid)
		if err == nil {
			p.Type = object.User
			if valid != nil {
				p.SessionsValidFrom = *valid
			}
		}
		return orNothing(err)
	})
	batch.Queue(`select account_enabled, display_name, app_id from service_principals where tenant_id = $1 and id = $2 and deleted_at is null`, [16]byte(t), key).
		QueryRow(func(row pgx.Row) error {
			err := row.Scan(&p.Enabled, &p.DisplayName, (*[16]byte)(&p.AppID))
			if err == nil {
				p.Type = object.ServicePrincipal
			}
			return orNothing(err)
		})
	batch.Queue(rolesQuery, [16]byte(t), [][16]byte{key}, false).Query(func(rows pgx.Rows) error {
		held, err := collectRoles(rows)
		p.Roles = held[id]
		return err
	})
	batch.Queue(permissionsQuery, [16]byte(t), key).Query(func(rows pgx.Rows) error {
		var err error
		p.Permissions, err = collectPermissions(rows)
		return err
	})
	if err := s.db.ReadBatch(ctx, t, batch); err != nil {
		return nil, err
	}
	if p.Type == 0 {
		return nil, property.NotFound(id.String())
	}
	return p, nil
}

func orNothing(err error) error {
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	return err
}

func collectRoles(rows pgx.Rows) (map[uuid.UUID][]HeldRole, error) {
	var principal, template [16]byte
	var scope string
	held := make(map[uuid.UUID][]HeldRole)
	_, err := pgx.ForEachRow(rows, []any{&principal, &template, &scope}, func() error {
		if t, ok := role.ByID(template); ok {
			held[principal] = append(held[principal], HeldRole{t, scope})
		}
		return nil
	})
	return held, err
}

func collectPermissions(rows pgx.Rows) ([]string, error) {
	var id [16]byte
	var values []string
	_, err := pgx.ForEachRow(rows, []any{&id}, func() error {
		if value, ok := token.ApplicationPermission(id); ok {
			values = append(values, value)
		}
		return nil
	})
	return sorted(values), err
}

// RolesOf reads the roles of several principals, those that sleep with a
// soft-deleted one included.
func (tx *Tx) RolesOf(principals []uuid.UUID) (map[uuid.UUID][]HeldRole, error) {
	rows, err := tx.Pgx().Query(tx.Context(), rolesQuery, [16]byte(tx.Tenant), ids(principals), true)
	if err != nil {
		return nil, err
	}
	return collectRoles(rows)
}

// appReach finds the service principals that whoever acts as an application
// ($2) can act as: its own, soft-deleted ones included since they come back,
// and those of applications that these own.
const appReach = `with recursive reach (id) as (
		select id from service_principals where tenant_id = $1 and app_id = $2
		union
		select p.id from reach r
			join object_owners o on o.tenant_id = $1 and o.owner_id = r.id
			left join applications a on a.tenant_id = $1 and a.id = o.object_id
			join service_principals p on p.tenant_id = $1 and (p.id = o.object_id or p.app_id = a.app_id)
	) select id from reach`

// HeldByApp reads what whoever acts as an application can act with: directory
// roles, permissions on Graph, and whether through a group that roles are given
// to. What sleeps counts.
func (tx *Tx) HeldByApp(appID uuid.UUID) (roles []HeldRole, permissions []string, inGroup bool, err error) {
	rows, err := tx.Pgx().Query(tx.Context(), appReach, [16]byte(tx.Tenant), [16]byte(appID))
	if err != nil {
		return nil, nil, false, err
	}
	reach, err := collectIDs(rows)
	if err != nil || len(reach) == 0 {
		return nil, nil, false, err
	}
	held, err := tx.RolesOf(reach)
	if err != nil {
		return nil, nil, false, err
	}
	for _, h := range held {
		roles = append(roles, h...)
	}
	if rows, err = tx.Pgx().Query(tx.Context(), `select a.app_role_id from app_role_assignments a
			join service_principals r on r.tenant_id = a.tenant_id and r.id = a.resource_id and r.app_id = '`+token.GraphAppID+`'
			where a.tenant_id = $1 and a.principal_id = any($2)`, [16]byte(tx.Tenant), ids(reach)); err != nil {
		return nil, nil, false, err
	}
	if permissions, err = collectPermissions(rows); err != nil {
		return nil, nil, false, err
	}
	for _, id := range reach {
		if !inGroup {
			if inGroup, err = tx.InPrivilegedGroup(id); err != nil {
				return nil, nil, false, err
			}
		}
	}
	return roles, permissions, inGroup, nil
}

// InPrivilegedGroup reports whether a user is a member or owner of a
// role-assignable group (DIR-178).
func (tx *Tx) InPrivilegedGroup(id uuid.UUID) (bool, error) {
	var found bool
	err := tx.Pgx().QueryRow(tx.Context(), `select exists (
		select from groups g where g.tenant_id = $1 and g.is_assignable_to_role and g.deleted_at is null and (
			exists (select from group_members m where m.tenant_id = $1 and m.group_id = g.id and m.member_id = $2)
			or exists (select from object_owners o where o.tenant_id = $1 and o.object_id = g.id and o.owner_id = $2)))`,
		[16]byte(tx.Tenant), [16]byte(id)).Scan(&found)
	return found, err
}

// Client is an application as the token endpoint needs it.
type Client struct {
	Found       bool
	Enabled     bool
	ObjectID    uuid.UUID
	DisplayName string
	Permissions []string
	Credentials []token.Credential
}

// Client reads an application of a tenant by its client id, with its
// credentials and permissions, in one round trip.
func (s *Store) Client(ctx context.Context, t tenant.ID, appID uuid.UUID) (*Client, error) {
	c := &Client{}
	batch := &pgx.Batch{}
	batch.Queue(`select id, account_enabled, display_name from service_principals where tenant_id = $1 and app_id = $2 and deleted_at is null`,
		[16]byte(t), [16]byte(appID)).QueryRow(func(row pgx.Row) error {
		err := row.Scan((*[16]byte)(&c.ObjectID), &c.Enabled, &c.DisplayName)
		c.Found = err == nil
		return orNothing(err)
	})
	batch.Queue(`select c.key_id, c.verifier, c.certificate, c.start_at, c.end_at from app_credentials c where c.tenant_id = $1 and c.owner_id in (
		select id from applications where tenant_id = $1 and app_id = $2 and deleted_at is null
		union all select id from service_principals where tenant_id = $1 and app_id = $2 and deleted_at is null)`,
		[16]byte(t), [16]byte(appID)).Query(func(rows pgx.Rows) error {
		var cred token.Credential
		_, err := pgx.ForEachRow(rows, []any{(*[16]byte)(&cred.KeyID), &cred.Verifier, &cred.Certificate, &cred.Start, &cred.End}, func() error {
			c.Credentials = append(c.Credentials, cred)
			cred = token.Credential{}
			return nil
		})
		return err
	})
	batch.Queue(`select a.app_role_id from app_role_assignments a
		join service_principals p on p.tenant_id = a.tenant_id and p.id = a.principal_id and p.app_id = $2 and p.deleted_at is null
		join service_principals r on r.tenant_id = a.tenant_id and r.id = a.resource_id and r.app_id = '`+token.GraphAppID+`' and r.deleted_at is null
		where a.tenant_id = $1 and not a.dormant`, [16]byte(t), [16]byte(appID)).Query(func(rows pgx.Rows) error {
		var err error
		c.Permissions, err = collectPermissions(rows)
		return err
	})
	if err := s.db.ReadBatch(ctx, t, batch); err != nil {
		return nil, err
	}
	return c, nil
}
