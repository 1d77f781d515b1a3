package api

import (
	"context"
	"strings"
	"time"

	"entente.dev/policy-svc/internal/crosstenant"
	"entente.dev/policy-svc/internal/guestsettings"
	"entente.dev/policy-svc/internal/snapshot"
	directorypb "entente.dev/proto/gen/entente/directory/v1"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	policypb "entente.dev/proto/gen/entente/policy/v1"
	"entente.dev/servicekit/clock"
	"entente.dev/servicekit/fault"
	"entente.dev/servicekit/tenant"
	"github.com/google/uuid"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// consumerTenant is where anonymous, passcode and personal accounts live for
// tenant restrictions (POL-69).
var consumerTenant = tenant.MustParse("9188040d-6c67-4c5b-b112-36a304b66dad")

// syncValidity is how long an answer of CheckSync may be used: withdrawn
// consent stops writes within ten seconds (security ground rules, sync).
const syncValidity = 10 * time.Second

// Groups answers the groups of a user, direct and nested.
type Groups interface {
	ListGroupIds(context.Context, *directorypb.ListGroupIdsRequest, ...grpc.CallOption) (*directorypb.ListGroupIdsResponse, error)
}

// Accounts finds the account that owns an address.
type Accounts interface {
	ResolveHomeAccount(context.Context, *directorypb.ResolveHomeAccountRequest, ...grpc.CallOption) (*directorypb.HomeAccount, error)
}

// Decisions answers sibling services: may this happen, and which rule said so
// (POL-46 to POL-69)?
type Decisions struct {
	policypb.UnimplementedDecisionServiceServer
	Cache    *snapshot.Cache
	Clock    clock.Clock
	Tenants  TenantDirectory
	Groups   Groups
	Accounts Accounts
	// Suite holds the application ids that the operator counts as Office365.
	Suite map[uuid.UUID]bool

	homes homes
}

var _ policypb.DecisionServiceServer = (*Decisions)(nil)

// CheckInvite decides whether an address may be invited, or may redeem
// (POL-54 to POL-56).
func (s *Decisions) CheckInvite(ctx context.Context, req *policypb.CheckInviteRequest) (*policypb.Decision, error) {
	resource, err := namedTenant("resource_tenant_id", req.GetResourceTenantId())
	if err != nil {
		return nil, err
	}
	home, err := s.homeOf(ctx, req)
	if err != nil {
		return nil, err
	}
	across := home
	if home == resource {
		across = tenant.ID{} // an own address is no cross-tenant matter
	}
	pair, settings, err := s.Cache.Pair(ctx, across, resource)
	if err != nil {
		return nil, err
	}
	gates := crosstenant.Gates{
		Inviter: req.GetAtRedemption() || settings.Authorization.AllowInvitesFrom.Admits(inviter(req.GetInviter())),
		Domain:  settings.Domains.Admits(req.GetEmail()) && (req.GetBoundDomain() == "" || settings.Domains.Admits(req.GetBoundDomain())),
	}
	user, err := s.invited(ctx, pair, across, req)
	if err != nil {
		return nil, err
	}
	d := pair.Invite(gates, user)
	d.ResourceVersion = settings.Version()
	out := s.answer(d)
	if !home.IsZero() {
		out.HomeTenantId = home.String()
	}
	if !homeless(req) {
		out.AutomaticRedemption, _, _ = pair.Redemption()
	}
	return out, nil
}

// homeless reports a redemption by an identity that no tenant vouches for, as
// a passcode. POL-52 lets such a user skip the settings of both sides; here
// they are asked all the same when a tenant verified the domain of the invited
// address: it is the tenant that was asked at the invitation (POL-55), the
// address is one of its people, and a mailbox must be no way around a partner
// that was blocked since (POL-56). As POL-52 says, nothing of such a user is
// trusted: who it is stays unknown, and nothing is redeemed without asking.
func homeless(req *policypb.CheckInviteRequest) bool {
	return req.GetAtRedemption() && req.GetHomeTenantId() == ""
}

// homeOf is the home tenant of an invitation: the one that is known, or the
// one that verified the domain of the address (POL-55).
func (s *Decisions) homeOf(ctx context.Context, req *policypb.CheckInviteRequest) (tenant.ID, error) {
	if req.GetHomeTenantId() != "" {
		return namedTenant("home_tenant_id", req.GetHomeTenantId())
	}
	domain := req.GetEmail()[strings.LastIndexByte(req.GetEmail(), '@')+1:]
	if domain == "" {
		return tenant.ID{}, nil
	}
	return s.homes.of(ctx, s.Tenants, s.Clock, domain)
}

// invited is what can be known of the user: who owns the address is looked up
// only where a policy names users or groups (POL-55). Whoever shows a mailbox
// alone may be anybody of the home tenant (POL-50).
func (s *Decisions) invited(ctx context.Context, pair crosstenant.Pair, home tenant.ID, req *policypb.CheckInviteRequest) (crosstenant.User, error) {
	if homeless(req) {
		return crosstenant.User{}, nil
	}
	u, err := subject(req.GetSubject())
	if err != nil || pair.Home == nil || !pair.NeedsUser() {
		return u, err
	}
	if u.ID == uuid.Nil {
		account, err := s.Accounts.ResolveHomeAccount(ctx, &directorypb.ResolveHomeAccountRequest{HomeTenantId: home.String(), Email: req.GetEmail()})
		if notThere(err) {
			return u, nil
		}
		if err != nil {
			return u, err
		}
		if u.ID, err = uuid.Parse(account.GetObjectId()); err != nil {
			return u, err
		}
	}
	return u, s.knowGroups(ctx, home, &u, pair.NeedsGroups(u, false))
}

// CheckB2B decides whether a user of one tenant may use an application of
// another (POL-58 rows 1 and 3 to 5, POL-67).
func (s *Decisions) CheckB2B(ctx context.Context, req *policypb.CheckB2BRequest) (*policypb.Decision, error) {
	resource, err := namedTenant("resource_tenant_id", req.GetResourceTenantId())
	if err != nil {
		return nil, err
	}
	var home tenant.ID
	if req.GetHomeTenantId() != "" {
		if home, err = namedTenant("home_tenant_id", req.GetHomeTenantId()); err != nil {
			return nil, err
		}
	}
	user, err := subject(req.GetSubject())
	if err != nil {
		return nil, err
	}
	app, err := s.application(req)
	if err != nil {
		return nil, err
	}
	if req.GetRestriction() != nil {
		d, err := s.restricted(ctx, req.GetRestriction(), home, &user, app)
		if err != nil || !d.Allowed() {
			return s.answer(d), err
		}
	}
	if home == resource {
		home = tenant.ID{}
	}
	pair, settings, err := s.Cache.Pair(ctx, home, resource)
	if err != nil {
		return nil, err
	}
	if err := s.knowGroups(ctx, home, &user, pair.NeedsGroups(user, req.GetDirectConnect())); err != nil {
		return nil, err
	}
	d := pair.SignIn
	if req.GetDirectConnect() {
		d = pair.DirectConnect
	}
	decided := d(user, app)
	decided.ResourceVersion = settings.Version()
	out := s.answer(decided)
	c := req.GetClaims()
	trusted := pair.Honour(crosstenant.Claims{MFA: c.GetMfa(), CompliantDevice: c.GetCompliantDevice(), HybridJoined: c.GetHybridJoinedDevice()}, req.GetDirectConnect())
	out.TrustedClaims = &policypb.Claims{Mfa: trusted.MFA, CompliantDevice: trusted.CompliantDevice, HybridJoinedDevice: trusted.HybridJoined}
	out.MfaChallenge = challengeNames[trusted.MFAChallenge]
	out.AutomaticRedemption, _, _ = pair.Redemption()
	return out, nil
}

// restricted decides the tenant restrictions of a request's header (POL-68,
// POL-69). They do not concern the accounts of the tenant that set them.
func (s *Decisions) restricted(ctx context.Context, r *policypb.TenantRestriction, account tenant.ID, u *crosstenant.User, app crosstenant.Application) (crosstenant.Decision, error) {
	named, err := namedTenant("restriction.tenant_id", r.GetTenantId())
	if err != nil {
		return crosstenant.Decision{}, err
	}
	anonymous := account.IsZero()
	if anonymous {
		account = consumerTenant
	}
	stance, err := s.Cache.Stance(ctx, named, account)
	if err != nil {
		return crosstenant.Decision{}, err
	}
	if stance.PolicyID == uuid.Nil || stance.PolicyID.String() != canonical(r.GetPolicyId()) {
		return crosstenant.Decision{Rule: crosstenant.RuleTenantRestrictions, ResourceVersion: stance.Version}, nil
	}
	if named == account {
		return crosstenant.Decision{Outcome: crosstenant.Allow}, nil
	}
	if err := s.knowGroups(ctx, account, u, !anonymous && stance.RestrictionsNeedGroups(*u)); err != nil {
		return crosstenant.Decision{}, err
	}
	return stance.Restricted(*u, app, anonymous), nil
}

// GetAutomaticRedemption tells whether invitations from one tenant into
// another are redeemed without asking (POL-62).
func (s *Decisions) GetAutomaticRedemption(ctx context.Context, req *policypb.GetAutomaticRedemptionRequest) (*policypb.Decision, error) {
	resource, err := namedTenant("resource_tenant_id", req.GetResourceTenantId())
	if err != nil {
		return nil, err
	}
	var home tenant.ID
	if req.GetHomeTenantId() != "" {
		if home, err = namedTenant("home_tenant_id", req.GetHomeTenantId()); err != nil {
			return nil, err
		}
	}
	pair, settings, err := s.Cache.Pair(ctx, home, resource)
	if err != nil {
		return nil, err
	}
	d := pair.AutomaticRedemption()
	d.ResourceVersion = settings.Version()
	out := s.answer(d)
	out.AutomaticRedemption = d.Allowed()
	return out, nil
}

// GetRedemptionOrder answers the order of identity providers (POL-16).
// Passcodes are enabled in every tenant.
func (s *Decisions) GetRedemptionOrder(ctx context.Context, req *policypb.GetRedemptionOrderRequest) (*policypb.RedemptionOrder, error) {
	settings, err := s.settingsOf(ctx, "resource_tenant_id", req.GetResourceTenantId())
	if err != nil {
		return nil, err
	}
	_, order := settings.Policy.Default.Shown()
	out := &policypb.RedemptionOrder{
		Fallback: providerName(order.Fallback), PasscodeEnabled: true, PolicyVersion: settings.Version(),
	}
	for _, p := range order.Primary {
		out.Primary = append(out.Primary, providerName(p))
	}
	return out, nil
}

// GetPolicyVersion answers the present version of a tenant's policies.
func (s *Decisions) GetPolicyVersion(ctx context.Context, req *policypb.GetPolicyVersionRequest) (*policypb.PolicyVersion, error) {
	settings, err := s.settingsOf(ctx, "tenant_id", req.GetTenantId())
	if err != nil {
		return nil, err
	}
	return &policypb.PolicyVersion{PolicyVersion: settings.Version()}, nil
}

// GetGuestAccessLevel answers the rights that directory-svc enforces (POL-74).
func (s *Decisions) GetGuestAccessLevel(ctx context.Context, req *policypb.GetGuestAccessLevelRequest) (*policypb.GuestAccessLevel, error) {
	settings, err := s.settingsOf(ctx, "tenant_id", req.GetTenantId())
	if err != nil {
		return nil, err
	}
	a := settings.Authorization
	return &policypb.GuestAccessLevel{
		GuestUserRoleId: a.GuestUserRole.String(), AllowedToCreateApps: a.UserRole.CreateApps,
		AllowedToCreateSecurityGroups: a.UserRole.CreateSecurityGroups, AllowedToReadOtherUsers: a.UserRole.ReadOtherUsers,
		AllowInvitesFrom: a.AllowInvitesFrom.String(), AllowExternalIdentitiesToLeave: settings.Identities.MayLeave,
	}, nil
}

func (s *Decisions) settingsOf(ctx context.Context, field, id string) (*snapshot.Tenant, error) {
	t, err := namedTenant(field, id)
	if err != nil {
		return nil, err
	}
	return s.Cache.Tenant(ctx, t)
}

// knowGroups looks up the groups of a user where a decision needs them.
// Nobody can be asked about a user without an id.
func (s *Decisions) knowGroups(ctx context.Context, home tenant.ID, u *crosstenant.User, needed bool) error {
	if !needed || u.GroupsKnown || u.ID == uuid.Nil {
		return nil
	}
	answer, err := s.Groups.ListGroupIds(ctx, &directorypb.ListGroupIdsRequest{TenantId: home.String(), ObjectId: u.ID.String()})
	if notThere(err) {
		return nil // membership stays unknown, which counts against the user
	}
	if err != nil {
		return err
	}
	u.Groups, err = parseIDs(answer.GetGroupIds())
	u.GroupsKnown = err == nil
	return err
}

// application reads the applications of a request; none asks whether any is
// open (POL-49).
func (s *Decisions) application(req *policypb.CheckB2BRequest) (crosstenant.Application, error) {
	ids, err := parseIDs(req.GetAppIds())
	if err != nil {
		return crosstenant.Application{}, err
	}
	a := crosstenant.Application{BuiltIn: len(ids) == 0, DirectConnect: req.GetDirectConnectCapable()}
	if len(ids) > 2 {
		return a, fault.Invalid(errorspb.Reason_BAD_REQUEST, "app_ids holds the client and the resource application.")
	}
	for i, id := range ids {
		a.InSuite = a.InSuite || s.Suite[id]
		if i == 0 {
			a.Client = id
		} else {
			a.Resource = id
		}
	}
	return a, nil
}

func subject(p *policypb.Subject) (crosstenant.User, error) {
	var u crosstenant.User
	var err error
	if p.GetUserId() != "" {
		if u.ID, err = uuid.Parse(p.GetUserId()); err != nil {
			return u, fault.Invalid(errorspb.Reason_BAD_REQUEST, "subject.user_id is not a GUID.")
		}
	}
	u.Groups, err = parseIDs(p.GetGroupIds())
	u.GroupsKnown = p.GetGroupsKnown()
	return u, err
}

func parseIDs(list []string) ([]uuid.UUID, error) {
	if len(list) == 0 {
		return nil, nil
	}
	ids := make([]uuid.UUID, len(list))
	for i, text := range list {
		id, err := uuid.Parse(text)
		if err != nil {
			return nil, fault.Invalid(errorspb.Reason_BAD_REQUEST, "'%s' is not a GUID.", text)
		}
		ids[i] = id
	}
	return ids, nil
}

func namedTenant(field, id string) (tenant.ID, error) {
	t, err := tenant.Parse(id)
	if err != nil {
		return t, fault.Invalid(errorspb.Reason_BAD_REQUEST, "%s is not a tenant id.", field)
	}
	return t, nil
}

func notThere(err error) bool { return err != nil && fault.From(err).Kind == fault.KindNotFound }

// inviter reads who invites. Nobody, an unknown kind included, is a guest
// without roles.
func inviter(p *policypb.Inviter) guestsettings.Inviter {
	i := guestsettings.Inviter{Guest: true}
	switch p.GetKind() {
	case "user":
		i.Guest = p.GetGuest()
	case "application":
		i.Kind = guestsettings.InviterApplication
	case "synchronization":
		i.Kind = guestsettings.InviterSync
	}
	for _, held := range p.GetRoles() {
		for _, role := range guestsettings.InviterRoles {
			i.Privileged = i.Privileged || held == role
		}
	}
	return i
}

var (
	ruleNames = [...]string{
		crosstenant.RuleNone: "", crosstenant.RuleAllowInvitesFrom: "AllowInvitesFrom", crosstenant.RuleDomainList: "DomainList",
		crosstenant.RuleTenantRestrictions: "TenantRestrictions", crosstenant.RuleCloudGate: "CloudGate",
		crosstenant.RuleOutboundCollaboration: "OutboundCollaboration", crosstenant.RuleInboundCollaboration: "InboundCollaboration",
		crosstenant.RuleOutboundDirectConnect: "OutboundDirectConnect", crosstenant.RuleInboundDirectConnect: "InboundDirectConnect",
		crosstenant.RuleDirectConnectCapability: "DirectConnectCapability", crosstenant.RuleAutomaticRedemption: "AutomaticRedemption",
	}
	sideNames      = [...]string{crosstenant.SideNone: "none", crosstenant.SideHome: "home", crosstenant.SideResource: "resource"}
	sourceNames    = [...]string{crosstenant.FromNowhere: "", crosstenant.FromPartner: "partner", crosstenant.FromDefault: "default", crosstenant.FromSystem: "system"}
	challengeNames = [...]string{crosstenant.ChallengeResource: "resource", crosstenant.ChallengeHome: "home", crosstenant.ChallengeNever: "never"}
)

func providerName(p crosstenant.Provider) string { return provider(p + providerOffset).String() }

func (s *Decisions) answer(d crosstenant.Decision) *policypb.Decision {
	out := &policypb.Decision{
		Outcome: policypb.Decision_deny, Rule: ruleNames[d.Rule], Side: sideNames[d.Side], Source: sourceNames[d.Source], Code: d.Code,
		PolicyVersionHome: d.HomeVersion, PolicyVersionResource: d.ResourceVersion, EvaluatedAt: timestamppb.New(s.Clock.Now()),
	}
	if d.Allowed() {
		out.Outcome = policypb.Decision_allow
	}
	return out
}
