package e2e

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	"entente.dev/deploy/e2e/suitetest"
	auditpb "entente.dev/proto/gen/entente/audit/v1"
	directorypb "entente.dev/proto/gen/entente/directory/v1"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	invitationpb "entente.dev/proto/gen/entente/invitation/v1"
	odatapb "entente.dev/proto/gen/entente/odata/v1"
	policypb "entente.dev/proto/gen/entente/policy/v1"
	syncpb "entente.dev/proto/gen/entente/sync/v1"
)

// reason returns the machine-readable reason of a status.
func reason(err error) errorspb.Reason {
	for _, d := range status.Convert(err).Details() {
		if info, ok := d.(*errdetails.ErrorInfo); ok {
			return errorspb.Reason(errorspb.Reason_value[info.Reason])
		}
	}
	return errorspb.Reason_REASON_UNSPECIFIED
}

func TestServiceRunsTheMainJobByStubs(t *testing.T) {
	t.Parallel()
	s := suitetest.Shared(t)
	tenant, other := s.NewTenant(t, "workforce", "Lucerne"), s.NewTenant(t, "workforce", "Margie")
	ctx := suitetest.Context(t, s.AppToken(t, tenant.ID, tenant.ClientID, tenant.ClientSecret))
	otherCtx := suitetest.Context(t, s.AppToken(t, other.ID, other.ClientID, other.ClientSecret))
	directory, invitations := s.Dial(t, "directory"), s.Dial(t, "invitation")
	policy, synchronization := s.Dial(t, "policy"), s.Dial(t, "sync")
	for name, conn := range map[string]grpc_health_v1.HealthClient{
		"directory": grpc_health_v1.NewHealthClient(directory), "invitation": grpc_health_v1.NewHealthClient(invitations),
		"policy": grpc_health_v1.NewHealthClient(policy), "sync": grpc_health_v1.NewHealthClient(synchronization),
	} {
		h, err := conn.Check(suitetest.Context(t, ""), &grpc_health_v1.HealthCheckRequest{})
		if err != nil || h.Status != grpc_health_v1.HealthCheckResponse_SERVING {
			t.Errorf("health of %s = %v, %v", name, h, err)
		}
	}

	users := directorypb.NewUserServiceClient(directory)
	newUser := func(name string) *directorypb.CreateUserRequest {
		return &directorypb.CreateUserRequest{User: &directorypb.User{
			AccountEnabled: proto.Bool(true), DisplayName: proto.String(name), MailNickname: proto.String(name),
			UserPrincipalName: proto.String(name + "@" + tenant.Domain), Mail: proto.String(name + "@" + tenant.Domain),
			PasswordProfile: &directorypb.PasswordProfile{Password: proto.String("Correct-Horse-7-Battery")},
		}}
	}
	user, err := users.CreateUser(ctx, newUser("stub"))
	if err != nil {
		t.Fatalf("CreateUser: %v", err)
	}
	if _, err := users.CreateUser(ctx, newUser("stub")); reason(err) != errorspb.Reason_OBJECT_CONFLICT || status.Code(err) != codes.AlreadyExists {
		t.Errorf("a second user of one name: %v", err)
	}
	if _, err := users.UpdateUser(ctx, &directorypb.UpdateUserRequest{
		Id: user.Id, User: &directorypb.User{City: proto.String("Delft")}, UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"city", "display_name"}},
	}); status.Code(err) != codes.InvalidArgument {
		t.Errorf("clearing a required property: %v", err)
	}
	if _, err := users.UpdateUser(ctx, &directorypb.UpdateUserRequest{
		Id: user.Id, User: &directorypb.User{City: proto.String("Delft")}, UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"city"}},
	}); err != nil {
		t.Errorf("UpdateUser: %v", err)
	}
	got, err := users.GetUser(ctx, &directorypb.GetUserRequest{Id: user.Id})
	if err != nil || got.GetCity() != "Delft" {
		t.Errorf("GetUser = %v, %v", got.GetCity(), err)
	}
	if _, err := users.GetUser(otherCtx, &directorypb.GetUserRequest{Id: user.Id}); status.Code(err) != codes.NotFound {
		t.Errorf("another tenant's user: %v", err)
	}
	list, err := users.ListUsers(ctx, &directorypb.ListUsersRequest{Query: &odatapb.Query{Filter: "displayName eq 'stub'", Top: proto.Int32(1)}})
	if err != nil || len(list.Value) != 1 {
		t.Errorf("ListUsers = %v, %v", list, err)
	}
	var all int
	for token := ""; ; {
		page, err := users.ListUsers(ctx, &directorypb.ListUsersRequest{Query: &odatapb.Query{Top: proto.Int32(1), Skiptoken: token}})
		if err != nil {
			t.Fatalf("ListUsers: %v", err)
		}
		all += len(page.Value)
		if token = page.NextPageToken; token == "" {
			break
		}
	}
	if all != 2 {
		t.Errorf("%d users by pages of one, want 2", all)
	}

	invitation, err := invitationpb.NewInvitationServiceClient(invitations).CreateInvitation(ctx, &invitationpb.CreateInvitationRequest{Invitation: &invitationpb.Invitation{
		InvitedUserEmailAddress: proto.String(address("stub")), InviteRedirectUrl: proto.String(welcome),
	}})
	if err != nil || invitation.GetStatus() != invitationpb.Invitation_PendingAcceptance || invitation.InvitedUser.GetId() == "" {
		t.Errorf("CreateInvitation = %v, %v", invitation, err)
	}

	access := policypb.NewCrossTenantAccessPolicyServiceClient(policy)
	if _, err := access.CreatePartner(ctx, &policypb.CreatePartnerRequest{Partner: &policypb.CrossTenantAccessPolicyConfigurationPartner{
		TenantId: proto.String(other.ID), AutomaticUserConsentSettings: &policypb.InboundOutboundPolicyConfiguration{OutboundAllowed: proto.Bool(true)},
	}}); err != nil {
		t.Errorf("CreatePartner: %v", err)
	}
	if _, err := access.CreatePartner(otherCtx, &policypb.CreatePartnerRequest{Partner: &policypb.CrossTenantAccessPolicyConfigurationPartner{
		TenantId: proto.String(tenant.ID), AutomaticUserConsentSettings: &policypb.InboundOutboundPolicyConfiguration{InboundAllowed: proto.Bool(true)},
	}}); err != nil {
		t.Errorf("CreatePartner: %v", err)
	}
	if _, err := access.PutIdentitySynchronization(otherCtx, &policypb.PutIdentitySynchronizationRequest{
		TenantId: tenant.ID, IdentitySynchronization: &policypb.CrossTenantIdentitySyncPolicyPartner{UserSyncInbound: &policypb.CrossTenantUserSyncInbound{IsSyncAllowed: proto.Bool(true)}},
	}); err != nil {
		t.Errorf("PutIdentitySynchronization: %v", err)
	}

	jobs := syncpb.NewSynchronizationServiceClient(synchronization)
	made, err := jobs.InstantiateApplicationTemplate(ctx, &syncpb.InstantiateApplicationTemplateRequest{Id: crossTenantTemplate, DisplayName: proto.String("Synchronize")})
	if err != nil {
		t.Fatalf("InstantiateApplicationTemplate: %v", err)
	}
	sp := made.ServicePrincipal.GetId()
	pair := func(key, value string) *syncpb.SynchronizationSecretKeyStringValuePair {
		return &syncpb.SynchronizationSecretKeyStringValuePair{Key: proto.String(key), Value: proto.String(value)}
	}
	if _, err := jobs.PutSecrets(ctx, &syncpb.PutSecretsRequest{ServicePrincipalId: sp, Value: []*syncpb.SynchronizationSecretKeyStringValuePair{
		pair("AuthenticationType", "SyncPolicy"), pair("CompanyId", other.ID), pair("SyncAll", "true"),
	}}); err != nil {
		t.Fatalf("PutSecrets: %v", err)
	}
	job, err := jobs.CreateJob(ctx, &syncpb.CreateJobRequest{ServicePrincipalId: sp, Job: &syncpb.SynchronizationJob{TemplateId: proto.String(syncTemplate)}})
	if err != nil {
		t.Fatalf("CreateJob: %v", err)
	}
	if _, err := jobs.StartJob(ctx, &syncpb.StartJobRequest{ServicePrincipalId: sp, JobId: job.Id}); err != nil {
		t.Fatalf("StartJob: %v", err)
	}
	suitetest.Eventually(t, 30*time.Second, "the user arrives in the other tenant", func() bool {
		page, err := users.ListUsers(otherCtx, &directorypb.ListUsersRequest{Query: &odatapb.Query{Filter: "displayName eq 'stub'", Select: "id,externalUserState"}})
		return err == nil && len(page.Value) == 1 && page.Value[0].GetExternalUserState() == directorypb.User_Accepted
	})

	events, err := auditpb.NewAuditServiceClient(directory).ListAuditEvents(ctx, &auditpb.ListAuditEventsRequest{Query: &odatapb.Query{Filter: "activityDisplayName eq 'Add user'"}})
	if err != nil || len(events.Value) == 0 {
		t.Errorf("ListAuditEvents = %v, %v", events, err)
	}
	if _, err := users.DeleteUser(ctx, &directorypb.DeleteUserRequest{Id: user.Id}); err != nil {
		t.Errorf("DeleteUser: %v", err)
	}
	if _, err := directorypb.NewDirectoryObjectServiceClient(directory).RestoreDeletedItem(ctx, &directorypb.RestoreDeletedItemRequest{Id: user.Id}); err != nil {
		t.Errorf("RestoreDeletedItem: %v", err)
	}
}

func TestServiceAnswersInTime(t *testing.T) {
	t.Parallel()
	s := suitetest.Shared(t)
	tenant := s.Demo(t, "contoso")
	ctx, cancel := context.WithTimeout(suitetest.Context(t, s.AppToken(t, tenant.ID, tenant.ClientID, tenant.ClientSecret)), time.Microsecond)
	defer cancel()
	_, err := directorypb.NewUserServiceClient(s.Dial(t, "directory")).ListUsers(ctx, &directorypb.ListUsersRequest{})
	if status.Code(err) != codes.DeadlineExceeded || errors.Is(err, io.EOF) || strings.Contains(err.Error(), "SELECT") {
		t.Errorf("a call without time = %v", err)
	}
}
