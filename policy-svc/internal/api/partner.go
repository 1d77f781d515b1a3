package api

import (
	"context"

	"entente.dev/policy-svc/internal/access"
	"entente.dev/policy-svc/internal/crosstenant"
	"entente.dev/policy-svc/internal/store"
	directorypb "entente.dev/proto/gen/entente/directory/v1"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	policypb "entente.dev/proto/gen/entente/policy/v1"
	"entente.dev/servicekit/caller"
	"entente.dev/servicekit/fault"
	"entente.dev/servicekit/rpc"
	"entente.dev/servicekit/tenant"
	"github.com/google/uuid"
	"google.golang.org/protobuf/types/known/emptypb"
)

// GetPartner answers one partner (POL-30).
func (s *CrossTenant) GetPartner(ctx context.Context, req *policypb.GetPartnerRequest) (*policypb.CrossTenantAccessPolicyConfigurationPartner, error) {
	expand, err := expandsSync(req.GetQuery())
	if err != nil {
		return nil, err
	}
	p, err := s.partner(ctx, req.GetTenantId())
	if err != nil {
		return nil, err
	}
	tag(ctx, p.Revision)
	return partnerToProto(p.Partner, expand), nil
}

// partner reads the live row toward the tenant with that id.
func (s *CrossTenant) partner(ctx context.Context, id string) (*store.Partner, error) {
	var p *store.Partner
	err := s.Store.Read(ctx, caller.From(ctx).Tenant, func(tx *store.Tx) (err error) {
		p, err = find(tx, id)
		return err
	})
	return p, err
}

// find answers NOT_FOUND for ids that are no partner, well formed or not.
func find(tx *store.Tx, id string) (*store.Partner, error) {
	other, err := tenant.Parse(id)
	if err != nil {
		return nil, notFound(id)
	}
	p, err := tx.Partner(other)
	if err != nil {
		return nil, err
	}
	if p == nil {
		return nil, notFound(id)
	}
	return p, nil
}

func notFound(id string) error {
	return fault.NotFound(errorspb.Reason_NOT_FOUND,
		"Resource '%s' does not exist or one of its queried reference-property objects are not present.", id).WithMeta("key", id)
}

// AddPartner adds a partner by its tenant id or by a domain that it verified
// (POL-40).
func (s *CrossTenant) AddPartner(ctx context.Context, req *policypb.AddPartnerRequest) (*policypb.CrossTenantAccessPolicyConfigurationPartner, error) {
	id := req.GetTenantId()
	if (id == "") == (req.GetDomainName() == "") {
		return nil, fault.Invalid(errorspb.Reason_INVALID_REQUEST, "Either tenantId or domainName is required.")
	}
	if id == "" {
		facts, err := s.Tenants.FindTenantByDomain(ctx, &directorypb.FindTenantByDomainRequest{Domain: req.GetDomainName()})
		if notThere(err) {
			return nil, fault.Invalid(errorspb.Reason_INVALID_REQUEST, "No tenant has verified the domain '%s': tenant not found.", req.GetDomainName())
		}
		if err != nil {
			return nil, err
		}
		id = facts.GetTenantId()
	}
	return s.CreatePartner(ctx, &policypb.CreatePartnerRequest{Partner: &policypb.CrossTenantAccessPolicyConfigurationPartner{TenantId: &id}})
}

// RestorePartner brings a removed partner back as it was, within 30 days
// (POL-42). In the audit log it is added again.
func (s *CrossTenant) RestorePartner(ctx context.Context, req *policypb.RestorePartnerRequest) (*policypb.CrossTenantAccessPolicyConfigurationPartner, error) {
	var restored crosstenant.Partner
	name := s.nameOf(ctx, req.GetTenantId())
	err := s.change(ctx, addPartner, name, func(tx *store.Tx, root store.Root) (outcome, error) {
		other, err := tenant.Parse(req.GetTenantId())
		if err != nil {
			return outcome{}, notFound(req.GetTenantId())
		}
		live, err := tx.Partner(other)
		if err != nil {
			return outcome{}, err
		}
		if live != nil {
			return outcome{}, store.PartnerExists()
		}
		removed, err := tx.RemovedPartner(other, s.Clock.Now())
		if err != nil {
			return outcome{}, err
		}
		if removed == nil {
			return outcome{}, notFound(req.GetTenantId())
		}
		if err := s.warn(ctx, tx, removed.Partner); err != nil {
			return outcome{}, err
		}
		tx.RestorePartner(*removed, root.Version)
		restored = removed.Partner
		return outcome{addPartner, root.ID.String(), crosstenant.AddPartnerChanges(restored)}, nil
	})
	if err != nil {
		return nil, err
	}
	return partnerToProto(restored, false), nil
}

// CreatePartner adds a partner (POL-29).
func (s *CrossTenant) CreatePartner(ctx context.Context, req *policypb.CreatePartnerRequest) (*policypb.CrossTenantAccessPolicyConfigurationPartner, error) {
	body := req.GetPartner()
	c := caller.From(ctx)
	other, err := crosstenant.ParsePartner(c.Tenant, body.GetTenantId())
	if err != nil {
		return nil, err
	}
	change, err := partnerPatch(c, maskOf(nil, body), body, nil)
	if err != nil {
		s.Refused(ctx, addPartner, err)
		return nil, err
	}
	facts, err := s.Tenants.LookupTenant(ctx, &directorypb.LookupTenantRequest{TenantId: other.String()})
	if notThere(err) {
		return nil, fault.Invalid(errorspb.Reason_INVALID_REQUEST, "The tenant '%s' was not found: tenant not found.", other)
	}
	if err != nil {
		return nil, err
	}
	displayName := facts.GetDisplayName()
	var added crosstenant.Partner
	err = s.change(ctx, addPartner, &displayName, func(tx *store.Tx, root store.Root) (outcome, error) {
		there, err := tx.Partner(other)
		if err != nil {
			return outcome{}, err
		}
		if there != nil {
			return outcome{}, store.PartnerExists()
		}
		if added, err = crosstenant.UpdatePartner(crosstenant.Partner{TenantID: other}, change); err != nil {
			return outcome{}, err
		}
		id, err := uuid.NewV7()
		if err != nil {
			return outcome{}, err
		}
		if err := s.warn(ctx, tx, added); err != nil {
			return outcome{}, err
		}
		row := store.Partner{Partner: added, ID: id, Revision: root.Version, CreatedAt: s.Clock.Now()}
		return outcome{addPartner, root.ID.String(), crosstenant.AddPartnerChanges(added)}, tx.AddPartner(row)
	})
	if err != nil {
		return nil, err
	}
	return partnerToProto(added, false), nil
}

// UpdatePartner changes a partner (POL-31, POL-22).
func (s *CrossTenant) UpdatePartner(ctx context.Context, req *policypb.UpdatePartnerRequest) (*emptypb.Empty, error) {
	body := req.GetPartner()
	m := maskOf(req.GetUpdateMask(), body)
	name := s.nameOf(ctx, req.GetTenantId())
	return &emptypb.Empty{}, s.change(ctx, updatePartner, name, func(tx *store.Tx, root store.Root) (outcome, error) {
		p, err := find(tx, req.GetTenantId())
		if err != nil {
			return outcome{}, err
		}
		if err := matches(ctx, p.Revision); err != nil {
			return outcome{}, err
		}
		change, err := partnerPatch(caller.From(ctx), m, body, &p.Partner)
		if err != nil {
			return outcome{}, err
		}
		old := p.Partner
		if p.Partner, err = crosstenant.UpdatePartner(old, change); err != nil {
			return outcome{}, err
		}
		if err := s.warn(ctx, tx, p.Partner); err != nil {
			return outcome{}, err
		}
		p.Revision = root.Version
		return outcome{updatePartner, root.ID.String(), crosstenant.PartnerChanges(old, p.Partner)}, tx.SavePartner(*p)
	})
}

// DeletePartner removes a partner; the default applies at once (POL-32).
func (s *CrossTenant) DeletePartner(ctx context.Context, req *policypb.DeletePartnerRequest) (*emptypb.Empty, error) {
	name := s.nameOf(ctx, req.GetTenantId())
	return &emptypb.Empty{}, s.change(ctx, deletePartner, name, func(tx *store.Tx, root store.Root) (outcome, error) {
		p, err := find(tx, req.GetTenantId())
		if err != nil {
			return outcome{}, err
		}
		if err := matches(ctx, p.Revision); err != nil {
			return outcome{}, err
		}
		if err := crosstenant.Remove(p.Partner); err != nil {
			return outcome{}, err
		}
		tx.DeletePartner(*p, s.Clock.Now())
		return outcome{deletePartner, root.ID.String(), crosstenant.DeletePartnerChanges(p.Partner)}, nil
	})
}

// partnerPatch reads the body of a create (stored nil) or of a change.
func partnerPatch(c caller.Caller, m mask, body *policypb.CrossTenantAccessPolicyConfigurationPartner, stored *crosstenant.Partner) (crosstenant.PartnerPatch, error) {
	switch {
	case m.names("is_in_multi_tenant_organization"):
		return crosstenant.PartnerPatch{}, readOnly("isInMultiTenantOrganization")
	case m.names("identity_synchronization"):
		return crosstenant.PartnerPatch{}, readOnly("identitySynchronization")
	case body.GetM365CollaborationInbound() != nil, body.GetM365CollaborationOutbound() != nil, body.GetAppServiceConnectInbound() != nil:
		return crosstenant.PartnerPatch{}, reserved()
	}
	var before *bool
	if stored != nil {
		before = stored.ServiceProvider
		if m.names("tenant_id") {
			if t, err := tenant.Parse(body.GetTenantId()); err != nil || t != stored.TenantID {
				return crosstenant.PartnerPatch{}, readOnly("tenantId")
			}
		}
	}
	provider := changeOf(m, "is_service_provider", body.IsServiceProvider)
	if provider.Named && (before != nil && *before) != body.GetIsServiceProvider() {
		if err := access.SetServiceProvider(c); err != nil {
			return crosstenant.PartnerPatch{}, err
		}
	}
	return crosstenant.PartnerPatch{Settings: settingsPatch(m, body), ServiceProvider: provider}, nil
}

// warn sends a header when a completed setting opens more than the default
// (POL-21).
func (s *CrossTenant) warn(ctx context.Context, tx *store.Tx, p crosstenant.Partner) error {
	d, _, err := tx.Default()
	if err == nil && p.Widens(d) {
		rpc.SetHeader(ctx, headerWarning, widensDefault)
	}
	return err
}

// nameOf is the display name behind the id of a request, nil for ids that name
// nothing.
func (s *CrossTenant) nameOf(ctx context.Context, id string) *string {
	t, err := tenant.Parse(id)
	if err != nil {
		return nil
	}
	return s.lookUp(ctx, t)
}
