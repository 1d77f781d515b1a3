package service_test

import (
	"context"
	"testing"
	"time"

	"entente.dev/directory-svc/internal/token"
	pb "entente.dev/proto/gen/entente/directory/v1"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	odatapb "entente.dev/proto/gen/entente/odata/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

func (h *home) applications() pb.ApplicationServiceClient {
	return pb.NewApplicationServiceClient(h.gateway)
}
func (h *home) directoryObjects() pb.DirectoryObjectServiceClient {
	return pb.NewDirectoryObjectServiceClient(h.gateway)
}

// graph is the service principal of Graph.
func (h *home) graph() *pb.ServicePrincipal {
	h.t.Helper()
	sp, err := h.principals().GetServicePrincipal(h.ctx, &pb.GetServicePrincipalRequest{Id: "appId=" + token.GraphAppID})
	h.must(err)
	return sp
}

// permit is the assignment of a permission of Graph to a service principal.
func (h *home) permit(as context.Context, graph, sp *pb.ServicePrincipal, permission string) error {
	h.t.Helper()
	for _, p := range token.Permissions {
		if p.Value == permission {
			_, err := h.principals().AssignAppRole(as, &pb.AssignAppRoleRequest{Id: graph.Id, Assignment: &pb.AppRoleAssignment{PrincipalId: &sp.Id, ResourceId: &graph.Id,
				AppRoleId: ptr(p.Application.String())}})
			return err
		}
	}
	h.t.Fatalf("no permission %s", permission)
	return nil
}

// client is the context of an application that has the permissions alone.
func (h *home) client(permissions ...string) (context.Context, *pb.ServicePrincipal) {
	h.t.Helper()
	app, sp := h.application(permissions[0])
	graph := h.graph()
	for _, p := range permissions {
		h.must(h.permit(h.ctx, graph, sp, p))
	}
	secret, err := h.applications().AddApplicationPassword(h.ctx, &pb.AddApplicationPasswordRequest{Id: app.Id})
	h.must(err)
	return h.as(h.token(app.GetAppId(), secret.GetSecretText())), sp
}

// roleGroup makes a group that roles are given to.
func (h *home) roleGroup(name string, owners ...*pb.User) *pb.Group {
	h.t.Helper()
	in := &pb.Group{DisplayName: &name, MailNickname: &name, MailEnabled: ptr(false), SecurityEnabled: ptr(true), IsAssignableToRole: ptr(true)}
	for _, o := range owners {
		in.OwnersBind = append(in.OwnersBind, graphOrigin+"/v1.0/users/"+o.Id)
	}
	g, err := h.groups().CreateGroup(h.ctx, &pb.CreateGroupRequest{Group: in})
	h.must(err)
	return g
}

func (h *home) update(as context.Context, id string, u *pb.User, paths ...string) error {
	_, err := h.users().UpdateUser(as, &pb.UpdateUserRequest{Id: id, User: u, UpdateMask: &fieldmaskpb.FieldMask{Paths: paths}})
	return err
}

func TestWhoMaySeeNothingSeesIdsAtMost(t *testing.T) {
	t.Parallel()
	h := start(t).tenant("contoso", pb.Tenant_workforce)
	me, boss, g := h.user("me"), h.user("boss"), h.group("team")
	h.must(h.addMember(g.Id, boss.Id))
	_, err := h.users().SetManager(h.ctx, &pb.SetManagerRequest{Id: me.Id, Reference: reference(boss.Id)})
	h.must(err)
	for _, scopes := range [][]string{{"User.Read"}, {"GroupMember.Read.All", "User.Read"}} {
		as := h.person(me.Id, scopes...)
		own, err := h.users().GetUser(as, &pb.GetUserRequest{Id: me.Id, Query: &odatapb.Query{Expand: "manager"}})
		if err != nil || !proto.Equal(own.Manager, &pb.User{Id: boss.Id}) {
			t.Errorf("%v: %v %v", scopes, own.GetManager(), err)
		}
		if len(scopes) == 1 {
			continue
		}
		members, err := h.groups().ListMembers(as, &pb.ListGroupRelationRequest{Id: g.Id})
		if err != nil || len(members.Value) != 1 || !proto.Equal(members.Value[0].GetUser(), &pb.User{Id: boss.Id}) {
			t.Errorf("%v %v", members, err)
		}
	}
	as := h.person(me.Id, "Group.Read.All")
	_, err = h.directoryObjects().GetDirectoryObject(as, &pb.GetDirectoryObjectRequest{Id: boss.Id})
	wantReason(t, err, errorspb.Reason_ACCESS_DENIED)
	app, _ := h.client("Application.Read.All")
	_, err = h.directoryObjects().GetDirectoryObject(app, &pb.GetDirectoryObjectRequest{Id: boss.Id})
	wantReason(t, err, errorspb.Reason_ACCESS_DENIED)
	found, err := h.directoryObjects().GetDirectoryObjectsByIds(app, &pb.GetDirectoryObjectsByIdsRequest{Ids: []string{boss.Id, g.Id}})
	if err != nil || len(found.Value) != 2 {
		t.Fatalf("%v %v", found, err)
	}
	for _, o := range found.Value {
		if u, g := o.GetUser(), o.GetGroup(); u != nil && !proto.Equal(u, &pb.User{Id: boss.Id}) || g != nil && g.DisplayName != nil {
			t.Errorf("an application without the permission reads %v", o)
		}
	}
	closed := openLevel(defaultGuests)
	closed.AllowedToReadOtherUsers = false
	h.policies.set(closed)
	as = h.person(me.Id)
	eventually(t, "the policy holds", func() bool {
		members, err := h.groups().ListMembers(as, &pb.ListGroupRelationRequest{Id: g.Id})
		return err == nil && proto.Equal(members.Value[0].GetUser(), &pb.User{Id: boss.Id})
	})
}

func TestDelegationMakesNobodyAnAdministrator(t *testing.T) {
	t.Parallel()
	h := start(t).tenant("contoso", pb.Tenant_workforce)
	clerk, admins := h.user("clerk"), h.roleGroup("Admins")
	h.must(h.give(cloudApplications, clerk.Id, "/"))
	h.must(h.give(globalAdministrator, admins.Id, "/"))
	_, sp := h.application("HR")
	as := h.person(clerk.Id)
	for _, id := range []string{admins.Id, h.restrictedGroup().Id} {
		_, err := h.principals().AssignAppRole(h.ctx, &pb.AssignAppRoleRequest{Id: sp.Id, Assignment: &pb.AppRoleAssignment{PrincipalId: &id, ResourceId: &sp.Id, AppRoleId: ptr(defaultAccess)}})
		h.must(err)
		_, err = h.principals().UpdateSelfService(as, &pb.UpdateSelfServiceRequest{Id: sp.Id, Enabled: ptr(true), GroupId: &id})
		wantReason(t, err, errorspb.Reason_PROPERTY_INVALID)
	}
}

const defaultAccess = "00000000-0000-0000-0000-000000000000"

func (h *home) restrictedGroup() *pb.Group {
	h.t.Helper()
	g, vault := h.group("guarded"), h.unit("Vault", true)
	h.must(h.join(vault.Id, g.Id))
	return g
}

func TestWhoGivesPermissionsOfGraph(t *testing.T) {
	t.Parallel()
	h := start(t).tenant("contoso", pb.Tenant_workforce)
	clerk, chief := h.user("clerk"), h.user("chief")
	h.must(h.give(cloudApplications, clerk.Id, "/"))
	h.must(h.give(globalAdministrator, chief.Id, "/"))
	_, sp := h.application("Tool")
	graph := h.graph()
	wantReason(t, h.permit(h.person(clerk.Id), graph, sp, "RoleManagement.ReadWrite.Directory"), errorspb.Reason_ACCESS_DENIED)
	h.must(h.permit(h.person(chief.Id), graph, sp, "RoleManagement.ReadWrite.Directory"))
	// The tool could make itself an administrator now: who administers
	// applications alone does not get hold of its credentials any more.
	_, err := h.principals().AddServicePrincipalPassword(h.person(clerk.Id), &pb.AddServicePrincipalPasswordRequest{Id: sp.Id})
	wantReason(t, err, errorspb.Reason_ACCESS_DENIED)
	_, err = h.principals().AddServicePrincipalOwner(h.person(clerk.Id), &pb.AddServicePrincipalOwnerRequest{Id: sp.Id, Reference: reference(clerk.Id)})
	wantReason(t, err, errorspb.Reason_ACCESS_DENIED)
	_, err = h.principals().AddServicePrincipalPassword(h.person(chief.Id), &pb.AddServicePrincipalPasswordRequest{Id: sp.Id})
	h.must(err)
	as, _ := h.client("Application.ReadWrite.All")
	_, err = h.applications().AddApplicationPassword(as, &pb.AddApplicationPasswordRequest{Id: "appId=" + sp.GetAppId()})
	wantReason(t, err, errorspb.Reason_ACCESS_DENIED)
}

// TestNobodyBecomesAnAdministratorRoundAbout: the ways from administering
// applications to administering the directory that lead over something in
// between are closed, too.
func TestNobodyBecomesAnAdministratorRoundAbout(t *testing.T) {
	t.Parallel()
	h := start(t).tenant("contoso", pb.Tenant_workforce)
	clerk := h.user("clerk")
	h.must(h.give(applicationsAdmin, clerk.Id, "/"))
	as := h.person(clerk.Id)
	addSecret := func(app *pb.Application) error {
		_, err := h.applications().AddApplicationPassword(as, &pb.AddApplicationPasswordRequest{Id: app.Id})
		return err
	}
	// A principal that sleeps comes back with its roles.
	asleep, principal := h.application("Asleep")
	h.must(h.give(globalAdministrator, principal.Id, "/"))
	_, err := h.principals().DeleteServicePrincipal(as, &pb.DeleteServicePrincipalRequest{Id: principal.Id})
	h.must(err)
	wantReason(t, addSecret(asleep), errorspb.Reason_ACCESS_DENIED)
	// The owner of a group that roles are given to adds itself.
	owner, ownerPrincipal := h.application("Owner")
	g := h.roleGroup("Admins")
	_, err = h.groups().AddOwner(h.ctx, &pb.AddGroupReferenceRequest{Id: g.Id, Reference: reference(ownerPrincipal.Id)})
	h.must(err)
	wantReason(t, addSecret(owner), errorspb.Reason_ACCESS_DENIED)
	// Who owns a privileged application acts as it.
	privileged, privilegedPrincipal := h.application("Privileged")
	h.must(h.permit(h.ctx, h.graph(), privilegedPrincipal, "RoleManagement.ReadWrite.Directory"))
	harmless, harmlessPrincipal := h.application("Harmless")
	h.must(addSecret(harmless))
	_, err = h.applications().AddApplicationOwner(h.ctx, &pb.AddApplicationOwnerRequest{Id: privileged.Id, Reference: reference(harmlessPrincipal.Id)})
	h.must(err)
	wantReason(t, addSecret(harmless), errorspb.Reason_ACCESS_DENIED)
}

// TestRolesOfApplicationsStayWithTheirType: a role that admits an application
// to a path for every type says nothing about the other types.
func TestRolesOfApplicationsStayWithTheirType(t *testing.T) {
	t.Parallel()
	h := start(t).tenant("contoso", pb.Tenant_workforce)
	u, g, m365 := h.user("u"), h.group("g"), h.unified("team", nil)
	as, sp := h.client("Directory.ReadWrite.All", "GroupMember.ReadWrite.All")
	h.must(h.give(directoryReaders, sp.Id, "/"))
	h.must(h.give(applicationsAdmin, sp.Id, "/"))
	_, err := h.directoryObjects().DeleteDirectoryObject(as, &pb.DeleteDirectoryObjectRequest{Id: g.Id})
	wantReason(t, err, errorspb.Reason_ACCESS_DENIED)
	_, err = h.groups().DeleteGroup(h.ctx, &pb.DeleteGroupRequest{Id: m365.Id})
	h.must(err)
	_, err = h.directoryObjects().RestoreDeletedItem(as, &pb.RestoreDeletedItemRequest{Id: m365.Id})
	wantReason(t, err, errorspb.Reason_ACCESS_DENIED)
	_, err = h.directoryObjects().PurgeDeletedItem(as, &pb.PurgeDeletedItemRequest{Id: m365.Id})
	wantReason(t, err, errorspb.Reason_ACCESS_DENIED)
	// And a role alone reads what is deleted of its own type.
	_, err = h.users().DeleteUser(h.ctx, &pb.DeleteUserRequest{Id: u.Id})
	h.must(err)
	apps := h.daemon("apps", map[string]string{applicationsAdmin: "/"})
	_, err = h.directoryObjects().ListDeletedItems(apps, &pb.ListDeletedItemsRequest{Cast: "microsoft.graph.user"})
	wantReason(t, err, errorspb.Reason_ACCESS_DENIED)
	_, err = h.directoryObjects().GetDeletedItem(apps, &pb.GetDeletedItemRequest{Id: u.Id})
	wantReason(t, err, errorspb.Reason_ACCESS_DENIED)
	_, err = h.directoryObjects().ListDeletedItems(apps, &pb.ListDeletedItemsRequest{Cast: "microsoft.graph.application"})
	h.must(err)
}

func TestPrincipalOfAnApplicationIsItsOwners(t *testing.T) {
	t.Parallel()
	h := start(t).tenant("contoso", pb.Tenant_workforce)
	app, err := h.applications().CreateApplication(h.ctx, &pb.CreateApplicationRequest{Application: &pb.Application{DisplayName: ptr("HR")}})
	h.must(err)
	create := func(id string) error {
		_, err := h.principals().CreateServicePrincipal(h.person(id), &pb.CreateServicePrincipalRequest{ServicePrincipal: &pb.ServicePrincipal{AppId: app.AppId}})
		return err
	}
	stranger, owner := h.user("stranger"), h.user("owner")
	wantReason(t, create(stranger.Id), errorspb.Reason_ACCESS_DENIED)
	_, err = h.applications().AddApplicationOwner(h.ctx, &pb.AddApplicationOwnerRequest{Id: app.Id, Reference: reference(owner.Id)})
	h.must(err)
	h.must(create(owner.Id))
}

func TestRoleOverOneApplication(t *testing.T) {
	t.Parallel()
	h := start(t).tenant("contoso", pb.Tenant_workforce)
	clerk := h.user("clerk")
	own, ownPrincipal := h.application("Own")
	other, _ := h.application("Other")
	h.must(h.give(applicationsAdmin, clerk.Id, "/"+own.Id))
	rename := func(id string) error {
		_, err := h.applications().UpdateApplication(h.person(clerk.Id), &pb.UpdateApplicationRequest{Id: id, Application: &pb.Application{DisplayName: ptr("x")},
			UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"display_name"}}})
		return err
	}
	h.must(rename(own.Id))
	wantReason(t, rename(other.Id), errorspb.Reason_ACCESS_DENIED)
	_, err := h.principals().UpdateServicePrincipal(h.person(clerk.Id), &pb.UpdateServicePrincipalRequest{Id: ownPrincipal.Id, ServicePrincipal: &pb.ServicePrincipal{Notes: ptr("x")},
		UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"notes"}}})
	h.must(err)
}

func TestAC34_DeletedItemsByTypeAndOwner(t *testing.T) {
	t.Parallel()
	h := start(t).tenant("contoso", pb.Tenant_workforce)
	owner, stranger := h.user("owner"), h.user("stranger")
	g := h.unified("team", owner)
	remove := func() {
		_, err := h.groups().DeleteGroup(h.ctx, &pb.DeleteGroupRequest{Id: g.Id})
		h.must(err)
	}
	purge := func(as context.Context, id string) error {
		_, err := h.directoryObjects().PurgeDeletedItem(as, &pb.PurgeDeletedItemRequest{Id: id})
		return err
	}
	restore := func(as context.Context, id string) error {
		_, err := h.directoryObjects().RestoreDeletedItem(as, &pb.RestoreDeletedItemRequest{Id: id})
		return err
	}
	remove()
	for _, permission := range []string{"User.DeleteRestore.All", "Application.ReadWrite.All"} {
		as, _ := h.client(permission)
		wantReason(t, purge(as, g.Id), errorspb.Reason_ACCESS_DENIED)
		wantReason(t, restore(as, g.Id), errorspb.Reason_ACCESS_DENIED)
	}
	if len(h.audited("Hard Delete group", "failure")) != 2 {
		t.Error("the refusals are not recorded as what they are")
	}
	wantReason(t, restore(h.person(stranger.Id), g.Id), errorspb.Reason_ACCESS_DENIED)
	wantReason(t, purge(h.person(owner.Id), g.Id), errorspb.Reason_ACCESS_DENIED)
	h.must(restore(h.person(owner.Id), g.Id))
	remove()
	as, _ := h.client("Group.ReadWrite.All")
	h.must(purge(as, g.Id))

	// A deleted user of a restricted unit stays out of reach of the tenant's
	// administrators (DIR-164).
	protected, helper, chief, scoped := h.user("protected"), h.user("helper"), h.user("chief"), h.user("scoped")
	vault := h.unit("Vault", true)
	h.must(h.join(vault.Id, protected.Id))
	h.must(h.give(userAdministrator, helper.Id, "/"))
	h.must(h.give(globalAdministrator, chief.Id, "/"))
	h.must(h.give(userAdministrator, scoped.Id, "/administrativeUnits/"+vault.Id))
	_, err := h.users().DeleteUser(h.person(scoped.Id), &pb.DeleteUserRequest{Id: protected.Id})
	h.must(err)
	for _, id := range []string{helper.Id, chief.Id} {
		wantReason(t, restore(h.person(id), protected.Id), errorspb.Reason_ACCESS_DENIED)
		wantReason(t, purge(h.person(id), protected.Id), errorspb.Reason_ACCESS_DENIED)
	}
	h.must(restore(h.person(scoped.Id), protected.Id))
}

func TestConversionTakesOverNobody(t *testing.T) {
	t.Parallel()
	h := start(t).tenant("contoso", pb.Tenant_workforce)
	clerk, guest, plain := h.user("clerk"), h.invite("a@fabrikam.example", pb.User_Guest), h.invite("b@fabrikam.example", pb.User_Guest)
	h.must(h.give(userAdministrator, clerk.Id, "/"))
	h.roleGroup("Admins", guest)
	convert := func(as context.Context, u *pb.User, name string) error {
		_, err := h.credentials().ConvertExternalToInternalMemberUser(as, &pb.ConvertExternalToInternalMemberUserRequest{Id: u.Id, UserPrincipalName: name + "@" + h.domain,
			PasswordProfile: &pb.PasswordProfile{Password: ptr("Xk4!rm-qp92Zt")}})
		return err
	}
	wantReason(t, convert(h.person(clerk.Id), guest, "a"), errorspb.Reason_ACCESS_DENIED)
	broad, _ := h.client("User.ReadWrite.All")
	wantReason(t, convert(broad, plain, "b"), errorspb.Reason_ACCESS_DENIED)
	narrow, _ := h.client("User-ConvertToInternal.ReadWrite.All")
	wantReason(t, convert(narrow, guest, "a"), errorspb.Reason_ACCESS_DENIED)
	h.must(convert(narrow, plain, "b"))
	met, err := h.external().FindInviteConflicts(t.Context(), &pb.FindInviteConflictsRequest{TenantId: h.id, Email: "a@fabrikam.example"})
	if err != nil || len(met.Conflicts) != 1 || !met.Conflicts[0].HoldsRole {
		t.Errorf("an owner of a role-assignable group counts as one without a role: %v %v", met, err)
	}
}

func TestNarrowPermissionsReachTheirPropertyAlone(t *testing.T) {
	t.Parallel()
	h := start(t).tenant("contoso", pb.Tenant_workforce)
	u := h.user("u")
	for permission, c := range map[string]struct {
		may   *pb.User
		path  string
		mayNo map[string]*pb.User
	}{
		"User.EnableDisableAccount.All": {&pb.User{AccountEnabled: ptr(false)}, "account_enabled", map[string]*pb.User{
			"user_principal_name": {UserPrincipalName: ptr("x@" + h.domain)}, "on_premises_immutable_id": {OnPremisesImmutableId: ptr("x")}, "department": {Department: ptr("x")}}},
		"User-Phone.ReadWrite.All": {&pb.User{MobilePhone: ptr("+31 1")}, "mobile_phone", map[string]*pb.User{"other_mails": {OtherMails: []string{"a@x.example"}}, "account_enabled": {AccountEnabled: ptr(true)}}},
		"User-Mail.ReadWrite.All":  {&pb.User{OtherMails: []string{"a@x.example"}}, "other_mails", map[string]*pb.User{"mobile_phone": {MobilePhone: ptr("1")}}},
		"User-PasswordProfile.ReadWrite.All": {&pb.User{PasswordProfile: &pb.PasswordProfile{Password: ptr("Other-Xk4!rm-qp92Zt")}}, "password_profile",
			map[string]*pb.User{"account_enabled": {AccountEnabled: ptr(true)}}},
		"User.ReadWrite.All": {&pb.User{Department: ptr("x")}, "department", map[string]*pb.User{"password_profile": {PasswordProfile: &pb.PasswordProfile{Password: ptr("Other-Xk4!rm-qp92Zt")}},
			"employee_leave_date_time": {EmployeeLeaveDateTime: timestamppb.New(h.clock.Now())}}},
	} {
		as, _ := h.client(permission)
		if err := h.update(as, u.Id, c.may, c.path); err != nil {
			t.Errorf("%s: %v", permission, err)
		}
		for path, change := range c.mayNo {
			if err := h.update(as, u.Id, change, path); err == nil {
				t.Errorf("%s changed %s", permission, path)
			}
		}
	}
	clerk := h.user("clerk")
	h.must(h.give(userAdministrator, clerk.Id, "/"))
	password := &pb.User{PasswordProfile: &pb.PasswordProfile{Password: ptr("Other-Xk4!rm-qp92Zu")}}
	wantReason(t, h.update(h.person(clerk.Id, "Directory.ReadWrite.All"), u.Id, password, "password_profile"), errorspb.Reason_ACCESS_DENIED)
	h.must(h.update(h.person(clerk.Id, "User-PasswordProfile.ReadWrite.All"), u.Id, password, "password_profile"))
}

func TestWhoMakesMembersOfGuests(t *testing.T) {
	t.Parallel()
	h := start(t).tenant("contoso", pb.Tenant_workforce)
	writer, chief, guest, admin := h.user("writer"), h.user("chief"), h.invite("a@fabrikam.example", pb.User_Guest), h.user("second")
	h.must(h.give(directoryWriters, writer.Id, "/"))
	h.must(h.give(globalAdministrator, chief.Id, "/"))
	h.must(h.give(userAdministrator, admin.Id, "/"))
	member, asGuest := &pb.User{UserType: pb.User_Member.Enum()}, &pb.User{UserType: pb.User_Guest.Enum()}
	h.must(h.update(h.person(writer.Id), guest.Id, member, "user_type"))
	wantReason(t, h.update(h.person(writer.Id), admin.Id, asGuest, "user_type"), errorspb.Reason_ACCESS_DENIED)
	wantReason(t, h.update(h.person(chief.Id), chief.Id, asGuest, "user_type"), errorspb.Reason_ACCESS_DENIED)
	h.must(h.update(h.person(chief.Id), admin.Id, asGuest, "user_type"))
}

func TestLifecycleIsForThoseWhoMay(t *testing.T) {
	t.Parallel()
	h := start(t).tenant("contoso", pb.Tenant_workforce)
	u, other, chief := h.user("u"), h.user("other"), h.user("chief")
	h.must(h.give(globalAdministrator, chief.Id, "/"))
	leave := timestamppb.New(h.clock.Now().Add(24 * time.Hour))
	as, _ := h.client("User-LifeCycleInfo.ReadWrite.All", "User.Read.All")
	h.must(h.update(as, u.Id, &pb.User{EmployeeLeaveDateTime: leave}, "employee_leave_date_time"))
	draft := h.draft("leaving")
	draft.EmployeeLeaveDateTime = leave
	_, err := h.users().CreateUser(h.ctx, &pb.CreateUserRequest{User: draft})
	h.must(err) // it has every permission
	writer, _ := h.client("User.ReadWrite.All")
	draft = h.draft("leaving2")
	draft.EmployeeLeaveDateTime = leave
	_, err = h.users().CreateUser(writer, &pb.CreateUserRequest{User: draft})
	wantReason(t, err, errorspb.Reason_ACCESS_DENIED)
	role := h.daemon("role", map[string]string{userAdministrator: "/"})
	wantReason(t, h.update(role, u.Id, &pb.User{EmployeeLeaveDateTime: leave}, "employee_leave_date_time"), errorspb.Reason_ACCESS_DENIED)
	plain, _ := h.client("User.Read.All")
	for name, c := range map[string]struct {
		ctx  context.Context
		sees bool
	}{"the permission": {as, true}, "another application": {plain, false}, "a member": {h.person(other.Id), false},
		"an administrator": {h.person(chief.Id, "User.Read.All", "User-LifeCycleInfo.Read.All"), true}} {
		got, err := h.users().GetUser(c.ctx, &pb.GetUserRequest{Id: u.Id, Query: &odatapb.Query{Select: "id,employeeLeaveDateTime"}})
		if err != nil || (got.EmployeeLeaveDateTime != nil) != c.sees {
			t.Errorf("%s: %v %v", name, got, err)
		}
	}
}

func TestUnitsTakeMembersFromThoseWhoManageThem(t *testing.T) {
	t.Parallel()
	h := start(t).tenant("contoso", pb.Tenant_workforce)
	u, vault := h.user("u"), h.unit("Vault", true)
	as, _ := h.client("Group.Create", "Group.ReadWrite.All", "Directory.ReadWrite.All")
	_, err := h.units().AddAdministrativeUnitMember(as, &pb.AddAdministrativeUnitMemberRequest{Id: vault.Id, Reference: reference(u.Id)})
	wantReason(t, err, errorspb.Reason_ACCESS_DENIED)
	_, err = h.units().CreateAdministrativeUnitMember(as, &pb.CreateAdministrativeUnitMemberRequest{Id: vault.Id, Group: &pb.Group{DisplayName: ptr("g"), MailNickname: ptr("g"),
		MailEnabled: ptr(false), SecurityEnabled: ptr(true)}})
	wantReason(t, err, errorspb.Reason_ACCESS_DENIED)
}

func TestGroupsKeepWhatTheyHide(t *testing.T) {
	t.Parallel()
	h := start(t).tenant("contoso", pb.Tenant_workforce)
	open := h.unified("open", nil)
	in := &pb.Group{DisplayName: ptr("secret"), MailEnabled: ptr(true), MailNickname: ptr("secret"), SecurityEnabled: ptr(false), GroupTypes: []string{"Unified"}, Visibility: ptr("HiddenMembership")}
	secret, err := h.groups().CreateGroup(h.ctx, &pb.CreateGroupRequest{Group: in})
	h.must(err)
	for id, to := range map[string]string{open.Id: "HiddenMembership", secret.Id: "Public"} {
		_, err := h.groups().UpdateGroup(h.ctx, &pb.UpdateGroupRequest{Id: id, Group: &pb.Group{Visibility: &to}, UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"visibility"}}})
		wantReason(t, err, errorspb.Reason_PROPERTY_INVALID)
	}
	guest := h.invite("a@fabrikam.example", pb.User_Guest)
	_, err = h.groups().GetGroup(h.person(guest.Id), &pb.GetGroupRequest{Id: secret.Id})
	wantReason(t, err, errorspb.Reason_ACCESS_DENIED)
	_, err = h.groups().GetGroup(h.person(guest.Id), &pb.GetGroupRequest{Id: open.Id})
	h.must(err)
	owner := h.user("owner")
	_, err = h.groups().UpdateGroup(h.ctx, &pb.UpdateGroupRequest{Id: open.Id, Group: &pb.Group{OwnersBind: []string{graphOrigin + "/v1.0/users/" + owner.Id}},
		UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"owners_bind"}}})
	h.must(err)
	if owners, err := h.groups().ListOwners(h.ctx, &pb.ListGroupRelationRequest{Id: open.Id}); err != nil || len(owners.Value) != 1 {
		t.Errorf("%v %v", owners, err)
	}
}

// TestRoleGroupInARestrictedUnit: the highest roles change its members and
// nothing else of it (DIR-166).
func TestRoleGroupInARestrictedUnit(t *testing.T) {
	t.Parallel()
	h := start(t).tenant("contoso", pb.Tenant_workforce)
	chief, u, g, vault := h.user("chief"), h.user("u"), h.roleGroup("Admins"), h.unit("Vault", true)
	h.must(h.give(globalAdministrator, chief.Id, "/"))
	h.must(h.join(vault.Id, g.Id))
	as := h.person(chief.Id)
	_, err := h.groups().AddMember(as, &pb.AddGroupReferenceRequest{Id: g.Id, Reference: reference(u.Id)})
	h.must(err)
	_, err = h.groups().UpdateGroup(as, &pb.UpdateGroupRequest{Id: g.Id, Group: &pb.Group{DisplayName: ptr("x")}, UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"display_name"}}})
	wantReason(t, err, errorspb.Reason_ACCESS_DENIED)
	_, err = h.groups().AddOwner(as, &pb.AddGroupReferenceRequest{Id: g.Id, Reference: reference(u.Id)})
	wantReason(t, err, errorspb.Reason_ACCESS_DENIED)
	// Members by a bind, too; owners not, whatever the mask says.
	bind := func(in *pb.Group, paths ...string) error {
		_, err := h.groups().UpdateGroup(as, &pb.UpdateGroupRequest{Id: g.Id, Group: in, UpdateMask: &fieldmaskpb.FieldMask{Paths: paths}})
		return err
	}
	at := graphOrigin + "/v1.0/users/"
	h.must(bind(&pb.Group{MembersBind: []string{at + h.user("v").Id}}, "members_bind"))
	wantReason(t, bind(&pb.Group{OwnersBind: []string{at + u.Id}}, "owners_bind"), errorspb.Reason_ACCESS_DENIED)
	wantReason(t, bind(&pb.Group{OwnersBind: []string{at + u.Id}}, "members_bind"), errorspb.Reason_ACCESS_DENIED)
	wantReason(t, bind(&pb.Group{OwnersBind: []string{at + u.Id}}), errorspb.Reason_ACCESS_DENIED)
	_, err = h.groups().DeleteGroup(as, &pb.DeleteGroupRequest{Id: g.Id})
	wantReason(t, err, errorspb.Reason_ACCESS_DENIED)
	wantReason(t, h.addMember(g.Id, chief.Id), errorspb.Reason_ACCESS_DENIED) // not even an application with the permission
}

func TestPropertiesThatAnUpdateKeepsWhole(t *testing.T) {
	t.Parallel()
	s := start(t)
	h, customers := s.tenant("contoso", pb.Tenant_workforce), s.tenant("woodgrove", pb.Tenant_external)
	u := h.user("u")
	wantReason(t, h.update(h.ctx, u.Id, &pb.User{}, "mail_nickname"), errorspb.Reason_PROPERTY_INVALID)
	changed := func() *timestamppb.Timestamp {
		got, err := h.users().GetUser(h.ctx, &pb.GetUserRequest{Id: u.Id, Query: &odatapb.Query{Select: "lastPasswordChangeDateTime"}})
		h.must(err)
		return got.LastPasswordChangeDateTime
	}
	before := changed()
	s.clock.Advance(time.Minute)
	h.must(h.update(h.ctx, u.Id, &pb.User{PasswordProfile: &pb.PasswordProfile{ForceChangePasswordNextSignIn: ptr(true)}}, "password_profile"))
	if !proto.Equal(before, changed()) {
		t.Error("flags of the password count as a new one")
	}
	federated, err := customers.users().CreateUser(customers.ctx, &pb.CreateUserRequest{User: &pb.User{DisplayName: ptr("x"),
		Identities: []*pb.ObjectIdentity{{SignInType: ptr("federated"), Issuer: ptr("google.com"), IssuerAssignedId: ptr("1")}}}})
	if err != nil || federated.PasswordProfile.GetPassword() != "" {
		t.Errorf("%v %v", federated, err)
	}
	local, err := customers.users().CreateUser(customers.ctx, &pb.CreateUserRequest{User: &pb.User{DisplayName: ptr("y"),
		Identities: []*pb.ObjectIdentity{{SignInType: ptr("emailAddress"), Issuer: &customers.domain, IssuerAssignedId: ptr("y@x.example")}}}})
	if err != nil || local.PasswordProfile.GetPassword() == "" {
		t.Fatalf("%v %v", local, err)
	}
	wantReason(t, customers.update(customers.ctx, local.Id, &pb.User{PasswordPolicies: ptr("None")}, "password_policies"), errorspb.Reason_PROPERTY_INVALID)
}

const (
	cloudApplications = "158c047a-c907-4556-b7ef-446551a6b5f7"
	applicationsAdmin = "9b895d92-2cd3-44c7-9d02-a6ac2d5ea5c3"
	directoryWriters  = "9360feb5-f418-4baa-8175-e2a00bac4301"
)
