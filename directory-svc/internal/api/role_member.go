package api

import (
	"context"
	"strings"

	"entente.dev/directory-svc/internal/property"
	"entente.dev/directory-svc/internal/role"
	"entente.dev/directory-svc/internal/store"
	"entente.dev/directory-svc/internal/unit"
	pb "entente.dev/proto/gen/entente/directory/v1"
	"github.com/google/uuid"
	"google.golang.org/protobuf/types/known/emptypb"
)

// activeRole finds an activated role by its id in the tenant or by
// `roleTemplateId={id}`.
func activeRole(tx *store.Tx, text string) (store.ActiveRole, error) {
	active, err := tx.ActiveRoles()
	if err != nil {
		return store.ActiveRole{}, err
	}
	key, byTemplate := strings.CutPrefix(text, "roleTemplateId=")
	key = strings.Trim(key, "'")
	for _, r := range active {
		id := r.ID
		if byTemplate {
			id = r.Template.ID
		}
		if strings.EqualFold(id.String(), key) {
			return r, nil
		}
	}
	return store.ActiveRole{}, property.NotFound(clip(text))
}

// ListDirectoryRoleMembers lists who holds a role over the tenant (DIR-170).
func (s *Roles) ListDirectoryRoleMembers(ctx context.Context, req *pb.ListDirectoryRoleMembersRequest) (*pb.ListDirectoryObjectsResponse, error) {
	t, err := s.readable(ctx)
	if err != nil {
		return nil, err
	}
	who, _, err := s.home(ctx)
	if err != nil {
		return nil, err
	}
	var r store.ActiveRole
	if err := s.Store.Read(ctx, t.ID, func(tx *store.Tx) error {
		r, err = activeRole(tx, req.Id)
		return err
	}); err != nil {
		return nil, err
	}
	return s.relation(ctx, who, t, "directoryRoles/members", store.RoleHolders, r.Template.ID, req.Cast, req.Query)
}

// AddDirectoryRoleMember gives a role over the tenant.
func (s *Roles) AddDirectoryRoleMember(ctx context.Context, req *pb.AddDirectoryRoleMemberRequest) (*emptypb.Empty, error) {
	principal, err := refID(req.Reference.GetOdataId())
	if err != nil {
		return nil, err
	}
	_, t, r, err := s.active(ctx, req.Id)
	if err != nil {
		return nil, err
	}
	if _, err := s.giveRole(ctx, t.ID, r.Template, principal, role.TenantScope); err != nil {
		return nil, err
	}
	return &emptypb.Empty{}, nil
}

func (c *Core) active(ctx context.Context, text string) (uuid.UUID, *store.Tenant, store.ActiveRole, error) {
	who, t, err := c.home(ctx)
	if err != nil {
		return uuid.Nil, nil, store.ActiveRole{}, err
	}
	var r store.ActiveRole
	err = c.Store.Read(ctx, t.ID, func(tx *store.Tx) error {
		r, err = activeRole(tx, text)
		return err
	})
	return who.ObjectID, t, r, err
}

// RemoveDirectoryRoleMember takes a role over the tenant away.
func (s *Roles) RemoveDirectoryRoleMember(ctx context.Context, req *pb.RemoveDirectoryRoleMemberRequest) (*emptypb.Empty, error) {
	principal, err := objectID(req.ObjectId)
	if err != nil {
		return nil, err
	}
	who, t, err := s.home(ctx)
	if err != nil {
		return nil, err
	}
	err = s.takeRole(ctx, who, t.ID, func(tx *store.Tx) (*store.RoleAssignment, error) {
		r, err := activeRole(tx, req.Id)
		if err != nil {
			return nil, err
		}
		held, err := tx.RoleAssignments("principal_id = ? and role_id = ? and scope = ?", principal, r.Template.ID, role.TenantScope)
		if err != nil {
			return nil, err
		}
		if len(held) == 0 {
			return nil, property.NotFound(req.ObjectId)
		}
		return &held[0], nil
	})
	if err != nil {
		return nil, err
	}
	return &emptypb.Empty{}, nil
}

// GetRoleAssignmentPrincipal returns who holds an assignment.
func (s *Roles) GetRoleAssignmentPrincipal(ctx context.Context, req *pb.GetRoleAssignmentRequest) (*pb.DirectoryObject, error) {
	t, err := s.readable(ctx)
	if err != nil {
		return nil, err
	}
	who, _, err := s.home(ctx)
	if err != nil {
		return nil, err
	}
	id, err := objectID(req.Id)
	if err != nil {
		return nil, err
	}
	var out *pb.DirectoryObject
	err = s.Store.Read(ctx, t.ID, func(tx *store.Tx) error {
		a, err := tx.RoleAssignment(id)
		if err != nil {
			return err
		}
		found, err := s.objects(tx, who, t, []store.Link{{ID: a.PrincipalID, Type: a.PrincipalType}})
		if err == nil && len(found) == 0 {
			err = property.NotFound(a.PrincipalID.String())
		}
		if err == nil {
			out = found[0]
		}
		return err
	})
	return out, err
}

// GetRoleAssignmentRoleDefinition returns the role of an assignment.
func (s *Roles) GetRoleAssignmentRoleDefinition(ctx context.Context, req *pb.GetRoleAssignmentRequest) (*pb.UnifiedRoleDefinition, error) {
	a, err := s.GetRoleAssignment(ctx, req)
	if err != nil {
		return nil, err
	}
	return s.GetRoleDefinition(ctx, &pb.GetRoleDefinitionRequest{Id: a.GetRoleDefinitionId()})
}

// scoped lists assignments over units in the legacy form.
func (c *Core) scoped(ctx context.Context, t *store.Tenant, condition string, args ...any) (*pb.ListScopedRoleMembersResponse, error) {
	out := &pb.ListScopedRoleMembersResponse{}
	return out, c.Store.Read(ctx, t.ID, func(tx *store.Tx) error {
		list, err := tx.RoleAssignments(condition, args...)
		if err != nil {
			return err
		}
		active, err := tx.ActiveRoles()
		if err != nil {
			return err
		}
		principals := make([]uuid.UUID, len(list))
		for i, a := range list {
			principals[i] = a.PrincipalID
		}
		names, err := tx.Names(principals)
		if err != nil {
			return err
		}
		out.Value = nil
		for _, a := range list {
			if m, err := scopedToProto(a, active, names[a.PrincipalID].Text); err == nil {
				out.Value = append(out.Value, m)
			}
		}
		return nil
	})
}

// ListScopedRoleMembers lists who holds a role over a unit (DIR-160).
func (s *Units) ListScopedRoleMembers(ctx context.Context, req *pb.ListScopedRoleMembersRequest) (*pb.ListScopedRoleMembersResponse, error) {
	_, t, u, err := s.unit(ctx, req.Id)
	if err != nil {
		return nil, err
	}
	return s.scoped(ctx, t, "scope = ?", unit.Scope(u.ID))
}

// GetScopedRoleMember returns one assignment over a unit.
func (s *Units) GetScopedRoleMember(ctx context.Context, req *pb.GetScopedRoleMemberRequest) (*pb.ScopedRoleMembership, error) {
	_, t, u, err := s.unit(ctx, req.Id)
	if err != nil {
		return nil, err
	}
	id, err := objectID(req.MembershipId)
	if err != nil {
		return nil, err
	}
	found, err := s.scoped(ctx, t, "scope = ? and id = ?", unit.Scope(u.ID), id)
	return one(found, err, req.MembershipId)
}

// AddScopedRoleMember gives a role over a unit.
func (s *Units) AddScopedRoleMember(ctx context.Context, req *pb.AddScopedRoleMemberRequest) (*pb.ScopedRoleMembership, error) {
	in := req.Membership
	if in.GetRoleId() == "" {
		return nil, property.Required("ScopedRoleMembership", "roleId")
	}
	principal, err := objectID(in.GetRoleMemberInfo().GetId())
	if err != nil {
		return nil, err
	}
	_, _, u, err := s.unit(ctx, req.Id)
	if err != nil {
		return nil, err
	}
	_, t, r, err := s.active(ctx, in.GetRoleId())
	if err != nil {
		return nil, err
	}
	a, err := s.giveRole(ctx, t.ID, r.Template, principal, unit.Scope(u.ID))
	if err != nil {
		return nil, err
	}
	return s.GetScopedRoleMember(ctx, &pb.GetScopedRoleMemberRequest{Id: req.Id, MembershipId: a.ID.String()})
}

// RemoveScopedRoleMember takes a role over a unit away.
func (s *Units) RemoveScopedRoleMember(ctx context.Context, req *pb.RemoveScopedRoleMemberRequest) (*emptypb.Empty, error) {
	who, t, u, err := s.unit(ctx, req.Id)
	if err != nil {
		return nil, err
	}
	id, err := objectID(req.MembershipId)
	if err != nil {
		return nil, err
	}
	err = s.takeRole(ctx, who, t.ID, func(tx *store.Tx) (*store.RoleAssignment, error) {
		a, err := tx.RoleAssignment(id)
		if err == nil && a.Scope != unit.Scope(u.ID) {
			err = property.NotFound(req.MembershipId)
		}
		return a, err
	})
	if err != nil {
		return nil, err
	}
	return &emptypb.Empty{}, nil
}

// ListUserScopedRoleMemberOf lists the roles a user holds over units.
func (s *Units) ListUserScopedRoleMemberOf(ctx context.Context, req *pb.ListUserScopedRoleMemberOfRequest) (*pb.ListScopedRoleMembersResponse, error) {
	_, t, err := s.readable(ctx)
	if err != nil {
		return nil, err
	}
	u, err := s.Store.GetUser(ctx, t.ID, store.ParseUserKey(req.Id), []string{"id"})
	if err != nil {
		return nil, err
	}
	return s.scoped(ctx, t, "principal_id = ? and scope like ?", u.ID, unit.ScopePrefix+"%")
}

// ListDirectoryRoleScopedMembers lists who holds a role over any unit.
func (s *Units) ListDirectoryRoleScopedMembers(ctx context.Context, req *pb.ListDirectoryRoleScopedMembersRequest) (*pb.ListScopedRoleMembersResponse, error) {
	_, t, err := s.readable(ctx)
	if err != nil {
		return nil, err
	}
	_, _, r, err := s.active(ctx, req.Id)
	if err != nil {
		return nil, err
	}
	return s.scoped(ctx, t, "role_id = ? and scope like ?", r.Template.ID, unit.ScopePrefix+"%")
}

// one is the only entry of a list of scoped roles.
func one(found *pb.ListScopedRoleMembersResponse, err error, key string) (*pb.ScopedRoleMembership, error) {
	if err == nil && len(found.Value) == 0 {
		err = property.NotFound(clip(key))
	}
	if err != nil {
		return nil, err
	}
	return found.Value[0], nil
}

// GetUserScopedRoleMembership returns one role a user holds over a unit.
func (s *Units) GetUserScopedRoleMembership(ctx context.Context, req *pb.GetScopedRoleMemberRequest) (*pb.ScopedRoleMembership, error) {
	_, t, err := s.readable(ctx)
	if err != nil {
		return nil, err
	}
	u, err := s.Store.GetUser(ctx, t.ID, store.ParseUserKey(req.Id), []string{"id"})
	if err != nil {
		return nil, err
	}
	id, err := objectID(req.MembershipId)
	if err != nil {
		return nil, err
	}
	found, err := s.scoped(ctx, t, "id = ? and principal_id = ? and scope like ?", id, u.ID, unit.ScopePrefix+"%")
	return one(found, err, req.MembershipId)
}

// GetDirectoryRoleScopedMember returns one holder of a role over a unit.
func (s *Units) GetDirectoryRoleScopedMember(ctx context.Context, req *pb.GetScopedRoleMemberRequest) (*pb.ScopedRoleMembership, error) {
	_, t, err := s.readable(ctx)
	if err != nil {
		return nil, err
	}
	_, _, r, err := s.active(ctx, req.Id)
	if err != nil {
		return nil, err
	}
	id, err := objectID(req.MembershipId)
	if err != nil {
		return nil, err
	}
	found, err := s.scoped(ctx, t, "id = ? and role_id = ? and scope like ?", id, r.Template.ID, unit.ScopePrefix+"%")
	return one(found, err, req.MembershipId)
}
