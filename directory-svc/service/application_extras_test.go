package service_test

import (
	"strings"
	"testing"

	pb "entente.dev/proto/gen/entente/directory/v1"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	odatapb "entente.dev/proto/gen/entente/odata/v1"
	"github.com/google/uuid"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
)

func (h *home) extensions() pb.ExtensionServiceClient { return pb.NewExtensionServiceClient(h.gateway) }
func (h *home) settings() pb.GroupSettingServiceClient {
	return pb.NewGroupSettingServiceClient(h.gateway)
}
func (h *home) principals() pb.ServicePrincipalServiceClient {
	return pb.NewServicePrincipalServiceClient(h.gateway)
}

// application registers an application with its service principal.
func (h *home) application(name string) (*pb.Application, *pb.ServicePrincipal) {
	h.t.Helper()
	app, err := pb.NewApplicationServiceClient(h.gateway).CreateApplication(h.ctx, &pb.CreateApplicationRequest{Application: &pb.Application{DisplayName: &name}})
	h.must(err)
	sp, err := h.principals().CreateServicePrincipal(h.ctx, &pb.CreateServicePrincipalRequest{ServicePrincipal: &pb.ServicePrincipal{AppId: app.AppId}})
	h.must(err)
	return app, sp
}

func (h *home) securityGroup(name string) *pb.Group {
	h.t.Helper()
	g, err := pb.NewGroupServiceClient(h.gateway).CreateGroup(h.ctx, &pb.CreateGroupRequest{Group: &pb.Group{DisplayName: &name, MailEnabled: ptr(false),
		SecurityEnabled: ptr(true), MailNickname: &name}})
	h.must(err)
	return g
}

func TestExtensionDefinitions(t *testing.T) {
	t.Parallel()
	h := start(t).tenant("contoso", pb.Tenant_workforce)
	app, _ := h.application("HR")
	define := func(p *pb.ExtensionProperty) (*pb.ExtensionProperty, error) {
		return h.extensions().CreateExtensionProperty(h.ctx, &pb.CreateExtensionPropertyRequest{Id: app.Id, ExtensionProperty: p})
	}
	cost, err := define(&pb.ExtensionProperty{Name: ptr("costCenter"), DataType: ptr("String"), TargetObjects: []string{"User"}})
	h.must(err)
	if want := "extension_" + strings.ReplaceAll(app.GetAppId(), "-", "") + "_costCenter"; cost.GetName() != want || cost.GetAppDisplayName() != "HR" {
		t.Errorf("%v, want name %s", cost, want)
	}
	_, err = define(&pb.ExtensionProperty{Name: ptr("COSTCENTER"), DataType: ptr("String"), TargetObjects: []string{"User"}})
	wantReason(t, err, errorspb.Reason_OBJECT_CONFLICT)
	for _, wrong := range []*pb.ExtensionProperty{{DataType: ptr("String"), TargetObjects: []string{"User"}}, {Name: ptr("1a"), DataType: ptr("String"), TargetObjects: []string{"User"}},
		{Name: ptr("a"), DataType: ptr("Text"), TargetObjects: []string{"User"}}, {Name: ptr("a"), DataType: ptr("String"), TargetObjects: []string{"Car"}}} {
		if _, err := define(wrong); err == nil {
			t.Errorf("%v was defined", wrong)
		}
	}
	all, err := h.extensions().ListAvailableExtensionProperties(h.ctx, &pb.ListAvailableExtensionPropertiesRequest{})
	if err != nil || len(all.Value) != 1 {
		t.Errorf("%v, %v", all.GetValue(), err)
	}
	key := &pb.GetExtensionPropertyRequest{Id: app.Id, PropertyId: cost.Id}
	_, err = h.extensions().GetExtensionProperty(h.ctx, key)
	h.must(err)
	_, err = h.extensions().DeleteExtensionProperty(h.ctx, &pb.DeleteExtensionPropertyRequest{Id: app.Id, PropertyId: cost.Id})
	h.must(err)
	_, err = h.extensions().GetExtensionProperty(h.ctx, key)
	wantReason(t, err, errorspb.Reason_NOT_FOUND)
}

func TestFederatedCredentials(t *testing.T) {
	t.Parallel()
	h := start(t).tenant("contoso", pb.Tenant_workforce)
	app, _ := h.application("Deploy")
	draft := func(name string) *pb.FederatedIdentityCredential {
		return &pb.FederatedIdentityCredential{Name: &name, Issuer: ptr("https://ci.example"), Subject: ptr("repo:" + name), Audiences: []string{"api://AzureADTokenExchange"}}
	}
	create := func(c *pb.FederatedIdentityCredential) (*pb.FederatedIdentityCredential, error) {
		return h.extensions().CreateFederatedIdentityCredential(h.ctx, &pb.CreateFederatedIdentityCredentialRequest{Id: app.Id, FederatedIdentityCredential: c})
	}
	main, err := create(draft("main"))
	h.must(err)
	_, err = create(draft("main"))
	wantReason(t, err, errorspb.Reason_OBJECT_CONFLICT)
	same := draft("other")
	same.Subject = main.Subject
	_, err = create(same)
	wantReason(t, err, errorspb.Reason_OBJECT_CONFLICT)
	_, err = create(&pb.FederatedIdentityCredential{Name: ptr("x")})
	wantReason(t, err, errorspb.Reason_PROPERTY_REQUIRED)
	_, err = h.extensions().UpdateFederatedIdentityCredential(h.ctx, &pb.UpdateFederatedIdentityCredentialRequest{Id: app.Id, CredentialId: main.Id,
		FederatedIdentityCredential: &pb.FederatedIdentityCredential{Description: ptr("main branch")}, UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"description"}}})
	h.must(err)
	got, err := h.extensions().GetFederatedIdentityCredential(h.ctx, &pb.GetFederatedIdentityCredentialRequest{Id: "appId='" + app.GetAppId() + "'", CredentialId: "main"})
	if err != nil || got.GetDescription() != "main branch" {
		t.Errorf("%v, %v", got, err)
	}
	_, err = h.extensions().DeleteFederatedIdentityCredential(h.ctx, &pb.DeleteFederatedIdentityCredentialRequest{Id: app.Id, CredentialId: main.Id})
	h.must(err)
	left, err := h.extensions().ListFederatedIdentityCredentials(h.ctx, &pb.ListFederatedIdentityCredentialsRequest{Id: app.Id})
	if err != nil || len(left.Value) != 0 {
		t.Errorf("%v, %v", left.GetValue(), err)
	}
}

func TestDelegatedPermissionGrants(t *testing.T) {
	t.Parallel()
	h := start(t).tenant("contoso", pb.Tenant_workforce)
	grants := pb.NewPermissionGrantServiceClient(h.gateway)
	_, client := h.application("Client")
	graph, err := h.principals().GetServicePrincipal(h.ctx, &pb.GetServicePrincipalRequest{Id: "appId='00000003-0000-0000-c000-000000000000'"})
	h.must(err)
	ann := h.user("ann")
	draft := func(principal *string) *pb.OAuth2PermissionGrant {
		kind := "AllPrincipals"
		if principal != nil {
			kind = "Principal"
		}
		return &pb.OAuth2PermissionGrant{ClientId: &client.Id, ResourceId: &graph.Id, ConsentType: &kind, PrincipalId: principal, Scope: ptr(" User.Read  openid ")}
	}
	create := func(g *pb.OAuth2PermissionGrant) (*pb.OAuth2PermissionGrant, error) {
		return grants.CreateOAuth2PermissionGrant(h.ctx, &pb.CreateOAuth2PermissionGrantRequest{Grant: g})
	}
	everybody, err := create(draft(nil))
	if err != nil || everybody.GetScope() != "User.Read openid" {
		t.Fatalf("%v, %v", everybody, err)
	}
	own, err := create(draft(&ann.Id))
	h.must(err)
	_, err = create(draft(nil))
	wantReason(t, err, errorspb.Reason_CONFLICTING_OBJECT)
	_, err = create(draft(ptr(uuid.NewString())))
	wantReason(t, err, errorspb.Reason_NOT_FOUND)
	found, err := grants.ListOAuth2PermissionGrants(h.ctx, &pb.ListOAuth2PermissionGrantsRequest{Query: &odatapb.Query{Filter: "clientId eq '" + client.Id + "' and consentType eq 'AllPrincipals'"}})
	if err != nil || len(found.Value) != 1 || found.Value[0].Id != everybody.Id {
		t.Errorf("%v, %v", found.GetValue(), err)
	}
	mine, err := grants.ListPrincipalOAuth2PermissionGrants(h.ctx, &pb.ListPrincipalOAuth2PermissionGrantsRequest{Id: ann.GetUserPrincipalName()})
	if err != nil || len(mine.Value) != 1 || mine.Value[0].Id != own.Id {
		t.Errorf("%v, %v", mine.GetValue(), err)
	}
	_, err = grants.UpdateOAuth2PermissionGrant(h.ctx, &pb.UpdateOAuth2PermissionGrantRequest{Id: own.Id, Grant: &pb.OAuth2PermissionGrant{Scope: ptr("User.Read.All")},
		UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"scope"}}})
	h.must(err)
	got, err := grants.GetOAuth2PermissionGrant(h.ctx, &pb.GetOAuth2PermissionGrantRequest{Id: own.Id})
	if err != nil || got.GetScope() != "User.Read.All" {
		t.Errorf("%v, %v", got, err)
	}
	_, err = grants.DeleteOAuth2PermissionGrant(h.ctx, &pb.DeleteOAuth2PermissionGrantRequest{Id: own.Id})
	h.must(err)
	_, err = grants.GetOAuth2PermissionGrant(h.ctx, &pb.GetOAuth2PermissionGrantRequest{Id: own.Id})
	wantReason(t, err, errorspb.Reason_NOT_FOUND)
}

func TestGroupSettings(t *testing.T) {
	t.Parallel()
	h := start(t).tenant("contoso", pb.Tenant_workforce)
	const unified, guest, passwords = "62375ab9-6b52-47ed-826b-58e47e0e304b", "08d542b9-071f-4e16-94b0-74abb372e3d9", "5cf42378-d67d-4f36-ba46-e8b86229381d"
	create := func(template, group, name, value string) (*pb.GroupSetting, error) {
		return h.settings().CreateGroupSetting(h.ctx, &pb.CreateGroupSettingRequest{GroupId: group, Setting: &pb.GroupSetting{TemplateId: &template,
			Values: []*pb.SettingValue{{Name: &name, Value: &value}}}})
	}
	made, err := create(unified, "", "AllowToAddGuests", "false")
	h.must(err)
	values := make(map[string]string)
	for _, v := range made.Values {
		values[v.GetName()] = v.GetValue()
	}
	if values["AllowToAddGuests"] != "false" || values["EnableGroupCreation"] != "true" || len(values) != 10 {
		t.Errorf("%v", values)
	}
	_, err = create(unified, "", "AllowToAddGuests", "true")
	wantReason(t, err, errorspb.Reason_CONFLICTING_OBJECT)
	_, err = create(passwords, "", "Nope", "1")
	wantReason(t, err, errorspb.Reason_PROPERTY_INVALID)
	_, err = create(passwords, "", "LockoutThreshold", "51")
	wantReason(t, err, errorspb.Reason_PROPERTY_INVALID)
	_, err = create(guest, "", "AllowToAddGuests", "false") // needs a group
	wantReason(t, err, errorspb.Reason_PROPERTY_INVALID)
	_, err = create(guest, h.securityGroup("plain").Id, "AllowToAddGuests", "false")
	wantReason(t, err, errorspb.Reason_PROPERTY_INVALID)
	_, err = h.settings().UpdateGroupSetting(h.ctx, &pb.UpdateGroupSettingRequest{Id: made.Id, Setting: &pb.GroupSetting{Values: []*pb.SettingValue{{Name: ptr("EnableGroupCreation"), Value: ptr("false")}}},
		UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"values"}}})
	h.must(err)
	list, err := h.settings().ListGroupSettings(h.ctx, &pb.ListGroupSettingsRequest{})
	if err != nil || len(list.Value) != 1 || list.Value[0].Values[0].GetValue() != "false" || list.Value[0].Values[2].GetValue() != "false" {
		t.Errorf("%v, %v", list.GetValue(), err)
	}
	ann := h.user("ann")
	_, err = h.settings().UpdateGroupSetting(h.person(ann.Id), &pb.UpdateGroupSettingRequest{Id: made.Id, Setting: &pb.GroupSetting{}})
	wantReason(t, err, errorspb.Reason_ACCESS_DENIED)
	_, err = h.settings().DeleteGroupSetting(h.ctx, &pb.DeleteGroupSettingRequest{Id: made.Id})
	h.must(err)
	_, err = h.settings().GetGroupSetting(h.ctx, &pb.GetGroupSettingRequest{Id: made.Id})
	wantReason(t, err, errorspb.Reason_NOT_FOUND)
}

func TestAssignmentsFromThePrincipal(t *testing.T) {
	t.Parallel()
	h := start(t).tenant("contoso", pb.Tenant_workforce)
	_, sp := h.application("Shop")
	_, other := h.application("Other")
	ann := h.user("ann")
	const access = "00000000-0000-0000-0000-000000000000"
	made, err := h.principals().AssignAppRoleToPrincipal(h.ctx, &pb.AssignAppRoleRequest{Id: ann.Id, Assignment: &pb.AppRoleAssignment{PrincipalId: &ann.Id, ResourceId: &sp.Id, AppRoleId: ptr(access)}})
	h.must(err)
	_, err = h.principals().AssignAppRoleToPrincipal(h.ctx, &pb.AssignAppRoleRequest{Id: ann.Id, Assignment: &pb.AppRoleAssignment{PrincipalId: &other.Id, ResourceId: &sp.Id, AppRoleId: ptr(access)}})
	wantReason(t, err, errorspb.Reason_PROPERTY_INVALID)
	got, err := h.principals().GetPrincipalAppRoleAssignment(h.ctx, &pb.GetAppRoleAssignmentRequest{Id: ann.GetUserPrincipalName(), AssignmentId: made.Id})
	if err != nil || got.GetResourceId() != sp.Id {
		t.Errorf("%v, %v", got, err)
	}
	_, err = h.principals().GetPrincipalAppRoleAssignment(h.ctx, &pb.GetAppRoleAssignmentRequest{Id: other.Id, AssignmentId: made.Id})
	wantReason(t, err, errorspb.Reason_NOT_FOUND)
	_, err = h.principals().RemovePrincipalAppRole(h.ctx, &pb.RemoveAppRoleRequest{Id: ann.Id, AssignmentId: made.Id})
	h.must(err)
	_, err = h.principals().GetPrincipalAppRoleAssignment(h.ctx, &pb.GetAppRoleAssignmentRequest{Id: ann.Id, AssignmentId: made.Id})
	wantReason(t, err, errorspb.Reason_NOT_FOUND)
}

func TestOwnersManageWhoUsesTheirApplication(t *testing.T) {
	t.Parallel()
	h := start(t).tenant("contoso", pb.Tenant_workforce)
	_, sp := h.application("Shop")
	owner, ann, team := h.user("owner"), h.user("ann"), h.securityGroup("shoppers")
	_, err := h.principals().AddServicePrincipalOwner(h.ctx, &pb.AddServicePrincipalOwnerRequest{Id: sp.Id, Reference: reference(owner.Id)})
	h.must(err)
	add := func() error {
		_, err := h.principals().AddSelfServiceMember(h.person(owner.Id), &pb.AddSelfServiceMemberRequest{Id: sp.Id, UserId: ann.Id})
		return err
	}
	wantReason(t, add(), errorspb.Reason_ACCESS_DENIED) // not delegated yet
	update := func(r *pb.UpdateSelfServiceRequest) error {
		r.Id = sp.Id
		_, err := h.principals().UpdateSelfService(h.ctx, r)
		return err
	}
	wantReason(t, update(&pb.UpdateSelfServiceRequest{GroupId: &team.Id}), errorspb.Reason_PROPERTY_INVALID) // the group is not assigned
	_, err = h.principals().AssignAppRole(h.ctx, &pb.AssignAppRoleRequest{Id: sp.Id, Assignment: &pb.AppRoleAssignment{PrincipalId: &team.Id, ResourceId: &sp.Id,
		AppRoleId: ptr("00000000-0000-0000-0000-000000000000")}})
	h.must(err)
	own := func(id string) (*pb.SelfService, error) {
		return h.principals().GetOwnSelfService(h.person(id), &pb.GetSelfServiceRequest{Id: sp.Id})
	}
	_, err = own(owner.Id)
	wantReason(t, err, errorspb.Reason_ACCESS_DENIED)
	h.must(update(&pb.UpdateSelfServiceRequest{Enabled: ptr(true), GroupId: &team.Id}))
	if got, err := own(owner.Id); err != nil || got.GetGroupId() != team.Id || got.OwnersMayInvite {
		t.Errorf("%v, %v", got, err)
	}
	_, err = own(ann.Id)
	wantReason(t, err, errorspb.Reason_ACCESS_DENIED)
	h.must(add())
	members, err := pb.NewGroupServiceClient(h.gateway).ListMembers(h.ctx, &pb.ListGroupRelationRequest{Id: team.Id})
	if err != nil || len(members.Value) != 1 || members.Value[0].GetUser().GetId() != ann.Id {
		t.Errorf("%v, %v", members.GetValue(), err)
	}
	_, err = h.principals().AddSelfServiceMember(h.person(ann.Id), &pb.AddSelfServiceMemberRequest{Id: sp.Id, UserId: owner.Id})
	wantReason(t, err, errorspb.Reason_ACCESS_DENIED)
	_, err = h.users().DeleteUser(h.person(owner.Id), &pb.DeleteUserRequest{Id: ann.Id})
	wantReason(t, err, errorspb.Reason_ACCESS_DENIED)
	_, err = h.principals().RemoveSelfServiceMember(h.person(owner.Id), &pb.RemoveSelfServiceMemberRequest{Id: sp.Id, UserId: ann.Id})
	h.must(err)
	h.must(update(&pb.UpdateSelfServiceRequest{GroupId: ptr("")}))
	h.must(add())
	held, err := h.principals().ListUserAppRoleAssignments(h.ctx, &pb.ListAppRoleAssignmentsRequest{Id: ann.Id})
	if err != nil || len(held.Value) != 1 || held.Value[0].GetResourceId() != sp.Id {
		t.Errorf("%v, %v", held.GetValue(), err)
	}
}

func TestDeleteByDirectoryObjectAsksForTheTypesPermission(t *testing.T) {
	t.Parallel()
	h := start(t).tenant("contoso", pb.Tenant_workforce)
	objects := pb.NewDirectoryObjectServiceClient(h.gateway)
	g := h.securityGroup("team")
	_, err := objects.DeleteDirectoryObject(h.person(h.admin, "User.ReadWrite.All"), &pb.DeleteDirectoryObjectRequest{Id: g.Id})
	wantReason(t, err, errorspb.Reason_ACCESS_DENIED)
	_, err = objects.DeleteDirectoryObject(h.ctx, &pb.DeleteDirectoryObjectRequest{Id: g.Id})
	h.must(err)
	_, err = objects.DeleteDirectoryObject(h.ctx, &pb.DeleteDirectoryObjectRequest{Id: g.Id})
	wantReason(t, err, errorspb.Reason_NOT_FOUND)
}
