package api

import (
	"context"

	"entente.dev/directory-svc/internal/object"
	"entente.dev/directory-svc/internal/property"
	"entente.dev/directory-svc/internal/quota"
	"entente.dev/directory-svc/internal/role"
	"entente.dev/directory-svc/internal/store"
	"entente.dev/directory-svc/internal/unit"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/audit"
	"entente.dev/servicekit/caller"
	"entente.dev/servicekit/fault"
	"entente.dev/servicekit/tenant"
	"github.com/google/uuid"
)

// scope is what a role is given over, with the words of its audit records.
type scope struct{ text, give, take string }

// scopeOf checks what a role is to be given over: the tenant, an
// administrative unit (DIR-160), or an application (DIR-169).
func scopeOf(tx *store.Tx, chosen role.Template, text string) (scope, error) {
	out := scope{text, "Add member to role", "Remove member from role"}
	if text == role.TenantScope {
		return out, nil
	}
	if id, ok := unit.ParseScope(text); ok {
		u, err := tx.Unit(id, store.Live, false)
		if err != nil {
			return scope{}, err
		}
		out.give, out.take = "Add scoped member to role", "Remove scoped member from role"
		if u.Restricted {
			out.give, out.take = "Add member to role scoped over Restricted Management Administrative Unit", "Remove member from role scoped over Restricted Management Administrative Unit"
		}
		out.text = unit.Scope(id)
		return out, unit.CheckRole(chosen)
	}
	id, err := objectID(text[min(1, len(text)):])
	if err != nil {
		return scope{}, property.NotFound(clip(text))
	}
	l, ok, err := tx.Resolve(id)
	if err != nil {
		return scope{}, err
	}
	if !ok || l.Type != object.Application && l.Type != object.ServicePrincipal {
		return scope{}, property.NotFound(clip(text))
	}
	if chosen.Name != role.ApplicationAdministrator && chosen.Name != role.CloudApplicationAdministrator {
		return scope{}, fault.Invalid(errorspb.Reason_REFERENCE_INVALID, "The given built-in role is not supported to be assigned to a single resource scope.")
	}
	out.text = "/" + id.String()
	return out, nil
}

// giveRole gives a role to a principal over a scope (DIR-160, DIR-169,
// DIR-170).
func (c *Core) giveRole(ctx context.Context, t tenant.ID, chosen role.Template, principal uuid.UUID, over string) (store.RoleAssignment, error) {
	a := store.RoleAssignment{ID: newID(), PrincipalID: principal, RoleID: chosen.ID, Created: c.now()}
	ev := record("Add member to role", roleManagement, "Assign", target(object.Role, chosen.ID, chosen.Name))
	err := c.write(ctx, t, ev, func(tx *store.Tx) error {
		at, err := scopeOf(tx, chosen, over)
		if err != nil {
			return err
		}
		link, found, err := tx.Resolve(principal)
		if err != nil {
			return err
		}
		if !found {
			return property.NotFound(principal.String())
		}
		if err := checkRoleHolder(tx, link); err != nil {
			return err
		}
		a.PrincipalType, a.Scope = link.Type, at.text
		if err := tx.InsertRoleAssignment(a, newID()); err != nil {
			return err
		}
		tx.Change(store.Change{Type: link.Type, ID: principal, Kind: store.Linked, Properties: []string{"memberOf"}, Related: &chosen.ID})
		names, err := tx.Names([]uuid.UUID{principal})
		if err != nil {
			return err
		}
		ev.Activity = at.give
		ev.Targets = append(ev.Targets[:1:1], target(link.Type, principal, names[principal].Text))
		return c.audit(ctx, tx, ev)
	})
	return a, err
}

func checkRoleHolder(tx *store.Tx, link store.Link) error {
	switch link.Type {
	case object.User, object.ServicePrincipal:
	case object.Group:
		g, err := tx.Group(link.ID, store.Live, false)
		if err != nil {
			return err
		}
		if !g.RoleAssignable {
			return fault.Invalid(errorspb.Reason_REFERENCE_INVALID, "Only role-assignable groups can hold a directory role.")
		}
	default:
		return fault.Invalid(errorspb.Reason_REFERENCE_INVALID, "An object of type '%s' cannot hold a directory role.", link.Type)
	}
	held, err := tx.RoleAssignments("principal_id = ?", link.ID)
	if err != nil {
		return err
	}
	return tx.Fits(quota.RoleAssignments, len(held)+1)
}

// takeRole ends the assignment that find finds; the last Global Administrator
// keeps the role, and nobody takes the own (DIR-171).
func (c *Core) takeRole(ctx context.Context, who caller.Caller, t tenant.ID, find func(*store.Tx) (*store.RoleAssignment, error)) error {
	ev := record("Remove member from role", roleManagement, "Unassign")
	return c.write(ctx, t, ev, func(tx *store.Tx) error {
		a, err := find(tx)
		if err != nil {
			return err
		}
		if a.RoleID == role.GlobalAdministratorID && a.PrincipalID == who.ObjectID && a.Scope == role.TenantScope {
			return fault.Invalid(errorspb.Reason_LAST_ADMINISTRATOR, "Removing self from Global Administrator built-in role is not allowed.")
		}
		chosen, _ := role.ByID(a.RoleID)
		at, err := scopeOf(tx, chosen, a.Scope)
		if err != nil {
			return err
		}
		names, err := tx.Names([]uuid.UUID{a.PrincipalID})
		if err != nil {
			return err
		}
		tx.DeleteRoleAssignment(a.ID)
		tx.Change(store.Change{Type: a.PrincipalType, ID: a.PrincipalID, Kind: store.Unlinked, Properties: []string{"memberOf"}, Related: &a.RoleID})
		ev.Activity = at.take
		ev.Targets = []audit.Target{target(object.Role, a.RoleID, chosen.Name), target(a.PrincipalType, a.PrincipalID, names[a.PrincipalID].Text)}
		return c.audit(ctx, tx, ev)
	})
}
