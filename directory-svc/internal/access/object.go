package access

import (
	"slices"

	"entente.dev/directory-svc/internal/bulk"
	"entente.dev/directory-svc/internal/property"
	"entente.dev/directory-svc/internal/role"
	"entente.dev/servicekit/caller"
	"github.com/google/uuid"
)

const groupsAdministrator = role.GroupsAdministrator

// groupCreators create groups whatever the tenant lets its members do.
var groupCreators = []string{ga, ua, groupsAdministrator, role.DirectoryWriters}

// CreateGroup decides whether the caller may create a group of that kind
// (DIR-126, DIR-138). Members may create groups, security groups unless the
// policy forbids it; guests may not.
func CreateGroup(c caller.Caller, in Tenant, roleAssignable, unified bool) error {
	switch {
	case roleAssignable:
		if c.Kind == caller.Application && c.Has("RoleManagement.ReadWrite.Directory") || c.HasRole(ga, role.PrivilegedRoleAdministrator) {
			return nil
		}
	case c.Kind == caller.Application, c.HasRole(groupCreators...):
		return nil
	case !guest(c, in) && !in.External && (unified || !in.Policy.NoSecurityGroups):
		return nil
	}
	return property.Denied()
}

// groupPermissions are those that change groups; which of them an act takes is
// the RPC's to say. One alone deletes them (DIR-10).
var groupPermissions = []string{deletesGroups, "GroupMember.ReadWrite.All", "Directory.ReadWrite.All"}

const deletesGroups = "Group.ReadWrite.All"

// WriteGroup decides whether the caller may change a group or its links
// (DIR-127, DIR-128). owner tells whether the caller owns it.
func WriteGroup(c caller.Caller, owner, roleAssignable, deletes bool) error {
	switch {
	case owner, c.HasRole(ga):
		return nil
	case roleAssignable:
		if c.HasRole(role.PrivilegedRoleAdministrator) || c.Kind == caller.Application && c.Has("RoleManagement.ReadWrite.Directory") {
			return nil
		}
	case c.HasRole(ua, groupsAdministrator), !deletes && c.HasRole(role.DirectoryWriters):
		return nil
	case c.Kind == caller.Application && (c.Has(deletesGroups) || !deletes && c.HasAny(groupPermissions...)):
		return nil
	}
	return property.Denied()
}

// PurgeGroup decides whether the caller may end a soft-deleted group for good
// (DIR-100): owners may not.
func PurgeGroup(c caller.Caller, roleAssignable bool) error {
	if c.HasRole(ga) || roleAssignable && (c.HasRole(role.PrivilegedRoleAdministrator) || c.Kind == caller.Application && c.Has("RoleManagement.ReadWrite.Directory")) ||
		!roleAssignable && (c.HasRole(groupsAdministrator) || c.Kind == caller.Application && c.Has(deletesGroups)) {
		return nil
	}
	return property.Denied()
}

// WriteRestrictedRoleGroup decides whether the caller may change the members
// of a role-assignable group that a restricted unit holds (DIR-166).
func WriteRestrictedRoleGroup(c caller.Caller) error {
	if c.HasRole(ga, role.PrivilegedRoleAdministrator) {
		return nil
	}
	return property.Denied()
}

// CreateApplication decides whether the caller may register an application
// (DIR-182).
func CreateApplication(c caller.Caller, in Tenant) error {
	if c.Kind == caller.Application || !guest(c, in) && !in.External && !in.Policy.NoApps ||
		c.HasRole(ga, role.ApplicationAdministrator, role.CloudApplicationAdministrator, role.ApplicationDeveloper) {
		return nil
	}
	return property.Denied()
}

// App is the application or service principal that an act is about.
type App struct {
	// Scope is the application object, over which roles may be held (DIR-169).
	Scope uuid.UUID
	// Owned tells that the caller owns it.
	Owned bool
	// Privileged tells that its principal could make itself an administrator:
	// it holds a directory role that reaches administrators, or a permission to
	// give roles.
	Privileged bool
}

// administersApps reports whether the caller is an administrator of
// applications, over the tenant or the one.
func administersApps(c caller.Caller, a App) bool {
	if c.HasRole(ga, role.ApplicationAdministrator, role.CloudApplicationAdministrator) {
		return true
	}
	return a.Scope != uuid.Nil && slices.ContainsFunc(c.Roles, func(r caller.Role) bool {
		return r.Scope == "/"+a.Scope.String() && (r.Template == role.ApplicationAdministrator || r.Template == role.CloudApplicationAdministrator)
	})
}

// WriteApplication decides whether the caller may change an application or
// service principal (DIR-182). An application with
// Application.ReadWrite.OwnedBy alone needs to own it.
func WriteApplication(c caller.Caller, a App) error {
	if a.Owned || c.Kind == caller.Application && c.Has("Application.ReadWrite.All") || administersApps(c, a) {
		return nil
	}
	return property.Denied()
}

// HoldCredentials decides whether the caller may change who can act as the
// application: its credentials and owners. Who could make an administrator of
// itself that way must be one, or own it.
func HoldCredentials(c caller.Caller, a App) error {
	if a.Privileged && !a.Owned && !givesRoles(c) {
		return property.Denied()
	}
	return WriteApplication(c, a)
}

// PurgeApplication decides whether the caller may end a soft-deleted
// application or service principal for good (DIR-100): owners may not.
func PurgeApplication(c caller.Caller, a App) error {
	return WriteApplication(c, App{Scope: a.Scope})
}

// RestoreApplication decides whether the caller may restore one (DIR-98).
func RestoreApplication(c caller.Caller, a App) error {
	if c.HasRole(role.HybridIdentityAdministrator) {
		return nil
	}
	return WriteApplication(c, a)
}

// givesRoles reports whether the caller may give directory roles.
func givesRoles(c caller.Caller) bool {
	return c.HasRole(ga, role.PrivilegedRoleAdministrator) || c.Kind == caller.Application && c.Has("RoleManagement.ReadWrite.Directory")
}

// AssignAppRole decides whether the caller may assign roles of a service
// principal (DIR-184). principals tells that the assignee is a user or group,
// graph that the roles are permissions of Graph: with those an application
// administers the directory, so that only who gives roles gives them, or an
// application with the permission for it.
func AssignAppRole(c caller.Caller, a App, principals, graph bool) error {
	switch {
	case c.Kind == caller.Application && c.Has("AppRoleAssignment.ReadWrite.All"):
		return nil
	case graph:
		if c.HasRole(ga, role.PrivilegedRoleAdministrator) {
			return nil
		}
	case a.Owned, administersApps(c, a), principals && c.HasRole(ua):
		return nil
	}
	return property.Denied()
}

// IsPrivileged reports whether roles and permissions, as a principal holds
// them, suffice to become an administrator.
func IsPrivileged(roles, permissions []string) bool {
	return !harmless(roles) || slices.ContainsFunc(permissions, func(p string) bool {
		return p == "RoleManagement.ReadWrite.Directory" || p == "AppRoleAssignment.ReadWrite.All"
	})
}

// SeesHidden reports whether the caller sees members of groups that hide them
// from others (DIR-136).
func SeesHidden(c caller.Caller) bool {
	return c.HasRole(ga, ua, hda, role.GroupsAdministrator, role.GlobalReader)
}

// WriteSettings decides whether the caller may change settings of groups, or
// the password rules (DIR-135).
func WriteSettings(c caller.Caller, passwordRules bool) error {
	switch {
	case c.Kind == caller.Application && c.HasAny("GroupSettings.ReadWrite.All", "Directory.ReadWrite.All"), c.HasRole(ga):
		return nil
	case passwordRules && c.HasRole(aa), !passwordRules && c.HasRole(ua, role.GroupsAdministrator):
		return nil
	}
	return property.Denied()
}

// bulkPermissions are what the RPC for a single object asks for.
var bulkPermissions = map[bulk.Kind][]string{
	bulk.CreateUsers:   {"User.ReadWrite.All", "Directory.ReadWrite.All", accessAsUser},
	bulk.DeleteUsers:   {"User.ReadWrite.All", "User.DeleteRestore.All", accessAsUser},
	bulk.RestoreUsers:  {"User.ReadWrite.All", "User.DeleteRestore.All", accessAsUser},
	bulk.ExportUsers:   {"User.Read.All", "User.ReadWrite.All", "Directory.Read.All", "Directory.ReadWrite.All", accessAsUser},
	bulk.ImportMembers: {"GroupMember.ReadWrite.All", "Group.ReadWrite.All", "Directory.ReadWrite.All", accessAsUser},
	bulk.RemoveMembers: {"GroupMember.ReadWrite.All", "Group.ReadWrite.All", "Directory.ReadWrite.All", accessAsUser},
}

const accessAsUser = "Directory.AccessAsUser.All"

// Bulk decides whether the caller may begin a bulk operation, or see those of
// others (DIR-215). Each row is decided on as a single call.
func Bulk(c caller.Caller, k bulk.Kind) error {
	if !c.HasAny(bulkPermissions[k]...) {
		return property.Denied()
	}
	if c.Kind == caller.User && (k == bulk.CreateUsers || k == bulk.DeleteUsers || k == bulk.RestoreUsers) && !c.HasRole(ga, ua) {
		return property.Denied()
	}
	return nil
}
