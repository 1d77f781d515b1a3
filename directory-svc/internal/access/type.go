package access

import (
	"entente.dev/directory-svc/internal/object"
	"entente.dev/directory-svc/internal/property"
	"entente.dev/directory-svc/internal/role"
	"entente.dev/servicekit/caller"
)

// Paths that reach objects of every type ask for what the path of the type
// asks for (DIR-56, DIR-97, DIR-98, DIR-100).

var readsAll = []string{"Directory.Read.All", "Directory.ReadWrite.All", accessAsUser}

var readsType = map[object.Type][]string{
	object.User:             {"User.Read.All", "User.ReadWrite.All", readsBasics},
	object.Group:            {"Group.Read.All", "Group.ReadWrite.All", "GroupMember.Read.All", "GroupMember.ReadWrite.All"},
	object.Application:      {"Application.Read.All", "Application.ReadWrite.All"},
	object.ServicePrincipal: {"Application.Read.All", "Application.ReadWrite.All"},
	object.Unit:             {"AdministrativeUnit.Read.All", "AdministrativeUnit.ReadWrite.All"},
	object.Contact:          {"OrgContact.Read.All"},
	object.Role:             {"RoleManagement.Read.Directory", "RoleManagement.ReadWrite.Directory", "RoleManagement.Read.All"},
}

var deletesType = map[object.Type][]string{
	object.User:             {"User.ReadWrite.All", "User.DeleteRestore.All", accessAsUser},
	object.Group:            {"Group.ReadWrite.All", accessAsUser},
	object.Application:      {"Application.ReadWrite.All", "Application.ReadWrite.OwnedBy", accessAsUser},
	object.ServicePrincipal: {"Application.ReadWrite.All", "Application.ReadWrite.OwnedBy", accessAsUser},
	object.Unit:             {"AdministrativeUnit.ReadWrite.All", accessAsUser},
}

// deletedReaders are the roles that see soft-deleted objects of a type.
var deletedReaders = map[object.Type][]string{
	object.User:             {ga, ua, paa, role.GlobalReader},
	object.Group:            {ga, ua, groupsAdministrator, role.GlobalReader},
	object.Application:      {ga, role.ApplicationAdministrator, role.CloudApplicationAdministrator, role.HybridIdentityAdministrator, role.GlobalReader},
	object.ServicePrincipal: {ga, role.ApplicationAdministrator, role.CloudApplicationAdministrator, role.HybridIdentityAdministrator, role.GlobalReader},
	object.Unit:             {ga, role.PrivilegedRoleAdministrator, role.GlobalReader},
}

// ReadType reports whether the caller has a permission to read objects of the
// type.
func ReadType(c caller.Caller, t object.Type) bool {
	return c.HasAny(readsAll...) || c.HasAny(readsType[t]...) || c.Kind == caller.Application && c.HasRole(readerRoles...)
}

// HiddenType reports whether objects of the type do not exist for the caller,
// a guest without a role (DIR-175).
func HiddenType(c caller.Caller, in Tenant, t object.Type) bool {
	return (t == object.Unit || t == object.Role) && Directory(c, in) != nil
}

// ReadDeleted decides whether the caller may see a soft-deleted object of the
// type; owner tells that it owns it.
func ReadDeleted(c caller.Caller, t object.Type, owner bool) error {
	permitted := c.HasAny(readsAll...) || c.HasAny(readsType[t]...) || c.HasAny(deletesType[t]...)
	named := c.HasRole(deletedReaders[t]...)
	if c.Kind == caller.Application && (permitted || named) || c.Kind != caller.Application && permitted && (owner || named) {
		return nil
	}
	return property.Denied()
}

// deleters are the roles that delete, restore or purge objects of a type, over
// the tenant or a part of it.
var deleters = map[object.Type][]string{
	object.User:             {ga, ua, paa, aa},
	object.Group:            {ga, ua, groupsAdministrator, role.PrivilegedRoleAdministrator},
	object.Application:      {ga, role.ApplicationAdministrator, role.CloudApplicationAdministrator, role.HybridIdentityAdministrator},
	object.ServicePrincipal: {ga, role.ApplicationAdministrator, role.CloudApplicationAdministrator, role.HybridIdentityAdministrator},
	object.Unit:             {ga, role.PrivilegedRoleAdministrator},
}

// DeleteType decides whether the permissions of the caller allow to delete, to
// restore or to purge objects of the type. An application may have a role
// instead; whether it reaches the object is decided besides.
func DeleteType(c caller.Caller, t object.Type) error {
	if c.HasAny(deletesType[t]...) || c.Kind == caller.Application && c.HasScopedRole(deleters[t]...) {
		return nil
	}
	return property.Denied()
}

// Contacts decides whether the caller may read contacts one by one, and how
// much of each (DIR-112, DIR-175).
func Contacts(c caller.Caller, in Tenant) Reading {
	switch {
	case !ReadType(c, object.Contact):
		return Nothing
	case c.Kind != caller.User, c.HasRole(readerRoles...):
		return Everything
	case in.External, OwnOnly(c, in):
		return Nothing
	case guest(c, in):
		return Card
	}
	return Everything
}

// Recipients decides whether the caller, with the roles that count for the
// object, may replace its addresses (DIR-119).
func Recipients(c caller.Caller) error {
	if c.HasRole(ga, ua) || c.Kind == caller.Application && c.HasAny("User.ReadWrite.All", "Directory.ReadWrite.All") {
		return nil
	}
	return property.Denied()
}
