package api

import (
	"context"
	"strings"

	"entente.dev/policy-svc/internal/guestsettings"
	"entente.dev/policy-svc/internal/patch"
	"entente.dev/policy-svc/internal/store"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	policypb "entente.dev/proto/gen/entente/policy/v1"
	"entente.dev/servicekit/caller"
	"entente.dev/servicekit/fault"
	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"
)

// authorizationPolicyID is the id of every tenant's authorization policy.
const authorizationPolicyID = "authorizationPolicy"

// Fixed names of the authorization policy.
var (
	authorizationName        = "Authorization Policy"
	authorizationDescription = "Used to manage authorization related settings across the company."
)

// Collaboration serves the external collaboration settings of the caller's
// tenant (POL-70 to POL-77).
type Collaboration struct {
	policypb.UnimplementedCollaborationPolicyServiceServer
	Journal
	// Tenants tells about the tenant itself.
	Tenants TenantDirectory
}

var _ policypb.CollaborationPolicyServiceServer = (*Collaboration)(nil)

// GetAuthorizationPolicy answers the authorization policy (POL-70).
func (s *Collaboration) GetAuthorizationPolicy(ctx context.Context, req *policypb.GetAuthorizationPolicyRequest) (*policypb.AuthorizationPolicy, error) {
	if err := plainQuery(req.GetQuery()); err != nil {
		return nil, err
	}
	if err := theAuthorizationPolicy(req.GetId()); err != nil {
		return nil, err
	}
	a, revision, err := s.authorization(ctx)
	if err != nil {
		return nil, err
	}
	tag(ctx, revision)
	return authorizationToProto(a), nil
}

// ListAuthorizationPolicies answers the policy as the collection that it is on
// beta (POL-70).
func (s *Collaboration) ListAuthorizationPolicies(ctx context.Context, req *policypb.ListAuthorizationPoliciesRequest) (*policypb.ListAuthorizationPoliciesResponse, error) {
	if err := onePage(req.GetQuery()); err != nil {
		return nil, err
	}
	a, _, err := s.authorization(ctx)
	if err != nil {
		return nil, err
	}
	out := &policypb.ListAuthorizationPoliciesResponse{Value: []*policypb.AuthorizationPolicy{authorizationToProto(a)}}
	if req.GetQuery().GetCount() {
		out.OdataCount = proto.Int32(1)
	}
	return out, nil
}

func (s *Collaboration) authorization(ctx context.Context) (a guestsettings.Authorization, revision int64, err error) {
	err = s.Store.Read(ctx, caller.From(ctx).Tenant, func(tx *store.Tx) (err error) {
		a, revision, err = tx.Authorization()
		return err
	})
	return a, revision, err
}

// theAuthorizationPolicy refuses ids in the collection of beta but the one
// that there is.
func theAuthorizationPolicy(id string) error {
	if id != "" && !strings.EqualFold(id, authorizationPolicyID) {
		return notFound(id)
	}
	return nil
}

// UpdateAuthorizationPolicy changes it (POL-71).
func (s *Collaboration) UpdateAuthorizationPolicy(ctx context.Context, req *policypb.UpdateAuthorizationPolicyRequest) (*emptypb.Empty, error) {
	if err := theAuthorizationPolicy(req.GetId()); err != nil {
		return nil, err
	}
	p := req.GetPolicy()
	m := maskOf(req.GetUpdateMask(), p)
	err := unchanged(m,
		fixed{"id", "id", p.GetId() == authorizationPolicyID},
		fixed{"display_name", "displayName", p.GetDisplayName() == authorizationName},
		fixed{"description", "description", p.GetDescription() == authorizationDescription})
	if err != nil {
		return nil, err
	}
	change, err := authorizationPatch(m, p)
	if err != nil {
		return nil, err
	}
	return &emptypb.Empty{}, s.change(ctx, updateAuth, nil, func(tx *store.Tx, root store.Root) (outcome, error) {
		old, revision, err := tx.Authorization()
		if err != nil {
			return outcome{}, err
		}
		if err := matches(ctx, revision); err != nil {
			return outcome{}, err
		}
		cur, err := old.Update(change)
		if err != nil {
			return outcome{}, err
		}
		return outcome{updateAuth, authorizationPolicyID, guestsettings.AuthorizationChanges(old, cur)},
			tx.SaveAuthorization(cur, root.Version)
	})
}

// ListB2BManagementPolicies answers the domain list, if there is one (POL-75).
func (s *Collaboration) ListB2BManagementPolicies(ctx context.Context, req *policypb.ListB2BManagementPoliciesRequest) (*policypb.ListB2BManagementPoliciesResponse, error) {
	q := req.GetQuery()
	if err := onePage(q); err != nil {
		return nil, err
	}
	out := &policypb.ListB2BManagementPoliciesResponse{}
	l, err := s.domainList(ctx)
	if err != nil {
		return nil, err
	}
	if l != nil {
		out.Value = append(out.Value, domainListToProto(*l))
	}
	if q.GetCount() {
		n := int32(len(out.Value))
		out.OdataCount = &n
	}
	return out, nil
}

// GetB2BManagementPolicy answers the domain list by its id (POL-75).
func (s *Collaboration) GetB2BManagementPolicy(ctx context.Context, req *policypb.GetB2BManagementPolicyRequest) (*policypb.B2BManagementPolicy, error) {
	l, err := s.domainList(ctx)
	if err != nil {
		return nil, err
	}
	if l == nil || l.ID.String() != canonical(req.GetId()) {
		return nil, notFound(req.GetId())
	}
	tag(ctx, l.Revision)
	return domainListToProto(*l), nil
}

func (s *Collaboration) domainList(ctx context.Context) (*store.DomainList, error) {
	var l *store.DomainList
	err := s.Store.Read(ctx, caller.From(ctx).Tenant, func(tx *store.Tx) (err error) {
		l, err = tx.DomainList()
		return err
	})
	return l, err
}

// CreateB2BManagementPolicy adds the domain list; a tenant has one (POL-75,
// POL-76).
func (s *Collaboration) CreateB2BManagementPolicy(ctx context.Context, req *policypb.CreateB2BManagementPolicyRequest) (*policypb.B2BManagementPolicy, error) {
	p := req.GetPolicy()
	if p.GetId() != "" {
		return nil, readOnly("id")
	}
	l := store.DomainList{DomainList: guestsettings.DomainList{
		DisplayName: p.GetDisplayName(), Description: p.Description, Enforced: p.GetIsOrganizationDefault(), Definition: first(p.GetDefinition()),
	}}
	if err := checkDomainList(l.DomainList, len(p.GetDefinition())); err != nil {
		return nil, err
	}
	err := s.change(ctx, addDomainList, nil, func(tx *store.Tx, root store.Root) (outcome, error) {
		there, err := tx.DomainList()
		if err != nil {
			return outcome{}, err
		}
		if there != nil {
			return outcome{}, store.DomainListExists()
		}
		if l.ID, err = uuid.NewV7(); err != nil {
			return outcome{}, err
		}
		l.Revision = root.Version
		return outcome{addDomainList, l.ID.String(), guestsettings.DomainListChanges(nil, &l.DomainList)}, tx.AddDomainList(l)
	})
	if err != nil {
		return nil, err
	}
	return domainListToProto(l), nil
}

// UpdateB2BManagementPolicy changes the domain list; isOrganizationDefault is
// fixed (POL-76).
func (s *Collaboration) UpdateB2BManagementPolicy(ctx context.Context, req *policypb.UpdateB2BManagementPolicyRequest) (*emptypb.Empty, error) {
	p := req.GetPolicy()
	m := maskOf(req.GetUpdateMask(), p)
	return &emptypb.Empty{}, s.changeDomainList(ctx, changePolicy, req.GetId(), func(tx *store.Tx, root store.Root, l *store.DomainList) (*guestsettings.DomainList, error) {
		if m.names("id") && canonical(p.GetId()) != l.ID.String() {
			return nil, readOnly("id")
		}
		if m.names("is_organization_default") && (p.IsOrganizationDefault == nil || p.GetIsOrganizationDefault() != l.Enforced) {
			return nil, readOnly("isOrganizationDefault")
		}
		definitions := 1
		if m.names("definition") {
			l.Definition, definitions = first(p.GetDefinition()), len(p.GetDefinition())
		}
		if m.names("display_name") {
			l.DisplayName = p.GetDisplayName()
		}
		changeOf(m, "description", p.Description).Apply(&l.Description)
		l.Revision = root.Version
		tx.SaveDomainList(*l)
		return &l.DomainList, checkDomainList(l.DomainList, definitions)
	})
}

// DeleteB2BManagementPolicy removes the domain list.
func (s *Collaboration) DeleteB2BManagementPolicy(ctx context.Context, req *policypb.DeleteB2BManagementPolicyRequest) (*emptypb.Empty, error) {
	return &emptypb.Empty{}, s.changeDomainList(ctx, deleteDomain, req.GetId(), func(tx *store.Tx, _ store.Root, l *store.DomainList) (*guestsettings.DomainList, error) {
		tx.DeleteDomainList(*l)
		return nil, nil
	})
}

// changeDomainList changes the list with that id; fn answers what it became.
func (s *Collaboration) changeDomainList(ctx context.Context, op operation, id string, fn func(*store.Tx, store.Root, *store.DomainList) (*guestsettings.DomainList, error)) error {
	return s.change(ctx, op, nil, func(tx *store.Tx, root store.Root) (outcome, error) {
		l, err := tx.DomainList()
		if err != nil {
			return outcome{}, err
		}
		if l == nil || l.ID.String() != canonical(id) {
			return outcome{}, notFound(id)
		}
		if err := matches(ctx, l.Revision); err != nil {
			return outcome{}, err
		}
		old := l.DomainList
		cur, err := fn(tx, root, l)
		return outcome{op, l.ID.String(), guestsettings.DomainListChanges(&old, cur)}, err
	})
}

func checkDomainList(l guestsettings.DomainList, definitions int) error {
	if err := checkNames(&l.DisplayName, l.Description); err != nil {
		return err
	}
	return guestsettings.CheckDomainList(l, definitions)
}

// canonical is the lower-case form of an id, itself when it is none.
func canonical(id string) string {
	if u, err := uuid.Parse(id); err == nil {
		return u.String()
	}
	return id
}

func first(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return list[0]
}

func domainListToProto(l store.DomainList) *policypb.B2BManagementPolicy {
	return &policypb.B2BManagementPolicy{
		Id: l.ID.String(), DisplayName: &l.DisplayName, Description: l.Description,
		Definition: []string{l.Definition}, IsOrganizationDefault: &l.Enforced,
	}
}

func authorizationToProto(a guestsettings.Authorization) *policypb.AuthorizationPolicy {
	role := a.GuestUserRole.String()
	return &policypb.AuthorizationPolicy{
		Id: authorizationPolicyID, DisplayName: &authorizationName, Description: &authorizationDescription,
		AllowInvitesFrom: (policypb.AllowInvitesFrom_Value(a.AllowInvitesFrom) + policypb.AllowInvitesFrom_none).Enum(),
		GuestUserRoleId:  &role,
		AllowEmailVerifiedUsersToJoinOrganization: &a.EmailVerifiedUsersJoin,
		AllowedToSignUpEmailBasedSubscriptions:    &a.EmailSubscriptions,
		AllowedToUseSspr:                          &a.SSPR,
		AllowUserConsentForRiskyApps:              a.ConsentForRiskyApps,
		BlockMsolPowerShell:                       a.BlockMsolPowerShell,
		DefaultUserRolePermissions: &policypb.DefaultUserRolePermissions{
			AllowedToCreateApps: &a.UserRole.CreateApps, AllowedToCreateSecurityGroups: &a.UserRole.CreateSecurityGroups,
			AllowedToCreateTenants: a.UserRole.CreateTenants, AllowedToReadBitlockerKeysForOwnedDevice: a.UserRole.ReadBitlockerKeys,
			AllowedToReadOtherUsers: &a.UserRole.ReadOtherUsers, PermissionGrantPoliciesAssigned: a.UserRole.GrantPolicies,
		},
	}
}

func authorizationPatch(m mask, p *policypb.AuthorizationPolicy) (guestsettings.AuthorizationPatch, error) {
	const nested = "default_user_role_permissions"
	var out guestsettings.AuthorizationPatch
	var invites *guestsettings.AllowInvitesFrom
	if p != nil && p.AllowInvitesFrom != nil {
		v := guestsettings.AllowInvitesFrom(p.GetAllowInvitesFrom() - policypb.AllowInvitesFrom_none)
		invites = &v
	}
	out.AllowInvitesFrom = changeOf(m, "allow_invites_from", invites)
	if m.names("guest_user_role_id") {
		out.GuestUserRole.Named = true
		if p.GetGuestUserRoleId() != "" {
			id, err := uuid.Parse(p.GetGuestUserRoleId())
			if err != nil {
				return out, fault.Invalid(errorspb.Reason_INVALID_REQUEST, "guestUserRoleId is not a GUID.")
			}
			out.GuestUserRole = patch.Set(id)
		}
	}
	if p == nil {
		return out, nil
	}
	out.EmailVerifiedUsersJoin = changeOf(m, "allow_email_verified_users_to_join_organization", p.AllowEmailVerifiedUsersToJoinOrganization)
	out.EmailSubscriptions = changeOf(m, "allowed_to_sign_up_email_based_subscriptions", p.AllowedToSignUpEmailBasedSubscriptions)
	out.SSPR = changeOf(m, "allowed_to_use_sspr", p.AllowedToUseSspr)
	out.ConsentForRiskyApps = changeOf(m, "allow_user_consent_for_risky_apps", p.AllowUserConsentForRiskyApps)
	out.BlockPowerShell = changeOf(m, "block_msol_power_shell", p.BlockMsolPowerShell)
	if !m.names(nested) {
		return out, nil
	}
	d := p.GetDefaultUserRolePermissions()
	if d == nil {
		out.ClearsUserRole = true
		return out, nil
	}
	out.CreateApps = partOf(m, nested+".allowed_to_create_apps", d.AllowedToCreateApps)
	out.CreateSecurityGroups = partOf(m, nested+".allowed_to_create_security_groups", d.AllowedToCreateSecurityGroups)
	out.CreateTenants = partOf(m, nested+".allowed_to_create_tenants", d.AllowedToCreateTenants)
	out.ReadBitlockerKeys = partOf(m, nested+".allowed_to_read_bitlocker_keys_for_owned_device", d.AllowedToReadBitlockerKeysForOwnedDevice)
	out.ReadOtherUsers = partOf(m, nested+".allowed_to_read_other_users", d.AllowedToReadOtherUsers)
	var policies *[]string
	if list := d.GetPermissionGrantPoliciesAssigned(); len(list) > 0 {
		policies = &list
	}
	out.GrantPolicies = partOf(m, nested+".permission_grant_policies_assigned", policies)
	return out, nil
}
