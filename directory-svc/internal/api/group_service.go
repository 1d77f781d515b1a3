package api

import (
	"context"
	"slices"

	"entente.dev/directory-svc/internal/access"
	"entente.dev/directory-svc/internal/group"
	"entente.dev/directory-svc/internal/object"
	"entente.dev/directory-svc/internal/property"
	"entente.dev/directory-svc/internal/quota"
	"entente.dev/directory-svc/internal/store"
	pb "entente.dev/proto/gen/entente/directory/v1"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/audit"
	"entente.dev/servicekit/caller"
	"entente.dev/servicekit/fault"
	"github.com/google/uuid"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/structpb"
)

// Groups serves GroupService (DIR-123 to DIR-137).
type Groups struct {
	pb.UnimplementedGroupServiceServer
	*Core
}

var _ pb.GroupServiceServer = (*Groups)(nil)

func groupTarget(g *group.Group) audit.Target {
	t := target(object.Group, g.ID, g.DisplayName)
	t.GroupType = "azureAD"
	if g.Unified {
		t.GroupType = "unifiedGroups"
	}
	return t
}

// CreateGroup creates a group with its first owners and members (DIR-123,
// DIR-126).
func (s *Groups) CreateGroup(ctx context.Context, req *pb.CreateGroupRequest) (*pb.Group, error) {
	who, t, err := s.home(ctx)
	if err != nil {
		return nil, err
	}
	return s.create(ctx, who, t, req.Group, nil)
}

// create creates a group for the caller who; also, where given, does more in
// the same transaction.
func (s *Groups) create(ctx context.Context, who caller.Caller, t *store.Tenant, in *pb.Group, also func(tx *store.Tx, l store.Link, unified bool) error) (*pb.Group, error) {
	now := s.now()
	if err := access.CreateGroup(who, rights(t), in.GetIsAssignableToRole(), slices.Contains(in.GroupTypes, group.Unified)); err != nil {
		return nil, err
	}
	if err := t.Limits.Fits(quota.References, len(in.OwnersBind)+len(in.MembersBind)); err != nil {
		return nil, err
	}
	var draft group.Group
	if err := applyGroup(&draft, in, present(in)); err != nil {
		return nil, err
	}
	g, err := group.New(draft, group.Given{MailEnabled: in.MailEnabled != nil, SecurityEnabled: in.SecurityEnabled != nil, MailNickname: in.GetMailNickname() != ""}, newID(), &t.Tenant, now)
	if err != nil {
		return nil, err
	}
	ev := record("Add group", groupManagement, "Add", groupTarget(&g))
	ev.Targets[0].Modified = modified(nil, groupToProto(&g), propertyNames(groupFields, present(in)))
	err = s.write(ctx, t.ID, ev, func(tx *store.Tx) error {
		owners, err := bind(tx, "owners", in.OwnersBind)
		if err != nil {
			return err
		}
		members, err := bind(tx, "members", in.MembersBind)
		if err != nil {
			return err
		}
		if len(owners) == 0 && who.Kind == caller.User {
			owners = []store.Link{{ID: who.ObjectID, Type: object.User}}
		}
		if err := s.mayCreate(tx, who, &g); err != nil {
			return err
		}
		if err := s.saveRule(tx, g.ID, false, g.Rule); err != nil {
			return err
		}
		if err := tx.InsertGroup(&g); err != nil {
			return err
		}
		tx.Change(store.Change{Type: object.Group, ID: g.ID, Kind: store.Created})
		if _, err := s.extend(tx, object.Group, g.ID, in.Extensions, present(in)); err != nil {
			return err
		}
		if err := s.audit(ctx, tx, ev); err != nil {
			return err
		}
		for _, o := range owners {
			if err := s.addOwner(ctx, tx, &g, o); err != nil {
				return err
			}
		}
		for _, m := range members {
			if err := s.addMember(ctx, tx, who, &g, m); err != nil {
				return err
			}
		}
		if also == nil {
			return nil
		}
		return also(tx, store.Link{ID: g.ID, Type: object.Group}, g.Unified)
	})
	if err != nil {
		return nil, err
	}
	return groupToProto(&g), nil
}

func (s *Groups) addMember(ctx context.Context, tx *store.Tx, by caller.Caller, g *group.Group, m store.Link) error {
	var nested *group.Group
	if m.Type == object.Group {
		var err error
		if nested, err = tx.Group(m.ID, store.Live, false); err != nil {
			return err
		}
	}
	if err := group.CheckMember(g, m.ID, m.Type, nested); err != nil {
		return err
	}
	if err := guestMember(tx, by, g, m); err != nil {
		return err
	}
	tx.AddMember(g.ID, m, s.now())
	return s.linked(ctx, tx, g, m, "members", store.Linked, "Add member to group", "Assign")
}

func (s *Groups) addOwner(ctx context.Context, tx *store.Tx, g *group.Group, o store.Link) error {
	if err := group.CheckOwner(o.Type); err != nil {
		return err
	}
	if err := guestOwner(tx, g, o); err != nil {
		return err
	}
	tx.AddOwner(g.ID, object.Group, o, s.now())
	return s.linked(ctx, tx, g, o, "owners", store.Linked, "Add owner to group", "Assign")
}

// linked records that a link of a group came or went: in the feed for both
// ends, and in the audit log.
func (s *Groups) linked(ctx context.Context, tx *store.Tx, g *group.Group, l store.Link, relation string, kind store.ChangeKind, activity, operation string) error {
	tx.Change(store.Change{Type: object.Group, ID: g.ID, Kind: kind, Properties: []string{relation}, Related: &l.ID})
	return s.audit(ctx, tx, record(activity, groupManagement, operation, groupTarget(g), target(l.Type, l.ID, "")))
}

// groupAct is what a change of a group is about.
type groupAct int

const (
	changesGroup groupAct = iota
	changesMembers
	deletesGroup
)

// group finds a live group for an act of the caller, who must have the right
// to it, and answers the caller with the roles that count for it.
func (s *Groups) group(tx *store.Tx, who caller.Caller, text string, act groupAct) (*group.Group, caller.Caller, error) {
	id, err := objectID(text)
	if err != nil {
		return nil, who, err
	}
	g, err := tx.Group(id, store.Live, true)
	if err != nil {
		return nil, who, err
	}
	by, err := s.mayWriteGroup(tx, who, g, act)
	return g, by, err
}

// mayWriteGroup decides about a group that was found.
func (c *Core) mayWriteGroup(tx *store.Tx, who caller.Caller, g *group.Group, act groupAct) (caller.Caller, error) {
	if g.Restricted && g.RoleAssignable && act == changesMembers { // DIR-166
		return who, access.WriteRestrictedRoleGroup(who)
	}
	owners, err := tx.OwnersOf(g.ID)
	if err != nil {
		return who, err
	}
	by, err := c.over(tx, who, g.ID, g.Restricted)
	if err != nil {
		return who, err
	}
	return by, access.WriteGroup(by, !g.Restricted && owns(who, owners), g.RoleAssignable, act == deletesGroup)
}

// GetGroup returns one live group (DIR-127).
func (s *Groups) GetGroup(ctx context.Context, req *pb.GetGroupRequest) (*pb.Group, error) {
	who, t, err := s.home(ctx)
	if err != nil {
		return nil, err
	}
	id, err := objectID(req.Id)
	if err != nil {
		return nil, err
	}
	if who.Kind == caller.User && rights(t).External {
		if err := access.Directory(who, rights(t)); err != nil {
			return nil, err
		}
	}
	var out *pb.Group
	err = s.Store.Read(ctx, t.ID, func(tx *store.Tx) error {
		g, err := tx.Group(id, store.Live, false)
		if err == nil && access.Directory(who, rights(t)) != nil {
			err = hidden(tx, who, g) // guests see groups that do not hide (DIR-175)
		}
		if err == nil {
			out, err = s.ownGroup(tx, who, t, groupToProto(g), id)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	names, err := selected(req.Query.GetSelect())
	if err != nil {
		return nil, err
	}
	return out, s.withExtensions(ctx, t.ID, extensionsAsked(names), []uuid.UUID{id}, func(_ int, values *structpb.Struct) { out.Extensions = values })
}

// ListGroups lists groups a page at a time (DIR-127, DIR-201).
func (s *Groups) ListGroups(ctx context.Context, req *pb.ListGroupsRequest) (*pb.ListGroupsResponse, error) {
	const route = "groups"
	who, t, err := s.home(ctx)
	if err != nil {
		return nil, err
	}
	if err := access.Directory(who, rights(t)); err != nil {
		return nil, err
	}
	columns, err := s.filterable(ctx, t.ID, req.Query.GetFilter(), "groups", store.GroupColumns)
	if err != nil {
		return nil, err
	}
	names, err := selected(req.Query.GetSelect())
	if err != nil {
		return nil, err
	}
	l, page, err := s.listing(who, route, req.Query, groupDescriptor, columns)
	if err != nil {
		return nil, err
	}
	found, err := s.Store.ListGroups(ctx, t.ID, l, nil)
	if err != nil {
		return nil, err
	}
	out := &pb.ListGroupsResponse{OdataCount: found.Count, NextPageToken: next(s.Core, who, route, req.Query, page, found), Value: make([]*pb.Group, len(found.Items))}
	ids := make([]uuid.UUID, len(found.Items))
	for i, g := range found.Items {
		out.Value[i], ids[i] = groupToProto(g), g.ID
	}
	return out, s.withExtensions(ctx, t.ID, extensionsAsked(names), ids, func(i int, values *structpb.Struct) { out.Value[i].Extensions = values })
}

// CountGroups counts groups (DIR-205).
func (s *Groups) CountGroups(ctx context.Context, req *pb.CountGroupsRequest) (*pb.CountResponse, error) {
	who, t, err := s.home(ctx)
	if err != nil {
		return nil, err
	}
	if err := access.Directory(who, rights(t)); err != nil {
		return nil, err
	}
	if err := counting(who, req.Query); err != nil {
		return nil, err
	}
	columns, err := s.filterable(ctx, t.ID, req.Query.GetFilter(), "groups", store.GroupColumns)
	if err != nil {
		return nil, err
	}
	where, err := conditions(req.Query, groupDescriptor, columns, true, true)
	if err != nil {
		return nil, err
	}
	n, err := s.Store.CountGroups(ctx, t.ID, where)
	return &pb.CountResponse{Value: n}, err
}

// UpdateGroup changes the named properties of a group, and adds the members
// that a bind annotation names (DIR-127, DIR-128).
func (s *Groups) UpdateGroup(ctx context.Context, req *pb.UpdateGroupRequest) (*emptypb.Empty, error) {
	who, t, err := s.home(ctx)
	if err != nil {
		return nil, err
	}
	in := req.Group
	if in == nil {
		in = &pb.Group{}
	}
	if err := t.Limits.Fits(quota.References, len(in.OwnersBind)+len(in.MembersBind)); err != nil {
		return nil, err
	}
	ev := record("Update group", groupManagement, "Update", audit.Target{ID: clip(req.Id), Type: object.Group.Title()})
	err = s.write(ctx, t.ID, ev, func(tx *store.Tx) error {
		act := changesGroup
		if len(in.OwnersBind) == 0 && !slices.ContainsFunc(req.UpdateMask.GetPaths(), func(p string) bool { return p != "members_bind" }) {
			act = changesMembers
		}
		old, by, err := s.group(tx, who, req.Id, act)
		if err != nil {
			return err
		}
		g := *old
		paths := req.UpdateMask.GetPaths()
		if err := applyGroup(&g, in, paths); err != nil {
			return err
		}
		if g, err = group.Update(*old, g, &t.Tenant); err != nil {
			return err
		}
		if changed := slices.DeleteFunc(propertyNames(groupFields, paths), func(p string) bool {
			return p == "members@odata.bind" || p == "owners@odata.bind" || p == extensionsField
		}); len(changed) > 0 {
			if err := s.saveRule(tx, g.ID, old.Dynamic, g.Rule); err != nil {
				return err
			}
			if err := tx.SaveGroup(old, &g); err != nil {
				return err
			}
			if g.Dynamic == old.Dynamic && equal(g.Rule, old.Rule) && equal(g.RuleState, old.RuleState) {
				changed = slices.DeleteFunc(changed, aboutRule) // repeated as they are, they are no reason to evaluate anew
			}
			tx.Change(store.Change{Type: object.Group, ID: g.ID, Kind: store.Updated, Properties: changed})
			ev.Targets[0] = groupTarget(&g)
			ev.Targets[0].Modified = modified(groupToProto(old), groupToProto(&g), changed)
			if err := s.audit(ctx, tx, ev); err != nil {
				return err
			}
		}
		if err := s.bound(ctx, tx, by, &g, in); err != nil {
			return err
		}
		return s.saveExtensions(ctx, tx, object.Group, g.ID, in.Extensions, paths, record("Update group", groupManagement, "Update", groupTarget(&g)))
	})
	if err != nil {
		return nil, err
	}
	return &emptypb.Empty{}, nil
}

// bound adds the owners and members that the bind annotations of a change name
// (DIR-5).
func (s *Groups) bound(ctx context.Context, tx *store.Tx, by caller.Caller, g *group.Group, in *pb.Group) error {
	owners, err := bind(tx, "owners", in.OwnersBind)
	if err != nil {
		return err
	}
	if len(owners) > 0 {
		held, err := tx.OwnersOf(g.ID)
		if err != nil {
			return err
		}
		if err := tx.Fits(quota.Owners, len(held)+len(owners)); err != nil {
			return err
		}
	}
	for _, o := range owners {
		if err := s.addOwner(ctx, tx, g, o); err != nil {
			return err
		}
	}
	members, err := bind(tx, "members", in.MembersBind)
	if err != nil {
		return err
	}
	for _, m := range members {
		if err := s.addMember(ctx, tx, by, g, m); err != nil {
			return err
		}
	}
	return nil
}

// DeleteGroup soft-deletes a Microsoft 365 group and ends a security group at
// once (DIR-94, DIR-127).
func (s *Groups) DeleteGroup(ctx context.Context, req *pb.DeleteGroupRequest) (*emptypb.Empty, error) {
	who, t, err := s.home(ctx)
	if err != nil {
		return nil, err
	}
	ev := record("Delete group", groupManagement, "Delete", audit.Target{ID: clip(req.Id), Type: object.Group.Title()})
	err = s.write(ctx, t.ID, ev, func(tx *store.Tx) error {
		old, _, err := s.group(tx, who, req.Id, deletesGroup)
		if err != nil {
			return err
		}
		ev.Targets[0] = groupTarget(old)
		if err := s.audit(ctx, tx, ev); err != nil {
			return err
		}
		if !old.Unified {
			tx.PurgeGroup(old.ID)
			tx.Change(store.Change{Type: object.Group, ID: old.ID, Kind: store.Purged})
			return s.audit(ctx, tx, record("Hard Delete group", groupManagement, "Delete", groupTarget(old)))
		}
		g := *old
		g.Deleted = ptr(s.now())
		tx.Change(store.Change{Type: object.Group, ID: g.ID, Kind: store.Deleted})
		return tx.SaveGroup(old, &g)
	})
	if err != nil {
		return nil, err
	}
	return &emptypb.Empty{}, nil
}

// AddMember adds a member (DIR-128 to DIR-132).
func (s *Groups) AddMember(ctx context.Context, req *pb.AddGroupReferenceRequest) (*emptypb.Empty, error) {
	return s.reference(ctx, req.Id, changesMembers, "Add member to group", "Assign", func(tx *store.Tx, by caller.Caller, g *group.Group) error {
		link, err := s.referenced(tx, req.Reference.GetOdataId())
		if err != nil {
			return err
		}
		return s.addMember(ctx, tx, by, g, link)
	})
}

// AddOwner adds an owner (DIR-133).
func (s *Groups) AddOwner(ctx context.Context, req *pb.AddGroupReferenceRequest) (*emptypb.Empty, error) {
	return s.reference(ctx, req.Id, changesGroup, "Add owner to group", "Assign", func(tx *store.Tx, _ caller.Caller, g *group.Group) error {
		link, err := s.referenced(tx, req.Reference.GetOdataId())
		if err != nil {
			return err
		}
		owners, err := tx.OwnersOf(g.ID)
		if err != nil {
			return err
		}
		if err := tx.Fits(quota.Owners, len(owners)+1); err != nil {
			return err
		}
		return s.addOwner(ctx, tx, g, link)
	})
}

// RemoveMember removes a member (DIR-130, DIR-132).
func (s *Groups) RemoveMember(ctx context.Context, req *pb.RemoveGroupReferenceRequest) (*emptypb.Empty, error) {
	return s.reference(ctx, req.Id, changesMembers, "Remove member from group", "Unassign", func(tx *store.Tx, _ caller.Caller, g *group.Group) error {
		id, err := objectID(req.ObjectId)
		if err != nil {
			return err
		}
		if g.Dynamic {
			return group.CheckMember(g, id, object.User, nil)
		}
		ok, err := tx.RemoveLink(store.Members, g.ID, id)
		if err == nil && !ok {
			err = property.NotFound(clip(req.ObjectId))
		}
		if err != nil {
			return err
		}
		return s.linked(ctx, tx, g, store.Link{ID: id, Type: object.User}, "members", store.Unlinked, "Remove member from group", "Unassign")
	})
}

// RemoveOwner removes an owner; the last user among them stays (DIR-133).
func (s *Groups) RemoveOwner(ctx context.Context, req *pb.RemoveGroupReferenceRequest) (*emptypb.Empty, error) {
	return s.reference(ctx, req.Id, changesGroup, "Remove owner from group", "Unassign", func(tx *store.Tx, _ caller.Caller, g *group.Group) error {
		id, err := objectID(req.ObjectId)
		if err != nil {
			return err
		}
		owners, err := tx.OwnersOf(g.ID)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(owners, func(o store.Link) bool { return o.ID == id })
		if i < 0 {
			return property.NotFound(clip(req.ObjectId))
		}
		users := 0
		for _, o := range owners {
			if o.Type == object.User {
				users++
			}
		}
		if err := group.CheckOwnerRemoval(owners[i].Type, users); err != nil {
			return err
		}
		if _, err := tx.RemoveLink(store.Owners, g.ID, id); err != nil {
			return err
		}
		return s.linked(ctx, tx, g, owners[i], "owners", store.Unlinked, "Remove owner from group", "Unassign")
	})
}

// reference changes a link of a group for the caller.
func (s *Groups) reference(ctx context.Context, id string, act groupAct, activity, operation string, fn func(*store.Tx, caller.Caller, *group.Group) error) (*emptypb.Empty, error) {
	who, t, err := s.home(ctx)
	if err != nil {
		return nil, err
	}
	ev := record(activity, groupManagement, operation, audit.Target{ID: clip(id), Type: object.Group.Title()})
	err = s.write(ctx, t.ID, ev, func(tx *store.Tx) error {
		g, by, err := s.group(tx, who, id, act)
		if err != nil {
			return err
		}
		return fn(tx, by, g)
	})
	if err != nil {
		return nil, err
	}
	return &emptypb.Empty{}, nil
}

// referenced finds the live object that a reference names; a dangling one is
// 404 (DIR-9).
func (c *Core) referenced(tx *store.Tx, reference string) (store.Link, error) {
	id, err := refID(reference)
	if err != nil {
		return store.Link{}, err
	}
	link, ok, err := tx.Resolve(id)
	if err == nil && !ok {
		err = property.NotFound(id.String())
	}
	return link, err
}

// hidden refuses reads of a hidden membership to those who are not in it
// (DIR-136).
func hidden(tx *store.Tx, who caller.Caller, g *group.Group) error {
	if !g.HidesMembers() || who.Kind != caller.User || access.SeesHidden(who) {
		return nil
	}
	owners, err := tx.OwnersOf(g.ID)
	if err != nil || owns(who, owners) {
		return err
	}
	groups, err := tx.GroupsOf(who.ObjectID, false, false, maxGroups)
	if err != nil || slices.Contains(groups, g.ID) {
		return err
	}
	return fault.Denied(errorspb.Reason_ACCESS_DENIED, "Insufficient privileges to complete the operation.")
}
