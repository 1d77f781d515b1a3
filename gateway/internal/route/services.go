package route

import (
	"context"

	directorypb "entente.dev/proto/gen/entente/directory/v1"
	invitationpb "entente.dev/proto/gen/entente/invitation/v1"
	policypb "entente.dev/proto/gen/entente/policy/v1"
	syncpb "entente.dev/proto/gen/entente/sync/v1"
	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Conns are the connections to the services of the suite.
type Conns struct {
	Directory, Invitation, Policy, Sync grpc.ClientConnInterface
}

// service is one gRPC service with paths, and its generated handlers.
type service struct {
	descriptor protoreflect.ServiceDescriptor
	conn       grpc.ClientConnInterface
	register   func(context.Context, *runtime.ServeMux, grpc.ClientConnInterface) error
}

// handlers adapts a generated registration to a connection.
func handlers[C any](client func(grpc.ClientConnInterface) C, register func(context.Context, *runtime.ServeMux, C) error) func(context.Context, *runtime.ServeMux, grpc.ClientConnInterface) error {
	return func(ctx context.Context, mux *runtime.ServeMux, conn grpc.ClientConnInterface) error {
		return register(ctx, mux, client(conn))
	}
}

// services lists every gRPC service that REST serves. A service of the protos
// with paths that is missing here fails a test.
func services(c Conns) []service {
	in := func(file protoreflect.FileDescriptor, name protoreflect.Name) protoreflect.ServiceDescriptor {
		return file.Services().ByName(name)
	}
	return []service{
		{in(directorypb.File_entente_directory_v1_user_service_proto, "UserService"), c.Directory,
			handlers(directorypb.NewUserServiceClient, directorypb.RegisterUserServiceHandlerClient)},
		{in(directorypb.File_entente_directory_v1_group_service_proto, "GroupService"), c.Directory,
			handlers(directorypb.NewGroupServiceClient, directorypb.RegisterGroupServiceHandlerClient)},
		{in(directorypb.File_entente_directory_v1_object_service_proto, "DirectoryObjectService"), c.Directory,
			handlers(directorypb.NewDirectoryObjectServiceClient, directorypb.RegisterDirectoryObjectServiceHandlerClient)},
		{in(directorypb.File_entente_directory_v1_application_service_proto, "ApplicationService"), c.Directory,
			handlers(directorypb.NewApplicationServiceClient, directorypb.RegisterApplicationServiceHandlerClient)},
		{in(directorypb.File_entente_directory_v1_application_service_proto, "ServicePrincipalService"), c.Directory,
			handlers(directorypb.NewServicePrincipalServiceClient, directorypb.RegisterServicePrincipalServiceHandlerClient)},
		{in(directorypb.File_entente_directory_v1_role_service_proto, "RoleService"), c.Directory,
			handlers(directorypb.NewRoleServiceClient, directorypb.RegisterRoleServiceHandlerClient)},
		{in(directorypb.File_entente_directory_v1_organization_proto, "OrganizationService"), c.Directory,
			handlers(directorypb.NewOrganizationServiceClient, directorypb.RegisterOrganizationServiceHandlerClient)},
		{in(directorypb.File_entente_directory_v1_tenant_proto, "TenantService"), c.Directory,
			handlers(directorypb.NewTenantServiceClient, directorypb.RegisterTenantServiceHandlerClient)},
		{in(directorypb.File_entente_directory_v1_administrative_unit_service_proto, "AdministrativeUnitService"), c.Directory,
			handlers(directorypb.NewAdministrativeUnitServiceClient, directorypb.RegisterAdministrativeUnitServiceHandlerClient)},
		{in(directorypb.File_entente_directory_v1_bulk_operation_proto, "BulkOperationService"), bulkConn{c.Directory, c.Invitation},
			handlers(directorypb.NewBulkOperationServiceClient, directorypb.RegisterBulkOperationServiceHandlerClient)},
		{in(directorypb.File_entente_directory_v1_contact_service_proto, "ContactService"), c.Directory,
			handlers(directorypb.NewContactServiceClient, directorypb.RegisterContactServiceHandlerClient)},
		{in(directorypb.File_entente_directory_v1_credential_service_proto, "CredentialService"), c.Directory,
			handlers(directorypb.NewCredentialServiceClient, directorypb.RegisterCredentialServiceHandlerClient)},
		{in(directorypb.File_entente_directory_v1_delta_proto, "DeltaService"), c.Directory,
			handlers(directorypb.NewDeltaServiceClient, directorypb.RegisterDeltaServiceHandlerClient)},
		{in(directorypb.File_entente_directory_v1_extension_service_proto, "ExtensionService"), c.Directory,
			handlers(directorypb.NewExtensionServiceClient, directorypb.RegisterExtensionServiceHandlerClient)},
		{in(directorypb.File_entente_directory_v1_extension_service_proto, "PermissionGrantService"), c.Directory,
			handlers(directorypb.NewPermissionGrantServiceClient, directorypb.RegisterPermissionGrantServiceHandlerClient)},
		{in(directorypb.File_entente_directory_v1_group_setting_service_proto, "GroupSettingService"), c.Directory,
			handlers(directorypb.NewGroupSettingServiceClient, directorypb.RegisterGroupSettingServiceHandlerClient)},
		{in(directorypb.File_entente_directory_v1_sign_in_service_proto, "SignInService"), c.Directory,
			handlers(directorypb.NewSignInServiceClient, directorypb.RegisterSignInServiceHandlerClient)},
		{in(invitationpb.File_entente_invitation_v1_bulk_proto, "BulkInvitationService"), c.Invitation,
			handlers(invitationpb.NewBulkInvitationServiceClient, invitationpb.RegisterBulkInvitationServiceHandlerClient)},
		{in(invitationpb.File_entente_invitation_v1_invitation_proto, "InvitationService"), c.Invitation,
			handlers(invitationpb.NewInvitationServiceClient, invitationpb.RegisterInvitationServiceHandlerClient)},
		{in(policypb.File_entente_policy_v1_crosstenant_proto, "CrossTenantAccessPolicyService"), c.Policy,
			handlers(policypb.NewCrossTenantAccessPolicyServiceClient, policypb.RegisterCrossTenantAccessPolicyServiceHandlerClient)},
		{in(policypb.File_entente_policy_v1_collaboration_proto, "CollaborationPolicyService"), c.Policy,
			handlers(policypb.NewCollaborationPolicyServiceClient, policypb.RegisterCollaborationPolicyServiceHandlerClient)},
		{in(syncpb.File_entente_sync_v1_synchronization_proto, "SynchronizationService"), c.Sync,
			handlers(syncpb.NewSynchronizationServiceClient, syncpb.RegisterSynchronizationServiceHandlerClient)},
	}
}
