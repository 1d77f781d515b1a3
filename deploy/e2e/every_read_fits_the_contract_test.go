package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"entente.dev/deploy/e2e/contract"
	"entente.dev/deploy/e2e/suitetest"
	optionspb "entente.dev/proto/gen/entente/options/v1"
)

// TestEveryReadFitsTheContract reads everything that the descriptors say can
// be read, in a tenant that has one of each: default members, every selectable
// member, on both versions. The client holds each answer against the contract.
func TestEveryReadFitsTheContract(t *testing.T) {
	t.Parallel()
	s := suitetest.Shared(t)
	tenant, partner := s.NewTenant(t, "workforce", "Reader"), s.NewTenant(t, "workforce", "Reader Partner")
	own := settle(t, s, tenant, partner)
	g := s.Graph(t, tenant)
	g.Patch("/v1.0/users/"+own["users"], object{"employeeHireDate": "2024-02-01T00:00:00Z", "businessPhones": []string{"+31 20 1234567"}, "otherMails": []string{"x@partner.example"},
		"employeeOrgData": object{"division": "North"}, "usageLocation": "NL", "onPremisesExtensionAttributes": object{"extensionAttribute1": "x"}})
	g.Send(http.MethodPut, "/v1.0/users/"+own["users"]+"/manager/$ref", object{"@odata.id": s.GraphURL + "/v1.0/users/" + suitetest.ID(g.Get("/v1.0/users/admin@"+tenant.Domain))})
	g.Create("/v1.0/policies/crossTenantAccessPolicy/partners", object{"tenantId": partner.ID, "automaticUserConsentSettings": object{"inboundAllowed": true}})
	g.Send(http.MethodPut, "/v1.0/policies/crossTenantAccessPolicy/partners/"+partner.ID+"/identitySynchronization", object{"userSyncInbound": object{"isSyncAllowed": true}})
	own["partners"], own["effective"], own["applicationTemplates"], own["templates"] = partner.ID, partner.ID, crossTenantTemplate, syncTemplate
	own["authorizationPolicy"] = "authorizationPolicy"
	own["groupSettingTemplates"], own["bulkOperations>template"] = unifiedSettings, "createUsers"
	own["directoryRoleTemplates"], own["roleDefinitions"] = globalAdministrator, globalAdministrator

	admin, read := s.Admin(t, tenant), 0
	for _, r := range contract.Routes() {
		if r.Method != http.MethodGet || r.Access.GetOperator() || strings.HasSuffix(r.Pattern, "/$count") || strings.HasSuffix(r.Pattern, "()") {
			continue
		}
		path, missing := own.path(r.Pattern)
		if missing && !mayBeAbsent(r.Pattern) {
			t.Errorf("GET %s: nothing to read it with", r.Pattern)
			continue
		}
		g := g
		if !forApplications(r.Access) {
			g = admin
		}
		a := g.Do(http.MethodGet, path, nil)
		if a.Status != http.StatusOK {
			if a.Status != http.StatusNotFound || !mayBeAbsent(r.Pattern) {
				t.Errorf("GET %s = %d %s", r.Pattern, a.Status, a.Raw)
			}
			continue
		}
		read++
		if beta, ok := strings.CutPrefix(path, "/v1.0/"); ok {
			g.Get("/beta/" + beta)
		}
		message, list := r.RPC.Output(), false
		if f := message.Fields().ByName("value"); f != nil && f.IsList() && f.Message() != nil {
			message, list = f.Message(), true
		}
		if !takesSelect(r.RPC.Input()) || message.Name() == "DirectoryObject" || message.Name() == "ChangedObject" {
			continue
		}
		var names []string
		for i := range message.Fields().Len() {
			f := message.Fields().Get(i)
			p, _ := proto.GetExtension(f.Options(), optionspb.E_Property).(*optionspb.Property)
			switch p.GetSelect() {
			case optionspb.Property_selectNever, optionspb.Property_selectExpanded:
				continue
			case optionspb.Property_selectNamedSingle:
				if list {
					continue
				}
			}
			if strings.Contains(f.JSONName(), "@") || f.Name() == "extensions" || p.GetBeta() || p.GetSecret() || p.GetOmitEmpty() {
				continue
			}
			names = append(names, f.JSONName())
		}
		g.Get(path + "?$select=" + strings.Join(names, ","))
		for _, name := range names {
			if b := g.Do(http.MethodGet, path+"?$select="+name, nil); b.Status != http.StatusOK {
				t.Errorf("GET %s?$select=%s = %d %s", r.Pattern, name, b.Status, suitetest.Message(b))
			}
		}
	}
	if read < 50 {
		t.Errorf("only %d routes were read", read)
	}
	for _, collection := range []string{"users", "groups", "applications", "servicePrincipals"} {
		a := g.Advanced().Do(http.MethodGet, "/v1.0/"+collection+"/$count", nil)
		if a.Status != http.StatusOK || string(a.Raw) == "0" {
			t.Errorf("%s/$count = %d %s", collection, a.Status, a.Raw)
		}
	}
	for _, path := range []string{
		"/v1.0/tenantRelationships/findTenantInformationByTenantId(tenantId='" + partner.ID + "')",
		"/v1.0/tenantRelationships/findTenantInformationByDomainName(domainName='" + partner.Domain + "')",
	} {
		if found := g.Get(path); found["tenantId"] != partner.ID {
			t.Errorf("GET %s = %v", path, found)
		}
	}
	rows, _ := g.All("/v1.0/auditLogs/directoryAudits?$top=20")
	if len(rows) == 0 {
		t.Fatal("no audit rows")
	}
	if one := g.Get("/v1.0/auditLogs/directoryAudits/" + suitetest.ID(rows[0])); fmt.Sprint(one["activityDisplayName"]) != fmt.Sprint(rows[0]["activityDisplayName"]) {
		t.Errorf("one audit row = %v, in the list %v", one, rows[0])
	}
}

// mayBeAbsent says whether a tenant need not have what a route reads.
func mayBeAbsent(pattern string) bool {
	for _, part := range []string{"b2bManagementPolicies/{id}", "objectConnections", "contacts/{id}/manager"} {
		if strings.Contains(pattern, part) {
			return true
		}
	}
	return false
}

// takesSelect says whether a request has query options.
func takesSelect(m protoreflect.MessageDescriptor) bool {
	f := m.Fields().ByName("query")
	return f != nil && f.Message() != nil && f.Message().FullName() == "entente.odata.v1.Query"
}
