package api_test

import (
	"testing"

	errorspb "entente.dev/proto/gen/entente/errors/v1"
	policypb "entente.dev/proto/gen/entente/policy/v1"
	"entente.dev/servicekit/fault"
	"entente.dev/servicekit/tenant"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"google.golang.org/protobuf/testing/protocmp"
)

const onlyGroup = `{"usersAndGroups":{"accessType":"allowed","targets":[{"target":"` + g1 + `","targetType":"group"}]},"applications":{"accessType":"allowed","targets":[{"target":"AllApplications","targetType":"application"}]}}`

func (e *env) signIn(user string, apps ...string) *policypb.Decision {
	e.t.Helper()
	d, err := e.invitations.CheckB2B(e.t.Context(), &policypb.CheckB2BRequest{
		ResourceTenantId: contoso.String(), HomeTenantId: fabrikam.String(), Subject: &policypb.Subject{UserId: user}, AppIds: apps,
	})
	if err != nil {
		e.t.Fatal(err)
	}
	return d
}

func TestGroupsAreAskedForOnlyWhenNamed(t *testing.T) {
	t.Parallel()
	e := start(t)
	decided(t, e.signIn(u1, a1), policypb.Decision_allow, "")
	if n := e.directory.asked(); n != 0 {
		t.Errorf("%d look-ups without a named group", n)
	}
	e.addPartner(contoso, fabrikam, `{"b2bCollaborationInbound":`+onlyGroup+`}`)
	decided(t, e.signIn(u1, a1), policypb.Decision_allow, "")
	d := e.signIn(u2, a1)
	decided(t, d, policypb.Decision_deny, "InboundCollaboration")
	if d.GetCode() != "500213" || d.GetSide() != "resource" || d.GetSource() != "partner" {
		t.Errorf("decision %v", d)
	}
	if n := e.directory.asked(); n != 2 {
		t.Errorf("%d look-ups", n)
	}
	// A user whom the directory does not know is in no allowed group.
	decided(t, e.signIn(uuid.NewString(), a1), policypb.Decision_deny, "InboundCollaboration")
}

func TestTheInvitedUserIsFoundByAddress(t *testing.T) {
	t.Parallel()
	e := start(t)
	e.addPartner(contoso, fabrikam, `{"b2bCollaborationInbound":`+onlyGroup+`}`)
	decided(t, e.invite("u1@fabrikam.com", anybody), policypb.Decision_allow, "")
	decided(t, e.invite("u2@fabrikam.com", anybody), policypb.Decision_deny, "InboundCollaboration")
	decided(t, e.invite("alias@fabrikam.com", anybody), policypb.Decision_deny, "InboundCollaboration")
	decided(t, e.invite("x@unknown.example", anybody), policypb.Decision_allow, "")
}

func TestOutboundIsAsked(t *testing.T) {
	t.Parallel()
	e := start(t)
	if err := e.patchDefault(fabrikam, `{"b2bCollaborationOutbound":`+blockAll+`}`, "b2b_collaboration_outbound"); err != nil {
		t.Fatal(err)
	}
	d := e.signIn(u1, a1)
	decided(t, d, policypb.Decision_deny, "OutboundCollaboration")
	if d.GetCode() != "500212" || d.GetSide() != "home" || d.GetSource() != "default" || d.GetPolicyVersionHome() != 2 || d.GetPolicyVersionResource() != 1 {
		t.Errorf("decision %v", d)
	}
	decided(t, e.invite("u1@fabrikam.com", anybody), policypb.Decision_deny, "OutboundCollaboration")
}

// Whoever redeems by passcode has no home account, but the address has a home
// tenant, whose access may have ended since the invitation.
func TestAPasscodeIsNoWayAroundABlockedPartner(t *testing.T) {
	t.Parallel()
	e := start(t)
	redeem := func(email string) *policypb.Decision {
		t.Helper()
		d, err := e.invitations.CheckInvite(t.Context(), &policypb.CheckInviteRequest{ResourceTenantId: contoso.String(), Email: email, AtRedemption: true, BoundDomain: "fabrikam.com"})
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	for _, tenants := range [][2]tenant.ID{{contoso, fabrikam}, {fabrikam, contoso}} {
		e.addPartner(tenants[0], tenants[1], `{"automaticUserConsentSettings":{"inboundAllowed":true,"outboundAllowed":true}}`)
	}
	if d := redeem("u1@Fabrikam.com"); d.GetOutcome() != policypb.Decision_allow || d.GetAutomaticRedemption() {
		t.Errorf("open on both sides: %v", d)
	}
	// Who it is of fabrikam's users is not known, and counts against them.
	if err := e.patchDefault(fabrikam, `{"b2bCollaborationOutbound":`+onlyGroup+`}`, "b2b_collaboration_outbound"); err != nil {
		t.Fatal(err)
	}
	decided(t, e.invite("u1@fabrikam.com", anybody), policypb.Decision_allow, "")
	decided(t, redeem("u1@fabrikam.com"), policypb.Decision_deny, "OutboundCollaboration")
	if n := e.directory.asked(); n != 1 {
		t.Errorf("%d look-ups of groups", n)
	}
	if err := e.patchDefault(fabrikam, `{"b2bCollaborationOutbound":`+blockAll+`}`, "b2b_collaboration_outbound"); err != nil {
		t.Fatal(err)
	}
	decided(t, redeem("u1@fabrikam.com"), policypb.Decision_deny, "OutboundCollaboration")
	if err := e.patchDefault(contoso, `{"b2bCollaborationInbound":`+blockAll+`}`, "b2b_collaboration_inbound"); err != nil {
		t.Fatal(err)
	}
	d := redeem("u1@fabrikam.com")
	decided(t, d, policypb.Decision_deny, "InboundCollaboration")
	if d.GetSide() != "resource" || d.GetHomeTenantId() != fabrikam.String() {
		t.Errorf("decision %v", d)
	}
	// An address of no tenant, or of the own one, is no cross-tenant matter.
	decided(t, redeem("x@unknown.example"), policypb.Decision_allow, "")
	decided(t, redeem("x@contoso.com"), policypb.Decision_allow, "")
}

func TestUsersWithoutAHomeMeetNoCrossTenantSetting(t *testing.T) {
	t.Parallel()
	e := start(t)
	if err := e.patchDefault(contoso, `{"b2bCollaborationInbound":`+blockAll+`}`, "b2b_collaboration_inbound"); err != nil {
		t.Fatal(err)
	}
	for _, home := range []string{"", contoso.String()} {
		d, err := e.invitations.CheckB2B(t.Context(), &policypb.CheckB2BRequest{
			ResourceTenantId: contoso.String(), HomeTenantId: home, Claims: &policypb.Claims{Mfa: true},
		})
		if err != nil {
			t.Fatal(err)
		}
		decided(t, d, policypb.Decision_allow, "")
		if d.GetTrustedClaims().GetMfa() {
			t.Errorf("home %q: claims are trusted", home)
		}
	}
}

func TestClaimsAndRestrictions(t *testing.T) {
	t.Parallel()
	e := start(t)
	e.addPartner(contoso, fabrikam, `{"inboundTrust":{"isMfaAccepted":true},
		"tenantRestrictions":{"applications":{"accessType":"allowed","targets":[{"target":"`+a1+`","targetType":"application"}]}}}`)
	root, err := e.policies.GetCrossTenantAccessPolicy(e.as(contoso, "sr"), &policypb.GetCrossTenantAccessPolicyRequest{})
	if err != nil {
		t.Fatal(err)
	}
	check := func(home tenant.ID, app, policy string) *policypb.Decision {
		t.Helper()
		req := &policypb.CheckB2BRequest{
			ResourceTenantId: woodgrve.String(), Subject: &policypb.Subject{UserId: u1}, AppIds: []string{app},
			Restriction: &policypb.TenantRestriction{TenantId: contoso.String(), PolicyId: policy},
		}
		if !home.IsZero() {
			req.HomeTenantId = home.String()
		}
		d, err := e.invitations.CheckB2B(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	decided(t, check(fabrikam, a1, root.GetId()), policypb.Decision_allow, "")
	decided(t, check(fabrikam, a2, root.GetId()), policypb.Decision_deny, "TenantRestrictions")
	decided(t, check(contoso, a2, root.GetId()), policypb.Decision_allow, "")
	decided(t, check(tenant.ID{}, a1, root.GetId()), policypb.Decision_deny, "TenantRestrictions")
	decided(t, check(fabrikam, a1, uuid.NewString()), policypb.Decision_deny, "TenantRestrictions")

	d, err := e.invitations.CheckB2B(t.Context(), &policypb.CheckB2BRequest{
		ResourceTenantId: contoso.String(), HomeTenantId: fabrikam.String(), Subject: &policypb.Subject{UserId: u1},
		Claims: &policypb.Claims{Mfa: true, CompliantDevice: true},
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(&policypb.Claims{Mfa: true}, d.GetTrustedClaims(), protocmp.Transform()); diff != "" || d.GetMfaChallenge() != "home" {
		t.Errorf("trusted %v, challenge %s", d.GetTrustedClaims(), d.GetMfaChallenge())
	}
}

func TestDirectConnect(t *testing.T) {
	t.Parallel()
	e := start(t)
	check := func(capable bool) *policypb.Decision {
		t.Helper()
		d, err := e.invitations.CheckB2B(t.Context(), &policypb.CheckB2BRequest{
			ResourceTenantId: contoso.String(), HomeTenantId: fabrikam.String(), Subject: &policypb.Subject{UserId: u1}, AppIds: []string{a2, a1},
			DirectConnect: true, DirectConnectCapable: capable,
		})
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	decided(t, check(true), policypb.Decision_deny, "OutboundDirectConnect")
	openAll := `{"usersAndGroups":{"accessType":"allowed","targets":[{"target":"AllUsers","targetType":"user"}]},"applications":{"accessType":"allowed","targets":[{"target":"Office365","targetType":"application"}]}}`
	e.addPartner(fabrikam, contoso, `{"b2bDirectConnectOutbound":`+openAll+`}`)
	decided(t, check(true), policypb.Decision_deny, "InboundDirectConnect")
	e.addPartner(contoso, fabrikam, `{"b2bDirectConnectInbound":`+openAll+`}`)
	decided(t, check(true), policypb.Decision_allow, "")
	decided(t, check(false), policypb.Decision_deny, "DirectConnectCapability")
}

func TestAutomaticRedemption(t *testing.T) {
	t.Parallel()
	e := start(t)
	get := func() *policypb.Decision {
		t.Helper()
		d, err := e.syncs.GetAutomaticRedemption(t.Context(), &policypb.GetAutomaticRedemptionRequest{ResourceTenantId: contoso.String(), HomeTenantId: fabrikam.String()})
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	if d := get(); d.GetAutomaticRedemption() || d.GetSide() != "home" {
		t.Errorf("nothing set: %v", d)
	}
	e.addPartner(fabrikam, contoso, `{"automaticUserConsentSettings":{"outboundAllowed":true}}`)
	if d := get(); d.GetAutomaticRedemption() || d.GetSide() != "resource" {
		t.Errorf("home only: %v", d)
	}
	e.addPartner(contoso, fabrikam, `{"automaticUserConsentSettings":{"inboundAllowed":true}}`)
	if d := get(); !d.GetAutomaticRedemption() || d.GetOutcome() != policypb.Decision_allow {
		t.Errorf("both: %v", d)
	}
	if d := e.invite("u1@fabrikam.com", anybody); !d.GetAutomaticRedemption() {
		t.Errorf("invite: %v", d)
	}
}

func TestRedemptionOrderAndGuestLevel(t *testing.T) {
	t.Parallel()
	e := start(t)
	if err := e.patchDefault(contoso, `{"invitationRedemptionIdentityProviderConfiguration":{"primaryIdentityProviderPrecedenceOrder":["externalFederation"]}}`,
		"invitation_redemption_identity_provider_configuration.primary_identity_provider_precedence_order"); err != nil {
		t.Fatal(err)
	}
	order, err := e.invitations.GetRedemptionOrder(t.Context(), &policypb.GetRedemptionOrderRequest{ResourceTenantId: contoso.String()})
	want := &policypb.RedemptionOrder{Primary: []string{"externalFederation"}, Fallback: "defaultConfiguredIdp", PasscodeEnabled: true, PolicyVersion: 2}
	if diff := cmp.Diff(want, order, protocmp.Transform()); diff != "" || err != nil {
		t.Errorf("%s, %v", diff, err)
	}
	version, err := e.syncs.GetPolicyVersion(t.Context(), &policypb.GetPolicyVersionRequest{TenantId: contoso.String()})
	if err != nil || version.GetPolicyVersion() != 2 {
		t.Errorf("version %v, %v", version, err)
	}
	_, err = e.syncs.GetGuestAccessLevel(t.Context(), &policypb.GetGuestAccessLevelRequest{TenantId: contoso.String()})
	refused(t, "sync-svc asks for the guest level", err, fault.KindDenied, errorspb.Reason_ACCESS_DENIED)
}

func TestSyncUsers(t *testing.T) {
	t.Parallel()
	e := start(t)
	users := []*policypb.CheckSyncUsersRequest_User{
		{UserId: u1, Email: "u1@fabrikam.com"}, {UserId: u2, Email: "u2@fabrikam.com"}, {UserId: uuid.NewString(), Email: "x@fabrikam.com"},
	}
	check := func() *policypb.CheckSyncUsersResponse {
		t.Helper()
		r, err := e.syncs.CheckSyncUsers(t.Context(), &policypb.CheckSyncUsersRequest{SourceTenantId: fabrikam.String(), TargetTenantId: contoso.String(), Users: users})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	if r := check(); !r.GetAllAllowed() || r.GetSyncAllowed() {
		t.Errorf("open policies: %v", r)
	}
	e.addPartner(contoso, fabrikam, `{"b2bCollaborationInbound":`+onlyGroup+`}`)
	if diff := cmp.Diff([]string{"", "InboundCollaboration", "InboundCollaboration"}, check().GetRefusals()); diff != "" {
		t.Error(diff)
	}
	e.domains("BlockedDomains", "fabrikam.com")
	r := check()
	if diff := cmp.Diff([]string{"DomainList", "InboundCollaboration", "InboundCollaboration"}, r.GetRefusals()); diff != "" || r.GetAllAllowed() {
		t.Error(diff)
	}
	// Without an address nobody passes a list.
	users[0].Email = ""
	if diff := cmp.Diff("DomainList", check().GetRefusals()[0]); diff != "" {
		t.Error(diff)
	}
	users[0].Email = "u1@fabrikam.com"
	// SYN-9: of those who are there, only an address that is not admitted is refused.
	users[0].Existing, users[1].Existing, users[2].Existing = true, true, true
	users[1].Email = "u2@other.example"
	if err := e.patchAuthorization(contoso, `{"allowInvitesFrom":"none"}`, "allow_invites_from"); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"DomainList", "", "DomainList"}, check().GetRefusals()); diff != "" {
		t.Error(diff)
	}
}

func TestBadDecisionRequests(t *testing.T) {
	t.Parallel()
	e := start(t)
	bad := func(what string, err error) {
		t.Helper()
		refused(t, what, err, fault.KindInvalid, errorspb.Reason_BAD_REQUEST)
	}
	_, err := e.invitations.CheckB2B(t.Context(), &policypb.CheckB2BRequest{ResourceTenantId: "x"})
	bad("tenant", err)
	_, err = e.invitations.CheckB2B(t.Context(), &policypb.CheckB2BRequest{ResourceTenantId: contoso.String(), AppIds: []string{a1, a2, a1}})
	bad("three applications", err)
	_, err = e.invitations.CheckB2B(t.Context(), &policypb.CheckB2BRequest{ResourceTenantId: contoso.String(), Subject: &policypb.Subject{UserId: "x"}})
	bad("user", err)
	_, err = e.syncs.CheckSync(t.Context(), &policypb.CheckSyncRequest{SourceTenantId: contoso.String(), TargetTenantId: contoso.String()})
	bad("one tenant", err)
	_, err = e.syncs.CheckSyncUsers(t.Context(), &policypb.CheckSyncUsersRequest{SourceTenantId: fabrikam.String(), TargetTenantId: contoso.String(), Users: make([]*policypb.CheckSyncUsersRequest_User, 501)})
	bad("too many users", err)
	// Named tenants are for services: no person may ask, by whatever path.
	_, err = policypb.NewDecisionServiceClient(e.gateway).CheckSync(e.as(contoso, "ga"), &policypb.CheckSyncRequest{})
	refused(t, "a person", err, fault.KindDenied, errorspb.Reason_ACCESS_DENIED)
}
