package api

import (
	"context"
	"slices"

	"entente.dev/directory-svc/internal/object"
	"entente.dev/directory-svc/internal/organization"
	"entente.dev/directory-svc/internal/property"
	"entente.dev/directory-svc/internal/store"
	pb "entente.dev/proto/gen/entente/directory/v1"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/fault"
	"entente.dev/servicekit/tenant"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// Principals serves PrincipalService.
type Principals struct {
	pb.UnimplementedPrincipalServiceServer
	*Core
}

var _ pb.PrincipalServiceServer = (*Principals)(nil)

// GetPrincipal returns state and roles of a principal as they are now. A
// suspended tenant's principals are answered too, and are not enabled.
func (s *Principals) GetPrincipal(ctx context.Context, req *pb.GetPrincipalRequest) (*pb.Principal, error) {
	id, err := tenant.Parse(req.TenantId)
	if err != nil {
		return nil, property.NotFound(clip(req.TenantId))
	}
	object_, err := objectID(req.ObjectId)
	if err != nil {
		return nil, err
	}
	t, err := s.Store.Tenant(ctx, id)
	if err != nil {
		return nil, err
	}
	p, err := s.Store.Principal(ctx, id, object_)
	if err != nil {
		return nil, err
	}
	out := &pb.Principal{ObjectId: p.ID.String(), Type: p.Type.String(), TenantActive: t.State == organization.Active, DisplayName: p.DisplayName,
		UserPrincipalName: p.UserPrincipalName, Guest: p.Guest, Mail: p.Mail, Permissions: p.Permissions, ExternalTenant: t.Type == organization.External}
	out.Enabled = p.Enabled && out.TenantActive
	if p.Type == object.ServicePrincipal {
		out.AppId = p.AppID.String()
	}
	if !p.SessionsValidFrom.IsZero() {
		out.SessionsValidFrom = timestamppb.New(p.SessionsValidFrom)
	}
	for _, r := range p.Roles {
		out.Roles = append(out.Roles, &pb.Principal_Role{TemplateId: r.Template.ID.String(), DisplayName: r.Template.Name, Scope: r.Scope})
	}
	if out.Privileged = len(p.Roles) > 0; req.WithPrivileged && !out.Privileged {
		err = s.Store.Read(ctx, id, func(tx *store.Tx) (err error) {
			out.Privileged, err = tx.InPrivilegedGroup(object_)
			return err
		})
	}
	return out, err
}

// maxGroups is the most groups an answer may name (DIR-51).
const maxGroups = 11000

// ListGroupIds returns the groups a principal is in, directly or by nesting.
func (s *Principals) ListGroupIds(ctx context.Context, req *pb.ListGroupIdsRequest) (*pb.ListGroupIdsResponse, error) {
	t, err := s.named(ctx, req.TenantId)
	if err != nil {
		return nil, err
	}
	id, err := objectID(req.ObjectId)
	if err != nil {
		return nil, err
	}
	out := &pb.ListGroupIdsResponse{}
	err = s.Store.Read(ctx, t.ID, func(tx *store.Tx) error {
		groups, err := tx.GroupsOf(id, true, false, maxGroups+1)
		if err != nil {
			return err
		}
		if len(groups) > maxGroups {
			return fault.Precondition(errorspb.Reason_RESULT_TOO_LARGE, "The principal is in more than %d groups.", maxGroups)
		}
		for _, g := range groups {
			out.GroupIds = append(out.GroupIds, g.String())
		}
		return nil
	})
	return out, err
}

// TenantDirectory serves TenantDirectoryService.
type TenantDirectory struct {
	pb.UnimplementedTenantDirectoryServiceServer
	*Core
}

var _ pb.TenantDirectoryServiceServer = (*TenantDirectory)(nil)

// LookupTenant returns a tenant by id, whatever its state.
func (s *TenantDirectory) LookupTenant(ctx context.Context, req *pb.LookupTenantRequest) (*pb.TenantFacts, error) {
	id, err := tenant.Parse(req.TenantId)
	if err != nil {
		return nil, property.NotFound(clip(req.TenantId))
	}
	t, err := s.Store.Tenant(ctx, id)
	if err != nil {
		return nil, err
	}
	return tenantFacts(t), nil
}

// FindTenantByDomain returns the tenant that verified a domain.
func (s *TenantDirectory) FindTenantByDomain(ctx context.Context, req *pb.FindTenantByDomainRequest) (*pb.TenantFacts, error) {
	t, err := s.Store.TenantByDomain(ctx, req.Domain)
	if err != nil {
		return nil, err
	}
	return tenantFacts(t), nil
}

func tenantFacts(t *store.Tenant) *pb.TenantFacts {
	out := &pb.TenantFacts{TenantId: t.ID.String(), DisplayName: t.DisplayName, InitialDomain: t.InitialDomain, DefaultDomain: t.DefaultDomain(),
		TenantType: pb.Tenant_TenantType(t.Type), State: pb.Tenant_State(t.State)}
	for _, d := range t.Domains {
		if d.Verified {
			out.VerifiedDomains = append(out.VerifiedDomains, d.Name)
		}
	}
	out.HasCustomDomain = slices.ContainsFunc(t.Domains, func(d organization.Domain) bool { return d.Verified && !d.Initial })
	for to, from := range map[*string]*string{&out.PrivacyStatementUrl: t.PrivacyStatementURL, &out.PrivacyContactEmail: t.PrivacyContactEmail, &out.PreferredLanguage: t.PreferredLanguage} {
		if from != nil {
			*to = *from
		}
	}
	return out
}
