package api_test

import (
	"strings"
	"testing"

	errorspb "entente.dev/proto/gen/entente/errors/v1"
	policypb "entente.dev/proto/gen/entente/policy/v1"
	"entente.dev/servicekit/fault"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/testing/protocmp"
)

// systemDefault is the table of POL-18.
const systemDefault = `{
	"isServiceDefault": true,
	"b2bCollaborationInbound":  {"usersAndGroups": {"accessType":"allowed","targets":[{"target":"AllUsers","targetType":"user"}]}, "applications": {"accessType":"allowed","targets":[{"target":"AllApplications","targetType":"application"}]}},
	"b2bCollaborationOutbound": {"usersAndGroups": {"accessType":"allowed","targets":[{"target":"AllUsers","targetType":"user"}]}, "applications": {"accessType":"allowed","targets":[{"target":"AllApplications","targetType":"application"}]}},
	"b2bDirectConnectInbound":  {"usersAndGroups": {"accessType":"blocked","targets":[{"target":"AllUsers","targetType":"user"}]}, "applications": {"accessType":"blocked","targets":[{"target":"AllApplications","targetType":"application"}]}},
	"b2bDirectConnectOutbound": {"usersAndGroups": {"accessType":"blocked","targets":[{"target":"AllUsers","targetType":"user"}]}, "applications": {"accessType":"blocked","targets":[{"target":"AllApplications","targetType":"application"}]}},
	"inboundTrust": {"isMfaAccepted":false,"isCompliantDeviceAccepted":false,"isHybridAzureADJoinedDeviceAccepted":false},
	"automaticUserConsentSettings": {"inboundAllowed":false,"outboundAllowed":false},
	"tenantRestrictions": {"usersAndGroups": {"accessType":"blocked","targets":[{"target":"AllUsers","targetType":"user"}]}, "applications": {"accessType":"blocked","targets":[{"target":"AllApplications","targetType":"application"}]}},
	"invitationRedemptionIdentityProviderConfiguration": {"primaryIdentityProviderPrecedenceOrder":["azureActiveDirectory","externalFederation","socialIdentityProviders"],"fallbackIdentityProvider":"defaultConfiguredIdp"}
}`

func isSystemDefault(t *testing.T, got *policypb.CrossTenantAccessPolicyConfigurationDefault) {
	t.Helper()
	want := &policypb.CrossTenantAccessPolicyConfigurationDefault{}
	if err := protojson.Unmarshal([]byte(systemDefault), want); err != nil {
		t.Fatal(err)
	}
	want.Id = got.GetId()
	if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" || got.GetId() == "" {
		t.Errorf("default (-want +got):\n%s", diff)
	}
}

func TestAC1_ANewTenantHasTheSystemDefault(t *testing.T) {
	t.Parallel()
	e := start(t)
	isSystemDefault(t, e.getDefault(contoso))
}

func TestAC2_CustomizingTheDefault(t *testing.T) {
	t.Parallel()
	e := start(t)
	if err := e.patchDefault(contoso, `{"inboundTrust":{"isMfaAccepted":true}}`, "inbound_trust.is_mfa_accepted"); err != nil {
		t.Fatal(err)
	}
	if d := e.getDefault(contoso); d.GetIsServiceDefault() || !d.GetInboundTrust().GetIsMfaAccepted() {
		t.Errorf("default %v", d)
	}
	event := e.last(contoso)
	if event.GetCategory() != "CrossTenantAccessSettings" || event.GetActivityDisplayName() != "Update the company default cross-tenant access setting" ||
		modified(t, event, 0).GetDisplayName() != "inboundTrust" {
		t.Errorf("event %v", event)
	}
	if target := event.GetTargetResources()[0]; target.GetType() != "Policy" || target.GetId() != e.getDefault(contoso).GetId() {
		t.Errorf("target %v", target)
	}
}

func TestAC3_ResettingTheDefault(t *testing.T) {
	t.Parallel()
	e := start(t)
	if err := e.patchDefault(contoso, `{"inboundTrust":{"isMfaAccepted":true}}`, "inbound_trust.is_mfa_accepted"); err != nil {
		t.Fatal(err)
	}
	e.last(contoso)
	reset := func() {
		t.Helper()
		if _, err := e.policies.ResetDefault(e.as(contoso, "sa"), &policypb.ResetDefaultRequest{}); err != nil {
			t.Fatal(err)
		}
	}
	reset()
	isSystemDefault(t, e.getDefault(contoso))
	event := e.last(contoso)
	if event.GetActivityDisplayName() != "Reset the cross-tenant access default setting" || event.GetOperationType() != "Reset" {
		t.Errorf("event %v", event)
	}
	if m := modified(t, event, 0); m.GetDisplayName() != "isServiceDefault" || m.GetOldValue() != "false" || m.GetNewValue() != "true" {
		t.Errorf("modified %v", m)
	}
	before := len(e.events(contoso))
	reset()
	if got := len(e.events(contoso)); got != before+1 {
		t.Errorf("a second reset left %d events", got-before)
	}
}

func TestAC4_AddingAPartner(t *testing.T) {
	t.Parallel()
	e := start(t)
	id := fabrikam.String()
	upper := strings.ToUpper(id)
	got, err := e.policies.CreatePartner(e.as(contoso, "app"), &policypb.CreatePartnerRequest{
		Partner: &policypb.CrossTenantAccessPolicyConfigurationPartner{TenantId: &upper},
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(&policypb.CrossTenantAccessPolicyConfigurationPartner{TenantId: &id}, got, protocmp.Transform()); diff != "" {
		t.Error(diff)
	}
	event := e.last(contoso)
	if m := modified(t, event, 0); m.GetDisplayName() != "tenantId" || m.OldValue != nil || m.GetNewValue() != `"`+id+`"` {
		t.Errorf("modified %v", m)
	}
	if event.GetActivityDisplayName() != "Add a partner to cross-tenant access setting" || event.GetTargetResources()[0].GetDisplayName() != "Fabrikam" ||
		event.GetLoggedByService() != "Core Directory" {
		t.Errorf("event %v", event)
	}
}

func TestAC5_AddingAPartnerTwice(t *testing.T) {
	t.Parallel()
	e := start(t)
	e.addPartner(contoso, fabrikam, `{}`)
	e.last(contoso)
	id := fabrikam.String()
	_, err := e.policies.CreatePartner(e.as(contoso, "sa"), &policypb.CreatePartnerRequest{
		Partner: &policypb.CrossTenantAccessPolicyConfigurationPartner{TenantId: &id},
	})
	refused(t, "second add", err, fault.KindExists, errorspb.Reason_PARTNER_EXISTS)
	event := e.last(contoso)
	if event.GetResult().String() != "failure" || event.GetResultReason() == "" || len(event.GetTargetResources()[0].GetModifiedProperties()) != 0 ||
		event.GetActivityDisplayName() != "Add a partner to cross-tenant access setting" {
		t.Errorf("event %v", event)
	}
	list, err := e.policies.ListPartners(e.as(contoso, "sr"), &policypb.ListPartnersRequest{})
	if err != nil || len(list.GetValue()) != 1 {
		t.Errorf("partners %v, %v", list, err)
	}
}

func TestAC6_BadPartnerIds(t *testing.T) {
	t.Parallel()
	e := start(t)
	for _, id := range []string{"", contoso.String(), "fabrikam.com", "eeeeeeee-0000-4000-8000-000000000009"} {
		_, err := e.policies.CreatePartner(e.as(contoso, "sa"), &policypb.CreatePartnerRequest{
			Partner: &policypb.CrossTenantAccessPolicyConfigurationPartner{TenantId: &id},
		})
		refused(t, "tenantId "+id, err, fault.KindInvalid, errorspb.Reason_INVALID_REQUEST)
	}
	if n := len(e.events(contoso)); n != 0 {
		t.Errorf("%d audit records of 400s", n)
	}
}

func TestAC7_AMissingHalfIsCompletedAtEvaluation(t *testing.T) {
	t.Parallel()
	e := start(t)
	e.addPartner(contoso, fabrikam, `{}`)
	err := e.patchPartner(contoso, fabrikam,
		`{"b2bDirectConnectInbound":{"applications":{"accessType":"allowed","targets":[{"target":"Office365","targetType":"application"}]}}}`,
		"b2b_direct_connect_inbound.applications.access_type", "b2b_direct_connect_inbound.applications.targets")
	if err != nil {
		t.Fatal(err)
	}
	p, err := e.policies.GetPartner(e.as(contoso, "sr"), &policypb.GetPartnerRequest{TenantId: fabrikam.String()})
	if err != nil || p.GetB2BDirectConnectInbound().GetUsersAndGroups() != nil || p.GetB2BDirectConnectInbound().GetApplications() == nil {
		t.Errorf("partner %v, %v", p, err)
	}
	users := e.effective(contoso, fabrikam).GetB2BDirectConnectInbound()
	if users.GetSource().String() != "partner" || users.GetValue().GetUsersAndGroups().GetAccessType().String() != "allowed" ||
		users.GetValue().GetUsersAndGroups().GetTargets()[0].GetTarget() != "AllUsers" {
		t.Errorf("effective %v", users)
	}
}

func TestAC8_ConflictingHalvesChangeNothing(t *testing.T) {
	t.Parallel()
	e := start(t)
	e.addPartner(contoso, fabrikam, `{}`)
	err := e.patchPartner(contoso, fabrikam, `{"b2bCollaborationInbound":{
		"usersAndGroups":{"accessType":"allowed","targets":[{"target":"`+g1+`","targetType":"group"}]},
		"applications":{"accessType":"blocked","targets":[{"target":"AllApplications","targetType":"application"}]}}}`, "b2b_collaboration_inbound")
	refused(t, "conflict", err, fault.KindInvalid, errorspb.Reason_CONFLICTING_SETTINGS)
	p, err := e.policies.GetPartner(e.as(contoso, "sr"), &policypb.GetPartnerRequest{TenantId: fabrikam.String()})
	if err != nil || p.GetB2BCollaborationInbound() != nil {
		t.Errorf("partner %v, %v", p, err)
	}
}

func TestAC9_WhatADefaultRefuses(t *testing.T) {
	t.Parallel()
	e := start(t)
	err := e.patchDefault(contoso, `{"b2bCollaborationInbound":{"usersAndGroups":{"accessType":"blocked","targets":[{"target":"`+u1+`","targetType":"user"}]}}}`,
		"b2b_collaboration_inbound.users_and_groups")
	refused(t, "a user inbound", err, fault.KindInvalid, errorspb.Reason_INVALID_REQUEST)
	err = e.patchDefault(contoso, `{"automaticUserConsentSettings":{"inboundAllowed":true}}`, "automatic_user_consent_settings.inbound_allowed")
	refused(t, "automatic consent", err, fault.KindInvalid, errorspb.Reason_INVALID_REQUEST)
	isSystemDefault(t, e.getDefault(contoso))
}

func TestAC10_TrustInheritsLeafByLeaf(t *testing.T) {
	t.Parallel()
	e := start(t)
	if err := e.patchDefault(contoso, `{"inboundTrust":{"isCompliantDeviceAccepted":true}}`, "inbound_trust.is_compliant_device_accepted"); err != nil {
		t.Fatal(err)
	}
	e.addPartner(contoso, fabrikam, `{}`)
	if err := e.patchPartner(contoso, fabrikam, `{"inboundTrust":{"isMfaAccepted":true}}`, "inbound_trust.is_mfa_accepted"); err != nil {
		t.Fatal(err)
	}
	a := e.effective(contoso, fabrikam)
	if m, c := a.GetIsMfaAccepted(), a.GetIsCompliantDeviceAccepted(); !m.GetValue() || m.GetSource().String() != "partner" || !c.GetValue() || c.GetSource().String() != "default" {
		t.Errorf("mfa %v, compliant %v", m, c)
	}
	if err := e.patchPartner(contoso, fabrikam, `{}`, "inbound_trust"); err != nil {
		t.Fatal(err)
	}
	a = e.effective(contoso, fabrikam)
	if m, c := a.GetIsMfaAccepted(), a.GetIsCompliantDeviceAccepted(); m.GetValue() || m.GetSource().String() != "system" || !c.GetValue() || c.GetSource().String() != "default" {
		t.Errorf("after null: mfa %v, compliant %v", m, c)
	}
}

func TestAC11_TheSyncPolicyGoesFirst(t *testing.T) {
	t.Parallel()
	e := start(t)
	e.addPartner(contoso, fabrikam, `{}`)
	if err := e.putSync(contoso, fabrikam, `{"userSyncInbound":{"isSyncAllowed":true}}`); err != nil {
		t.Fatal(err)
	}
	remove := func() error {
		_, err := e.policies.DeletePartner(e.as(contoso, "sa"), &policypb.DeletePartnerRequest{TenantId: fabrikam.String()})
		return err
	}
	refused(t, "partner with a sync policy", remove(), fault.KindInvalid, errorspb.Reason_SYNC_POLICY_EXISTS)
	if _, err := e.policies.DeleteIdentitySynchronization(e.as(contoso, "sa"), &policypb.DeleteIdentitySynchronizationRequest{TenantId: fabrikam.String()}); err != nil {
		t.Fatal(err)
	}
	e.clock.Advance(1e9)
	if err := remove(); err != nil {
		t.Fatal(err)
	}
	if m := modified(t, e.last(contoso), 0); m.GetDisplayName() != "tenantId" || m.NewValue != nil {
		t.Errorf("modified %v", m)
	}
	refused(t, "gone", remove(), fault.KindNotFound, errorspb.Reason_NOT_FOUND)
}

func TestAC12_AServiceProviderStays(t *testing.T) {
	t.Parallel()
	e := start(t)
	e.addPartner(contoso, fabrikam, `{}`)
	body, m := read(t, &policypb.CrossTenantAccessPolicyConfigurationPartner{}, `{"isServiceProvider":true}`, "is_service_provider")
	req := &policypb.UpdatePartnerRequest{TenantId: fabrikam.String(), Partner: body, UpdateMask: m}
	_, err := e.policies.UpdatePartner(e.as(contoso, "sa"), req)
	refused(t, "a Security Administrator", err, fault.KindDenied, errorspb.Reason_ACCESS_DENIED)
	if _, err := e.policies.UpdatePartner(e.as(contoso, "ga"), req); err != nil {
		t.Fatal(err)
	}
	e.last(contoso)
	_, err = e.policies.DeletePartner(e.as(contoso, "ga"), &policypb.DeletePartnerRequest{TenantId: fabrikam.String()})
	refused(t, "delete", err, fault.KindDenied, errorspb.Reason_ACCESS_DENIED)
	if event := e.last(contoso); event.GetResult().String() != "failure" {
		t.Errorf("event %v", event)
	}
}

func TestAC13_SyncPolicyEvents(t *testing.T) {
	t.Parallel()
	e := start(t)
	e.addPartner(contoso, fabrikam, `{}`)
	e.last(contoso)
	if err := e.putSync(contoso, fabrikam, `{"userSyncInbound":{"isSyncAllowed":true}}`); err != nil {
		t.Fatal(err)
	}
	event := e.last(contoso)
	if m := modified(t, event, 0); event.GetActivityDisplayName() != "Create a partner cross-tenant identity sync setting" ||
		event.GetCategory() != "CrossTenantIdentitySyncSettings" || m.GetDisplayName() != "userSyncInbound" || !strings.Contains(m.GetNewValue(), "true") {
		t.Errorf("event %v", event)
	}
	body, m := read(t, &policypb.CrossTenantIdentitySyncPolicyPartner{}, `{"userSyncInbound":{"isSyncAllowed":false}}`, "user_sync_inbound.is_sync_allowed")
	if _, err := e.policies.UpdateIdentitySynchronization(e.as(contoso, "sa"), &policypb.UpdateIdentitySynchronizationRequest{
		TenantId: fabrikam.String(), IdentitySynchronization: body, UpdateMask: m}); err != nil {
		t.Fatal(err)
	}
	event = e.last(contoso)
	if m := modified(t, event, 0); event.GetActivityDisplayName() != "Update a partner cross-tenant identity sync setting" || !strings.Contains(m.GetNewValue(), "false") {
		t.Errorf("event %v", event)
	}
	// A second PUT replaces (POL-34).
	if err := e.putSync(contoso, fabrikam, `{"displayName":"Fabrikam"}`); err != nil {
		t.Fatal(err)
	}
	if event := e.last(contoso); event.GetActivityDisplayName() != "Update a partner cross-tenant identity sync setting" {
		t.Errorf("event %v", event)
	}
	got, err := e.policies.GetIdentitySynchronization(e.as(contoso, "sr"), &policypb.GetIdentitySynchronizationRequest{TenantId: fabrikam.String()})
	if err != nil || got.GetUserSyncInbound() != nil || got.GetDisplayName() != "Fabrikam" || got.GetTenantId() != fabrikam.String() {
		t.Errorf("policy %v, %v", got, err)
	}
}

func TestAC14_ReadersMayNotChange(t *testing.T) {
	t.Parallel()
	e := start(t)
	e.addPartner(contoso, fabrikam, `{}`)
	e.last(contoso)
	for _, id := range []string{fabrikam.String(), woodgrve.String(), ""} {
		_, err := e.policies.UpdatePartner(e.as(contoso, "sr"), &policypb.UpdatePartnerRequest{TenantId: id})
		refused(t, "partner "+id, err, fault.KindDenied, errorspb.Reason_ACCESS_DENIED)
	}
	event := e.last(contoso)
	if event.GetResult().String() != "failure" || event.GetActivityDisplayName() != "Update a partner cross-tenant access setting" {
		t.Errorf("event %v", event)
	}
}

// invite asks as invitation-svc does.
func (e *env) invite(address string, inviter *policypb.Inviter) *policypb.Decision {
	e.t.Helper()
	d, err := e.invitations.CheckInvite(e.t.Context(), &policypb.CheckInviteRequest{ResourceTenantId: contoso.String(), Email: address, Inviter: inviter})
	if err != nil {
		e.t.Fatal(err)
	}
	return d
}

func decided(t *testing.T, d *policypb.Decision, outcome policypb.Decision_Outcome, rule string) {
	t.Helper()
	if d.GetOutcome() != outcome || d.GetRule() != rule && outcome == policypb.Decision_deny {
		t.Errorf("got %s by %q (%s, %s, %s), want %s by %q", d.GetOutcome(), d.GetRule(), d.GetSide(), d.GetSource(), d.GetCode(), outcome, rule)
	}
}

func TestAC17_NobodyInvites(t *testing.T) {
	t.Parallel()
	e := start(t)
	if err := e.patchAuthorization(contoso, `{"allowInvitesFrom":"none"}`, "allow_invites_from"); err != nil {
		t.Fatal(err)
	}
	d := e.invite("u1@fabrikam.com", &policypb.Inviter{Kind: "user", Roles: []string{"Global Administrator"}})
	decided(t, d, policypb.Decision_deny, "AllowInvitesFrom")
	if d.GetCode() != "Authorization_RequestDenied" {
		t.Errorf("code %s", d.GetCode())
	}
	event := e.last(contoso)
	if m := modified(t, event, 0); event.GetCategory() != "AuthorizationPolicy" || event.GetActivityDisplayName() != "Update authorization policy" ||
		m.GetDisplayName() != "allowInvitesFrom" || m.GetOldValue() != `"everyone"` || m.GetNewValue() != `"none"` {
		t.Errorf("event %v", event)
	}
}

func TestAC18_AdministratorsAndGuestInvitersInvite(t *testing.T) {
	t.Parallel()
	e := start(t)
	if err := e.patchAuthorization(contoso, `{"allowInvitesFrom":"adminsAndGuestInviters"}`, "allow_invites_from"); err != nil {
		t.Fatal(err)
	}
	decided(t, e.invite("u1@fabrikam.com", &policypb.Inviter{Kind: "user"}), policypb.Decision_deny, "AllowInvitesFrom")
	decided(t, e.invite("u1@fabrikam.com", &policypb.Inviter{Kind: "application"}), policypb.Decision_deny, "AllowInvitesFrom")
	decided(t, e.invite("u1@fabrikam.com", nil), policypb.Decision_deny, "AllowInvitesFrom")
	decided(t, e.invite("u1@fabrikam.com", &policypb.Inviter{Kind: "user", Roles: []string{"Guest Inviter"}}), policypb.Decision_allow, "")
}

// anybody is an inviter whom no setting stops but none.
var anybody = &policypb.Inviter{Kind: "synchronization"}

func (e *env) domains(kind, domain string) *policypb.B2BManagementPolicy {
	e.t.Helper()
	name, yes := "Domains", true
	p, err := e.settings.CreateB2BManagementPolicy(e.as(contoso, "ga"), &policypb.CreateB2BManagementPolicyRequest{Policy: &policypb.B2BManagementPolicy{
		DisplayName: &name, IsOrganizationDefault: &yes,
		Definition: []string{`{"B2BManagementPolicy":{"InvitationsAllowedAndBlockedDomainsPolicy":{"` + kind + `":["` + domain + `"]}}}`},
	}})
	if err != nil {
		e.t.Fatal(err)
	}
	return p
}

func TestAC19_ABlockedDomain(t *testing.T) {
	t.Parallel()
	e := start(t)
	p := e.domains("BlockedDomains", "fabrikam.com")
	decided(t, e.invite("u1@fabrikam.com", anybody), policypb.Decision_deny, "DomainList")
	decided(t, e.invite("x@elsewhere.example", anybody), policypb.Decision_allow, "")
	event := e.last(contoso)
	if m := modified(t, event, 0); event.GetActivityDisplayName() != "Add policy" || event.GetCategory() != "Policy" ||
		event.GetTargetResources()[0].GetId() != p.GetId() || m.GetDisplayName() != "definition" || m.OldValue != nil {
		t.Errorf("event %v", event)
	}
}

const blockAll = `{"usersAndGroups":{"accessType":"blocked","targets":[{"target":"AllUsers","targetType":"user"}]},"applications":{"accessType":"blocked","targets":[{"target":"AllApplications","targetType":"application"}]}}`

func TestAC20_AnAllowedDomainStillNeedsCrossTenantAccess(t *testing.T) {
	t.Parallel()
	e := start(t)
	e.domains("AllowedDomains", "fabrikam.com")
	e.addPartner(contoso, fabrikam, `{"b2bCollaborationInbound":`+blockAll+`}`)
	d := e.invite("u1@fabrikam.com", anybody)
	decided(t, d, policypb.Decision_deny, "InboundCollaboration")
	if d.GetHomeTenantId() != fabrikam.String() || d.GetSide() != "resource" || d.GetSource() != "partner" {
		t.Errorf("decision %v", d)
	}
	decided(t, e.invite("x@elsewhere.example", anybody), policypb.Decision_deny, "DomainList")
}

func TestAC21_ABlocklistStopsPendingRedemptionsOnly(t *testing.T) {
	t.Parallel()
	e := start(t)
	redeem := func() *policypb.Decision {
		t.Helper()
		d, err := e.invitations.CheckInvite(t.Context(), &policypb.CheckInviteRequest{
			ResourceTenantId: contoso.String(), Email: "u1@partner.example", AtRedemption: true, HomeTenantId: fabrikam.String(),
			Subject: &policypb.Subject{UserId: u1}, BoundDomain: "fabrikam.com",
		})
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	decided(t, redeem(), policypb.Decision_allow, "")
	e.domains("BlockedDomains", "fabrikam.com")
	decided(t, redeem(), policypb.Decision_deny, "DomainList")
	d, err := e.invitations.CheckB2B(t.Context(), &policypb.CheckB2BRequest{
		ResourceTenantId: contoso.String(), HomeTenantId: fabrikam.String(), Subject: &policypb.Subject{UserId: u1}, AppIds: []string{a1},
	})
	if err != nil {
		t.Fatal(err)
	}
	decided(t, d, policypb.Decision_allow, "")
}

func TestAC22_BadDomainLists(t *testing.T) {
	t.Parallel()
	e := start(t)
	name := "Domains"
	create := func(definition string) error {
		_, err := e.settings.CreateB2BManagementPolicy(e.as(contoso, "ga"), &policypb.CreateB2BManagementPolicyRequest{
			Policy: &policypb.B2BManagementPolicy{DisplayName: &name, Definition: []string{definition}},
		})
		return err
	}
	long := `{"B2BManagementPolicy":{"Other":"` + strings.Repeat("x", 25_001-len(`{"B2BManagementPolicy":{"Other":""}}`)) + `"}}`
	refused(t, "25 001 characters", create(long), fault.KindInvalid, errorspb.Reason_INVALID_REQUEST)
	if err := create(strings.Replace(long, "x", "", 1)); err != nil {
		t.Errorf("25 000 characters: %v", err)
	}
	refused(t, "both lists", create(`{"B2BManagementPolicy":{"InvitationsAllowedAndBlockedDomainsPolicy":{"AllowedDomains":["a.example"],"BlockedDomains":["b.example"]}}}`),
		fault.KindInvalid, errorspb.Reason_INVALID_REQUEST)
	refused(t, "second policy", create(`{"B2BManagementPolicy":{}}`), fault.KindExists, errorspb.Reason_DOMAIN_LIST_EXISTS)
}

func TestAC23_BothSidesOfAutomaticRedemption(t *testing.T) {
	t.Parallel()
	e := start(t)
	check := func() *policypb.CheckSyncResponse {
		t.Helper()
		r, err := e.syncs.CheckSync(t.Context(), &policypb.CheckSyncRequest{SourceTenantId: fabrikam.String(), TargetTenantId: contoso.String()})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	failing := func(r *policypb.CheckSyncResponse) (out []string) {
		for _, f := range r.GetFailures() {
			out = append(out, f.GetTarget()+" "+f.GetCode())
		}
		return out
	}
	e.addPartner(contoso, fabrikam, `{"automaticUserConsentSettings":{"inboundAllowed":true}}`)
	if err := e.putSync(contoso, fabrikam, `{"userSyncInbound":{"isSyncAllowed":true}}`); err != nil {
		t.Fatal(err)
	}
	r := check()
	if diff := cmp.Diff([]string{"source.outbound AzureDirectoryB2BManagementPolicyCheckFailure"}, failing(r)); diff != "" || r.GetAllowed() {
		t.Errorf("one side: %v %s", r, diff)
	}
	e.addPartner(fabrikam, contoso, `{"automaticUserConsentSettings":{"outboundAllowed":true}}`)
	if r := check(); !r.GetAllowed() || len(r.GetFailures()) != 0 || r.GetPolicyVersion() == 0 || !r.GetValidUntil().AsTime().After(e.clock.Now()) {
		t.Errorf("both sides: %v", r)
	}
	if err := e.patchAuthorization(contoso, `{"allowInvitesFrom":"none"}`, "allow_invites_from"); err != nil {
		t.Fatal(err)
	}
	// Those who are there stay in step; nobody new comes (SYN-9).
	if r := check(); !r.GetAllowed() || !r.GetInvitationsOff() {
		t.Errorf("nobody invites: %v", r)
	}
	users, err := e.syncs.CheckSyncUsers(t.Context(), &policypb.CheckSyncUsersRequest{
		SourceTenantId: fabrikam.String(), TargetTenantId: contoso.String(), Users: []*policypb.CheckSyncUsersRequest_User{{UserId: u1}},
	})
	if err != nil || users.GetAllAllowed() || !users.GetSyncAllowed() || users.GetRefusals()[0] != "AllowInvitesFrom" {
		t.Errorf("nobody invites: %v, %v", users, err)
	}
}
