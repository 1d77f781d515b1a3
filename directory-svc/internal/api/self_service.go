package api

import (
	"context"

	"entente.dev/directory-svc/internal/application"
	"entente.dev/directory-svc/internal/group"
	"entente.dev/directory-svc/internal/object"
	"entente.dev/directory-svc/internal/property"
	"entente.dev/directory-svc/internal/quota"
	"entente.dev/directory-svc/internal/store"
	pb "entente.dev/proto/gen/entente/directory/v1"
	"entente.dev/servicekit/audit"
	"entente.dev/servicekit/caller"
	"github.com/google/uuid"
	"google.golang.org/protobuf/types/known/emptypb"
)

func selfServiceToProto(s store.SelfService) *pb.SelfService {
	out := &pb.SelfService{Enabled: s.Enabled, OwnersMayInvite: s.OwnersMayInvite}
	if s.GroupID != nil {
		out.GroupId = ptr(s.GroupID.String())
	}
	return out
}

// GetSelfService returns the delegation of an application to its owners
// (DIR-188).
func (s *ServicePrincipals) GetSelfService(ctx context.Context, req *pb.GetSelfServiceRequest) (*pb.SelfService, error) {
	_, t, err := s.home(ctx)
	if err != nil {
		return nil, err
	}
	id, err := s.resource(ctx, req.Id)
	if err != nil {
		return nil, err
	}
	var out *pb.SelfService
	err = s.Store.Read(ctx, t.ID, func(tx *store.Tx) error {
		now, err := tx.SelfService(id)
		out = selfServiceToProto(now)
		return err
	})
	return out, err
}

// UpdateSelfService changes the delegation (DIR-188). The group must be an
// assigned-membership security group that is itself assigned to the
// application.
func (s *ServicePrincipals) UpdateSelfService(ctx context.Context, req *pb.UpdateSelfServiceRequest) (*emptypb.Empty, error) {
	_, t, err := s.home(ctx)
	if err != nil {
		return nil, err
	}
	key, err := store.ParseAppKey(req.Id)
	if err != nil {
		return nil, err
	}
	ev := record("Update service principal", applicationManagement, "Update", audit.Target{ID: clip(req.Id), Type: object.ServicePrincipal.Title()})
	err = s.write(ctx, t.ID, ev, func(tx *store.Tx) error {
		p, err := tx.ServicePrincipal(key, store.Live, true)
		if err != nil {
			return err
		}
		old, err := tx.SelfService(p.ID)
		if err != nil {
			return err
		}
		now := old
		if req.Enabled != nil {
			now.Enabled = *req.Enabled
		}
		if req.OwnersMayInvite != nil {
			now.OwnersMayInvite = *req.OwnersMayInvite
		}
		if req.GroupId != nil {
			if now.GroupID, err = s.delegable(tx, p, *req.GroupId); err != nil {
				return err
			}
		}
		tx.SaveSelfService(p.ID, now)
		ev.Targets[0] = target(object.ServicePrincipal, p.ID, p.DisplayName)
		ev.Targets[0].Modified = modified(selfServiceToProto(old), selfServiceToProto(now), []string{"enabled", "groupId", "ownersMayInvite"})
		return s.audit(ctx, tx, ev)
	})
	if err != nil {
		return nil, err
	}
	return &emptypb.Empty{}, nil
}

// delegable finds the group that owners may fill; empty text means none.
func (s *ServicePrincipals) delegable(tx *store.Tx, p *application.ServicePrincipal, text string) (*uuid.UUID, error) {
	if text == "" {
		return nil, nil
	}
	id, err := objectID(text)
	if err != nil {
		return nil, err
	}
	g, err := tx.Group(id, store.Live, false)
	if err != nil {
		return nil, err
	}
	held, err := tx.RolesHeld(p.ID, id)
	if err != nil {
		return nil, err
	}
	if !mayDelegate(g) || len(held) == 0 {
		return nil, property.Refused("groupId", "The group must be a security group with assigned membership that is assigned to the application, without roles and in no restricted administrative unit.")
	}
	return &id, nil
}

// mayDelegate reports whether owners of an application may fill the group:
// nobody becomes an administrator that way (DIR-138, DIR-164).
func mayDelegate(g *group.Group) bool {
	return !g.Dynamic && !g.Unified && !g.RoleAssignable && !g.Restricted
}

// delegated finds the group that owners fill, as it is now.
func delegated(tx *store.Tx, id uuid.UUID) (*group.Group, error) {
	g, err := tx.Group(id, store.Live, true)
	if err == nil && !mayDelegate(g) {
		err = property.Denied()
	}
	return g, err
}

// ownedByCaller finds a service principal with its delegation, for an owner of
// it or of the delegated group while the delegation is on (DIR-189).
func (s *ServicePrincipals) ownedByCaller(tx *store.Tx, who caller.Caller, id string) (*application.ServicePrincipal, store.SelfService, error) {
	key, err := store.ParseAppKey(id)
	if err != nil {
		return nil, store.SelfService{}, err
	}
	p, err := tx.ServicePrincipal(key, store.Live, false)
	if err != nil {
		return nil, store.SelfService{}, err
	}
	now, err := tx.SelfService(p.ID)
	if err != nil {
		return nil, now, err
	}
	owners, err := tx.OwnersOf(p.ID)
	if err != nil {
		return nil, now, err
	}
	if now.GroupID != nil {
		more, err := tx.OwnersOf(*now.GroupID)
		if err != nil {
			return nil, now, err
		}
		owners = append(owners, more...)
	}
	if !now.Enabled || !owns(who, owners) {
		return nil, now, property.Denied()
	}
	return p, now, nil
}

// GetOwnSelfService returns the delegation to an owner who may use it now
// (DIR-189).
func (s *ServicePrincipals) GetOwnSelfService(ctx context.Context, req *pb.GetSelfServiceRequest) (*pb.SelfService, error) {
	who, t, err := s.home(ctx)
	if err != nil {
		return nil, err
	}
	var out *pb.SelfService
	err = s.Store.Read(ctx, t.ID, func(tx *store.Tx) error {
		_, now, err := s.ownedByCaller(tx, who, req.Id)
		out = selfServiceToProto(now)
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// AddSelfServiceMember lets an owner give a user of the tenant access
// (DIR-189): through the delegated group, or directly where there is none.
func (s *ServicePrincipals) AddSelfServiceMember(ctx context.Context, req *pb.AddSelfServiceMemberRequest) (*pb.SelfServiceMember, error) {
	who, t, err := s.home(ctx)
	if err != nil {
		return nil, err
	}
	user, err := objectID(req.UserId)
	if err != nil {
		return nil, err
	}
	out := &pb.SelfServiceMember{UserId: user.String()}
	ev := record("Add member to group", groupManagement, "Assign", audit.Target{ID: clip(req.Id), Type: object.ServicePrincipal.Title()})
	err = s.write(ctx, t.ID, ev, func(tx *store.Tx) error {
		p, now, err := s.ownedByCaller(tx, who, req.Id)
		if err != nil {
			return err
		}
		l, ok, err := tx.Resolve(user)
		if err != nil {
			return err
		}
		if !ok || l.Type != object.User {
			return property.NotFound(req.UserId)
		}
		if now.GroupID != nil {
			g, err := delegated(tx, *now.GroupID)
			if err != nil {
				return err
			}
			out.GroupId = ptr(g.ID.String())
			return (&Groups{Core: s.Core}).addMember(ctx, tx, who, g, l)
		}
		var id uuid.UUID // default access unless a role is named
		if req.AppRoleId != nil {
			if id, err = uuid.Parse(*req.AppRoleId); err != nil {
				return property.Invalid("AppRoleAssignment", "appRoleId")
			}
		}
		if err := s.checkAssignment(tx, t, p, l, id); err != nil {
			return err
		}
		given, err := tx.CountAssignments(user)
		if err != nil {
			return err
		}
		if err := tx.Fits(quota.AppRoleAssignments, given+1); err != nil {
			return err
		}
		a := store.Assignment{ID: newID(), PrincipalID: user, PrincipalType: object.User, ResourceID: p.ID, AppRoleID: id, CreatedAt: s.now()}
		if err := tx.InsertAssignments(a); err != nil {
			return err
		}
		out.AppRoleAssignmentId = ptr(a.ID.String())
		tx.Change(store.Change{Type: object.ServicePrincipal, ID: p.ID, Kind: store.Linked, Properties: []string{"appRoleAssignedTo"}, Related: &user})
		return s.audit(ctx, tx, record(assigned[object.User][0], applicationManagement, "Assign", target(object.ServicePrincipal, p.ID, p.DisplayName), target(object.User, user, "")))
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// RemoveSelfServiceMember lets an owner take a user's access away, and nothing
// else of the user (DIR-189).
func (s *ServicePrincipals) RemoveSelfServiceMember(ctx context.Context, req *pb.RemoveSelfServiceMemberRequest) (*emptypb.Empty, error) {
	who, t, err := s.home(ctx)
	if err != nil {
		return nil, err
	}
	user, err := objectID(req.UserId)
	if err != nil {
		return nil, err
	}
	ev := record("Remove member from group", groupManagement, "Unassign", audit.Target{ID: clip(req.Id), Type: object.ServicePrincipal.Title()})
	err = s.write(ctx, t.ID, ev, func(tx *store.Tx) error {
		p, now, err := s.ownedByCaller(tx, who, req.Id)
		if err != nil {
			return err
		}
		if now.GroupID != nil {
			g, err := delegated(tx, *now.GroupID)
			if err != nil {
				return err
			}
			ok, err := tx.RemoveLink(store.Members, g.ID, user)
			if err == nil && !ok {
				err = property.NotFound(req.UserId)
			}
			if err != nil {
				return err
			}
			return (&Groups{Core: s.Core}).linked(ctx, tx, g, store.Link{ID: user, Type: object.User}, "members", store.Unlinked, "Remove member from group", "Unassign")
		}
		held, err := tx.RolesHeld(p.ID, user)
		if err != nil {
			return err
		}
		if len(held) == 0 {
			return property.NotFound(req.UserId)
		}
		for _, id := range held {
			tx.DeleteAssignment(id)
		}
		tx.Change(store.Change{Type: object.ServicePrincipal, ID: p.ID, Kind: store.Unlinked, Properties: []string{"appRoleAssignedTo"}, Related: &user})
		return s.audit(ctx, tx, record(assigned[object.User][1], applicationManagement, "Unassign", target(object.ServicePrincipal, p.ID, p.DisplayName), target(object.User, user, "")))
	})
	if err != nil {
		return nil, err
	}
	return &emptypb.Empty{}, nil
}
