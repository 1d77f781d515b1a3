package e2e

import (
	"net/http"
	"testing"

	"entente.dev/deploy/e2e/suitetest"
)

func TestAC4_DomainBelongsToOneTenant(t *testing.T) {
	t.Parallel()
	s := suitetest.Shared(t)
	tenant, other := s.NewTenant(t, "workforce", "Contoso"), s.NewTenant(t, "workforce", "Fabrikam")
	g, h := s.Graph(t, tenant), s.Graph(t, other)
	domain := tenant.OwnDomain()
	verify := "/v1.0/domains/" + domain + "/verify"
	g.Create("/v1.0/domains", object{"id": domain})
	h.Create("/v1.0/domains", object{"id": domain}) // pending in both
	g.Refused(http.MethodPost, verify, nil, 400, "Request_BadRequest")
	g.Publish(domain)
	g.Act(verify, nil)
	h.Publish(domain)
	h.Refused(http.MethodPost, verify, nil, 400, "Request_BadRequest")
	h.Refused(http.MethodPost, "/v1.0/domains", object{"id": "sales." + domain}, 400, "Request_BadRequest")
	if child := g.Create("/v1.0/domains", object{"id": "sales." + domain}); child["isVerified"] != true || child["isRoot"] != false {
		t.Errorf("child of a verified domain = %v", child)
	}
	g.Delete("/v1.0/domains/sales." + domain)
	g.Delete("/v1.0/domains/" + domain)
	h.Act(verify, nil)
}

func TestAC5_DomainInUseStays(t *testing.T) {
	t.Parallel()
	s := suitetest.Shared(t)
	tenant := s.NewTenant(t, "workforce", "Contoso")
	g, domain := s.Graph(t, tenant), tenant.OwnDomain()
	g.Prove(domain)
	body := tenant.NewUser("ann")
	body["userPrincipalName"] = "ann@" + domain
	user := suitetest.ID(g.Create("/v1.0/users", body))
	g.Refused(http.MethodDelete, "/v1.0/domains/"+domain, nil, 400, "Request_BadRequest")
	if used := suitetest.Values(g.Get("/v1.0/domains/" + domain + "/domainNameReferences")); len(used) != 1 || suitetest.ID(used[0]) != user {
		t.Errorf("references = %v", used)
	}
	g.Patch("/v1.0/users/"+user, object{"userPrincipalName": "ann@" + tenant.Domain})
	g.Delete("/v1.0/domains/" + domain)
	g.Refused(http.MethodGet, "/v1.0/domains/"+domain, nil, 404, "Request_ResourceNotFound")
}

func TestAC6_TenantIsFoundByItsDomain(t *testing.T) {
	t.Parallel()
	s := suitetest.Shared(t)
	tenant, other := s.NewTenant(t, "workforce", "Contoso"), s.NewTenant(t, "workforce", "Fabrikam")
	domain := tenant.OwnDomain()
	s.Graph(t, tenant).Prove(domain)
	h := s.Graph(t, other)
	const find = "/v1.0/tenantRelationships/findTenantInformationByDomainName(domainName='"
	found := h.Get(find + "T" + domain[1:] + "')")
	if found["tenantId"] != tenant.ID || found["displayName"] != "Contoso" || found["defaultDomainName"] != tenant.Domain {
		t.Errorf("found %v", found)
	}
	h.Refused(http.MethodGet, find+"nobody."+domain+"')", nil, 404, "Request_ResourceNotFound")
}
