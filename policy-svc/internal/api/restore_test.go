package api_test

import (
	"context"
	"strings"
	"testing"
	"time"

	errorspb "entente.dev/proto/gen/entente/errors/v1"
	policypb "entente.dev/proto/gen/entente/policy/v1"
	"entente.dev/servicekit/fault"
	"github.com/google/uuid"
)

func TestAddingAPartnerByItsDomain(t *testing.T) {
	t.Parallel()
	e := start(t)
	add := func(ctx context.Context, id, domain string) (*policypb.CrossTenantAccessPolicyConfigurationPartner, error) {
		return e.policies.AddPartner(ctx, &policypb.AddPartnerRequest{TenantId: id, DomainName: domain})
	}
	sa := e.as(contoso, "sa")
	p, err := add(sa, "", "Fabrikam.com")
	if err != nil || p.GetTenantId() != fabrikam.String() {
		t.Fatalf("by domain: %v, %v", p, err)
	}
	if m := modified(t, e.last(contoso), 0); m.GetDisplayName() != "tenantId" || m.GetNewValue() != `"`+fabrikam.String()+`"` {
		t.Errorf("modified %v", m)
	}
	if p, err = add(sa, woodgrve.String(), ""); err != nil || p.GetTenantId() != woodgrve.String() {
		t.Errorf("by id: %v, %v", p, err)
	}
	for what, c := range map[string]struct{ id, domain string }{
		"nothing": {}, "both": {fabrikam.String(), "fabrikam.com"}, "an unknown domain": {"", "nowhere.example"},
		"an unknown tenant": {uuid.NewString(), ""}, "the own domain": {"", "contoso.com"}, "no GUID": {"x", ""},
	} {
		_, err := add(sa, c.id, c.domain)
		refused(t, what, err, fault.KindInvalid, errorspb.Reason_INVALID_REQUEST)
	}
	_, err = add(sa, "", "fabrikam.com")
	refused(t, "again", err, fault.KindExists, errorspb.Reason_PARTNER_EXISTS)
	_, err = add(e.as(contoso, "sr"), "", "nowhere.example")
	refused(t, "a reader", err, fault.KindDenied, errorspb.Reason_ACCESS_DENIED)
	if event := e.last(contoso); event.GetResult().String() != "failure" || event.GetActivityDisplayName() != "Add a partner to cross-tenant access setting" {
		t.Errorf("event %v", event)
	}
}

func TestRestoringARemovedPartner(t *testing.T) {
	t.Parallel()
	e := start(t)
	sa, id := e.as(contoso, "sa"), fabrikam.String()
	restore := func(ctx context.Context) (*policypb.CrossTenantAccessPolicyConfigurationPartner, error) {
		return e.policies.RestorePartner(ctx, &policypb.RestorePartnerRequest{TenantId: id})
	}
	remove := func() {
		t.Helper()
		if _, err := e.policies.DeletePartner(sa, &policypb.DeletePartnerRequest{TenantId: id}); err != nil {
			t.Fatal(err)
		}
	}
	_, err := restore(sa)
	refused(t, "one that never was", err, fault.KindNotFound, errorspb.Reason_NOT_FOUND)
	e.addPartner(contoso, fabrikam, `{"b2bCollaborationInbound":`+blockAll+`,"inboundTrust":{"isMfaAccepted":true}}`)
	_, err = restore(sa)
	refused(t, "a live one", err, fault.KindExists, errorspb.Reason_PARTNER_EXISTS)
	remove()
	e.last(contoso)
	decided(t, e.invite("u1@fabrikam.com", anybody), policypb.Decision_allow, "")

	// Another tenant has nothing to restore.
	_, err = restore(e.as(woodgrve, "sa"))
	refused(t, "another tenant's", err, fault.KindNotFound, errorspb.Reason_NOT_FOUND)

	p, err := restore(sa)
	if err != nil || p.GetTenantId() != id || !p.GetInboundTrust().GetIsMfaAccepted() || p.GetB2BCollaborationInbound() == nil {
		t.Fatalf("restored %v, %v", p, err)
	}
	decided(t, e.invite("u1@fabrikam.com", anybody), policypb.Decision_deny, "InboundCollaboration")
	event := e.last(contoso)
	if event.GetActivityDisplayName() != "Add a partner to cross-tenant access setting" || event.GetTargetResources()[0].GetDisplayName() != "Fabrikam" ||
		len(event.GetTargetResources()[0].GetModifiedProperties()) != 3 {
		t.Errorf("event %v", event)
	}

	// Of several that were removed the last one comes back.
	remove()
	e.clock.Advance(time.Hour)
	e.addPartner(contoso, fabrikam, `{"inboundTrust":{"isCompliantDeviceAccepted":true}}`)
	remove()
	if p, err = restore(sa); err != nil || !p.GetInboundTrust().GetIsCompliantDeviceAccepted() || p.GetB2BCollaborationInbound() != nil {
		t.Errorf("restored %v, %v", p, err)
	}
	remove()
	e.clock.Advance(30*24*time.Hour + time.Second)
	_, err = restore(sa)
	refused(t, "after 30 days", err, fault.KindNotFound, errorspb.Reason_NOT_FOUND)
}

func TestTheAuthorizationPolicyAsACollection(t *testing.T) {
	t.Parallel()
	e := start(t)
	list, err := e.settings.ListAuthorizationPolicies(e.as(contoso, "member"), &policypb.ListAuthorizationPoliciesRequest{})
	if err != nil || len(list.GetValue()) != 1 || list.GetValue()[0].GetId() != "authorizationPolicy" || list.OdataCount != nil {
		t.Errorf("list %v, %v", list, err)
	}
	for id, found := range map[string]bool{"authorizationPolicy": true, "AUTHORIZATIONPOLICY": true, uuid.NewString(): false} {
		_, err := e.settings.GetAuthorizationPolicy(e.as(contoso, "member"), &policypb.GetAuthorizationPolicyRequest{Id: id})
		if found && err != nil {
			t.Errorf("get %s: %v", id, err)
		}
		p, m := read(t, &policypb.AuthorizationPolicy{}, `{"allowedToUseSSPR":false}`, "allowed_to_use_sspr")
		_, changed := e.settings.UpdateAuthorizationPolicy(e.as(contoso, "ga"), &policypb.UpdateAuthorizationPolicyRequest{Id: id, Policy: p, UpdateMask: m})
		if found && changed != nil {
			t.Errorf("change %s: %v", id, changed)
		}
		if !found {
			refused(t, "get "+id, err, fault.KindNotFound, errorspb.Reason_NOT_FOUND)
			refused(t, "change "+id, changed, fault.KindNotFound, errorspb.Reason_NOT_FOUND)
		}
	}
}

func TestWhoVerifiedADomainIsAskedTwiceASecond(t *testing.T) {
	t.Parallel()
	e := start(t)
	for _, domain := range []string{"fabrikam.com", "unknown.example"} {
		before := e.directory.domains.Load()
		for range 5 {
			e.invite("u1@"+domain, anybody)
			e.invite("u1@"+strings.ToUpper(domain), anybody)
		}
		if n := e.directory.domains.Load() - before; n != 1 {
			t.Errorf("%s: %d look-ups at one moment", domain, n)
		}
		e.clock.Advance(500 * time.Millisecond)
		e.invite("u2@"+domain, anybody)
		if n := e.directory.domains.Load() - before; n != 2 {
			t.Errorf("%s: %d look-ups half a second later", domain, n)
		}
	}
}
