package access

import (
	"entente.dev/directory-svc/internal/bulk"
	"entente.dev/directory-svc/internal/property"
	"entente.dev/directory-svc/internal/role"
	"entente.dev/servicekit/caller"
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
	case !c.Guest && !in.External && (unified || !in.Policy.NoSecurityGroups):
		return nil
	}
	return property.Denied()
}

// WriteGroup decides whether the caller may change a group or its links
// (DIR-127, DIR-128). owner tells whether the caller owns it.
func WriteGroup(c caller.Caller, owner, roleAssignable, deletes bool) error {
	switch {
	case c.Kind == caller.Application:
		if !roleAssignable || owner || c.Has("RoleManagement.ReadWrite.Directory") {
			return nil
		}
	case owner, c.HasRole(ga):
		return nil
	case roleAssignable:
		if c.HasRole(role.PrivilegedRoleAdministrator) {
			return nil
		}
	case c.HasRole(ua, role.GroupsAdministrator), !deletes && c.HasRole(role.DirectoryWriters):
		return nil
	}
	return property.Denied()
}

// CreateApplication decides whether the caller may register an application
// (DIR-182).
func CreateApplication(c caller.Caller, in Tenant) error {
	if c.Kind == caller.Application || !c.Guest && !in.External && !in.Policy.NoApps ||
		c.HasRole(ga, role.ApplicationAdministrator, role.CloudApplicationAdministrator, role.ApplicationDeveloper) {
		return nil
	}
	return property.Denied()
}

// WriteApplication decides whether the caller may change an application or
// service principal (DIR-182). An application with
// Application.ReadWrite.OwnedBy alone needs to own it.
func WriteApplication(c caller.Caller, owner bool) error {
	if owner || c.Kind == caller.Application && c.Has("Application.ReadWrite.All") ||
		c.Kind == caller.User && c.HasRole(ga, role.ApplicationAdministrator, role.CloudApplicationAdministrator) {
		return nil
	}
	return property.Denied()
}

// AssignAppRole decides whether the caller may assign roles of a service
// principal (DIR-184). principals tells that the assignee is a user or group.
func AssignAppRole(c caller.Caller, owner, principals bool) error {
	if c.Kind == caller.Application || owner || c.HasRole(ga, role.ApplicationAdministrator, role.CloudApplicationAdministrator) ||
		principals && c.HasRole(ua) {
		return nil
	}
	return property.Denied()
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
	case c.Kind == caller.Application, c.HasRole(ga):
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
