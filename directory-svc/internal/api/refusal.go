package api

import (
	"context"
	"strings"

	"entente.dev/servicekit/audit"
	"entente.dev/servicekit/caller"
	"entente.dev/servicekit/fault"
)

// refusedActs are the writes whose refusal leaves a record, by RPC (DIR-14).
var refusedActs = map[string]audit.Event{
	"UserService/CreateUser":                         record("Add user", userManagement, "Add"),
	"UserService/UpdateUser":                         record("Update user", userManagement, "Update"),
	"UserService/DeleteUser":                         record("Delete user", userManagement, "Delete"),
	"UserService/SetManager":                         record("Set user manager", userManagement, "Update"),
	"UserService/RemoveManager":                      record("Update user", userManagement, "Update"),
	"UserService/AddSponsor":                         record("Update user", userManagement, "Update"),
	"UserService/RemoveSponsor":                      record("Update user", userManagement, "Update"),
	"DirectoryObjectService/RestoreDeletedItem":      record("Restore user", userManagement, "Update"),
	"DirectoryObjectService/PurgeDeletedItem":        record("Hard Delete user", userManagement, "Delete"),
	"GroupService/CreateGroup":                       record("Add group", groupManagement, "Add"),
	"GroupService/UpdateGroup":                       record("Update group", groupManagement, "Update"),
	"GroupService/DeleteGroup":                       record("Delete group", groupManagement, "Delete"),
	"GroupService/AddMember":                         record("Add member to group", groupManagement, "Assign"),
	"GroupService/RemoveMember":                      record("Remove member from group", groupManagement, "Unassign"),
	"GroupService/AddOwner":                          record("Add owner to group", groupManagement, "Assign"),
	"GroupService/RemoveOwner":                       record("Remove owner from group", groupManagement, "Unassign"),
	"RoleService/CreateRoleAssignment":               record("Add member to role", roleManagement, "Assign"),
	"RoleService/DeleteRoleAssignment":               record("Remove member from role", roleManagement, "Unassign"),
	"ApplicationService/CreateApplication":           record("Add application", applicationManagement, "Add"),
	"ApplicationService/UpdateApplication":           record("Update application", applicationManagement, "Update"),
	"ApplicationService/DeleteApplication":           record("Delete application", applicationManagement, "Delete"),
	"ServicePrincipalService/CreateServicePrincipal": record("Add service principal", applicationManagement, "Add"),
	"ServicePrincipalService/DeleteServicePrincipal": record("Remove service principal", applicationManagement, "Delete"),
	"ServicePrincipalService/AssignAppRole":          record("Add app role assignment to service principal", applicationManagement, "Assign"),
	"OrganizationService/UpdateOrganization":         record("Set Company Information", directoryManagement, "Update"),
}

// Refused records that the access rules refused a write to a verified caller,
// before its handler ran. A record that cannot be written is logged: the call
// is refused either way.
func (c *Core) Refused(ctx context.Context, fullMethod string, refusal error) {
	ev, ok := refusedActs[strings.TrimPrefix(fullMethod, "/entente.directory.v1.")]
	if !ok || fault.From(refusal).Kind != fault.KindDenied {
		return
	}
	if err := audit.WriteFailure(ctx, c.Store.DB(), caller.From(ctx).Tenant, c.Clock, ev, refusal); err != nil {
		c.Log.WarnContext(ctx, "refusal not recorded", "error", err)
	}
}
