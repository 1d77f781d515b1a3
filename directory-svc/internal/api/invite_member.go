package api

import (
	"context"

	"entente.dev/directory-svc/internal/access"
	"entente.dev/directory-svc/internal/group"
	"entente.dev/directory-svc/internal/object"
	"entente.dev/directory-svc/internal/property"
	"entente.dev/directory-svc/internal/store"
	pb "entente.dev/proto/gen/entente/directory/v1"
	"entente.dev/servicekit/audit"
	"entente.dev/servicekit/caller"
	"google.golang.org/protobuf/types/known/emptypb"
)

// GetInvitingGroup answers an owner who may invite guests into a group now
// (INV-138). It is asked before anybody is invited, so that nobody gets into
// the tenant on behalf of a group that cannot take them.
func (s *Groups) GetInvitingGroup(ctx context.Context, req *pb.GetInvitingGroupRequest) (*pb.InvitingGroup, error) {
	var out *pb.InvitingGroup
	err := s.inviting(ctx, req.Id, func(tx *store.Tx, by caller.Caller, g *group.Group) error {
		out = &pb.InvitingGroup{Id: g.ID.String()}
		return takesGuests(tx, by, g)
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// AddInvitedMember adds a user for an owner who has invited them (INV-138),
// by the rules of adding a member.
func (s *Groups) AddInvitedMember(ctx context.Context, req *pb.AddInvitedMemberRequest) (*emptypb.Empty, error) {
	id, err := objectID(req.UserId)
	if err != nil {
		return nil, err
	}
	err = s.inviting(ctx, req.Id, func(tx *store.Tx, by caller.Caller, g *group.Group) error {
		l, ok, err := tx.Resolve(id)
		if err == nil && (!ok || l.Type != object.User) {
			err = property.NotFound(clip(req.UserId))
		}
		if err != nil {
			return err
		}
		return s.addMember(ctx, tx, by, g, l)
	})
	if err != nil {
		return nil, err
	}
	return &emptypb.Empty{}, nil
}

// inviting runs fn about a group that the caller owns and may change. Whoever
// joins a role-assignable group may get roles, so there the caller must be one
// who manages such groups without owning them.
func (s *Groups) inviting(ctx context.Context, id string, fn func(*store.Tx, caller.Caller, *group.Group) error) error {
	who, t, err := s.home(ctx)
	if err != nil {
		return err
	}
	ev := record("Add member to group", groupManagement, "Assign", audit.Target{ID: clip(id), Type: object.Group.Title()})
	return s.write(ctx, t.ID, ev, func(tx *store.Tx) error {
		g, by, err := s.group(tx, who, id, changesMembers)
		if err != nil {
			return err
		}
		owners, err := tx.OwnersOf(g.ID)
		if err != nil {
			return err
		}
		if !owns(who, owners) {
			return property.Denied()
		}
		if g.RoleAssignable {
			if err := access.WriteGroup(by, false, true, false); err != nil {
				return err
			}
		}
		if err := group.CheckMember(g, who.ObjectID, object.User, nil); err != nil {
			return err
		}
		return fn(tx, by, g)
	})
}
