package service_test

import (
	"strings"
	"testing"
	"time"

	"entente.dev/directory-svc/internal/jobs"
	"entente.dev/directory-svc/internal/store"
	"entente.dev/directory-svc/service"
	pb "entente.dev/proto/gen/entente/directory/v1"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	odatapb "entente.dev/proto/gen/entente/odata/v1"
	"entente.dev/servicekit/clock/clocktest"
	"entente.dev/servicekit/fault"
	"entente.dev/servicekit/pg/pgtest"
	"github.com/google/uuid"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
)

func (h *home) groups() pb.GroupServiceClient { return pb.NewGroupServiceClient(h.gateway) }

func (h *home) group(name string, types ...string) *pb.Group {
	h.t.Helper()
	unified := len(types) > 0 && types[0] == "Unified"
	g, err := h.groups().CreateGroup(h.ctx, &pb.CreateGroupRequest{Group: &pb.Group{DisplayName: &name, MailNickname: &name, GroupTypes: types, MailEnabled: &unified, SecurityEnabled: ptr(true)}})
	if err != nil {
		h.t.Fatal(err)
	}
	return g
}

func reference(id string) *odatapb.Reference {
	return &odatapb.Reference{OdataId: "https://elsewhere.example/v1.0/directoryObjects/" + id}
}

func (h *home) addMember(group, member string) error {
	_, err := h.groups().AddMember(h.ctx, &pb.AddGroupReferenceRequest{Id: group, Reference: reference(member)})
	return err
}

func TestAC39Membership(t *testing.T) {
	t.Parallel()
	h := start(t).tenant("contoso", pb.Tenant_workforce)
	u, a, b, unified := h.user("alice"), h.group("a"), h.group("b"), h.group("u", "Unified")
	if err := h.addMember(a.Id, u.Id); err != nil {
		t.Fatal(err)
	}
	err := h.addMember(a.Id, u.Id)
	wantReason(t, err, errorspb.Reason_REFERENCE_EXISTS)
	if !strings.Contains(err.Error(), "One or more added object references already exist for the following modified properties: 'members'.") {
		t.Error(err)
	}
	wantReason(t, h.addMember(a.Id, uuid.NewString()), errorspb.Reason_NOT_FOUND)
	wantReason(t, h.addMember(a.Id, unified.Id), errorspb.Reason_REFERENCE_INVALID)
	wantReason(t, h.addMember(a.Id, a.Id), errorspb.Reason_REFERENCE_INVALID)
	if err := h.addMember(a.Id, b.Id); err != nil {
		t.Fatal(err)
	}
	wantReason(t, h.addMember(b.Id, a.Id), errorspb.Reason_REFERENCE_INVALID)
	rule, nickname := "user.department -eq \"none\"", "dyn"
	dynamic, err := h.groups().CreateGroup(h.ctx, &pb.CreateGroupRequest{Group: &pb.Group{DisplayName: &nickname, MailNickname: &nickname, GroupTypes: []string{"DynamicMembership"},
		MailEnabled: ptr(false), SecurityEnabled: ptr(true), MembershipRule: &rule}})
	if err != nil {
		t.Fatal(err)
	}
	wantReason(t, h.addMember(dynamic.Id, u.Id), errorspb.Reason_DYNAMIC_MEMBERSHIP)
	_, err = h.groups().AddMember(h.person(h.admin), &pb.AddGroupReferenceRequest{Id: dynamic.Id, Reference: reference(u.Id)})
	wantReason(t, err, errorspb.Reason_DYNAMIC_MEMBERSHIP)
	_, err = h.groups().RemoveMember(h.ctx, &pb.RemoveGroupReferenceRequest{Id: a.Id, ObjectId: uuid.NewString()})
	wantReason(t, err, errorspb.Reason_NOT_FOUND)

	if err := h.addMember(b.Id, h.user("bob").Id); err != nil {
		t.Fatal(err)
	}
	list, err := h.groups().ListMembers(h.ctx, &pb.ListGroupRelationRequest{Id: a.Id, Query: &odatapb.Query{Filter: "id eq '" + u.Id + "'"}})
	if err != nil || len(list.Value) != 1 || list.Value[0].GetUser().GetId() != u.Id {
		t.Errorf("%v %v", list, err)
	}
	all, err := h.groups().ListTransitiveMembers(h.ctx, &pb.ListGroupRelationRequest{Id: a.Id, Cast: "microsoft.graph.user"})
	if err != nil || len(all.Value) != 2 {
		t.Errorf("%v %v", all, err)
	}
	all, err = h.groups().ListTransitiveMembers(h.ctx, &pb.ListGroupRelationRequest{Id: a.Id, Query: &odatapb.Query{Count: ptr(true), Top: ptr(int32(1)), Advanced: true}})
	if err != nil || len(all.Value) != 1 || all.GetOdataCount() != 3 {
		t.Errorf("counted %v %v", all, err)
	}
	of, err := h.users().ListMemberOf(h.ctx, &pb.ListUserRelationRequest{Id: u.Id})
	if err != nil || len(of.Value) != 1 || of.Value[0].GetGroup().GetId() != a.Id {
		t.Errorf("%v %v", of, err)
	}
}

func TestAC40Owners(t *testing.T) {
	t.Parallel()
	h := start(t).tenant("contoso", pb.Tenant_workforce)
	u, g, other := h.user("alice"), h.group("a"), h.group("b")
	add := func(id string) error {
		_, err := h.groups().AddOwner(h.ctx, &pb.AddGroupReferenceRequest{Id: g.Id, Reference: reference(id)})
		return err
	}
	if err := add(u.Id); err != nil {
		t.Fatal(err)
	}
	wantReason(t, add(other.Id), errorspb.Reason_REFERENCE_INVALID)
	_, err := h.groups().RemoveOwner(h.ctx, &pb.RemoveGroupReferenceRequest{Id: g.Id, ObjectId: u.Id})
	wantReason(t, err, errorspb.Reason_REFERENCE_INVALID)
	for i := range 99 {
		if err := add(h.user("owner" + string(rune('a'+i/26)) + string(rune('a'+i%26))).Id); err != nil {
			t.Fatal(i, err)
		}
	}
	wantReason(t, add(h.user("last").Id), errorspb.Reason_REFERENCE_INVALID)
}

func TestAC57DanglingOwner(t *testing.T) {
	t.Parallel()
	h := start(t).tenant("contoso", pb.Tenant_workforce)
	name := "g"
	_, err := h.groups().CreateGroup(h.ctx, &pb.CreateGroupRequest{Group: &pb.Group{DisplayName: &name, MailNickname: &name, MailEnabled: ptr(false), SecurityEnabled: ptr(true),
		OwnersBind: []string{"https://x/v1.0/users/" + uuid.NewString()}}})
	wantReason(t, err, errorspb.Reason_REFERENCE_INVALID)
	for _, phrase := range []string{"One or more property values specified are invalid", "Not a valid reference update", "queried reference-property"} {
		if strings.Contains(fault.From(err).Message, phrase) {
			t.Error(err)
		}
	}
}

func TestAC31AndAC34DeletedItems(t *testing.T) {
	t.Parallel()
	h := start(t).tenant("contoso", pb.Tenant_workforce)
	objects := pb.NewDirectoryObjectServiceClient(h.gateway)
	u, boss, g, unified := h.user("alice"), h.user("boss"), h.group("a"), h.group("u", "Unified")
	for _, err := range []error{h.addMember(g.Id, u.Id), h.addMember(unified.Id, u.Id), h.give(directoryReaders, u.Id, "/")} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, err := h.users().SetManager(h.ctx, &pb.SetManagerRequest{Id: u.Id, Reference: reference(boss.Id)}); err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{
		second(h.users().DeleteUser(h.ctx, &pb.DeleteUserRequest{Id: u.Id})),
		second(h.groups().DeleteGroup(h.ctx, &pb.DeleteGroupRequest{Id: unified.Id})),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	members, err := h.groups().ListMembers(h.ctx, &pb.ListGroupRelationRequest{Id: g.Id})
	if err != nil || len(members.Value) != 0 {
		t.Errorf("a deleted user is still a member: %v %v", members, err)
	}
	_, err = h.users().GetUser(h.ctx, &pb.GetUserRequest{Id: u.Id})
	wantReason(t, err, errorspb.Reason_NOT_FOUND)
	if left, _, err := h.list(&odatapb.Query{Filter: "displayName eq 'alice'"}); err != nil || len(left) != 0 {
		t.Errorf("a deleted user is listed: %v %v", left, err)
	}
	assignments := func() int {
		list, err := h.roles().ListRoleAssignments(h.ctx, &pb.ListRoleAssignmentsRequest{Query: &odatapb.Query{Filter: "principalId eq '" + u.Id + "'"}})
		h.must(err)
		return len(list.Value)
	}
	if n := assignments(); n != 0 {
		t.Errorf("a deleted user holds %d roles", n)
	}
	list, err := objects.ListDeletedItems(h.ctx, &pb.ListDeletedItemsRequest{Cast: "microsoft.graph.user"})
	if err != nil || len(list.Value) != 1 || list.Value[0].GetUser().GetUserPrincipalName() != strings.ReplaceAll(u.Id, "-", "")+u.GetUserPrincipalName() {
		t.Fatalf("%v %v", list, err)
	}
	if _, err := objects.RestoreDeletedItem(h.ctx, &pb.RestoreDeletedItemRequest{Id: u.Id}); err != nil {
		t.Fatal(err)
	}
	members, err = h.groups().ListMembers(h.ctx, &pb.ListGroupRelationRequest{Id: g.Id})
	if err != nil || len(members.Value) != 1 {
		t.Errorf("%v %v", members, err)
	}
	manager, err := h.users().GetManager(h.ctx, &pb.GetManagerRequest{Id: u.Id})
	if err != nil || manager.GetUser().GetId() != boss.Id {
		t.Errorf("%v %v", manager, err)
	}
	if n := assignments(); n != 1 {
		t.Errorf("%d roles came back", n)
	}
	// A Microsoft 365 group comes back, a security group is gone at once.
	restored, err := objects.RestoreDeletedItem(h.ctx, &pb.RestoreDeletedItemRequest{Id: unified.Id})
	if err != nil || restored.GetGroup().GetMail() != "u@"+h.domain {
		t.Errorf("%v %v", restored, err)
	}
	if _, err := h.groups().DeleteGroup(h.ctx, &pb.DeleteGroupRequest{Id: g.Id}); err != nil {
		t.Fatal(err)
	}
	_, err = objects.GetDeletedItem(h.ctx, &pb.GetDeletedItemRequest{Id: g.Id})
	wantReason(t, err, errorspb.Reason_NOT_FOUND)
}

func second[T any](_ T, err error) error { return err }

func TestAC32RestoreConflicts(t *testing.T) {
	t.Parallel()
	h := start(t).tenant("contoso", pb.Tenant_workforce)
	objects := pb.NewDirectoryObjectServiceClient(h.gateway)
	draft := h.draft("alice")
	draft.Mail = ptr("alice@mail.example")
	u, err := h.users().CreateUser(h.ctx, &pb.CreateUserRequest{User: draft})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.users().DeleteUser(h.ctx, &pb.DeleteUserRequest{Id: u.Id}); err != nil {
		t.Fatal(err)
	}
	if _, err := h.users().CreateUser(h.ctx, &pb.CreateUserRequest{User: draft}); err != nil {
		t.Fatal(err)
	}
	_, err = objects.RestoreDeletedItem(h.ctx, &pb.RestoreDeletedItemRequest{Id: u.Id, AutoReconcileProxyConflict: ptr(true)})
	wantReason(t, err, errorspb.Reason_OBJECT_CONFLICT)
	other := "alice2@" + h.domain
	_, err = objects.RestoreDeletedItem(h.ctx, &pb.RestoreDeletedItemRequest{Id: u.Id, NewUserPrincipalName: &other})
	wantReason(t, err, errorspb.Reason_OBJECT_CONFLICT)
	back, err := objects.RestoreDeletedItem(h.ctx, &pb.RestoreDeletedItemRequest{Id: u.Id, NewUserPrincipalName: &other, AutoReconcileProxyConflict: ptr(true)})
	if err != nil || back.GetUser().GetUserPrincipalName() != other || len(back.GetUser().ProxyAddresses) != 0 {
		t.Errorf("%v %v", back, err)
	}
}

func TestAC33PurgeAfterThirtyDays(t *testing.T) {
	t.Parallel()
	db := pgtest.Services(t, pgtest.Schema{Name: service.Schema, Sources: service.Sources()})[service.Schema]
	fake := clocktest.New(time.Now().UTC().Truncate(time.Second))
	s := startOn(t, db.DSN, fake, fake)
	h := s.tenant("contoso", pb.Tenant_workforce)
	alice, ben := h.user("alice"), h.user("ben")
	for _, u := range []*pb.User{alice, ben} {
		_, err := h.users().DeleteUser(h.ctx, &pb.DeleteUserRequest{Id: u.Id})
		h.must(err)
	}
	later := func(d time.Duration) {
		s.clock.Advance(d)
		h.ctx = s.as(h.token(h.app.AppId, h.app.ClientSecret))
	}
	restore := func(u *pb.User) error {
		_, err := h.objects().RestoreDeletedItem(h.ctx, &pb.RestoreDeletedItemRequest{Id: u.Id})
		return err
	}
	const retention = 30 * 24 * time.Hour
	later(retention - time.Second)
	_, token := h.follow(h.userDelta, &pb.ListDeltaRequest{Query: &odatapb.Query{Deltatoken: "latest"}})
	h.must(restore(alice))
	later(time.Second)
	wantReason(t, restore(ben), errorspb.Reason_NOT_FOUND) // the job has not run
	_, err := h.objects().GetDeletedItem(h.ctx, &pb.GetDeletedItemRequest{Id: ben.Id})
	wantReason(t, err, errorspb.Reason_NOT_FOUND)
	purger := &jobs.Purger{Store: store.New(pgtest.OpenService(t, db), s.clock), Clock: s.clock}
	if n, err := purger.RunOnce(t.Context()); err != nil || n != 1 {
		t.Fatalf("%d purged, %v", n, err)
	}
	if e := h.told(h.userDelta, &token, ben.Id); e.RemovedReason != "deleted" {
		t.Errorf("%v", e)
	}
	_, err = h.users().GetUser(h.ctx, &pb.GetUserRequest{Id: alice.Id})
	h.must(err)
}

func TestApplicationsAndAssignments(t *testing.T) {
	t.Parallel()
	h := start(t).tenant("contoso", pb.Tenant_workforce)
	apps, principals := pb.NewApplicationServiceClient(h.gateway), pb.NewServicePrincipalServiceClient(h.gateway)
	roleID := uuid.NewString()
	app, err := apps.CreateApplication(h.ctx, &pb.CreateApplicationRequest{Application: &pb.Application{DisplayName: ptr("shop"), IdentifierUris: []string{"api://shop"},
		AppRoles: []*pb.AppRole{{Id: roleID, AllowedMemberTypes: []string{"User"}, DisplayName: ptr("Buyer"), Description: ptr("Buys"), IsEnabled: ptr(true), Value: ptr("buyer")}},
		Web:      &pb.WebApplication{HomePageUrl: ptr("https://shop.example"), RedirectUris: []string{"https://shop.example/cb"}}}})
	if err != nil {
		t.Fatal(err)
	}
	sp, err := principals.CreateServicePrincipal(h.ctx, &pb.CreateServicePrincipalRequest{ServicePrincipal: &pb.ServicePrincipal{AppId: app.AppId}})
	if err != nil || sp.GetDisplayName() != "shop" || len(sp.AppRoles) != 1 || sp.GetHomepage() != "https://shop.example" || sp.ServicePrincipalNames[1] != "api://shop" {
		t.Fatalf("%v %v", sp, err)
	}
	_, err = principals.CreateServicePrincipal(h.ctx, &pb.CreateServicePrincipalRequest{ServicePrincipal: &pb.ServicePrincipal{AppId: app.AppId}})
	wantReason(t, err, errorspb.Reason_ALREADY_EXISTS)
	_, err = principals.CreateServicePrincipal(h.ctx, &pb.CreateServicePrincipalRequest{ServicePrincipal: &pb.ServicePrincipal{AppId: ptr(uuid.NewString())}})
	wantReason(t, err, errorspb.Reason_REFERENCE_INVALID)
	found, err := principals.ListServicePrincipals(h.ctx, &pb.ListServicePrincipalsRequest{Query: &odatapb.Query{Filter: "appId eq '" + app.GetAppId() + "'"}})
	if err != nil || len(found.Value) != 1 || found.Value[0].Id != sp.Id {
		t.Errorf("%v %v", found, err)
	}

	// The application changes, and its service principal with it.
	_, err = apps.UpdateApplication(h.ctx, &pb.UpdateApplicationRequest{Id: app.Id, Application: &pb.Application{AppRoles: nil}, UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"app_roles"}}})
	wantReason(t, err, errorspb.Reason_APP_ROLE_IN_USE)
	_, err = apps.UpdateApplication(h.ctx, &pb.UpdateApplicationRequest{Id: app.Id, Application: &pb.Application{Web: &pb.WebApplication{LogoutUrl: ptr("https://shop.example/out")}, IdentifierUris: []string{"api://shop2"}},
		UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"web.logout_url", "identifier_uris"}}})
	if err != nil {
		t.Fatal(err)
	}
	got, err := principals.GetServicePrincipal(h.ctx, &pb.GetServicePrincipalRequest{Id: "appId=" + app.GetAppId()})
	if err != nil || got.GetLogoutUrl() != "https://shop.example/out" || got.GetHomepage() != "https://shop.example" || got.ServicePrincipalNames[1] != "api://shop2" {
		t.Errorf("%v %v", got, err)
	}

	u, g := h.user("alice"), h.group("buyers")
	assign := func(principal string) (*pb.AppRoleAssignment, error) {
		return principals.AssignAppRole(h.ctx, &pb.AssignAppRoleRequest{Id: sp.Id, Assignment: &pb.AppRoleAssignment{PrincipalId: &principal, ResourceId: &sp.Id, AppRoleId: &roleID}})
	}
	a, err := assign(u.Id)
	if err != nil || a.GetPrincipalType() != "User" || a.GetResourceDisplayName() != "shop" {
		t.Fatalf("%v %v", a, err)
	}
	_, err = assign(u.Id)
	wantReason(t, err, errorspb.Reason_ASSIGNMENT_EXISTS)
	_, err = assign(sp.Id) // the role is for users
	wantReason(t, err, errorspb.Reason_INVALID_REQUEST)
	_, err = assign(uuid.NewString())
	wantReason(t, err, errorspb.Reason_NOT_FOUND)
	if _, err := assign(g.Id); err != nil {
		t.Fatal(err)
	}
	bob := h.user("bob")
	if err := h.addMember(g.Id, bob.Id); err != nil {
		t.Fatal(err)
	}
	sync := pb.NewProvisioningServiceClient(h.dial("sync-svc"))
	assignees, err := sync.ListAssignees(t.Context(), &pb.ListAssigneesRequest{TenantId: h.id, ServicePrincipalId: sp.Id})
	if err != nil || len(assignees.UserIds) != 2 {
		t.Errorf("%v %v", assignees, err)
	}
	if _, err := principals.RemoveAppRole(h.ctx, &pb.RemoveAppRoleRequest{Id: sp.Id, AssignmentId: a.Id}); err != nil {
		t.Fatal(err)
	}
	mine, err := principals.ListUserAppRoleAssignments(h.ctx, &pb.ListAppRoleAssignmentsRequest{Id: u.Id})
	if err != nil || len(mine.Value) != 0 {
		t.Errorf("%v %v", mine, err)
	}
	if _, err := apps.DeleteApplication(h.ctx, &pb.DeleteApplicationRequest{Id: app.Id}); err != nil {
		t.Fatal(err)
	}
	_, err = principals.GetServicePrincipal(h.ctx, &pb.GetServicePrincipalRequest{Id: sp.Id})
	wantReason(t, err, errorspb.Reason_NOT_FOUND)
}

func TestSecretsLifecycle(t *testing.T) {
	t.Parallel()
	h := start(t).tenant("contoso", pb.Tenant_workforce)
	apps, principals := pb.NewApplicationServiceClient(h.gateway), pb.NewServicePrincipalServiceClient(h.gateway)
	app, err := apps.CreateApplication(h.ctx, &pb.CreateApplicationRequest{Application: &pb.Application{DisplayName: ptr("job")}})
	if err != nil {
		t.Fatal(err)
	}
	sp, err := principals.CreateServicePrincipal(h.ctx, &pb.CreateServicePrincipalRequest{ServicePrincipal: &pb.ServicePrincipal{AppId: app.AppId}})
	if err != nil {
		t.Fatal(err)
	}
	secret, err := apps.AddApplicationPassword(h.ctx, &pb.AddApplicationPasswordRequest{Id: app.Id, PasswordCredential: &pb.PasswordCredential{DisplayName: ptr("ci")}})
	if err != nil || secret.GetSecretText() == "" {
		t.Fatalf("%v %v", secret, err)
	}
	got, err := apps.GetApplication(h.ctx, &pb.GetApplicationRequest{Id: app.Id})
	if err != nil || len(got.PasswordCredentials) != 1 || got.PasswordCredentials[0].SecretText != nil || got.PasswordCredentials[0].GetKeyId() != secret.GetKeyId() {
		t.Fatalf("%v %v", got, err)
	}
	if one, two := h.token(app.GetAppId(), secret.GetSecretText()), h.token(app.GetAppId(), secret.GetSecretText()); one == "" || one == two {
		t.Error("two requests, one after the other, got the same token")
	}
	// A token of an application without permissions opens nothing.
	_, err = h.users().GetUser(h.as(h.token(app.GetAppId(), secret.GetSecretText())), &pb.GetUserRequest{Id: h.admin})
	wantReason(t, err, errorspb.Reason_ACCESS_DENIED)
	tokens := pb.NewTokenServiceClient(h.gateway)
	for name, c := range map[string]struct {
		req  *pb.IssueTokenRequest
		want errorspb.Reason
	}{
		"wrong secret":        {&pb.IssueTokenRequest{Authority: h.id, ClientId: app.GetAppId(), ClientSecret: "wrong"}, errorspb.Reason_OAUTH_INVALID_CLIENT},
		"unknown application": {&pb.IssueTokenRequest{Authority: h.id, ClientId: uuid.NewString(), ClientSecret: "x"}, errorspb.Reason_OAUTH_UNKNOWN_APPLICATION},
		"unknown tenant":      {&pb.IssueTokenRequest{Authority: "nowhere.example", ClientId: app.GetAppId(), ClientSecret: "x"}, errorspb.Reason_OAUTH_UNKNOWN_TENANT},
	} {
		c.req.GrantType, c.req.Scope = "client_credentials", graphOrigin+"/.default"
		_, err := tokens.IssueToken(t.Context(), c.req)
		if !fault.Is(err, c.want) || !strings.Contains(fault.From(err).Message, "AADSTS") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := apps.RemoveApplicationPassword(h.ctx, &pb.RemoveApplicationPasswordRequest{Id: app.Id, KeyId: secret.GetKeyId()}); err != nil {
		t.Fatal(err)
	}
	_, err = tokens.IssueToken(t.Context(), &pb.IssueTokenRequest{Authority: h.domain, GrantType: "client_credentials", Scope: "https://graph.microsoft.com/.default", ClientId: app.GetAppId(), ClientSecret: secret.GetSecretText()})
	wantReason(t, err, errorspb.Reason_OAUTH_INVALID_CLIENT)
	// Graph's own service principal cannot be removed.
	graph, err := principals.GetServicePrincipal(h.ctx, &pb.GetServicePrincipalRequest{Id: "appId=00000003-0000-0000-c000-000000000000"})
	if err != nil || len(graph.AppRoles) < 40 {
		t.Fatalf("%v %v", graph, err)
	}
	_, err = principals.DeleteServicePrincipal(h.ctx, &pb.DeleteServicePrincipalRequest{Id: graph.Id})
	wantReason(t, err, errorspb.Reason_PROTECTED_OBJECT)
	_ = sp
}

func TestRoles(t *testing.T) {
	t.Parallel()
	h := start(t).tenant("contoso", pb.Tenant_workforce)
	roles := pb.NewRoleServiceClient(h.gateway)
	const ga, ua = "62e90394-69f5-4237-9190-012177145e10", "fe930be7-5e62-47db-91af-98c3a49a38b1"
	list, err := roles.ListRoleAssignments(h.ctx, &pb.ListRoleAssignmentsRequest{Query: &odatapb.Query{Filter: "roleDefinitionId eq '" + ga + "'"}})
	if err != nil || len(list.Value) != 1 || list.Value[0].GetPrincipalId() != h.admin {
		t.Fatalf("%v %v", list, err)
	}
	// AC-35: the last Global Administrator cannot be unassigned.
	_, err = roles.DeleteRoleAssignment(h.ctx, &pb.DeleteRoleAssignmentRequest{Id: list.Value[0].Id})
	wantReason(t, err, errorspb.Reason_LAST_ADMINISTRATOR)
	u := h.user("alice")
	assign := func(role string) (*pb.UnifiedRoleAssignment, error) {
		return roles.CreateRoleAssignment(h.ctx, &pb.CreateRoleAssignmentRequest{RoleAssignment: &pb.UnifiedRoleAssignment{PrincipalId: &u.Id, RoleDefinitionId: &role, DirectoryScopeId: ptr("/")}})
	}
	if _, err := assign(ga); err != nil {
		t.Fatal(err)
	}
	_, err = assign(ga)
	wantReason(t, err, errorspb.Reason_CONFLICTING_OBJECT)
	// With a second one the first may go; then the second is the last.
	if _, err = roles.DeleteRoleAssignment(h.ctx, &pb.DeleteRoleAssignmentRequest{Id: list.Value[0].Id}); err != nil {
		t.Fatal(err)
	}
	if _, err := assign(ua); err != nil {
		t.Fatal(err)
	}
	active, err := roles.ListDirectoryRoles(h.ctx, &pb.ListDirectoryRolesRequest{Query: &odatapb.Query{Filter: "roleTemplateId eq '" + ua + "'"}})
	if err != nil || len(active.Value) != 1 || active.Value[0].Id == ua {
		t.Errorf("%v %v", active, err)
	}
	of, err := h.users().ListMemberOf(h.ctx, &pb.ListUserRelationRequest{Id: u.Id})
	if err != nil || len(of.Value) != 2 {
		t.Errorf("%v %v", of, err)
	}
	_, err = roles.ActivateDirectoryRole(h.ctx, &pb.ActivateDirectoryRoleRequest{Role: &pb.DirectoryRole{RoleTemplateId: ptr(ua)}})
	wantReason(t, err, errorspb.Reason_CONFLICTING_OBJECT)
}

func TestAC46AppAccess(t *testing.T) {
	t.Parallel()
	h := start(t).tenant("contoso", pb.Tenant_workforce)
	apps, principals := pb.NewApplicationServiceClient(h.gateway), pb.NewServicePrincipalServiceClient(h.gateway)
	policy := pb.NewPrincipalServiceClient(h.dial("policy-svc"))
	roleID := uuid.NewString()
	app, err := apps.CreateApplication(h.ctx, &pb.CreateApplicationRequest{Application: &pb.Application{DisplayName: ptr("shop"),
		AppRoles: []*pb.AppRole{{Id: roleID, AllowedMemberTypes: []string{"User"}, DisplayName: ptr("Buyer"), IsEnabled: ptr(true), Value: ptr("buyer")}}}})
	if err != nil {
		t.Fatal(err)
	}
	sp, err := principals.CreateServicePrincipal(h.ctx, &pb.CreateServicePrincipalRequest{ServicePrincipal: &pb.ServicePrincipal{AppId: app.AppId}})
	if err != nil {
		t.Fatal(err)
	}
	guest := h.invite("guest@fabrikam.example", pb.User_Guest)
	direct, nested, outer, inner := h.user("direct"), h.user("nested"), h.group("outer"), h.group("inner")
	for _, err := range []error{h.addMember(outer.Id, direct.Id), h.addMember(outer.Id, inner.Id), h.addMember(inner.Id, nested.Id)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	check := func(user string) *pb.CheckAppAccessResponse {
		answer, err := policy.CheckAppAccess(t.Context(), &pb.CheckAppAccessRequest{TenantId: h.id, UserId: user, AppId: app.GetAppId()})
		if err != nil {
			t.Fatal(err)
		}
		return answer
	}
	for _, id := range []string{nested.Id, guest.Id} {
		if got := check(id); !got.Allowed {
			t.Errorf("without required assignment: %v", got)
		}
	}
	_, err = principals.UpdateServicePrincipal(h.ctx, &pb.UpdateServicePrincipalRequest{Id: sp.Id, ServicePrincipal: &pb.ServicePrincipal{AppRoleAssignmentRequired: ptr(true)},
		UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"app_role_assignment_required"}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{direct.Id, guest.Id} {
		if got := check(id); got.Allowed || got.ErrorCode != 50105 {
			t.Errorf("not assigned: %v", got)
		}
	}
	if _, err := principals.AssignAppRole(h.ctx, &pb.AssignAppRoleRequest{Id: sp.Id, Assignment: &pb.AppRoleAssignment{PrincipalId: &outer.Id, ResourceId: &sp.Id, AppRoleId: &roleID}}); err != nil {
		t.Fatal(err)
	}
	if got := check(direct.Id); !got.Allowed || len(got.AppRoles) != 1 || got.AppRoles[0] != "buyer" {
		t.Errorf("member of an assigned group: %v", got)
	}
	if got := check(nested.Id); got.Allowed {
		t.Errorf("nested member: %v", got)
	}
	objects := pb.NewDirectoryObjectServiceClient(h.gateway)
	in, err := objects.GetMemberGroups(h.ctx, &pb.GetMemberGroupsRequest{Id: nested.GetUserPrincipalName()})
	if err != nil || len(in.Value) != 2 {
		t.Errorf("%v %v", in, err)
	}
	checked, err := objects.CheckMemberGroups(h.ctx, &pb.CheckMemberGroupsRequest{Id: nested.Id, GroupIds: []string{outer.Id, uuid.NewString()}})
	if err != nil || len(checked.Value) != 1 || checked.Value[0] != outer.Id {
		t.Errorf("%v %v", checked, err)
	}
	above, err := objects.ListTransitiveMemberOf(h.ctx, &pb.ListTransitiveMemberOfRequest{Id: nested.Id, Cast: "microsoft.graph.group"})
	if err != nil || len(above.Value) != 2 {
		t.Errorf("%v %v", above, err)
	}
}
