package service_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	auditpb "entente.dev/proto/gen/entente/audit/v1"
	pb "entente.dev/proto/gen/entente/directory/v1"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	odatapb "entente.dev/proto/gen/entente/odata/v1"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// eventually asks until the answer is true. What it waits for is promised
// within a second; the machine may be busy.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(30 * time.Second)
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("never happened: %s", what)
		}
	}
}

func (h *home) dynamicGroup(name, rule string) *pb.Group {
	h.t.Helper()
	g, err := h.groups().CreateGroup(h.ctx, &pb.CreateGroupRequest{Group: &pb.Group{DisplayName: &name, MailEnabled: ptr(false), MailNickname: &name, SecurityEnabled: ptr(true),
		GroupTypes: []string{"DynamicMembership"}, MembershipRule: &rule}})
	if err != nil {
		h.t.Fatal(err)
	}
	return g
}

// members are the ids of a group's members, in order.
func (h *home) memberIDs(group string) []string {
	h.t.Helper()
	var out []string
	page := &odatapb.Query{Top: ptr(int32(999))}
	for {
		got, err := h.groups().ListMembers(h.ctx, &pb.ListGroupRelationRequest{Id: group, Query: page})
		if err != nil {
			h.t.Fatal(err)
		}
		for _, o := range got.Value {
			out = append(out, o.GetUser().GetId())
		}
		if got.NextPageToken == "" {
			slices.Sort(out)
			return out
		}
		page = &odatapb.Query{Top: ptr(int32(999)), Skiptoken: got.NextPageToken}
	}
}

func (h *home) becomes(group string, users ...*pb.User) {
	h.t.Helper()
	want := make([]string, len(users))
	for i, u := range users {
		want[i] = u.Id
	}
	slices.Sort(want)
	eventually(h.t, fmt.Sprintf("%d members", len(users)), func() bool { return slices.Equal(h.memberIDs(group), want) })
}

func (h *home) patch(id string, u *pb.User, paths ...string) {
	h.t.Helper()
	if _, err := h.users().UpdateUser(h.ctx, &pb.UpdateUserRequest{Id: id, User: u, UpdateMask: &fieldmaskpb.FieldMask{Paths: paths}}); err != nil {
		h.t.Fatal(err)
	}
}

func (h *home) upToDate(group string) {
	h.t.Helper()
	eventually(h.t, "evaluated over all users", func() bool {
		st, err := h.groups().GetDynamicMembershipStatus(h.ctx, &pb.GetDynamicMembershipStatusRequest{Id: group})
		if err != nil {
			h.t.Fatal(err)
		}
		return st.State == "UpToDate" && st.EvaluatedCount == st.TotalCount && st.LastMembershipUpdated != nil
	})
}

func TestAC41_EverybodyAndMembersOnly(t *testing.T) {
	t.Parallel()
	h := start(t).tenant("contoso", pb.Tenant_workforce)
	admin := &pb.User{Id: h.admin}
	member := h.user("ann")
	disabled := h.draft("off")
	disabled.AccountEnabled = ptr(false)
	off, err := h.users().CreateUser(h.ctx, &pb.CreateUserRequest{User: disabled})
	if err != nil {
		t.Fatal(err)
	}
	guest := h.invite("guest@fabrikam.example", pb.User_Guest)
	all := h.dynamicGroup("all", "user.objectId -ne null")
	members := h.dynamicGroup("members", `(user.objectId -ne null) -and (user.userType -eq "Member")`)
	h.becomes(all.Id, admin, member, off, guest)
	h.becomes(members.Id, admin, member, off)
	h.upToDate(all.Id)
	h.patch(guest.Id, &pb.User{UserType: pb.User_Member.Enum()}, "user_type")
	h.becomes(members.Id, admin, member, off, guest)
	h.patch(guest.Id, &pb.User{UserType: pb.User_Guest.Enum()}, "user_type")
	h.becomes(members.Id, admin, member, off)
	if _, err := h.users().DeleteUser(h.ctx, &pb.DeleteUserRequest{Id: member.Id}); err != nil {
		t.Fatal(err)
	}
	h.becomes(all.Id, admin, off, guest)
	if _, err := pb.NewDirectoryObjectServiceClient(h.gateway).RestoreDeletedItem(h.ctx, &pb.RestoreDeletedItemRequest{Id: member.Id}); err != nil {
		t.Fatal(err)
	}
	h.becomes(all.Id, admin, member, off, guest)
	late := h.user("late")
	h.becomes(members.Id, admin, member, off, late)

	// Each coming and going is in the audit log, by the evaluator.
	log, err := auditpb.NewAuditServiceClient(h.gateway).ListAuditEvents(h.ctx, &auditpb.ListAuditEventsRequest{Query: &odatapb.Query{
		Filter: "initiatedBy/app/displayName eq 'Entente Dynamic Membership'", Top: ptr(int32(999))}})
	if err != nil {
		t.Fatal(err)
	}
	count := make(map[string]int)
	for _, e := range log.Value {
		count[e.GetActivityDisplayName()]++
	}
	if count["Add member to group"] < 10 || count["Remove member from group"] < 1 {
		t.Errorf("%v", count)
	}
}

func TestAC42_MistakesAreRefusedWhenSaved(t *testing.T) {
	t.Parallel()
	h := start(t).tenant("contoso", pb.Tenant_workforce)
	u := h.user("ann")
	name := "bad"
	for _, rule := range []string{"user.department -startsWith null", `user.department -match "(a)\1"`, `user.nope -eq "x"`, `user.department -eq "` + strings.Repeat("a", 3073-22) + `"`} {
		_, err := h.groups().CreateGroup(h.ctx, &pb.CreateGroupRequest{Group: &pb.Group{DisplayName: &name, MailEnabled: ptr(false), MailNickname: &name, SecurityEnabled: ptr(true),
			GroupTypes: []string{"DynamicMembership"}, MembershipRule: &rule}})
		wantReason(t, err, errorspb.Reason_PROPERTY_INVALID)
	}
	for rule, want := range map[string]bool{`user.displayName –eq "ann"`: true, `user.displayName eq "ann"`: true, `user.displayName -EQ "bob"`: false} {
		got, err := h.groups().EvaluateDynamicMembership(h.ctx, &pb.EvaluateDynamicMembershipRequest{MemberId: u.Id, MembershipRule: &rule})
		if err != nil || got.MembershipRuleEvaluationResult != want {
			t.Errorf("%s: %v %v", rule, got, err)
		}
	}
	g := h.dynamicGroup("sales", `user.department -eq "Sales"`)
	err := h.addMember(g.Id, u.Id)
	wantReason(t, err, errorspb.Reason_DYNAMIC_MEMBERSHIP)
}

func TestAC43_SwitchingBetweenAssignedAndDynamic(t *testing.T) {
	t.Parallel()
	h := start(t).tenant("contoso", pb.Tenant_workforce)
	ann, bob := h.user("ann"), h.user("bob")
	h.patch(bob.Id, &pb.User{Department: ptr("Sales")}, "department")
	name := "team"
	g, err := h.groups().CreateGroup(h.ctx, &pb.CreateGroupRequest{Group: &pb.Group{DisplayName: &name, MailEnabled: ptr(false), MailNickname: &name, SecurityEnabled: ptr(true),
		MembersBind: []string{"https://graph.test/v1.0/users/" + ann.Id}}})
	if err != nil {
		t.Fatal(err)
	}
	update := func(in *pb.Group, paths ...string) {
		t.Helper()
		if _, err := h.groups().UpdateGroup(h.ctx, &pb.UpdateGroupRequest{Id: g.Id, Group: in, UpdateMask: &fieldmaskpb.FieldMask{Paths: paths}}); err != nil {
			t.Fatal(err)
		}
	}
	update(&pb.Group{GroupTypes: []string{"DynamicMembership"}, MembershipRule: ptr(`user.department -eq "Sales"`)}, "group_types", "membership_rule")
	h.becomes(g.Id, bob)
	// Paused freezes.
	update(&pb.Group{MembershipRuleProcessingState: ptr("Paused")}, "membership_rule_processing_state")
	h.patch(ann.Id, &pb.User{Department: ptr("Sales")}, "department")
	probe := h.dynamicGroup("probe", `user.department -eq "Sales"`)
	h.becomes(probe.Id, ann, bob)
	h.becomes(g.Id, bob)
	update(&pb.Group{MembershipRuleProcessingState: ptr("On")}, "membership_rule_processing_state")
	h.becomes(g.Id, ann, bob)
	update(&pb.Group{}, "group_types", "membership_rule")
	h.patch(ann.Id, &pb.User{}, "department")
	h.becomes(probe.Id, bob)
	h.becomes(g.Id, ann, bob)
	if _, err := h.groups().RemoveMember(h.ctx, &pb.RemoveGroupReferenceRequest{Id: g.Id, ObjectId: ann.Id}); err != nil {
		t.Error(err)
	}
}

func TestDynamicGroupsOfReportsAndOfGroups(t *testing.T) {
	t.Parallel()
	s := start(t)
	h := s.tenant("contoso", pb.Tenant_workforce)
	boss, ann, bob := h.user("boss"), h.user("ann"), h.user("bob")
	reports := h.dynamicGroup("reports", `Direct Reports for "`+boss.Id+`"`)
	h.upToDate(reports.Id)
	if _, err := h.users().SetManager(h.ctx, &pb.SetManagerRequest{Id: ann.Id, Reference: reference(boss.Id)}); err != nil {
		t.Fatal(err)
	}
	h.becomes(reports.Id, ann)
	source := h.group("source")
	h.must(h.addMember(source.Id, bob.Id))
	of := h.dynamicGroup("of", `user.memberOf -any (group.objectId -in ['`+source.Id+`', '`+reports.Id+`'])`)
	h.becomes(of.Id, ann, bob)
	h.must(h.addMember(source.Id, boss.Id))
	h.becomes(of.Id, ann, bob, boss)
	// What a rule of its own makes a member is a member for another.
	if _, err := h.users().RemoveManager(h.ctx, &pb.RemoveManagerRequest{Id: ann.Id}); err != nil {
		t.Fatal(err)
	}
	h.becomes(reports.Id)
	h.becomes(of.Id, bob, boss)
	name := "chain"
	_, err := h.groups().CreateGroup(h.ctx, &pb.CreateGroupRequest{Group: &pb.Group{DisplayName: &name, MailEnabled: ptr(false), MailNickname: &name, SecurityEnabled: ptr(true),
		GroupTypes: []string{"DynamicMembership"}, MembershipRule: ptr(`user.memberOf -any (group.objectId -in ['` + of.Id + `'])`)}})
	wantReason(t, err, errorspb.Reason_PROPERTY_INVALID)
	if _, err := h.groups().DeleteGroup(h.ctx, &pb.DeleteGroupRequest{Id: source.Id}); err != nil {
		t.Fatal(err)
	}
	h.becomes(of.Id)

	// A rule about time is evaluated anew when the day changes.
	hired := s.clock.Now().Add(36 * time.Hour)
	h.patch(bob.Id, &pb.User{EmployeeHireDate: timestamppb.New(hired)}, "employee_hire_date")
	soon := h.dynamicGroup("soon", "user.employeeHireDate -le system.now -plus P1D")
	h.upToDate(soon.Id)
	h.becomes(soon.Id)
	s.clock.Advance(24 * time.Hour)
	h.ctx = s.as(h.token(h.app.AppId, h.app.ClientSecret))
	h.patch(ann.Id, &pb.User{City: ptr("Oslo")}, "city")
	h.becomes(soon.Id, bob)
}

func TestDynamicUnits(t *testing.T) {
	t.Parallel()
	h := start(t).tenant("contoso", pb.Tenant_workforce)
	ann := h.user("ann")
	units := pb.NewAdministrativeUnitServiceClient(h.gateway)
	u, err := units.CreateAdministrativeUnit(h.ctx, &pb.CreateAdministrativeUnitRequest{Unit: &pb.AdministrativeUnit{DisplayName: ptr("Sales"), MembershipType: ptr("Dynamic"),
		MembershipRule: ptr(`user.department -eq "Sales"`)}})
	if err != nil {
		t.Fatal(err)
	}
	members := func(n int) func() bool {
		return func() bool {
			got, err := units.ListAdministrativeUnitMembers(h.ctx, &pb.ListAdministrativeUnitMembersRequest{Id: u.Id})
			if err != nil {
				t.Fatal(err)
			}
			return len(got.Value) == n
		}
	}
	h.patch(ann.Id, &pb.User{Department: ptr("sales")}, "department")
	eventually(t, "ann is in", members(1))
	_, err = units.RemoveAdministrativeUnitMember(h.ctx, &pb.RemoveAdministrativeUnitMemberRequest{Id: u.Id, ObjectId: ann.Id})
	wantReason(t, err, errorspb.Reason_REFERENCE_INVALID)
	h.patch(ann.Id, &pb.User{Department: ptr("HR")}, "department")
	eventually(t, "ann is out", members(0))
}

func TestDynamicGroupsByExtension(t *testing.T) {
	t.Parallel()
	h := start(t).tenant("contoso", pb.Tenant_workforce)
	ann, bob := h.user("ann"), h.user("bob")
	app, err := pb.NewApplicationServiceClient(h.gateway).CreateApplication(h.ctx, &pb.CreateApplicationRequest{Application: &pb.Application{DisplayName: ptr("HR")}})
	h.must(err)
	name := h.define(app, "costCenter", "String", false).GetName()
	h.must(h.setExtension(ann.Id, name, "77"))
	rule := "user." + strings.Replace(name, "costCenter", "COSTCENTER", 1) + ` -eq "77"`
	g := h.dynamicGroup("center", rule)
	h.becomes(g.Id, ann)
	h.upToDate(g.Id)
	h.must(h.setExtension(bob.Id, name, "77"))
	h.must(h.setExtension(ann.Id, name, "78"))
	h.becomes(g.Id, bob)
	got, err := h.groups().EvaluateDynamicMembership(h.ctx, &pb.EvaluateDynamicMembershipRequest{Id: g.Id, MemberId: bob.Id})
	if err != nil || !got.MembershipRuleEvaluationResult {
		t.Errorf("%v %v", got, err)
	}
	bad := "unknown"
	_, err = h.groups().CreateGroup(h.ctx, &pb.CreateGroupRequest{Group: &pb.Group{DisplayName: &bad, MailEnabled: ptr(false), MailNickname: &bad, SecurityEnabled: ptr(true),
		GroupTypes: []string{"DynamicMembership"}, MembershipRule: ptr(strings.Replace(rule, "COSTCENTER", "other", 1))}})
	wantReason(t, err, errorspb.Reason_PROPERTY_INVALID)

	// Without the definition nobody has the value (DIR-192).
	defined, err := h.extensions().ListExtensionProperties(h.ctx, &pb.ListExtensionPropertiesRequest{Id: app.Id})
	h.must(err)
	_, err = h.extensions().DeleteExtensionProperty(h.ctx, &pb.DeleteExtensionPropertyRequest{Id: app.Id, PropertyId: defined.Value[0].Id})
	h.must(err)
	h.becomes(g.Id)
}

func TestRulesTellNoMoreThanTheirUserMayRead(t *testing.T) {
	t.Parallel()
	h := start(t).tenant("contoso", pb.Tenant_workforce)
	ann, ben, shy := h.user("ann"), h.user("ben"), h.hiddenGroup("shy")
	h.must(h.addMember(shy.Id, ben.Id))
	ask := func(ctx context.Context, id, rule string) error {
		_, err := h.groups().EvaluateDynamicMembership(ctx, &pb.EvaluateDynamicMembershipRequest{MemberId: id, MembershipRule: &rule})
		return err
	}
	const plain = `user.employeeId -eq "7"`
	members := `user.memberOf -any (group.objectId -in ["` + shy.Id + `"])`
	for _, c := range []struct {
		scopes      []string
		plain, self bool
	}{
		{[]string{"Group.Read.All"}, false, true},
		{[]string{"Group.Read.All", "User.ReadBasic.All"}, false, true},
		{[]string{"Group.Read.All", "User.Read.All"}, true, true},
		{[]string{"Directory.AccessAsUser.All"}, true, true},
	} {
		me := h.person(ann.Id, c.scopes...)
		if err := ask(me, ben.Id, plain); (err == nil) != c.plain {
			t.Errorf("%v: %v", c.scopes, err)
		}
		if err := ask(me, ann.Id, plain); (err == nil) != c.self {
			t.Errorf("%v, self: %v", c.scopes, err)
		}
		wantReason(t, ask(me, ben.Id, members), errorspb.Reason_ACCESS_DENIED)
	}
	h.must(ask(h.person(ben.Id), ann.Id, members)) // a member of the group sees who else is
	h.must(ask(h.ctx, ben.Id, members))
	closed := openLevel(defaultGuests)
	closed.AllowedToReadOtherUsers = false
	h.policies.set(closed)
	eventually(t, "the policy holds", func() bool { return ask(h.person(ann.Id), ben.Id, plain) != nil })
	wantReason(t, ask(h.person(ann.Id), ben.Id, plain), errorspb.Reason_ACCESS_DENIED)
}
