package api_test

import (
	"sync"
	"testing"

	errorspb "entente.dev/proto/gen/entente/errors/v1"
	odatapb "entente.dev/proto/gen/entente/odata/v1"
	policypb "entente.dev/proto/gen/entente/policy/v1"
	"entente.dev/servicekit/fault"
	"entente.dev/servicekit/pg"
	"entente.dev/servicekit/tenant"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/testing/protocmp"
)

func TestFirstReadersGetOneRoot(t *testing.T) {
	t.Parallel()
	e := start(t)
	ids := make([]string, 8)
	var wait sync.WaitGroup
	for i := range ids {
		wait.Go(func() {
			p, err := e.policies.GetCrossTenantAccessPolicy(e.as(contoso, "sr"), &policypb.GetCrossTenantAccessPolicyRequest{})
			if err != nil {
				t.Error(err)
			}
			ids[i] = p.GetId()
		})
	}
	wait.Wait()
	for _, id := range ids {
		if id == "" || id != ids[0] {
			t.Errorf("roots %v", ids)
		}
	}
}

func TestChangingTheRoot(t *testing.T) {
	t.Parallel()
	e := start(t)
	patch := func(text string, paths ...string) error {
		p, m := read(t, &policypb.CrossTenantAccessPolicy{}, text, paths...)
		_, err := e.policies.UpdateCrossTenantAccessPolicy(e.as(contoso, "sa"), &policypb.UpdateCrossTenantAccessPolicyRequest{Policy: p, UpdateMask: m})
		return err
	}
	if err := patch(`{"allowedCloudEndpoints":["microsoftonline.us","peer.example"]}`, "allowed_cloud_endpoints"); err != nil {
		t.Fatal(err)
	}
	event := e.last(contoso)
	if m := modified(t, event, 0); event.GetActivityDisplayName() != "Update the cross-tenant access setting cloud endpoints" || m.GetNewValue() != `["microsoftonline.us","peer.example"]` {
		t.Errorf("event %v", event)
	}
	for _, bad := range []string{`["entente.example"]`, `["elsewhere.example"]`, `["microsoftonline.us","microsoftonline.us"]`} {
		refused(t, bad, patch(`{"allowedCloudEndpoints":`+bad+`}`, "allowed_cloud_endpoints"), fault.KindInvalid, errorspb.Reason_INVALID_REQUEST)
	}
	refused(t, "id", patch(`{"id":"`+uuid.NewString()+`"}`, "id"), fault.KindInvalid, errorspb.Reason_PROPERTY_READ_ONLY)
	p, err := e.policies.GetCrossTenantAccessPolicy(e.as(contoso, "sr"), &policypb.GetCrossTenantAccessPolicyRequest{})
	if err != nil || len(p.GetAllowedCloudEndpoints()) != 2 {
		t.Errorf("root %v, %v", p, err)
	}
}

func TestAChangeOfNothingLeavesNoTrace(t *testing.T) {
	t.Parallel()
	e := start(t)
	e.addPartner(contoso, fabrikam, `{"inboundTrust":{"isMfaAccepted":true}}`)
	before, version := len(e.events(contoso)), e.effective(contoso, fabrikam).GetPolicyVersion()
	if err := e.patchPartner(contoso, fabrikam, `{"inboundTrust":{"isMfaAccepted":true}}`, "inbound_trust.is_mfa_accepted"); err != nil {
		t.Fatal(err)
	}
	if after := len(e.events(contoso)); after != before {
		t.Errorf("%d events", after-before)
	}
	if after := e.effective(contoso, fabrikam).GetPolicyVersion(); after != version {
		t.Errorf("version %d became %d", version, after)
	}
}

func TestReadOnlyPropertiesOfAPartner(t *testing.T) {
	t.Parallel()
	e := start(t)
	e.addPartner(contoso, fabrikam, `{}`)
	for _, c := range []struct{ text, path string }{
		{`{"tenantId":"` + woodgrve.String() + `"}`, "tenant_id"},
		{`{"isInMultiTenantOrganization":true}`, "is_in_multi_tenant_organization"},
		{`{"identitySynchronization":{}}`, "identity_synchronization"},
	} {
		refused(t, c.path, e.patchPartner(contoso, fabrikam, c.text, c.path), fault.KindInvalid, errorspb.Reason_PROPERTY_READ_ONLY)
	}
	refused(t, "reserved", e.patchPartner(contoso, fabrikam, `{"m365CollaborationInbound":{"users":{}}}`, "m365_collaboration_inbound"),
		fault.KindInvalid, errorspb.Reason_INVALID_REQUEST)
	if err := e.patchPartner(contoso, fabrikam, `{"tenantId":"`+fabrikam.String()+`","isServiceProvider":null}`, "tenant_id", "is_service_provider"); err != nil {
		t.Errorf("equal values: %v", err)
	}
}

func TestETags(t *testing.T) {
	t.Parallel()
	e := start(t)
	e.addPartner(contoso, fabrikam, `{}`)
	var header metadata.MD
	tag := func() string {
		t.Helper()
		if _, err := e.policies.GetPartner(e.as(contoso, "sr"), &policypb.GetPartnerRequest{TenantId: fabrikam.String()}, grpc.Header(&header)); err != nil {
			t.Fatal(err)
		}
		return header.Get("etag")[0]
	}
	change := func(match, value string) error {
		p, m := read(t, &policypb.CrossTenantAccessPolicyConfigurationPartner{}, `{"inboundTrust":{"isMfaAccepted":`+value+`}}`, "inbound_trust.is_mfa_accepted")
		ctx := metadata.AppendToOutgoingContext(e.as(contoso, "sa"), "if-match", match)
		_, err := e.policies.UpdatePartner(ctx, &policypb.UpdatePartnerRequest{TenantId: fabrikam.String(), Partner: p, UpdateMask: m})
		return err
	}
	first := tag()
	if err := change(first, "true"); err != nil {
		t.Fatal(err)
	}
	if tag() == first {
		t.Error("the tag did not change")
	}
	refused(t, "stale", change(first, "false"), fault.KindAborted, errorspb.Reason_STALE_ETAG)
	if err := change("*", "false"); err != nil {
		t.Error(err)
	}
}

func TestAWideningSettingIsWarnedAbout(t *testing.T) {
	t.Parallel()
	e := start(t)
	p, _ := read(t, &policypb.CrossTenantAccessPolicyConfigurationPartner{}, `{"tenantId":"`+fabrikam.String()+`",
		"b2bDirectConnectInbound":{"usersAndGroups":{"accessType":"blocked","targets":[{"target":"`+g1+`","targetType":"group"}]}}}`)
	var header metadata.MD
	if _, err := e.policies.CreatePartner(e.as(contoso, "sa"), &policypb.CreatePartnerRequest{Partner: p}, grpc.Header(&header)); err != nil {
		t.Fatal(err)
	}
	if got := header.Get("entente-policy-warning"); len(got) != 1 || got[0] != "widens-default" {
		t.Errorf("warning %v", got)
	}
}

func TestListingPartners(t *testing.T) {
	t.Parallel()
	e := start(t)
	err := e.db.Write(t.Context(), contoso, func(tx *pg.Tx) error {
		_, err := tx.Pgx().Exec(t.Context(), `
			insert into partners (tenant_id, id, partner_tenant_id, settings, is_service_provider, has_sync, sync_users, revision, created_at)
			select $1, gen_random_uuid(), lpad(to_hex(i), 32, '0')::uuid, '{}', case when i = 7 then true end, i = 3, i = 3, 1, now() from generate_series(1, 25) i`, contoso.UUID())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	list := func(q *odatapb.Query) (*policypb.ListPartnersResponse, error) {
		return e.policies.ListPartners(e.as(contoso, "sr"), &policypb.ListPartnersRequest{Query: q})
	}
	size, yes := int32(10), true
	var seen []string
	for q := (&odatapb.Query{Top: &size, Count: &yes}); ; {
		page, err := list(q)
		if err != nil {
			t.Fatal(err)
		}
		if first := q.GetSkiptoken() == ""; first != (page.OdataCount != nil) || first && page.GetOdataCount() != 25 {
			t.Errorf("count %v", page.OdataCount)
		}
		for _, p := range page.GetValue() {
			seen = append(seen, p.GetTenantId())
		}
		if page.GetNextPageToken() == "" {
			break
		}
		q.Skiptoken = page.GetNextPageToken()
	}
	var want []string
	for i := range 25 {
		want = append(want, uuid.UUID{15: byte(i + 1)}.String())
	}
	if diff := cmp.Diff(want, seen); diff != "" {
		t.Error(diff)
	}
	for filter, n := range map[string]int{
		"tenantId eq '" + want[4] + "'": 1, "isServiceProvider eq true": 1, "isInMultiTenantOrganization eq true": 0,
		"tenantId eq '" + fabrikam.String() + "'": 0,
	} {
		if page, err := list(&odatapb.Query{Filter: filter}); err != nil || len(page.GetValue()) != n {
			t.Errorf("%s: %d, %v", filter, len(page.GetValue()), err)
		}
	}
	for name, q := range map[string]*odatapb.Query{
		"another property": {Filter: "inboundTrust eq null"}, "$orderby": {Orderby: "tenantId"}, "$search": {Search: `"x:y"`}, "$expand": {Expand: "default"},
	} {
		_, err := list(q)
		refused(t, name, err, fault.KindInvalid, errorspb.Reason_UNSUPPORTED_QUERY)
	}
	_, err = list(&odatapb.Query{Skiptoken: "forged"})
	refused(t, "forged token", err, fault.KindInvalid, errorspb.Reason_INVALID_PAGE_TOKEN)
	page, err := list(&odatapb.Query{Expand: "identitySynchronization", Filter: "tenantId eq '" + want[2] + "'"})
	if err != nil || !page.GetValue()[0].GetIdentitySynchronization().GetUserSyncInbound().GetIsSyncAllowed() {
		t.Errorf("expanded %v, %v", page, err)
	}
	zero := int32(0)
	_, err = list(&odatapb.Query{Top: &zero})
	refused(t, "$top 0", err, fault.KindInvalid, errorspb.Reason_INVALID_REQUEST)
}

func TestTenantsDoNotSeeEachOther(t *testing.T) {
	t.Parallel()
	e := start(t)
	e.addPartner(fabrikam, woodgrve, `{"inboundTrust":{"isMfaAccepted":true}}`)
	if err := e.putSync(fabrikam, woodgrve, `{}`); err != nil {
		t.Fatal(err)
	}
	name := "theirs"
	list, err := e.settings.CreateB2BManagementPolicy(e.as(fabrikam, "ga"), &policypb.CreateB2BManagementPolicyRequest{
		Policy: &policypb.B2BManagementPolicy{DisplayName: &name, Definition: []string{`{"B2BManagementPolicy":{}}`}},
	})
	if err != nil {
		t.Fatal(err)
	}
	mine := e.as(contoso, "ga")
	id := woodgrve.String()
	for what, call := range map[string]func() error{
		"get partner": func() error {
			_, err := e.policies.GetPartner(mine, &policypb.GetPartnerRequest{TenantId: id})
			return err
		},
		"change partner": func() error {
			_, err := e.policies.UpdatePartner(mine, &policypb.UpdatePartnerRequest{TenantId: id})
			return err
		},
		"remove partner": func() error {
			_, err := e.policies.DeletePartner(mine, &policypb.DeletePartnerRequest{TenantId: id})
			return err
		},
		"get sync": func() error {
			_, err := e.policies.GetIdentitySynchronization(mine, &policypb.GetIdentitySynchronizationRequest{TenantId: id})
			return err
		},
		"put sync": func() error {
			_, err := e.policies.PutIdentitySynchronization(mine, &policypb.PutIdentitySynchronizationRequest{TenantId: id})
			return err
		},
		"get list": func() error {
			_, err := e.settings.GetB2BManagementPolicy(mine, &policypb.GetB2BManagementPolicyRequest{Id: list.GetId()})
			return err
		},
		"change list": func() error {
			_, err := e.settings.UpdateB2BManagementPolicy(mine, &policypb.UpdateB2BManagementPolicyRequest{Id: list.GetId()})
			return err
		},
		"remove list": func() error {
			_, err := e.settings.DeleteB2BManagementPolicy(mine, &policypb.DeleteB2BManagementPolicyRequest{Id: list.GetId()})
			return err
		},
	} {
		refused(t, what, call(), fault.KindNotFound, errorspb.Reason_NOT_FOUND)
	}
	if page, err := e.policies.ListPartners(mine, &policypb.ListPartnersRequest{}); err != nil || len(page.GetValue()) != 0 {
		t.Errorf("partners %v, %v", page, err)
	}
	if page, err := e.settings.ListB2BManagementPolicies(mine, &policypb.ListB2BManagementPoliciesRequest{}); err != nil || len(page.GetValue()) != 0 {
		t.Errorf("lists %v, %v", page, err)
	}
	if a := e.effective(contoso, woodgrve); a.GetIsMfaAccepted().GetValue() {
		t.Errorf("effective %v", a)
	}
	for _, a := range e.events(contoso) {
		t.Errorf("event of another tenant: %v", a)
	}
}

func TestAPageTokenIsGoodForItsCallerOnly(t *testing.T) {
	t.Parallel()
	e := start(t)
	for i, other := range []tenant.ID{fabrikam, woodgrve} {
		e.addPartner(contoso, other, `{}`)
		if i == 0 {
			e.addPartner(fabrikam, contoso, `{}`)
			e.addPartner(fabrikam, woodgrve, `{}`)
		}
	}
	size := int32(1)
	page, err := e.policies.ListPartners(e.as(contoso, "sr"), &policypb.ListPartnersRequest{Query: &odatapb.Query{Top: &size}})
	if err != nil {
		t.Fatal(err)
	}
	q := &odatapb.Query{Top: &size, Skiptoken: page.GetNextPageToken()}
	_, err = e.policies.ListPartners(e.as(fabrikam, "sr"), &policypb.ListPartnersRequest{Query: q})
	refused(t, "another tenant", err, fault.KindInvalid, errorspb.Reason_INVALID_PAGE_TOKEN)
	_, err = e.policies.ListPartners(e.as(contoso, "sa"), &policypb.ListPartnersRequest{Query: q})
	refused(t, "another caller", err, fault.KindInvalid, errorspb.Reason_INVALID_PAGE_TOKEN)
}

func TestAuthorizationPolicy(t *testing.T) {
	t.Parallel()
	e := start(t)
	get := func() *policypb.AuthorizationPolicy {
		t.Helper()
		p, err := e.settings.GetAuthorizationPolicy(e.as(contoso, "member"), &policypb.GetAuthorizationPolicyRequest{})
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	want, _ := read(t, &policypb.AuthorizationPolicy{}, `{"id":"authorizationPolicy","displayName":"Authorization Policy",
		"description":"Used to manage authorization related settings across the company.","allowInvitesFrom":"everyone",
		"guestUserRoleId":"10dae51f-b6af-4016-8d66-8c2a99b929b3","allowEmailVerifiedUsersToJoinOrganization":false,
		"allowedToSignUpEmailBasedSubscriptions":true,"allowedToUseSSPR":true,"allowUserConsentForRiskyApps":false,"blockMsolPowerShell":false,
		"defaultUserRolePermissions":{"allowedToCreateApps":true,"allowedToCreateSecurityGroups":true,"allowedToCreateTenants":true,
		"allowedToReadBitlockerKeysForOwnedDevice":true,"allowedToReadOtherUsers":true,
		"permissionGrantPoliciesAssigned":["ManagePermissionGrantsForSelf.microsoft-user-default-legacy"]}}`)
	if diff := cmp.Diff(want, get(), protocmp.Transform()); diff != "" {
		t.Error(diff)
	}
	if err := e.patchAuthorization(contoso, `{"allowedToUseSSPR":false,"defaultUserRolePermissions":{"allowedToCreateApps":false}}`,
		"allowed_to_use_sspr", "default_user_role_permissions.allowed_to_create_apps"); err != nil {
		t.Fatal(err)
	}
	if got := get(); got.GetAllowedToUseSspr() || got.GetDefaultUserRolePermissions().GetAllowedToCreateApps() || !got.GetDefaultUserRolePermissions().GetAllowedToReadOtherUsers() {
		t.Errorf("after PATCH %v", got)
	}
	if m := modified(t, e.last(contoso), 1); m.GetDisplayName() != "defaultUserRolePermissions.allowedToCreateApps" {
		t.Errorf("modified %v", m)
	}
	for name, c := range map[string]struct{ text, path string }{
		"an unknown level": {`{"guestUserRoleId":"` + uuid.NewString() + `"}`, "guest_user_role_id"},
		"not a GUID":       {`{"guestUserRoleId":"guest"}`, "guest_user_role_id"},
		"null":             {`{}`, "allowed_to_use_sspr"},
		"null for an enum": {`{}`, "allow_invites_from"},
	} {
		refused(t, name, e.patchAuthorization(contoso, c.text, c.path), fault.KindInvalid, errorspb.Reason_INVALID_REQUEST)
	}
	p, m := read(t, &policypb.AuthorizationPolicy{}, `{"allowInvitesFrom":"none"}`, "allow_invites_from")
	_, err := e.settings.UpdateAuthorizationPolicy(e.as(contoso, "sa"), &policypb.UpdateAuthorizationPolicyRequest{Policy: p, UpdateMask: m})
	refused(t, "a Security Administrator", err, fault.KindDenied, errorspb.Reason_ACCESS_DENIED)
}

func TestDomainListLifecycle(t *testing.T) {
	t.Parallel()
	e := start(t)
	p := e.domains("BlockedDomains", "fabrikam.com")
	e.last(contoso)
	change := func(text string, paths ...string) error {
		body, m := read(t, &policypb.B2BManagementPolicy{}, text, paths...)
		_, err := e.settings.UpdateB2BManagementPolicy(e.as(contoso, "ga"), &policypb.UpdateB2BManagementPolicyRequest{Id: p.GetId(), Policy: body, UpdateMask: m})
		return err
	}
	refused(t, "isOrganizationDefault", change(`{"isOrganizationDefault":false}`, "is_organization_default"), fault.KindInvalid, errorspb.Reason_PROPERTY_READ_ONLY)
	refused(t, "two definitions", change(`{"definition":["{}","{}"]}`, "definition"), fault.KindInvalid, errorspb.Reason_INVALID_REQUEST)
	if err := change(`{"definition":["{\"B2BManagementPolicy\":{\"InvitationsAllowedAndBlockedDomainsPolicy\":{\"AllowedDomains\":[\"fabrikam.com\"]}}}"]}`, "definition"); err != nil {
		t.Fatal(err)
	}
	decided(t, e.invite("u1@fabrikam.com", anybody), policypb.Decision_allow, "")
	decided(t, e.invite("x@elsewhere.example", anybody), policypb.Decision_deny, "DomainList")
	if m := modified(t, e.last(contoso), 0); m.GetDisplayName() != "definition" || m.OldValue == nil || m.NewValue == nil {
		t.Errorf("modified %v", m)
	}
	if _, err := e.settings.DeleteB2BManagementPolicy(e.as(contoso, "ga"), &policypb.DeleteB2BManagementPolicyRequest{Id: p.GetId()}); err != nil {
		t.Fatal(err)
	}
	decided(t, e.invite("x@elsewhere.example", anybody), policypb.Decision_allow, "")
	if event := e.last(contoso); event.GetActivityDisplayName() != "Delete policy" {
		t.Errorf("event %v", event)
	}
}

// TestConcurrentChangesAreAllKept has twenty writers change one leaf each of
// different partners and of the same default.
func TestConcurrentChangesAreAllKept(t *testing.T) {
	t.Parallel()
	e := start(t)
	e.addPartner(contoso, fabrikam, `{}`)
	leaves := []struct{ text, path string }{
		{`{"inboundTrust":{"isMfaAccepted":true}}`, "inbound_trust.is_mfa_accepted"},
		{`{"inboundTrust":{"isCompliantDeviceAccepted":true}}`, "inbound_trust.is_compliant_device_accepted"},
		{`{"inboundTrust":{"isHybridAzureADJoinedDeviceAccepted":true}}`, "inbound_trust.is_hybrid_azure_ad_joined_device_accepted"},
		{`{"automaticUserConsentSettings":{"inboundAllowed":true}}`, "automatic_user_consent_settings.inbound_allowed"},
		{`{"automaticUserConsentSettings":{"outboundAllowed":true}}`, "automatic_user_consent_settings.outbound_allowed"},
	}
	var wait sync.WaitGroup
	for _, l := range leaves {
		wait.Go(func() {
			if err := e.patchPartner(contoso, fabrikam, l.text, l.path); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	a := e.effective(contoso, fabrikam)
	for i, s := range []*policypb.EffectiveAccess_Switch{
		a.GetIsMfaAccepted(), a.GetIsCompliantDeviceAccepted(), a.GetIsHybridAzureAdJoinedDeviceAccepted(),
		a.GetAutomaticRedemptionInbound(), a.GetAutomaticRedemptionOutbound(),
	} {
		if !s.GetValue() {
			t.Errorf("%s is lost", leaves[i].path)
		}
	}
	if n := len(e.events(contoso)); n != 1+len(leaves) {
		t.Errorf("%d events", n)
	}
}

func TestEveryEventHasOneInitiatorAndOneTarget(t *testing.T) {
	t.Parallel()
	e := start(t)
	e.addPartner(contoso, fabrikam, `{}`)
	id := woodgrve.String()
	if _, err := e.policies.CreatePartner(e.as(contoso, "app"), &policypb.CreatePartnerRequest{
		Partner: &policypb.CrossTenantAccessPolicyConfigurationPartner{TenantId: &id}}); err != nil {
		t.Fatal(err)
	}
	byApp := 0
	for _, a := range e.events(contoso) {
		by := a.GetInitiatedBy()
		if (by.GetApp() == nil) == (by.GetUser() == nil) || len(a.GetTargetResources()) != 1 || a.GetCorrelationId() == "" {
			t.Errorf("event %v", a)
		}
		if by.GetApp() != nil {
			byApp++
		}
	}
	if byApp != 1 {
		t.Errorf("%d events by an application", byApp)
	}
}

// TestAuditRecordsCannotBeChanged holds the serving role to insert and select.
func TestAuditRecordsCannotBeChanged(t *testing.T) {
	t.Parallel()
	e := start(t)
	e.addPartner(contoso, fabrikam, `{}`)
	for _, statement := range []string{"update audit_events set activity = 'x'", "delete from audit_events"} {
		err := e.db.Write(t.Context(), contoso, func(tx *pg.Tx) error {
			_, err := tx.Pgx().Exec(t.Context(), statement)
			return err
		})
		if pg.SQLState(err) != "42501" {
			t.Errorf("%s: %v", statement, err)
		}
	}
}

func TestPropagationIsImmediate(t *testing.T) {
	t.Parallel()
	e := start(t)
	e.addPartner(contoso, fabrikam, `{}`)
	for i := range 6 {
		open := i%2 == 1
		text := `{"b2bCollaborationInbound":` + blockAll + `}`
		if open {
			text = `{}`
		}
		if err := e.patchPartner(contoso, fabrikam, text, "b2b_collaboration_inbound"); err != nil {
			t.Fatal(err)
		}
		d := e.invite("u1@fabrikam.com", anybody)
		if (d.GetOutcome() == policypb.Decision_allow) != open {
			t.Errorf("change %d is not in effect: %v", i, d)
		}
	}
}
