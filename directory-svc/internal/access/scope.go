package access

import (
	"slices"

	"entente.dev/directory-svc/internal/property"
	"entente.dev/directory-svc/internal/role"
	"entente.dev/directory-svc/internal/unit"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/caller"
	"entente.dev/servicekit/fault"
	"github.com/google/uuid"
)

// Object is what administrative units mean for a write on one object.
type Object struct {
	ID uuid.UUID
	// Units are the live units that hold the object; needed where the caller
	// holds a role over a unit or the object is restricted.
	Units []*unit.Unit
	// Restricted says that a restricted unit holds the object (DIR-163).
	Restricted bool
	// Holds says that the object holds a directory role itself.
	Holds bool
}

// basicScope is the scope of a role that counts for what is not sensitive
// alone.
const basicScope = "basic"

// limited are the roles that, over a unit, reach passwords, sensitive
// properties and the deletion only of users without any role (DIR-161).
var limited = []string{role.HelpdeskAdministrator, role.PasswordAdministrator, role.UserAdministrator, role.AuthenticationAdministrator}

// Scoped reports whether the caller holds a role over an administrative unit.
func Scoped(c caller.Caller) bool {
	return slices.ContainsFunc(c.Roles, func(r caller.Role) bool { return r.Scope != role.TenantScope })
}

// Over is the caller with the roles that count for a write on the object, as
// if they were held over the tenant. For an object in a restricted unit only
// roles over such a unit count, whatever else the caller is or owns (DIR-164);
// what users do on themselves stays possible.
func Over(c caller.Caller, o Object) (caller.Caller, error) {
	if !o.Restricted && !Scoped(c) {
		return c, nil
	}
	var roles []caller.Role
	reads := c.Kind == caller.User && !c.Guest || c.HasRole(readerRoles...) || c.Kind == caller.Application && c.HasAny("Directory.Read.All", "Directory.ReadWrite.All")
	for _, r := range c.Roles {
		if r.Scope == role.TenantScope {
			if !o.Restricted {
				roles = append(roles, r)
			}
			continue
		}
		if !reads {
			continue // guests and service principals must be able to read the directory, too (DIR-161)
		}
		id, _ := unit.ParseScope(r.Scope)
		counts := slices.ContainsFunc(o.Units, func(u *unit.Unit) bool { return u.ID == id && (u.Restricted || !o.Restricted) })
		if counts {
			if r.Scope = role.TenantScope; o.Holds && slices.Contains(limited, r.Template) {
				r.Scope = basicScope
			}
			roles = append(roles, r)
		}
	}
	c.Roles = roles
	if o.Restricted && len(roles) == 0 && c.ObjectID != o.ID {
		return c, fault.Denied(errorspb.Reason_ACCESS_DENIED, "Insufficient privileges to complete the operation. The target object is a member of a restricted management administrative unit. "+
			"Management rights are limited to administrators scoped on that administrative unit.")
	}
	if o.Restricted && c.Kind == caller.Application {
		c.Permissions = nil // permissions never reach into a restricted unit, roles over it do
	}
	return c, nil
}

// WriteUnit decides whether the caller may manage administrative units
// (DIR-156).
func WriteUnit(c caller.Caller) error {
	if c.Kind == caller.Application && c.Has("AdministrativeUnit.ReadWrite.All") || c.HasRole(ga, role.PrivilegedRoleAdministrator) {
		return nil
	}
	return property.Denied()
}
