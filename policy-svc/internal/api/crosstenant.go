package api

import (
	"context"
	"slices"

	"entente.dev/policy-svc/internal/crosstenant"
	"entente.dev/policy-svc/internal/store"
	directorypb "entente.dev/proto/gen/entente/directory/v1"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	policypb "entente.dev/proto/gen/entente/policy/v1"
	"entente.dev/servicekit/caller"
	"entente.dev/servicekit/fault"
	"entente.dev/servicekit/odata"
	"entente.dev/servicekit/tenant"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/emptypb"
)

// Limits of names, as Graph's policyBase has them.
const (
	maxDisplayName = 256
	maxDescription = 1024
)

// TenantDirectory is what the policy handlers ask directory-svc about tenants.
type TenantDirectory interface {
	LookupTenant(context.Context, *directorypb.LookupTenantRequest, ...grpc.CallOption) (*directorypb.TenantFacts, error)
	FindTenantByDomain(context.Context, *directorypb.FindTenantByDomainRequest, ...grpc.CallOption) (*directorypb.TenantFacts, error)
}

// CrossTenant serves the cross-tenant access policy of the caller's tenant
// (POL-11 to POL-45).
type CrossTenant struct {
	policypb.UnimplementedCrossTenantAccessPolicyServiceServer
	Journal
	Tenants TenantDirectory
	Tokens  *odata.Tokens
	// Cloud is the endpoint of this installation, PeerClouds those the
	// operator lists beside the public ones (POL-12).
	Cloud      string
	PeerClouds []string
}

var _ policypb.CrossTenantAccessPolicyServiceServer = (*CrossTenant)(nil)

// GetCrossTenantAccessPolicy answers the root, making it when it is read for
// the first time (POL-23).
func (s *CrossTenant) GetCrossTenantAccessPolicy(ctx context.Context, req *policypb.GetCrossTenantAccessPolicyRequest) (*policypb.CrossTenantAccessPolicy, error) {
	if err := plainQuery(req.GetQuery()); err != nil {
		return nil, err
	}
	root, err := s.root(ctx)
	if err != nil {
		return nil, err
	}
	tag(ctx, root.Revision)
	return &policypb.CrossTenantAccessPolicy{
		Id: root.ID.String(), DisplayName: name(root), Description: root.Description, AllowedCloudEndpoints: root.Clouds,
	}, nil
}

// root reads the root of the caller's tenant, making it first where the tenant
// has none. Two first readers get the same one.
func (s *CrossTenant) root(ctx context.Context) (store.Root, error) {
	t := caller.From(ctx).Tenant
	var root store.Root
	var there bool
	read := func(tx *store.Tx) (err error) {
		root, there, err = tx.Root()
		return err
	}
	if err := s.Store.Read(ctx, t, read); err != nil || there {
		return root, err
	}
	err := s.Store.Write(ctx, t, func(tx *store.Tx) error {
		if err := tx.MakeRoot(s.Clock.Now()); err != nil {
			return err
		}
		return read(tx)
	})
	return root, err
}

func name(r store.Root) *string {
	if r.DisplayName != nil {
		return r.DisplayName
	}
	text := "CrossTenantAccessPolicy"
	return &text
}

// UpdateCrossTenantAccessPolicy changes clouds and names (POL-24).
func (s *CrossTenant) UpdateCrossTenantAccessPolicy(ctx context.Context, req *policypb.UpdateCrossTenantAccessPolicyRequest) (*emptypb.Empty, error) {
	p := req.GetPolicy()
	m := maskOf(req.GetUpdateMask(), p)
	return &emptypb.Empty{}, s.change(ctx, updateRoot, nil, func(tx *store.Tx, root store.Root) (outcome, error) {
		if err := matches(ctx, root.Revision); err != nil {
			return outcome{}, err
		}
		if m.names("id") && p.GetId() != root.ID.String() {
			return outcome{}, readOnly("id")
		}
		old := root
		if m.names("allowed_cloud_endpoints") {
			if err := crosstenant.CheckClouds(p.GetAllowedCloudEndpoints(), s.Cloud, s.PeerClouds); err != nil {
				return outcome{}, err
			}
			root.Clouds = slices.Clone(p.GetAllowedCloudEndpoints())
		}
		if m.names("display_name") {
			root.DisplayName = p.DisplayName
		}
		if m.names("description") {
			root.Description = p.Description
		}
		if err := checkNames(root.DisplayName, root.Description); err != nil {
			return outcome{}, err
		}
		return outcome{updateRoot, root.ID.String(), crosstenant.RootChanges(
			crosstenant.RootNames{Clouds: old.Clouds, DisplayName: old.DisplayName, Description: old.Description},
			crosstenant.RootNames{Clouds: root.Clouds, DisplayName: root.DisplayName, Description: root.Description},
		)}, tx.SaveRoot(root)
	})
}

// GetDefault answers the default configuration (POL-25).
func (s *CrossTenant) GetDefault(ctx context.Context, req *policypb.GetDefaultRequest) (*policypb.CrossTenantAccessPolicyConfigurationDefault, error) {
	if err := plainQuery(req.GetQuery()); err != nil {
		return nil, err
	}
	root, err := s.root(ctx)
	if err != nil {
		return nil, err
	}
	var d crosstenant.Default
	var revision int64
	err = s.Store.Read(ctx, caller.From(ctx).Tenant, func(tx *store.Tx) (err error) {
		d, revision, err = tx.Default()
		return err
	})
	if err != nil {
		return nil, err
	}
	tag(ctx, revision)
	return defaultToProto(root.ID.String(), d), nil
}

// UpdateDefault changes the default configuration (POL-26).
func (s *CrossTenant) UpdateDefault(ctx context.Context, req *policypb.UpdateDefaultRequest) (*emptypb.Empty, error) {
	p := req.GetDefaultConfiguration()
	m := maskOf(req.GetUpdateMask(), p)
	return &emptypb.Empty{}, s.change(ctx, updateDefault, nil, func(tx *store.Tx, root store.Root) (outcome, error) {
		old, revision, err := tx.Default()
		if err != nil {
			return outcome{}, err
		}
		if err := matches(ctx, revision); err != nil {
			return outcome{}, err
		}
		switch {
		case m.names("id") && p.GetId() != root.ID.String():
			return outcome{}, readOnly("id")
		case m.names("is_service_default") && (p.IsServiceDefault == nil || p.GetIsServiceDefault() == old.Customized):
			return outcome{}, readOnly("isServiceDefault")
		case p.GetM365CollaborationInbound() != nil, p.GetM365CollaborationOutbound() != nil, p.GetAppServiceConnectInbound() != nil:
			return outcome{}, reserved()
		}
		d, err := crosstenant.UpdateDefault(old, crosstenant.DefaultPatch{
			Settings:   settingsPatch(m, p),
			Redemption: redemptionPatch(m, p.GetInvitationRedemptionIdentityProviderConfiguration()),
		})
		if err != nil {
			return outcome{}, err
		}
		return outcome{updateDefault, root.ID.String(), crosstenant.DefaultChanges(old, d)}, tx.SaveDefault(d, root.Version)
	})
}

// ResetDefault removes every customization; it is recorded even when there was
// none (POL-27).
func (s *CrossTenant) ResetDefault(ctx context.Context, _ *policypb.ResetDefaultRequest) (*emptypb.Empty, error) {
	return &emptypb.Empty{}, s.change(ctx, resetDefault, nil, func(tx *store.Tx, root store.Root) (outcome, error) {
		old, revision, err := tx.Default()
		if err != nil {
			return outcome{}, err
		}
		if err := matches(ctx, revision); err != nil {
			return outcome{}, err
		}
		tx.DeleteDefault()
		return outcome{resetDefault, root.ID.String(), crosstenant.ResetChanges(old)}, nil
	})
}

// GetEffectiveAccess answers every setting toward a tenant with its source
// (POL-45).
func (s *CrossTenant) GetEffectiveAccess(ctx context.Context, req *policypb.GetEffectiveAccessRequest) (*policypb.EffectiveAccess, error) {
	other, err := tenant.Parse(req.GetTenantId())
	if err != nil {
		return nil, fault.Invalid(errorspb.Reason_BAD_REQUEST, "tenantId '%s' is not a GUID.", req.GetTenantId())
	}
	t := caller.From(ctx).Tenant
	policy := crosstenant.Policy{Tenant: t}
	var partner *crosstenant.Partner
	err = s.Store.Read(ctx, t, func(tx *store.Tx) error {
		root, _, err := tx.Root()
		if err != nil {
			return err
		}
		policy.Version = root.Version
		if policy.Default, _, err = tx.Default(); err != nil {
			return err
		}
		stored, err := tx.Partner(other)
		if stored != nil {
			partner = &stored.Partner
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return effectiveToProto(other, policy.Version, policy.EffectiveToward(partner)), nil
}

// lookUp is the display name of another tenant, for audit records. Not knowing
// it stops no change.
func (s *CrossTenant) lookUp(ctx context.Context, t tenant.ID) *string {
	facts, err := s.Tenants.LookupTenant(ctx, &directorypb.LookupTenantRequest{TenantId: t.String()})
	if err != nil {
		return nil
	}
	name := facts.GetDisplayName()
	return &name
}

func checkNames(displayName, description *string) error {
	if displayName != nil && len([]rune(*displayName)) > maxDisplayName {
		return fault.Invalid(errorspb.Reason_INVALID_REQUEST, "displayName must not exceed %d characters.", maxDisplayName)
	}
	if description != nil && len([]rune(*description)) > maxDescription {
		return fault.Invalid(errorspb.Reason_INVALID_REQUEST, "description must not exceed %d characters.", maxDescription)
	}
	return nil
}

func readOnly(property string) error {
	return fault.Invalid(errorspb.Reason_PROPERTY_READ_ONLY, "Property '%s' is read-only and cannot be set.", property).WithMeta("property", property)
}

func reserved() error {
	return fault.Invalid(errorspb.Reason_INVALID_REQUEST, "m365CollaborationInbound, m365CollaborationOutbound and appServiceConnectInbound are not supported.")
}
