package api

import (
	"context"
	"strings"

	"entente.dev/directory-svc/internal/access"
	"entente.dev/directory-svc/internal/object"
	"entente.dev/directory-svc/internal/property"
	"entente.dev/directory-svc/internal/role"
	"entente.dev/directory-svc/internal/store"
	pb "entente.dev/proto/gen/entente/directory/v1"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/audit"
	"entente.dev/servicekit/fault"
	"github.com/google/uuid"
	"google.golang.org/protobuf/types/known/emptypb"
)

// Roles serves RoleService (DIR-167 to DIR-172).
type Roles struct {
	pb.UnimplementedRoleServiceServer
	*Core
}

var _ pb.RoleServiceServer = (*Roles)(nil)

// maxAssignments is how many roles one principal may hold (DIR-172).
const maxAssignments = 150

func (s *Roles) readable(ctx context.Context) (*store.Tenant, error) {
	who, t, err := s.home(ctx)
	if err == nil {
		err = access.Directory(who, rights(t))
	}
	return t, err
}

func templateToProto(t role.Template) *pb.DirectoryRoleTemplate {
	return &pb.DirectoryRoleTemplate{Id: t.ID.String(), DisplayName: ptr(t.Name), Description: ptr(t.Description)}
}

// ListDirectoryRoleTemplates returns the built-in roles (DIR-170).
func (s *Roles) ListDirectoryRoleTemplates(ctx context.Context, _ *pb.ListDirectoryRoleTemplatesRequest) (*pb.ListDirectoryRoleTemplatesResponse, error) {
	if _, err := s.readable(ctx); err != nil {
		return nil, err
	}
	out := &pb.ListDirectoryRoleTemplatesResponse{}
	for _, t := range role.Templates {
		out.Value = append(out.Value, templateToProto(t))
	}
	return out, nil
}

// GetDirectoryRoleTemplate returns one built-in role.
func (s *Roles) GetDirectoryRoleTemplate(ctx context.Context, req *pb.GetDirectoryRoleTemplateRequest) (*pb.DirectoryRoleTemplate, error) {
	if _, err := s.readable(ctx); err != nil {
		return nil, err
	}
	t, err := template(req.Id)
	if err != nil {
		return nil, err
	}
	return templateToProto(t), nil
}

func template(text string) (role.Template, error) {
	id, err := objectID(text)
	if err != nil {
		return role.Template{}, err
	}
	t, ok := role.ByID(id)
	if !ok {
		return role.Template{}, property.NotFound(text)
	}
	return t, nil
}

func activeRoleToProto(r store.ActiveRole) *pb.DirectoryRole {
	return &pb.DirectoryRole{Id: r.ID.String(), DisplayName: ptr(r.Template.Name), Description: ptr(r.Template.Description), RoleTemplateId: ptr(r.Template.ID.String())}
}

// ListDirectoryRoles returns the roles that are activated in the tenant.
func (s *Roles) ListDirectoryRoles(ctx context.Context, req *pb.ListDirectoryRolesRequest) (*pb.ListDirectoryRolesResponse, error) {
	t, err := s.readable(ctx)
	if err != nil {
		return nil, err
	}
	want, err := only(req.Query, "DirectoryRole", "id", "displayName", "roleTemplateId")
	if err != nil {
		return nil, err
	}
	out := &pb.ListDirectoryRolesResponse{}
	err = s.Store.Read(ctx, t.ID, func(tx *store.Tx) error {
		active, err := tx.ActiveRoles()
		for _, r := range active {
			if matches(want, "id", r.ID.String()) && matches(want, "displayName", r.Template.Name) && matches(want, "roleTemplateId", r.Template.ID.String()) {
				out.Value = append(out.Value, activeRoleToProto(r))
			}
		}
		return err
	})
	return out, err
}

// matches reports whether a filter read by only admits a value.
func matches(want map[string]string, name, value string) bool {
	w, ok := want[name]
	return !ok || strings.EqualFold(w, value)
}

// GetDirectoryRole returns an activated role by its id in the tenant or by
// `roleTemplateId={id}`.
func (s *Roles) GetDirectoryRole(ctx context.Context, req *pb.GetDirectoryRoleRequest) (*pb.DirectoryRole, error) {
	t, err := s.readable(ctx)
	if err != nil {
		return nil, err
	}
	text, byTemplate := strings.CutPrefix(req.Id, "roleTemplateId=")
	text = strings.Trim(text, "'")
	var out *pb.DirectoryRole
	err = s.Store.Read(ctx, t.ID, func(tx *store.Tx) error {
		active, err := tx.ActiveRoles()
		if err != nil {
			return err
		}
		for _, r := range active {
			if strings.EqualFold(r.ID.String(), text) && !byTemplate || byTemplate && strings.EqualFold(r.Template.ID.String(), text) {
				out = activeRoleToProto(r)
				return nil
			}
		}
		return property.NotFound(clip(req.Id))
	})
	return out, err
}

// ActivateDirectoryRole activates a role (DIR-170).
func (s *Roles) ActivateDirectoryRole(ctx context.Context, req *pb.ActivateDirectoryRoleRequest) (*pb.DirectoryRole, error) {
	_, t, err := s.home(ctx)
	if err != nil {
		return nil, err
	}
	if req.Role.GetRoleTemplateId() == "" {
		return nil, property.Required("DirectoryRole", "roleTemplateId")
	}
	chosen, err := template(req.Role.GetRoleTemplateId())
	if err != nil {
		return nil, property.Invalid("DirectoryRole", "roleTemplateId")
	}
	active := store.ActiveRole{ID: newID(), Template: chosen}
	ev := record("Enable directory role", roleManagement, "Update", target(object.Role, active.ID, chosen.Name))
	err = s.write(ctx, t.ID, ev, func(tx *store.Tx) error {
		tx.ActivateRole(active.ID, chosen.ID)
		return s.audit(ctx, tx, ev)
	})
	if err != nil {
		return nil, err
	}
	return activeRoleToProto(active), nil
}

func definitionToProto(t role.Template) *pb.UnifiedRoleDefinition {
	return &pb.UnifiedRoleDefinition{Id: t.ID.String(), TemplateId: ptr(t.ID.String()), DisplayName: ptr(t.Name), Description: ptr(t.Description), IsBuiltIn: ptr(true), IsEnabled: ptr(true),
		Version: ptr("1"), ResourceScopes: []string{"/"}, RolePermissions: []*pb.UnifiedRolePermission{{AllowedResourceActions: []string{"microsoft.directory/allEntities/standard/read"}}}}
}

// ListRoleDefinitions returns the built-in role definitions (DIR-168).
func (s *Roles) ListRoleDefinitions(ctx context.Context, req *pb.ListRoleDefinitionsRequest) (*pb.ListRoleDefinitionsResponse, error) {
	if _, err := s.readable(ctx); err != nil {
		return nil, err
	}
	want, err := only(req.Query, "UnifiedRoleDefinition", "id", "displayName", "templateId", "isBuiltIn")
	if err != nil {
		return nil, err
	}
	out := &pb.ListRoleDefinitionsResponse{}
	for _, t := range role.Templates {
		if matches(want, "id", t.ID.String()) && matches(want, "displayName", t.Name) && matches(want, "templateId", t.ID.String()) && matches(want, "isBuiltIn", "true") {
			out.Value = append(out.Value, definitionToProto(t))
		}
	}
	return out, nil
}

// GetRoleDefinition returns one role definition.
func (s *Roles) GetRoleDefinition(ctx context.Context, req *pb.GetRoleDefinitionRequest) (*pb.UnifiedRoleDefinition, error) {
	if _, err := s.readable(ctx); err != nil {
		return nil, err
	}
	t, err := template(req.Id)
	if err != nil {
		return nil, err
	}
	return definitionToProto(t), nil
}

func assignmentToProto(a store.RoleAssignment) *pb.UnifiedRoleAssignment {
	return &pb.UnifiedRoleAssignment{Id: a.ID.String(), PrincipalId: ptr(a.PrincipalID.String()), RoleDefinitionId: ptr(a.RoleID.String()), DirectoryScopeId: ptr(a.Scope)}
}

// CreateRoleAssignment gives a role to a principal over the tenant (DIR-169).
func (s *Roles) CreateRoleAssignment(ctx context.Context, req *pb.CreateRoleAssignmentRequest) (*pb.UnifiedRoleAssignment, error) {
	_, t, err := s.home(ctx)
	if err != nil {
		return nil, err
	}
	in := req.RoleAssignment
	for name, value := range map[string]string{"principalId": in.GetPrincipalId(), "roleDefinitionId": in.GetRoleDefinitionId()} {
		if value == "" {
			return nil, property.Required("UnifiedRoleAssignment", name)
		}
	}
	chosen, err := template(in.GetRoleDefinitionId())
	if err != nil {
		return nil, err
	}
	principal, err := objectID(in.GetPrincipalId())
	if err != nil {
		return nil, err
	}
	scope := in.GetDirectoryScopeId()
	if scope == "" {
		scope = role.TenantScope
	}
	if scope != role.TenantScope {
		return nil, property.NotFound(clip(scope)) // no such unit or application exists to scope over
	}
	a := store.RoleAssignment{ID: newID(), PrincipalID: principal, RoleID: chosen.ID, Scope: scope, Created: s.now()}
	ev := record("Add member to role", roleManagement, "Assign", target(object.Role, chosen.ID, chosen.Name))
	err = s.write(ctx, t.ID, ev, func(tx *store.Tx) error {
		link, found, err := tx.Resolve(principal)
		if err != nil {
			return err
		}
		if !found {
			return property.NotFound(principal.String())
		}
		if err := s.checkPrincipal(tx, link); err != nil {
			return err
		}
		a.PrincipalType = link.Type
		if err := tx.InsertRoleAssignment(a, newID()); err != nil {
			return err
		}
		tx.Change(store.Change{Type: link.Type, ID: principal, Kind: store.Linked, Properties: []string{"memberOf"}, Related: &chosen.ID})
		names, err := tx.Names([]uuid.UUID{principal})
		if err != nil {
			return err
		}
		ev.Targets = append(ev.Targets[:1:1], target(link.Type, principal, names[principal].Text))
		return s.audit(ctx, tx, ev)
	})
	if err != nil {
		return nil, err
	}
	return assignmentToProto(a), nil
}

func (s *Roles) checkPrincipal(tx *store.Tx, link store.Link) error {
	switch link.Type {
	case object.User, object.ServicePrincipal:
	case object.Group:
		g, err := tx.Group(link.ID, store.Live, false)
		if err != nil {
			return err
		}
		if !g.RoleAssignable {
			return fault.Invalid(errorspb.Reason_REFERENCE_INVALID, "Only role-assignable groups can hold a directory role.")
		}
	default:
		return fault.Invalid(errorspb.Reason_REFERENCE_INVALID, "An object of type '%s' cannot hold a directory role.", link.Type)
	}
	held, err := tx.RoleAssignments("principal_id = ?", link.ID)
	if err == nil && len(held) >= maxAssignments {
		err = fault.Exhausted(errorspb.Reason_QUOTA_EXCEEDED, "A principal holds at most %d directory roles.", maxAssignments)
	}
	return err
}

// ListRoleAssignments returns the assignments of the tenant (DIR-169).
func (s *Roles) ListRoleAssignments(ctx context.Context, req *pb.ListRoleAssignmentsRequest) (*pb.ListRoleAssignmentsResponse, error) {
	t, err := s.readable(ctx)
	if err != nil {
		return nil, err
	}
	want, err := only(req.Query, "UnifiedRoleAssignment", "id", "principalId", "roleDefinitionId", "directoryScopeId")
	if err != nil {
		return nil, err
	}
	out := &pb.ListRoleAssignmentsResponse{}
	err = s.Store.Read(ctx, t.ID, func(tx *store.Tx) error {
		all, err := tx.RoleAssignments("")
		for _, a := range all {
			if matches(want, "id", a.ID.String()) && matches(want, "principalId", a.PrincipalID.String()) && matches(want, "roleDefinitionId", a.RoleID.String()) &&
				matches(want, "directoryScopeId", a.Scope) {
				out.Value = append(out.Value, assignmentToProto(a))
			}
		}
		return err
	})
	return out, err
}

// GetRoleAssignment returns one assignment.
func (s *Roles) GetRoleAssignment(ctx context.Context, req *pb.GetRoleAssignmentRequest) (*pb.UnifiedRoleAssignment, error) {
	t, err := s.readable(ctx)
	if err != nil {
		return nil, err
	}
	id, err := objectID(req.Id)
	if err != nil {
		return nil, err
	}
	var out *pb.UnifiedRoleAssignment
	err = s.Store.Read(ctx, t.ID, func(tx *store.Tx) error {
		a, err := tx.RoleAssignment(id)
		if err == nil {
			out = assignmentToProto(*a)
		}
		return err
	})
	return out, err
}

// DeleteRoleAssignment takes a role away; the last Global Administrator keeps
// it, and nobody takes the own (DIR-171).
func (s *Roles) DeleteRoleAssignment(ctx context.Context, req *pb.DeleteRoleAssignmentRequest) (*emptypb.Empty, error) {
	who, t, err := s.home(ctx)
	if err != nil {
		return nil, err
	}
	id, err := objectID(req.Id)
	if err != nil {
		return nil, err
	}
	ev := record("Remove member from role", roleManagement, "Unassign")
	err = s.write(ctx, t.ID, ev, func(tx *store.Tx) error {
		a, err := tx.RoleAssignment(id)
		if err != nil {
			return err
		}
		if a.RoleID == role.GlobalAdministratorID && a.PrincipalID == who.ObjectID {
			return fault.Invalid(errorspb.Reason_LAST_ADMINISTRATOR, "Removing self from Global Administrator built-in role is not allowed.")
		}
		chosen, _ := role.ByID(a.RoleID)
		names, err := tx.Names([]uuid.UUID{a.PrincipalID})
		if err != nil {
			return err
		}
		tx.DeleteRoleAssignment(id)
		tx.Change(store.Change{Type: a.PrincipalType, ID: a.PrincipalID, Kind: store.Unlinked, Properties: []string{"memberOf"}, Related: &a.RoleID})
		ev.Targets = []audit.Target{target(object.Role, a.RoleID, chosen.Name), target(a.PrincipalType, a.PrincipalID, names[a.PrincipalID].Text)}
		return s.audit(ctx, tx, ev)
	})
	if err != nil {
		return nil, err
	}
	return &emptypb.Empty{}, nil
}
