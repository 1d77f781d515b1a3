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
	"entente.dev/servicekit/fault"
	"google.golang.org/protobuf/types/known/emptypb"
)

// Roles serves RoleService (DIR-167 to DIR-172).
type Roles struct {
	pb.UnimplementedRoleServiceServer
	*Core
}

var _ pb.RoleServiceServer = (*Roles)(nil)

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
	var out *pb.DirectoryRole
	err = s.Store.Read(ctx, t.ID, func(tx *store.Tx) error {
		r, err := activeRole(tx, req.Id)
		out = activeRoleToProto(r)
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
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

// CreateRoleAssignment gives a role to a principal (DIR-169).
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
	over := in.GetDirectoryScopeId()
	if over == "" {
		over = role.TenantScope
	}
	a, err := s.giveRole(ctx, t.ID, chosen, principal, over)
	if err != nil {
		return nil, err
	}
	return assignmentToProto(a), nil
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
	if err := s.takeRole(ctx, who, t.ID, func(tx *store.Tx) (*store.RoleAssignment, error) { return tx.RoleAssignment(id) }); err != nil {
		return nil, err
	}
	return &emptypb.Empty{}, nil
}

func noCustomRoles() error {
	return fault.Unimplemented(errorspb.Reason_NOT_IMPLEMENTED, "Custom role definitions are not supported by this product.")
}

// CreateRoleDefinition is refused: there are no custom roles (DIR-168).
func (s *Roles) CreateRoleDefinition(context.Context, *pb.CreateRoleDefinitionRequest) (*pb.UnifiedRoleDefinition, error) {
	return nil, noCustomRoles()
}

// UpdateRoleDefinition is refused: there are no custom roles (DIR-168).
func (s *Roles) UpdateRoleDefinition(context.Context, *pb.UpdateRoleDefinitionRequest) (*emptypb.Empty, error) {
	return nil, noCustomRoles()
}

// DeleteRoleDefinition is refused: there are no custom roles (DIR-168).
func (s *Roles) DeleteRoleDefinition(context.Context, *pb.DeleteRoleDefinitionRequest) (*emptypb.Empty, error) {
	return nil, noCustomRoles()
}
