package service_test

import (
	"testing"

	auditpb "entente.dev/proto/gen/entente/audit/v1"
	pb "entente.dev/proto/gen/entente/directory/v1"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	odatapb "entente.dev/proto/gen/entente/odata/v1"
)

// privilegedRoleAdministratorTemplate is the template of the role.
const privilegedRoleAdministratorTemplate = "e8611ab8-c189-46e8-94e1-60213ab1f814"

// INV-138: owners of a group with assigned members invite guests into it.
func TestOwnersInviteIntoTheirGroups(t *testing.T) {
	t.Parallel()
	s := start(t)
	h, stranger := s.tenant("contoso", pb.Tenant_workforce), s.tenant("fabrikam", pb.Tenant_workforce)
	owner, admin := h.user("owner"), h.user("admin2")
	h.must(h.give(groupsAdministrator, admin.Id, "/"))
	own := func(g *pb.Group) *pb.Group {
		t.Helper()
		_, err := h.groups().AddOwner(h.ctx, &pb.AddGroupReferenceRequest{Id: g.Id, Reference: reference(owner.Id)})
		h.must(err)
		return g
	}
	ask := func(as *home, who, group string) error {
		_, err := as.groups().GetInvitingGroup(as.person(who, "GroupMember.ReadWrite.All"), &pb.GetInvitingGroupRequest{Id: group})
		return err
	}
	add := func(as *home, who, group, user string) error {
		_, err := as.groups().AddInvitedMember(as.person(who, "GroupMember.ReadWrite.All"), &pb.AddInvitedMemberRequest{Id: group, UserId: user})
		return err
	}
	guest := h.invite("kim@partner.example", pb.User_Guest).Id
	refused := func(what string, who, group string, want errorspb.Reason) {
		t.Helper()
		wantReason(t, ask(h, who, group), want)
		wantReason(t, add(h, who, group, guest), want)
		if in := h.memberIDs(group); len(in) != 0 {
			t.Errorf("%s: members %v", what, in)
		}
	}

	team := own(h.group("team"))
	refused("an administrator who owns nothing", admin.Id, team.Id, errorspb.Reason_ACCESS_DENIED)
	refused("a member", h.user("ann").Id, team.Id, errorspb.Reason_ACCESS_DENIED)
	wantReason(t, ask(stranger, stranger.admin, team.Id), errorspb.Reason_NOT_FOUND)
	wantReason(t, add(stranger, stranger.admin, team.Id, guest), errorspb.Reason_NOT_FOUND)
	theirs := stranger.invite("kim@partner.example", pb.User_Guest).Id
	wantReason(t, add(h, owner.Id, team.Id, theirs), errorspb.Reason_NOT_FOUND)
	_, err := h.groups().GetInvitingGroup(h.person(owner.Id, "User.Read.All"), &pb.GetInvitingGroupRequest{Id: team.Id})
	wantReason(t, err, errorspb.Reason_ACCESS_DENIED)

	h.must(ask(h, owner.Id, team.Id))
	h.must(add(h, owner.Id, team.Id, guest))
	if in := h.memberIDs(team.Id); len(in) != 1 || in[0] != guest {
		t.Errorf("members %v", in)
	}
	if add(h, owner.Id, team.Id, guest) == nil {
		t.Error("added twice")
	}
	events := func(filter string) []*auditpb.DirectoryAudit {
		t.Helper()
		got, err := auditpb.NewAuditServiceClient(h.gateway).ListAuditEvents(h.ctx, &auditpb.ListAuditEventsRequest{Query: &odatapb.Query{Filter: "activityDisplayName eq 'Add member to group' and " + filter}})
		h.must(err)
		return got.Value
	}
	if got := events("result eq 'success'"); len(got) != 1 || got[0].InitiatedBy.GetUser().GetFields()["id"].GetStringValue() != owner.Id {
		t.Errorf("recorded %v", got)
	}
	if got := events("result eq 'failure'"); len(got) < 4 {
		t.Errorf("%d refusals are recorded", len(got))
	}

	refused("a rule decides", owner.Id, own(h.dynamicGroup("dynamic", `user.department -eq "none"`)).Id, errorspb.Reason_DYNAMIC_MEMBERSHIP)
	held := h.group("held")
	h.must(h.join(h.unit("restricted", true).GetId(), own(held).Id))
	refused("a restricted unit holds the group", owner.Id, held.Id, errorspb.Reason_ACCESS_DENIED)
}

// A member of a role-assignable group may get its roles.
func TestOwnersInviteNobodyIntoRoles(t *testing.T) {
	t.Parallel()
	h := start(t).tenant("contoso", pb.Tenant_workforce)
	owner, privileged, name := h.user("owner"), h.user("privileged"), "roles"
	h.must(h.give(privilegedRoleAdministratorTemplate, privileged.Id, "/"))
	g, err := h.groups().CreateGroup(h.ctx, &pb.CreateGroupRequest{Group: &pb.Group{DisplayName: &name, MailEnabled: ptr(false), MailNickname: &name, SecurityEnabled: ptr(true),
		IsAssignableToRole: ptr(true), OwnersBind: []string{"https://graph.test/v1.0/users/" + owner.Id, "https://graph.test/v1.0/users/" + privileged.Id}}})
	h.must(err)
	guest := h.invite("kim@partner.example", pb.User_Guest).Id
	both := func(as *pb.User) [2]error {
		_, asked := h.groups().GetInvitingGroup(h.person(as.Id), &pb.GetInvitingGroupRequest{Id: g.Id})
		_, added := h.groups().AddInvitedMember(h.person(as.Id), &pb.AddInvitedMemberRequest{Id: g.Id, UserId: guest})
		return [2]error{asked, added}
	}
	for _, err := range both(owner) {
		wantReason(t, err, errorspb.Reason_ACCESS_DENIED)
	}
	for _, err := range both(privileged) {
		h.must(err)
	}
}

// DIR-134 binds those who invite as it binds those who add.
func TestOwnersInviteNoGuestsWhereNoneAreAllowed(t *testing.T) {
	t.Parallel()
	h := start(t).tenant("contoso", pb.Tenant_workforce)
	owner, admin := h.user("owner"), h.user("admin2")
	h.must(h.give(groupsAdministrator, admin.Id, "/"))
	g := h.unified("closed", owner)
	_, err := h.groups().AddOwner(h.ctx, &pb.AddGroupReferenceRequest{Id: g.Id, Reference: reference(admin.Id)})
	h.must(err)
	ask := func(as *pb.User) error {
		_, err := h.groups().GetInvitingGroup(h.person(as.Id), &pb.GetInvitingGroupRequest{Id: g.Id})
		return err
	}
	h.must(ask(owner))
	_, err = h.settings().CreateGroupSetting(h.ctx, &pb.CreateGroupSettingRequest{GroupId: g.Id, Setting: &pb.GroupSetting{TemplateId: ptr("08d542b9-071f-4e16-94b0-74abb372e3d9"),
		Values: []*pb.SettingValue{{Name: ptr("AllowToAddGuests"), Value: ptr("false")}}}})
	h.must(err)
	wantReason(t, ask(owner), errorspb.Reason_REFERENCE_INVALID)
	_, err = h.groups().AddInvitedMember(h.person(owner.Id), &pb.AddInvitedMemberRequest{Id: g.Id, UserId: h.invite("kim@partner.example", pb.User_Guest).Id})
	wantReason(t, err, errorspb.Reason_REFERENCE_INVALID)
	h.must(ask(admin))
}
