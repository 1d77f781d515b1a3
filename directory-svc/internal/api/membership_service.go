package api

import (
	"context"
	"slices"

	"entente.dev/directory-svc/internal/access"
	"entente.dev/directory-svc/internal/application"
	"entente.dev/directory-svc/internal/object"
	"entente.dev/directory-svc/internal/property"
	"entente.dev/directory-svc/internal/store"
	pb "entente.dev/proto/gen/entente/directory/v1"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/caller"
	"entente.dev/servicekit/fault"
	"github.com/google/uuid"
)

const mostChecked = 20

// What reading the holders of an object takes besides the right to read the
// directory, or one of the permissions for all of it (DIR-50, DIR-51).
var (
	readAll      = []string{"Directory.Read.All", "Directory.ReadWrite.All", "Directory.AccessAsUser.All"}
	readUsers    = []string{"User.ReadBasic.All", "User.Read.All", "User.ReadWrite.All"}
	readGroups   = []string{"GroupMember.Read.All", "GroupMember.ReadWrite.All", "Group.Read.All", "Group.ReadWrite.All"}
	holderScopes = map[object.Type][][]string{
		object.User:             {readUsers, readGroups},
		object.Group:            {readGroups},
		object.ServicePrincipal: {{"Application.Read.All", "Application.ReadWrite.All"}},
		object.Contact:          {{"OrgContact.Read.All"}, readGroups},
	}
)

// readsHolders decides whether the caller may know what holds an object:
// itself, or one that the caller may read, by a permission that covers both
// ends of the link.
func readsHolders(who caller.Caller, in access.Tenant, l store.Link) error {
	if who.Kind == caller.User && who.ObjectID == l.ID {
		return nil
	}
	if err := access.Directory(who, in); err != nil {
		return err
	}
	if l.Type == object.User && access.ReadUser(who, l.ID, in) == access.Nothing {
		return property.Denied()
	}
	if who.HasAny(readAll...) {
		return nil
	}
	needed, known := holderScopes[l.Type]
	if !known || slices.ContainsFunc(needed, func(scopes []string) bool { return !who.HasAny(scopes...) }) {
		return property.Denied()
	}
	return nil
}

// memberships finds a live object and the groups it is in, directly or by
// nesting, as far as the caller may know.
func (s *Objects) memberships(ctx context.Context, text string, securityOnly bool, fn func(tx *store.Tx, who caller.Caller, t *store.Tenant, l store.Link, groups []uuid.UUID) error) error {
	who, t, err := s.home(ctx)
	if err != nil {
		return err
	}
	return s.Store.Read(ctx, t.ID, func(tx *store.Tx) error {
		link, err := s.liveObject(tx, text)
		if err != nil {
			return err
		}
		if err := readsHolders(who, rights(t), link); err != nil {
			return err
		}
		groups, err := tx.GroupsShown(viewerOf(who, link.ID), link.ID, true, securityOnly, maxGroups+1)
		if err != nil {
			return err
		}
		if len(groups) > maxGroups {
			return fault.Precondition(errorspb.Reason_RESULT_TOO_LARGE, "The object is in more than %d groups.", maxGroups)
		}
		return fn(tx, who, t, link, groups)
	})
}

// liveObject finds an object by id, or a user by name.
func (s *Objects) liveObject(tx *store.Tx, text string) (store.Link, error) {
	key := store.ParseUserKey(text)
	if key.ID == uuid.Nil {
		u, err := tx.User(key)
		if err != nil {
			return store.Link{}, err
		}
		return store.Link{ID: u.ID, Type: object.User}, nil
	}
	link, ok, err := tx.Resolve(key.ID)
	if err == nil && !ok {
		err = property.NotFound(text)
	}
	return link, err
}

// GetMemberGroups returns the ids of the groups an object is in (DIR-51).
func (s *Objects) GetMemberGroups(ctx context.Context, req *pb.GetMemberGroupsRequest) (*pb.MemberGroupsResponse, error) {
	out := &pb.MemberGroupsResponse{}
	err := s.memberships(ctx, req.Id, req.GetSecurityEnabledOnly(), func(_ *store.Tx, _ caller.Caller, _ *store.Tenant, _ store.Link, groups []uuid.UUID) error {
		out.Value = make([]string, len(groups))
		for i, g := range groups {
			out.Value[i] = g.String()
		}
		return nil
	})
	return out, err
}

// CheckMemberGroups returns which of the groups an object is in (DIR-51).
func (s *Objects) CheckMemberGroups(ctx context.Context, req *pb.CheckMemberGroupsRequest) (*pb.MemberGroupsResponse, error) {
	if len(req.GroupIds) == 0 || len(req.GroupIds) > mostChecked {
		return nil, property.Refused("groupIds", "Between 1 and %d groups are expected.", mostChecked)
	}
	asked, err := objectIDs(req.GroupIds)
	if err != nil {
		return nil, err
	}
	out := &pb.MemberGroupsResponse{}
	err = s.memberships(ctx, req.Id, false, func(_ *store.Tx, _ caller.Caller, _ *store.Tenant, _ store.Link, groups []uuid.UUID) error {
		out.Value = nil
		for _, id := range asked {
			if slices.Contains(groups, id) {
				out.Value = append(out.Value, id.String())
			}
		}
		return nil
	})
	return out, err
}

// ListTransitiveMemberOf lists the groups an object is in, directly or by
// nesting, and the roles it holds (DIR-50).
func (s *Objects) ListTransitiveMemberOf(ctx context.Context, req *pb.ListTransitiveMemberOfRequest) (*pb.ListDirectoryObjectsResponse, error) {
	if err := unfiltered(req.Query); err != nil {
		return nil, err
	}
	types, err := castTypes(req.Cast)
	if err != nil {
		return nil, err
	}
	var out *pb.ListDirectoryObjectsResponse
	err = s.memberships(ctx, req.Id, false, func(tx *store.Tx, who caller.Caller, t *store.Tenant, link store.Link, groups []uuid.UUID) error {
		links, err := s.holders(tx, who, link, groups, types)
		if err != nil {
			return err
		}
		out, err = s.pageOf(tx, who, t, "transitiveMemberOf/"+req.Id+"/"+req.Cast, req.Query, links)
		return err
	})
	return out, err
}

// holders are the groups, the activated roles and the units of an object.
func (s *Objects) holders(tx *store.Tx, who caller.Caller, link store.Link, groups []uuid.UUID, types []object.Type) ([]store.Link, error) {
	var out []store.Link
	if len(types) == 0 || types[0] == object.Group {
		for _, g := range groups {
			out = append(out, store.Link{ID: g, Type: object.Group})
		}
	}
	if len(types) == 0 || types[0] == object.Role {
		held, err := tx.RolesOf([]uuid.UUID{link.ID})
		if err != nil {
			return nil, err
		}
		active, err := tx.ActiveRoles()
		if err != nil {
			return nil, err
		}
		for _, r := range active {
			if slices.ContainsFunc(held[link.ID], func(h store.HeldRole) bool { return h.Template.ID == r.Template.ID && h.Scope == "/" }) {
				out = append(out, store.Link{ID: r.ID, Type: object.Role})
			}
		}
	}
	if len(types) == 0 || types[0] == object.Unit {
		units, err := tx.UnitsHolding(link.ID)
		if err != nil {
			return nil, err
		}
		held := make([]uuid.UUID, len(units))
		for i, u := range units {
			held[i] = u.ID
		}
		hiding, err := tx.Hiding(viewerOf(who, link.ID), object.Unit, held)
		if err != nil {
			return nil, err
		}
		for _, id := range held {
			if !slices.Contains(hiding, id) {
				out = append(out, store.Link{ID: id, Type: object.Unit})
			}
		}
	}
	return out, nil
}

// GetMemberObjects returns the ids of everything that holds an object
// (DIR-51).
func (s *Objects) GetMemberObjects(ctx context.Context, req *pb.GetMemberObjectsRequest) (*pb.MemberGroupsResponse, error) {
	var types []object.Type
	if req.GetSecurityEnabledOnly() {
		types = []object.Type{object.Group}
	}
	out := &pb.MemberGroupsResponse{}
	err := s.memberships(ctx, req.Id, req.GetSecurityEnabledOnly(), func(tx *store.Tx, who caller.Caller, _ *store.Tenant, link store.Link, groups []uuid.UUID) error {
		held, err := s.holders(tx, who, link, groups, types)
		out.Value = nil
		for _, h := range held {
			out.Value = append(out.Value, h.ID.String())
		}
		return err
	})
	return out, err
}

// CheckMemberObjects returns which of the ids hold an object (DIR-51).
func (s *Objects) CheckMemberObjects(ctx context.Context, req *pb.CheckMemberObjectsRequest) (*pb.MemberGroupsResponse, error) {
	if len(req.Ids) == 0 || len(req.Ids) > mostChecked {
		return nil, property.Refused("ids", "Between 1 and %d ids are expected.", mostChecked)
	}
	asked, err := objectIDs(req.Ids)
	if err != nil {
		return nil, err
	}
	out := &pb.MemberGroupsResponse{}
	err = s.memberships(ctx, req.Id, false, func(tx *store.Tx, who caller.Caller, _ *store.Tenant, link store.Link, groups []uuid.UUID) error {
		held, err := s.holders(tx, who, link, groups, nil)
		out.Value = nil
		for _, id := range asked {
			if slices.ContainsFunc(held, func(l store.Link) bool { return l.ID == id }) {
				out.Value = append(out.Value, id.String())
			}
		}
		return err
	})
	return out, err
}

// CheckAppAccess decides whether a user may sign in to an application
// (DIR-186, DIR-187).
func (s *Principals) CheckAppAccess(ctx context.Context, req *pb.CheckAppAccessRequest) (*pb.CheckAppAccessResponse, error) {
	t, err := s.named(ctx, req.TenantId)
	if err != nil {
		return nil, err
	}
	id, err := objectID(req.UserId)
	if err != nil {
		return nil, err
	}
	key, err := store.ParseAppKey("appId=" + req.AppId)
	if err != nil {
		return nil, err
	}
	const disabled, notAssigned = 50057, 50105
	out := &pb.CheckAppAccessResponse{}
	err = s.Store.Read(ctx, t.ID, func(tx *store.Tx) error {
		u, err := tx.User(store.UserID(id))
		if err != nil {
			return err
		}
		p, err := tx.ServicePrincipal(key, store.Live, false)
		if err != nil {
			return err
		}
		// Nested members get nothing: direct groups alone count.
		held, err := tx.RolesOn(p.ID, id)
		if err != nil {
			return err
		}
		switch {
		case !u.AccountEnabled, !p.Enabled:
			out.ErrorCode = disabled
			return nil
		case p.AssignmentRequired && len(held) == 0:
			out.ErrorCode = notAssigned
			return nil
		}
		out.Allowed = true
		messages, err := s.servicePrincipals(tx, t, []*application.ServicePrincipal{p})
		if err != nil {
			return err
		}
		for _, r := range messages[0].AppRoles {
			if r.GetIsEnabled() && slices.ContainsFunc(held, func(h uuid.UUID) bool { return h.String() == r.Id }) {
				out.AppRoles = append(out.AppRoles, r.GetValue())
			}
		}
		return nil
	})
	return out, err
}
