package api

import (
	"context"

	"entente.dev/directory-svc/internal/access"
	"entente.dev/directory-svc/internal/application"
	"entente.dev/directory-svc/internal/object"
	"entente.dev/directory-svc/internal/property"
	"entente.dev/directory-svc/internal/quota"
	"entente.dev/directory-svc/internal/store"
	"entente.dev/directory-svc/internal/token"
	pb "entente.dev/proto/gen/entente/directory/v1"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	odatapb "entente.dev/proto/gen/entente/odata/v1"
	"entente.dev/servicekit/audit"
	"entente.dev/servicekit/caller"
	"entente.dev/servicekit/fault"
	"github.com/google/uuid"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

var assignmentDescriptor = (&pb.AppRoleAssignment{}).ProtoReflect().Descriptor()

// titles of the audit records about app role assignments.
var assigned = map[object.Type][2]string{
	object.User:             {"Add app role assignment grant to user", "Remove app role assignment from user"},
	object.Group:            {"Add app role assignment to group", "Remove app role assignment from group"},
	object.ServicePrincipal: {"Add app role assignment to service principal", "Remove app role assignment from service principal"},
}

func appRoleToProto(a store.Assignment, names map[uuid.UUID]store.Name) *pb.AppRoleAssignment {
	return &pb.AppRoleAssignment{Id: a.ID.String(), AppRoleId: ptr(a.AppRoleID.String()), CreatedDateTime: timestamppb.New(a.CreatedAt),
		PrincipalId: ptr(a.PrincipalID.String()), PrincipalDisplayName: ptr(names[a.PrincipalID].Text), PrincipalType: ptr(a.PrincipalType.Title()),
		ResourceId: ptr(a.ResourceID.String()), ResourceDisplayName: ptr(names[a.ResourceID].Text)}
}

// AssignAppRole assigns a role of the service principal to a user, group or
// service principal (DIR-184).
func (s *ServicePrincipals) AssignAppRole(ctx context.Context, req *pb.AssignAppRoleRequest) (*pb.AppRoleAssignment, error) {
	who, t, err := s.home(ctx)
	if err != nil {
		return nil, err
	}
	in := req.Assignment
	key, err := store.ParseAppKey(req.Id)
	if err != nil {
		return nil, err
	}
	principal, err := assignee(in)
	if err != nil {
		return nil, err
	}
	roleID, err := uuid.Parse(in.GetAppRoleId())
	if err != nil {
		return nil, property.Invalid("AppRoleAssignment", "appRoleId")
	}
	a := store.Assignment{ID: newID(), PrincipalID: principal, AppRoleID: roleID, CreatedAt: s.now()}
	var names map[uuid.UUID]store.Name
	ev := record(assigned[object.ServicePrincipal][0], applicationManagement, "Assign", audit.Target{ID: clip(req.Id), Type: object.ServicePrincipal.Title()})
	err = s.write(ctx, t.ID, ev, func(tx *store.Tx) error {
		resource, err := tx.ServicePrincipal(key, store.Live, false)
		if err != nil {
			return err
		}
		if in.GetResourceId() != "" && in.GetResourceId() != resource.ID.String() {
			return property.Invalid("AppRoleAssignment", "resourceId")
		}
		link, found, err := tx.Resolve(principal)
		if err == nil && !found {
			err = property.NotFound(principal.String())
		}
		if err != nil {
			return err
		}
		if err := s.mayAssign(tx, who, resource, link.Type); err != nil {
			return err
		}
		if err := s.checkAssignment(tx, t, resource, link, roleID); err != nil {
			return err
		}
		held, err := tx.CountAssignments(principal)
		if err != nil {
			return err
		}
		if err := tx.Fits(quota.AppRoleAssignments, held+1); err != nil {
			return err
		}
		a.ResourceID, a.PrincipalType = resource.ID, link.Type
		if err := tx.InsertAssignments(a); err != nil {
			return err
		}
		tx.Change(store.Change{Type: object.ServicePrincipal, ID: resource.ID, Kind: store.Linked, Properties: []string{"appRoleAssignedTo"}, Related: &principal})
		if names, err = tx.Names([]uuid.UUID{principal, resource.ID}); err != nil {
			return err
		}
		return s.audit(ctx, tx, record(assigned[link.Type][0], applicationManagement, "Assign",
			target(object.ServicePrincipal, resource.ID, resource.DisplayName), target(link.Type, principal, names[principal].Text)))
	})
	if err != nil {
		return nil, err
	}
	return appRoleToProto(a, names), nil
}

// mayAssign decides about assignments of roles of a service principal.
func (s *ServicePrincipals) mayAssign(tx *store.Tx, who caller.Caller, resource *application.ServicePrincipal, to object.Type) error {
	right, err := s.appOf(tx, who, object.ServicePrincipal, resource.ID, resource.AppID)
	if err != nil {
		return err
	}
	return access.AssignAppRole(who, right, to != object.ServicePrincipal, resource.AppID.String() == token.GraphAppID)
}

func assignee(in *pb.AppRoleAssignment) (uuid.UUID, error) {
	for name, value := range map[string]string{"principalId": in.GetPrincipalId(), "appRoleId": in.GetAppRoleId()} {
		if value == "" {
			return uuid.Nil, property.Required("AppRoleAssignment", name)
		}
	}
	return objectID(in.GetPrincipalId())
}

func (s *ServicePrincipals) checkAssignment(tx *store.Tx, t *store.Tenant, resource *application.ServicePrincipal, link store.Link, id uuid.UUID) error {
	messages, err := s.servicePrincipals(tx, t, []*application.ServicePrincipal{resource})
	if err != nil {
		return err
	}
	roles, err := rolesOf(messages[0].AppRoles, nil)
	if err != nil {
		return err
	}
	switch link.Type {
	case object.User, object.ServicePrincipal:
	case object.Group:
		g, err := tx.Group(link.ID, store.Live, false)
		if err != nil {
			return err
		}
		if !g.SecurityEnabled {
			return fault.Invalid(errorspb.Reason_REFERENCE_INVALID, "A group that is not security-enabled cannot be assigned.")
		}
	default:
		return fault.Invalid(errorspb.Reason_REFERENCE_INVALID, "An object of type '%s' cannot be assigned.", link.Type)
	}
	return application.CheckAssignment(roles, id, link.Type)
}

// assignments lists app role assignments of a principal or to a resource.
func (s *ServicePrincipals) assignments(ctx context.Context, route string, principal, resource uuid.UUID, q *odatapb.Query) (*pb.ListAppRoleAssignmentsResponse, error) {
	who, t, err := s.home(ctx)
	if err != nil {
		return nil, err
	}
	if who.ObjectID != principal {
		if err := access.Directory(who, rights(t)); err != nil {
			return nil, err
		}
	}
	route += "/" + principal.String() + resource.String()
	l, page, err := s.listing(who, route, q, assignmentDescriptor, store.AssignmentColumns)
	if err != nil {
		return nil, err
	}
	found, err := s.Store.ListAssignments(ctx, t.ID, principal, resource, l)
	if err != nil {
		return nil, err
	}
	out := &pb.ListAppRoleAssignmentsResponse{OdataCount: found.Count, NextPageToken: next(s.Core, who, route, q, page, found)}
	return out, s.Store.Read(ctx, t.ID, func(tx *store.Tx) error {
		var ids []uuid.UUID
		for _, a := range found.Items {
			ids = append(ids, a.PrincipalID, a.ResourceID)
		}
		names, err := tx.Names(ids)
		if err != nil {
			return err
		}
		for _, a := range found.Items {
			out.Value = append(out.Value, appRoleToProto(a, names))
		}
		return nil
	})
}

// resource finds the id of a live service principal.
func (s *ServicePrincipals) resource(ctx context.Context, id string) (uuid.UUID, error) {
	p, err := s.GetServicePrincipal(ctx, &pb.GetServicePrincipalRequest{Id: id})
	if err != nil {
		return uuid.Nil, err
	}
	return uuid.Parse(p.Id)
}

// ListAppRoleAssignedTo lists who is assigned to the service principal.
func (s *ServicePrincipals) ListAppRoleAssignedTo(ctx context.Context, req *pb.ListAppRoleAssignmentsRequest) (*pb.ListAppRoleAssignmentsResponse, error) {
	id, err := s.resource(ctx, req.Id)
	if err != nil {
		return nil, err
	}
	return s.assignments(ctx, "appRoleAssignedTo", uuid.Nil, id, req.Query)
}

// ListServicePrincipalAppRoleAssignments lists what the service principal is
// assigned to.
func (s *ServicePrincipals) ListServicePrincipalAppRoleAssignments(ctx context.Context, req *pb.ListAppRoleAssignmentsRequest) (*pb.ListAppRoleAssignmentsResponse, error) {
	id, err := s.resource(ctx, req.Id)
	if err != nil {
		return nil, err
	}
	return s.assignments(ctx, "appRoleAssignments", id, uuid.Nil, req.Query)
}

// ListUserAppRoleAssignments lists what a user is assigned to.
func (s *ServicePrincipals) ListUserAppRoleAssignments(ctx context.Context, req *pb.ListAppRoleAssignmentsRequest) (*pb.ListAppRoleAssignmentsResponse, error) {
	_, t, err := s.home(ctx)
	if err != nil {
		return nil, err
	}
	u, err := s.Store.GetUser(ctx, t.ID, store.ParseUserKey(req.Id), []string{"id"})
	if err != nil {
		return nil, err
	}
	return s.assignments(ctx, "appRoleAssignments", u.ID, uuid.Nil, req.Query)
}

// ListGroupAppRoleAssignments lists what a group is assigned to.
func (s *ServicePrincipals) ListGroupAppRoleAssignments(ctx context.Context, req *pb.ListAppRoleAssignmentsRequest) (*pb.ListAppRoleAssignmentsResponse, error) {
	_, t, err := s.home(ctx)
	if err != nil {
		return nil, err
	}
	id, err := objectID(req.Id)
	if err != nil {
		return nil, err
	}
	if err := s.Store.Read(ctx, t.ID, func(tx *store.Tx) error {
		_, err := tx.Group(id, store.Live, false)
		return err
	}); err != nil {
		return nil, err
	}
	return s.assignments(ctx, "appRoleAssignments", id, uuid.Nil, req.Query)
}

// GetAppRoleAssignedTo returns one assignment to the service principal.
func (s *ServicePrincipals) GetAppRoleAssignedTo(ctx context.Context, req *pb.GetAppRoleAssignmentRequest) (*pb.AppRoleAssignment, error) {
	_, t, err := s.home(ctx)
	if err != nil {
		return nil, err
	}
	resource, err := s.resource(ctx, req.Id)
	if err != nil {
		return nil, err
	}
	id, err := objectID(req.AssignmentId)
	if err != nil {
		return nil, err
	}
	var out *pb.AppRoleAssignment
	err = s.Store.Read(ctx, t.ID, func(tx *store.Tx) error {
		a, err := tx.Assignment(resource, id)
		if err != nil {
			return err
		}
		names, err := tx.Names([]uuid.UUID{a.PrincipalID, a.ResourceID})
		out = appRoleToProto(*a, names)
		return err
	})
	return out, err
}

// RemoveAppRole ends an assignment to the service principal.
func (s *ServicePrincipals) RemoveAppRole(ctx context.Context, req *pb.RemoveAppRoleRequest) (*emptypb.Empty, error) {
	who, t, err := s.home(ctx)
	if err != nil {
		return nil, err
	}
	key, err := store.ParseAppKey(req.Id)
	if err != nil {
		return nil, err
	}
	id, err := objectID(req.AssignmentId)
	if err != nil {
		return nil, err
	}
	ev := record(assigned[object.ServicePrincipal][1], applicationManagement, "Unassign", audit.Target{ID: clip(req.Id), Type: object.ServicePrincipal.Title()})
	err = s.write(ctx, t.ID, ev, func(tx *store.Tx) error {
		resource, err := tx.ServicePrincipal(key, store.Live, false)
		if err != nil {
			return err
		}
		a, err := tx.Assignment(resource.ID, id)
		if err != nil {
			return err
		}
		if err := s.mayAssign(tx, who, resource, a.PrincipalType); err != nil {
			return err
		}
		tx.DeleteAssignment(id)
		tx.Change(store.Change{Type: object.ServicePrincipal, ID: resource.ID, Kind: store.Unlinked, Properties: []string{"appRoleAssignedTo"}, Related: &a.PrincipalID})
		return s.audit(ctx, tx, record(assigned[a.PrincipalType][1], applicationManagement, "Unassign",
			target(object.ServicePrincipal, resource.ID, resource.DisplayName), target(a.PrincipalType, a.PrincipalID, "")))
	})
	if err != nil {
		return nil, err
	}
	return &emptypb.Empty{}, nil
}
