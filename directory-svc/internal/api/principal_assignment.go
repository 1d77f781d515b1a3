package api

import (
	"context"

	"entente.dev/directory-svc/internal/access"
	"entente.dev/directory-svc/internal/property"
	"entente.dev/directory-svc/internal/store"
	pb "entente.dev/proto/gen/entente/directory/v1"
	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"
)

// holder finds the principal that a path names: a user by id or name, a group,
// a service principal.
func (s *ServicePrincipals) holder(ctx context.Context, text string) (*store.Tenant, store.Link, error) {
	who, t, err := s.home(ctx)
	if err != nil {
		return nil, store.Link{}, err
	}
	var l store.Link
	err = s.Store.Read(ctx, t.ID, func(tx *store.Tx) error {
		l, err = (&Objects{Core: s.Core}).liveObject(tx, text)
		return err
	})
	if err == nil && who.ObjectID != l.ID {
		err = access.Directory(who, rights(t))
	}
	return t, l, err
}

// AssignAppRoleToPrincipal assigns an app role, seen from the principal
// (DIR-184): the resource comes from the body.
func (s *ServicePrincipals) AssignAppRoleToPrincipal(ctx context.Context, req *pb.AssignAppRoleRequest) (*pb.AppRoleAssignment, error) {
	_, l, err := s.holder(ctx, req.Id)
	if err != nil {
		return nil, err
	}
	in := proto.CloneOf(req.Assignment)
	switch {
	case in.GetResourceId() == "":
		return nil, property.Required("AppRoleAssignment", "resourceId")
	case in.GetPrincipalId() == "":
		in.PrincipalId = ptr(l.ID.String())
	case in.GetPrincipalId() != l.ID.String():
		return nil, property.Invalid("AppRoleAssignment", "principalId")
	}
	return s.AssignAppRole(ctx, &pb.AssignAppRoleRequest{Id: in.GetResourceId(), Assignment: in})
}

// own finds an assignment of the principal that a path names.
func (s *ServicePrincipals) own(ctx context.Context, principal, assignment string) (*store.Tenant, *store.Assignment, error) {
	t, l, err := s.holder(ctx, principal)
	if err != nil {
		return nil, nil, err
	}
	id, err := objectID(assignment)
	if err != nil {
		return nil, nil, err
	}
	var a *store.Assignment
	err = s.Store.Read(ctx, t.ID, func(tx *store.Tx) error {
		a, err = tx.AssignmentOf(l.ID, id)
		return err
	})
	return t, a, err
}

// GetPrincipalAppRoleAssignment returns one assignment of the principal.
func (s *ServicePrincipals) GetPrincipalAppRoleAssignment(ctx context.Context, req *pb.GetAppRoleAssignmentRequest) (*pb.AppRoleAssignment, error) {
	t, a, err := s.own(ctx, req.Id, req.AssignmentId)
	if err != nil {
		return nil, err
	}
	var out *pb.AppRoleAssignment
	err = s.Store.Read(ctx, t.ID, func(tx *store.Tx) error {
		names, err := tx.Names([]uuid.UUID{a.PrincipalID, a.ResourceID})
		out = appRoleToProto(*a, names)
		return err
	})
	return out, err
}

// RemovePrincipalAppRole ends one assignment of the principal.
func (s *ServicePrincipals) RemovePrincipalAppRole(ctx context.Context, req *pb.RemoveAppRoleRequest) (*emptypb.Empty, error) {
	_, a, err := s.own(ctx, req.Id, req.AssignmentId)
	if err != nil {
		return nil, err
	}
	return s.RemoveAppRole(ctx, &pb.RemoveAppRoleRequest{Id: a.ResourceID.String(), AssignmentId: req.AssignmentId})
}

// ListServicePrincipalMemberOf lists the groups and roles that hold a service
// principal directly.
func (s *ServicePrincipals) ListServicePrincipalMemberOf(ctx context.Context, req *pb.ListServicePrincipalMemberOfRequest) (*pb.ListDirectoryObjectsResponse, error) {
	who, t, err := s.home(ctx)
	if err != nil {
		return nil, err
	}
	id, err := s.resource(ctx, req.Id)
	if err != nil {
		return nil, err
	}
	return s.relation(ctx, who, t, "servicePrincipals/memberOf", store.MemberOf, id, req.Cast, req.Query)
}
