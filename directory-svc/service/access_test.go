package service_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	pb "entente.dev/proto/gen/entente/directory/v1"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	odatapb "entente.dev/proto/gen/entente/odata/v1"
	policypb "entente.dev/proto/gen/entente/policy/v1"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
)

// policies stands for policy-svc: it answers one level for all tenants, the
// default one unless set.
type policies struct {
	grpc.ClientConnInterface
	mu    sync.Mutex
	level *policypb.GuestAccessLevel
}

const (
	defaultGuests    = "10dae51f-b6af-4016-8d66-8c2a99b929b3"
	guestsAsMembers  = "a0b1b346-4d3e-4e8b-98f8-753987be4970"
	restrictedGuests = "2af84b1e-32c8-42b7-82bc-daa82404023b"
)

func openLevel(guests string) *policypb.GuestAccessLevel {
	return &policypb.GuestAccessLevel{GuestUserRoleId: guests, AllowedToCreateApps: true, AllowedToCreateSecurityGroups: true, AllowedToReadOtherUsers: true}
}

func (p *policies) set(level *policypb.GuestAccessLevel) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.level = level
}

func (p *policies) Invoke(_ context.Context, _ string, _, reply any, _ ...grpc.CallOption) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	level := p.level
	if level == nil {
		level = openLevel(defaultGuests)
	}
	proto.Merge(reply.(proto.Message), level)
	return nil
}

func denied(err error) bool { return err != nil }

func (h *home) unified(name string, owner *pb.User) *pb.Group {
	h.t.Helper()
	in := &pb.Group{DisplayName: &name, MailEnabled: ptr(true), MailNickname: &name, SecurityEnabled: ptr(false), GroupTypes: []string{"Unified"}}
	if owner != nil {
		in.OwnersBind = []string{"https://graph.test/v1.0/users/" + owner.Id}
	}
	g, err := h.groups().CreateGroup(h.ctx, &pb.CreateGroupRequest{Group: in})
	if err != nil {
		h.t.Fatal(err)
	}
	return g
}

func TestAC37_GuestsSeeWhatThePolicySays(t *testing.T) {
	t.Parallel()
	h := start(t).tenant("contoso", pb.Tenant_workforce)
	other, g, foreign := h.user("other"), h.group("team"), h.group("foreign")
	guest := h.invite("guest@fabrikam.example", pb.User_Guest)
	h.must(h.addMember(g.Id, guest.Id))
	me := h.person(guest.Id)
	list := func() error { _, err := h.users().ListUsers(me, &pb.ListUsersRequest{}); return err }
	get := func() (*pb.User, error) { return h.users().GetUser(me, &pb.GetUserRequest{Id: other.Id}) }

	wantReason(t, list(), errorspb.Reason_ACCESS_DENIED)
	u, err := get()
	if err != nil || u.DisplayName == nil || u.GivenName != nil || u.PreferredLanguage != nil || !proto.Equal(u, &pb.User{Id: u.Id, DisplayName: u.DisplayName, Mail: u.Mail, UserPrincipalName: u.UserPrincipalName, UserType: u.UserType}) {
		t.Errorf("%v %v", u, err)
	}
	if got, err := h.groups().GetGroup(me, &pb.GetGroupRequest{Id: foreign.Id}); err != nil || got.GetDisplayName() != "foreign" {
		t.Errorf("%v %v", got, err)
	}

	h.policies.set(openLevel(restrictedGuests))
	eventually(t, "the policy holds", func() bool { _, err := get(); return denied(err) })
	wantReason(t, list(), errorspb.Reason_ACCESS_DENIED)
	if _, err := h.users().GetUser(me, &pb.GetUserRequest{Id: guest.Id}); err != nil {
		t.Errorf("the own profile: %v", err)
	}
	held, err := h.users().ListMemberOf(me, &pb.ListUserRelationRequest{Id: guest.Id})
	if err != nil || len(held.Value) != 1 || !proto.Equal(held.Value[0].GetGroup(), &pb.Group{Id: g.Id}) {
		t.Errorf("%v %v", held, err)
	}
	if got, err := h.groups().GetGroup(me, &pb.GetGroupRequest{Id: g.Id}); err != nil || !proto.Equal(got, &pb.Group{Id: g.Id}) {
		t.Errorf("%v %v", got, err)
	}
	_, err = h.groups().GetGroup(me, &pb.GetGroupRequest{Id: foreign.Id})
	wantReason(t, err, errorspb.Reason_ACCESS_DENIED)
	_, err = h.groups().ListMembers(me, &pb.ListGroupRelationRequest{Id: g.Id})
	wantReason(t, err, errorspb.Reason_ACCESS_DENIED)

	h.policies.set(openLevel(guestsAsMembers))
	eventually(t, "guests are as members", func() bool { return list() == nil })
}

func TestPolicyOfMembers(t *testing.T) {
	t.Parallel()
	h := start(t).tenant("contoso", pb.Tenant_workforce)
	u, other := h.user("ann"), h.user("bob")
	h.policies.set(&policypb.GuestAccessLevel{GuestUserRoleId: defaultGuests})
	me := h.person(u.Id)
	eventually(t, "the policy holds", func() bool {
		_, err := h.users().GetUser(me, &pb.GetUserRequest{Id: other.Id})
		return denied(err)
	})
	_, err := h.users().ListUsers(me, &pb.ListUsersRequest{})
	wantReason(t, err, errorspb.Reason_ACCESS_DENIED)
	name := "g"
	_, err = h.groups().CreateGroup(me, &pb.CreateGroupRequest{Group: &pb.Group{DisplayName: &name, MailEnabled: ptr(false), MailNickname: &name, SecurityEnabled: ptr(true)}})
	wantReason(t, err, errorspb.Reason_ACCESS_DENIED)
	_, err = pb.NewApplicationServiceClient(h.gateway).CreateApplication(me, &pb.CreateApplicationRequest{Application: &pb.Application{DisplayName: &name}})
	wantReason(t, err, errorspb.Reason_ACCESS_DENIED)
}

func TestAC38_GuestsInMicrosoft365Groups(t *testing.T) {
	t.Parallel()
	h := start(t).tenant("contoso", pb.Tenant_workforce)
	owner, admin := h.user("owner"), h.user("admin2")
	h.must(h.give(groupsAdministrator, admin.Id, "/"))
	settings := pb.NewGroupSettingServiceClient(h.gateway)
	set := func(template, group, name, value string) {
		t.Helper()
		_, err := settings.CreateGroupSetting(h.ctx, &pb.CreateGroupSettingRequest{GroupId: group, Setting: &pb.GroupSetting{TemplateId: &template, Values: []*pb.SettingValue{{Name: &name, Value: &value}}}})
		h.must(err)
	}
	const tenantTemplate, groupTemplate = "62375ab9-6b52-47ed-826b-58e47e0e304b", "08d542b9-071f-4e16-94b0-74abb372e3d9"
	add := func(as *pb.User, group, member string) error {
		_, err := h.groups().AddMember(h.person(as.Id), &pb.AddGroupReferenceRequest{Id: group, Reference: reference(member)})
		return err
	}
	guests := 0
	guest := func() string {
		guests++
		return h.invite(fmt.Sprintf("g%d@fabrikam.example", guests), pb.User_Guest).Id
	}
	open, closed := h.unified("open", owner), h.unified("closed", owner)
	h.must(add(owner, open.Id, guest()))
	set(groupTemplate, closed.Id, "AllowToAddGuests", "false")
	wantReason(t, add(owner, closed.Id, guest()), errorspb.Reason_REFERENCE_INVALID)
	h.must(add(admin, closed.Id, guest()))
	set(tenantTemplate, "", "AllowToAddGuests", "false") // overrides what the group says
	set(groupTemplate, open.Id, "AllowToAddGuests", "true")
	wantReason(t, add(owner, open.Id, guest()), errorspb.Reason_REFERENCE_INVALID)
	h.must(add(admin, open.Id, guest()))
	h.must(add(owner, open.Id, h.invite("member@fabrikam.example", pb.User_Member).Id))
	security := h.group("security")
	_, err := h.groups().AddOwner(h.ctx, &pb.AddGroupReferenceRequest{Id: security.Id, Reference: reference(owner.Id)})
	h.must(err)
	h.must(add(owner, security.Id, guest()))
	_, err = h.groups().AddOwner(h.ctx, &pb.AddGroupReferenceRequest{Id: open.Id, Reference: reference(guest())})
	wantReason(t, err, errorspb.Reason_REFERENCE_INVALID)
}

func TestAC40_Owners(t *testing.T) {
	t.Parallel()
	h := start(t).tenant("contoso", pb.Tenant_workforce)
	g, first := h.group("team"), h.user("u0")
	own := func(id string) error {
		_, err := h.groups().AddOwner(h.ctx, &pb.AddGroupReferenceRequest{Id: g.Id, Reference: reference(id)})
		return err
	}
	h.must(own(first.Id))
	_, err := h.groups().RemoveOwner(h.ctx, &pb.RemoveGroupReferenceRequest{Id: g.Id, ObjectId: first.Id})
	wantReason(t, err, errorspb.Reason_REFERENCE_INVALID)
	for i := 1; i < 100; i++ {
		h.must(own(h.user(fmt.Sprint("u", i)).Id))
	}
	wantReason(t, own(h.user("u100").Id), errorspb.Reason_REFERENCE_INVALID)
	wantReason(t, own(h.group("other").Id), errorspb.Reason_REFERENCE_INVALID)
}

func TestMembersCreateTheirShare(t *testing.T) {
	t.Parallel()
	h := start(t).tenant("contoso", pb.Tenant_workforce)
	me := h.person(h.user("ann").Id)
	create := func(i int) (*pb.Group, error) {
		name := fmt.Sprint("g", i)
		return h.groups().CreateGroup(me, &pb.CreateGroupRequest{Group: &pb.Group{DisplayName: &name, MailEnabled: ptr(false), MailNickname: &name, SecurityEnabled: ptr(true)}})
	}
	var last *pb.Group
	for i := range 250 {
		g, err := create(i)
		h.must(err)
		last = g
	}
	_, err := create(250)
	wantReason(t, err, errorspb.Reason_QUOTA_EXCEEDED)
	_, err = h.groups().DeleteGroup(me, &pb.DeleteGroupRequest{Id: last.Id})
	h.must(err)
	_, err = create(251)
	h.must(err)
	_, err = h.groups().ListOwners(h.ctx, &pb.ListGroupRelationRequest{Id: last.Id, Query: &odatapb.Query{}})
	wantReason(t, err, errorspb.Reason_NOT_FOUND)
}
