package api

import (
	"context"
	"errors"
	"strings"
	"unicode"

	pb "entente.dev/proto/gen/entente/directory/v1"
	optionspb "entente.dev/proto/gen/entente/options/v1"
	"entente.dev/servicekit/audit"
	"entente.dev/servicekit/caller"
	"entente.dev/servicekit/fault"
	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

// named are the activities of the writes that Graph has a name for; every
// other write is recorded by the name of its RPC.
var named = map[string]string{
	"CreateUser": "Add user", "UpdateUser": "Update user", "DeleteUser": "Delete user", "SetManager": "Set user manager", "RemoveManager": "Update user",
	"AddSponsor": "Update user", "RemoveSponsor": "Update user", "RevokeSignInSessions": "Update StsRefreshTokenValidFrom Timestamp",
	"ChangePassword": changedPassword, "ResetPassword": resetPassword, "ConvertExternalToInternalMemberUser": "Update user", "AssignLicense": "Update user",
	"RestoreDeletedItem": "Restore user", "PurgeDeletedItem": "Hard Delete user", "DeleteDirectoryObject": "Delete object",
	"CreateGroup": "Add group", "UpdateGroup": "Update group", "DeleteGroup": "Delete group", "AddMember": "Add member to group", "RemoveMember": "Remove member from group",
	"AddOwner": "Add owner to group", "RemoveOwner": "Remove owner from group",
	"CreateGroupSetting": "Create group settings", "UpdateGroupSetting": "Update group settings", "DeleteGroupSetting": "Delete group settings",
	"CreateRoleAssignment": "Add member to role", "DeleteRoleAssignment": "Remove member from role", "AddDirectoryRoleMember": "Add member to role",
	"RemoveDirectoryRoleMember": "Remove member from role", "AddScopedRoleMember": "Add scoped member to role", "RemoveScopedRoleMember": "Remove scoped member from role",
	"CreateAdministrativeUnit": "Add administrative unit", "AddAdministrativeUnitMember": "Add member to administrative unit",
	"CreateAdministrativeUnitMember": "Add member to administrative unit", "RemoveAdministrativeUnitMember": "Remove member from administrative unit",
	"CreateApplication": "Add application", "UpdateApplication": "Update application", "DeleteApplication": "Delete application",
	"AddApplicationOwner": "Add owner to application", "RemoveApplicationOwner": "Remove owner from application",
	"CreateServicePrincipal": "Add service principal", "UpdateServicePrincipal": "Update service principal", "DeleteServicePrincipal": "Remove service principal",
	"AddServicePrincipalPassword": "Add service principal credentials", "RemoveServicePrincipalPassword": "Remove service principal credentials",
	"AddServicePrincipalOwner": "Add owner to service principal", "RemoveServicePrincipalOwner": "Remove owner from service principal",
	"AssignAppRole": "Add app role assignment to service principal", "AssignAppRoleToPrincipal": "Add app role assignment to service principal",
	"RemoveAppRole": "Remove app role assignment from service principal", "RemovePrincipalAppRole": "Remove app role assignment from service principal",
	"UpdateSelfService": "Update service principal", "AddSelfServiceMember": "Add member to group", "RemoveSelfServiceMember": "Remove member from group",
	"CreateContact": "Add contact", "UpdateContact": "Update contact", "DeleteContact": "Delete contact", "ReplaceProxyAddresses": "Update user",
	"UpdateOrganization": "Set Company Information", "CreateDomain": "Add unverified domain", "UpdateDomain": "Update domain", "DeleteDomain": "Remove verified domain",
	"VerifyDomainOwnership": "Verify domain", "ForceDeleteDomain": "Remove verified domain",
	"CreateExtensionProperty": "Update application", "DeleteExtensionProperty": "Update application",
}

// categories of the services; what belongs to no other is about users.
var categories = map[string]string{
	"GroupService": groupManagement, "GroupSettingService": groupManagement, "RoleService": roleManagement, "AdministrativeUnitService": administrativeUnit,
	"ApplicationService": applicationManagement, "ServicePrincipalService": applicationManagement, "ExtensionService": applicationManagement,
	"PermissionGrantService": applicationManagement, "OrganizationService": directoryManagement, "ContactService": contactCategory,
}

// asked are RPCs that take a body and write nothing.
var asked = map[string]bool{"GetDirectoryObjectsByIds": true, "GetMemberGroups": true, "CheckMemberGroups": true, "GetMemberObjects": true, "CheckMemberObjects": true,
	"ListAvailableExtensionProperties": true, "EvaluateDynamicMembership": true, "GetOwnSelfService": true}

// refusedActs are the writes whose refusal leaves a record, by RPC (DIR-14):
// all that people and applications can ask for.
var refusedActs = writes()

func writes() map[string]audit.Event {
	out := make(map[string]audit.Event)
	protoregistry.GlobalFiles.RangeFilesByPackage(pb.File_entente_directory_v1_user_service_proto.Package(), func(f protoreflect.FileDescriptor) bool {
		for i := range f.Services().Len() {
			service := f.Services().Get(i)
			for k := range service.Methods().Len() {
				if m := service.Methods().Get(k); isWrite(m) {
					out["/"+string(service.FullName())+"/"+string(m.Name())] = describe(string(service.Name()), string(m.Name()))
				}
			}
		}
		return true
	})
	return out
}

func isWrite(m protoreflect.MethodDescriptor) bool {
	access, _ := proto.GetExtension(m.Options(), optionspb.E_Access).(*optionspb.Access)
	rule, _ := proto.GetExtension(m.Options(), annotations.E_Http).(*annotations.HttpRule)
	return access.GetTenancy() == optionspb.Access_caller && rule != nil && rule.GetGet() == "" && !asked[string(m.Name())]
}

func describe(service, rpc string) audit.Event {
	category := categories[service]
	if category == "" {
		category = userManagement
	}
	activity := named[rpc]
	if activity == "" {
		activity = words(rpc)
	}
	operation := "Update"
	switch verb, _, _ := strings.Cut(words(rpc), " "); verb {
	case "Create":
		operation = "Add"
	case "Add", "Assign":
		operation = "Assign"
	case "Remove":
		operation = "Unassign"
	case "Delete", "Purge", "Force":
		operation = "Delete"
	}
	return record(activity, category, operation)
}

// words makes "Update administrative unit" of UpdateAdministrativeUnit.
func words(rpc string) string {
	var b strings.Builder
	for i, r := range rpc {
		if i > 0 && unicode.IsUpper(r) {
			b.WriteByte(' ')
			r = unicode.ToLower(r)
		}
		b.WriteRune(r)
	}
	return b.String()
}

// recorded is a refusal that has its record.
type recorded struct{ error }

func (r *recorded) Unwrap() error { return r.error }

// Refused records that the access rules refused a write to a verified caller,
// before its handler ran.
func (c *Core) Refused(ctx context.Context, fullMethod string, refusal error) {
	if fault.From(refusal).Kind == fault.KindDenied {
		c.refusal(ctx, fullMethod, refusal)
	}
}

// Failed records that a handler refused a write before its transaction began.
func (c *Core) Failed(ctx context.Context, fullMethod string, failure error) {
	if errors.As(failure, new(*recorded)) {
		return
	}
	switch fault.From(failure).Kind {
	case fault.KindDenied, fault.KindExists, fault.KindExhausted:
		c.refusal(ctx, fullMethod, failure)
	}
}

// refusal writes the record. One that cannot be written is logged: the call is
// refused either way.
func (c *Core) refusal(ctx context.Context, fullMethod string, refusal error) {
	ev, ok := refusedActs[fullMethod]
	if !ok {
		return
	}
	if err := audit.WriteFailure(ctx, c.Store.DB(), caller.From(ctx).Tenant, c.Clock, ev, refusal); err != nil {
		c.Log.WarnContext(ctx, "refusal not recorded", "error", err)
	}
}
