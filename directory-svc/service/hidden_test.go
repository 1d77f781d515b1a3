package service_test

import (
	"context"
	"slices"
	"testing"

	pb "entente.dev/proto/gen/entente/directory/v1"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	odatapb "entente.dev/proto/gen/entente/odata/v1"
)

const readAll = "Directory.Read.All"

func (h *home) objects() pb.DirectoryObjectServiceClient {
	return pb.NewDirectoryObjectServiceClient(h.gateway)
}

// hiddenGroup is a security group whose members are for members and owners.
func (h *home) hiddenGroup(name string) *pb.Group {
	h.t.Helper()
	g, err := h.groups().CreateGroup(h.ctx, &pb.CreateGroupRequest{Group: &pb.Group{DisplayName: &name, MailNickname: &name, MailEnabled: ptr(false),
		SecurityEnabled: ptr(true), Visibility: ptr("HiddenMembership")}})
	h.must(err)
	return g
}

func order(ids ...string) []string {
	slices.Sort(ids)
	return ids
}

func TestHiddenMembershipIsToldNowhere(t *testing.T) {
	t.Parallel()
	h := start(t).tenant("contoso", pb.Tenant_workforce)
	ann, ben, carl := h.user("ann"), h.user("ben"), h.user("carl")
	open, shy := h.group("open"), h.hiddenGroup("shy")
	h.must(h.addMember(shy.Id, ann.Id))
	h.must(h.addMember(shy.Id, carl.Id))
	h.must(h.addMember(open.Id, shy.Id))
	h.must(h.addMember(open.Id, ben.Id))
	unit, err := h.units().CreateAdministrativeUnit(h.ctx, &pb.CreateAdministrativeUnitRequest{Unit: &pb.AdministrativeUnit{DisplayName: ptr("u"), Visibility: ptr("HiddenMembership")}})
	h.must(err)
	h.must(h.join(unit.Id, ann.Id))
	reader := h.user("reader")
	h.must(h.give(globalReader, reader.Id, "/"))
	scoped := h.user("scoped")
	h.must(h.give(userAdministrator, scoped.Id, "/administrativeUnits/"+unit.Id))

	member, insider, privileged, over := h.person(ben.Id), h.person(carl.Id), h.person(reader.Id), h.person(scoped.Id)
	all := order(open.Id, shy.Id, unit.Id)
	for _, c := range []struct {
		name    string
		ctx     context.Context
		holders []string // of ann, direct and by nesting
		direct  []string
		inside  []string // of open
		members int      // of shy in the delta
		unit    int      // members of the unit in the delta
	}{
		{"another member", member, nil, nil, order(ben.Id, shy.Id), 0, 0},
		{"a member of the group", insider, order(open.Id, shy.Id), order(shy.Id), order(ann.Id, ben.Id, carl.Id, shy.Id), 2, 0},
		{"who has a role over the unit", over, order(unit.Id), order(unit.Id), order(ben.Id, shy.Id), 0, 1},
		{"a global reader", privileged, all, order(shy.Id, unit.Id), order(ann.Id, ben.Id, carl.Id, shy.Id), 2, 1},
		{"the user", h.person(ann.Id), all, order(shy.Id, unit.Id), order(ann.Id, ben.Id, carl.Id, shy.Id), 2, 0},
		{"an application", h.ctx, all, order(shy.Id, unit.Id), order(ann.Id, ben.Id, carl.Id, shy.Id), 2, 1},
	} {
		of, err := h.users().ListMemberOf(c.ctx, &pb.ListUserRelationRequest{Id: ann.Id, Query: &odatapb.Query{Count: ptr(true), Advanced: true}})
		if err != nil || !slices.Equal(idsOf(of.Value), c.direct) || int(of.GetOdataCount()) != len(c.direct) {
			t.Errorf("%s: memberOf %v %v", c.name, of, err)
		}
		above, err := h.objects().ListTransitiveMemberOf(c.ctx, &pb.ListTransitiveMemberOfRequest{Id: ann.Id})
		if err != nil || !slices.Equal(idsOf(above.Value), c.holders) {
			t.Errorf("%s: transitiveMemberOf %v %v", c.name, above, err)
		}
		got, err := h.objects().GetMemberObjects(c.ctx, &pb.GetMemberObjectsRequest{Id: ann.Id})
		if err != nil || !slices.Equal(order(got.Value...), c.holders) {
			t.Errorf("%s: getMemberObjects %v %v", c.name, got, err)
		}
		checked, err := h.objects().CheckMemberObjects(c.ctx, &pb.CheckMemberObjectsRequest{Id: ann.Id, Ids: all})
		if err != nil || !slices.Equal(order(checked.Value...), c.holders) {
			t.Errorf("%s: checkMemberObjects %v %v", c.name, checked, err)
		}
		for _, id := range []string{open.Id, shy.Id} {
			found, err := h.objects().CheckMemberGroups(c.ctx, &pb.CheckMemberGroupsRequest{Id: ann.Id, GroupIds: []string{id}})
			if err != nil || (len(found.Value) == 1) != slices.Contains(c.holders, id) {
				t.Errorf("%s: checkMemberGroups %v %v", c.name, found, err)
			}
		}
		inside, err := h.groups().ListTransitiveMembers(c.ctx, &pb.ListGroupRelationRequest{Id: open.Id, Query: &odatapb.Query{Count: ptr(true), Advanced: true}})
		if err != nil || !slices.Equal(idsOf(inside.Value), c.inside) || int(inside.GetOdataCount()) != len(c.inside) {
			t.Errorf("%s: transitiveMembers %v %v", c.name, inside, err)
		}
		groups, _ := h.follow(func(req *pb.ListDeltaRequest) (*pb.ListDeltaResponse, error) {
			return h.delta().ListGroupsDelta(c.ctx, req)
		}, &pb.ListDeltaRequest{})
		for _, e := range groups {
			if want := map[string]int{open.Id: 2, shy.Id: c.members}[e.Id]; len(e.Members) != want {
				t.Errorf("%s: %d members of %s in the delta", c.name, len(e.Members), e.Object.GetGroup().GetDisplayName())
			}
		}
		units, _ := h.follow(func(req *pb.ListDeltaRequest) (*pb.ListDeltaResponse, error) {
			return h.delta().ListAdministrativeUnitsDelta(c.ctx, req)
		}, &pb.ListDeltaRequest{})
		if len(units) != 1 || len(units[0].Members) != c.unit {
			t.Errorf("%s: delta of units %v", c.name, units)
		}
	}

	// Changes are kept back as the full state is.
	call := func(req *pb.ListDeltaRequest) (*pb.ListDeltaResponse, error) {
		return h.delta().ListGroupsDelta(member, req)
	}
	_, token := h.follow(call, &pb.ListDeltaRequest{})
	dora := h.user("dora")
	h.must(h.addMember(shy.Id, dora.Id))
	h.must(h.addMember(open.Id, dora.Id))
	eventually(t, "the change of the open group", func() bool {
		var entries []*pb.ChangedObject
		entries, token = h.follow(call, &pb.ListDeltaRequest{Query: &odatapb.Query{Deltatoken: token}})
		told := false
		for _, e := range entries {
			if e.Id == shy.Id && len(e.Members) > 0 {
				t.Errorf("%v", e)
			}
			told = told || e.Id == open.Id && len(e.Members) > 0
		}
		return told
	})
}

func TestMembershipsOfOthersTakeMoreThanTheOwnProfile(t *testing.T) {
	t.Parallel()
	h := start(t).tenant("contoso", pb.Tenant_workforce)
	ann, ben, team := h.user("ann"), h.user("ben"), h.group("team")
	h.must(h.addMember(team.Id, ben.Id))
	h.must(h.addMember(team.Id, ann.Id))
	reads := func(ctx context.Context, id string) []error {
		_, direct := h.users().ListMemberOf(ctx, &pb.ListUserRelationRequest{Id: id})
		_, nested := h.objects().ListTransitiveMemberOf(ctx, &pb.ListTransitiveMemberOfRequest{Id: id})
		_, groups := h.objects().GetMemberGroups(ctx, &pb.GetMemberGroupsRequest{Id: id})
		_, check := h.objects().CheckMemberGroups(ctx, &pb.CheckMemberGroupsRequest{Id: id, GroupIds: []string{team.Id}})
		_, objects := h.objects().GetMemberObjects(ctx, &pb.GetMemberObjectsRequest{Id: id})
		return []error{direct, nested, groups, check, objects}
	}
	for _, c := range []struct {
		scopes []string
		others bool
	}{
		{[]string{"User.Read"}, false},
		{[]string{"User.Read.All"}, false},
		{[]string{"User.Read", "Group.Read.All"}, false},
		{[]string{"User.Read.All", "GroupMember.Read.All"}, true},
		{[]string{readAll}, true},
		{[]string{"Directory.AccessAsUser.All"}, true},
	} {
		me := h.person(ann.Id, c.scopes...)
		for _, err := range reads(me, ben.Id) {
			if c.others {
				h.must(err)
			} else {
				wantReason(t, err, errorspb.Reason_ACCESS_DENIED)
			}
		}
		if slices.Contains(c.scopes, "Group.Read.All") { // a list of users is not to be had by it
			continue
		}
		for _, err := range reads(me, ann.Id) {
			h.must(err)
		}
	}
	// A group is no profile, either.
	_, err := h.objects().GetMemberGroups(h.person(ann.Id, "User.Read"), &pb.GetMemberGroupsRequest{Id: team.Id})
	wantReason(t, err, errorspb.Reason_ACCESS_DENIED)

	closed := openLevel(defaultGuests)
	closed.AllowedToReadOtherUsers = false
	h.policies.set(closed)
	eventually(t, "the policy holds", func() bool {
		_, err := h.users().GetUser(h.person(ann.Id), &pb.GetUserRequest{Id: ben.Id})
		return err != nil
	})
	for _, err := range reads(h.person(ann.Id), ben.Id) {
		wantReason(t, err, errorspb.Reason_ACCESS_DENIED)
	}
	for _, err := range reads(h.person(ann.Id, "User.Read"), ann.Id) {
		h.must(err)
	}
}
