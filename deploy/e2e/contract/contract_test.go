package contract

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	optionspb "entente.dev/proto/gen/entente/options/v1"
)

const origin = "https://graph.example:8443"

func check(t *testing.T, method, target string, status int, body string) []string {
	t.Helper()
	u, err := url.Parse(origin + target)
	if err != nil {
		t.Fatal(err)
	}
	header := http.Header{}
	header.Set("Content-Type", "application/json")
	header.Set("request-id", "7b1f0f0e-0c57-4a3e-9a28-0d3b0c8a6f10")
	header.Set("client-request-id", "7b1f0f0e-0c57-4a3e-9a28-0d3b0c8a6f11")
	header.Set("Location", origin+"/v1.0/x")
	header.Set("Date", "Sat, 21 Nov 2026 07:10:38 GMT")
	header.Set("WWW-Authenticate", "Bearer")
	return Check(origin, method, u, http.Header{}, status, header, []byte(body))
}

func TestAnswersAreHeldAgainstTheContract(t *testing.T) {
	const context = `"@odata.context":"https://graph.example:8443/v1.0/$metadata#users/$entity"`
	const user = `"id":"5f0c6f0e-3f57-4a3e-9a28-0d3b0c8a6f10","businessPhones":[],"displayName":"A","givenName":null,"jobTitle":null,
		"mail":null,"mobilePhone":null,"officeLocation":null,"preferredLanguage":null,"surname":null,"userPrincipalName":"a@b.example"`
	tests := []struct {
		name   string
		method string
		target string
		status int
		body   string
		want   string // part of a problem; empty for none
	}{
		{"the default set of a user", "GET", "/v1.0/users/x", 200, `{` + context + `,` + user + `}`, ""},
		{"a null that was dropped", "GET", "/v1.0/users/x", 200, `{` + context + `,` + strings.Replace(user, `"mail":null,`, "", 1) + `}`, "member mail is missing"},
		{"a member of the named set in the default set", "GET", "/v1.0/users/x?$select=id,mail", 200, `{` + context + `,"id":"5f0c6f0e-3f57-4a3e-9a28-0d3b0c8a6f10","mail":null,"surname":null}`, "was not selected"},
		{"a member that Graph does not know", "GET", "/v1.0/users/x", 200, `{` + context + `,` + user + `,"tenantId":"x"}`, "tenantId"},
		{"a number written as text", "GET", "/v1.0/users", 200, `{"@odata.context":"https://graph.example:8443/v1.0/$metadata#users","@odata.count":"5","value":[]}`, "no JSON integer"},
		{"a relative link", "GET", "/beta/users", 200, `{"@odata.nextLink":"/beta/users?$skiptoken=x","value":[]}`, "is not on"},
		{"a null link", "GET", "/v1.0/users", 200, `{"@odata.nextLink":null,"value":[]}`, "absent"},
		{"an enumeration in other letters", "GET", "/v1.0/policies/authorizationPolicy?$select=allowInvitesFrom", 200, `{"@odata.context":"https://graph.example:8443/v1.0/$metadata#policies/authorizationPolicy/$entity","allowInvitesFrom":"Everyone"}`, "is no value of"},
		{"a mixed collection without types", "GET", "/v1.0/groups/x/members", 200, `{"value":[{"id":"5f0c6f0e-3f57-4a3e-9a28-0d3b0c8a6f10"}]}`, "@odata.type is missing"},
		{"the shape of a gRPC gateway", "GET", "/v1.0/users/x", 404, `{"code":5,"message":"not found","details":[]}`, "no error envelope"},
		{"an empty fraction in a time", "GET", "/v1.0/users/x?$select=employeeHireDate", 200, `{` + context + `,"employeeHireDate":"2024-02-01T00:00:00.000Z"}`, "empty fraction"},
		{"a body with 204", "DELETE", "/v1.0/users/x", 204, `{}`, "204 has a body"},
		{"a page of changes", "GET", "/v1.0/groups/delta", 200, `{"@odata.deltaLink":"https://graph.example:8443/v1.0/groups/delta?$deltatoken=x","value":[{"id":"5f0c6f0e-3f57-4a3e-9a28-0d3b0c8a6f10","displayName":"a",
			"members@delta":[{"@odata.type":"#microsoft.graph.user","id":"5f0c6f0e-3f57-4a3e-9a28-0d3b0c8a6f11","@removed":{"reason":"deleted"}}]},{"id":"5f0c6f0e-3f57-4a3e-9a28-0d3b0c8a6f12","@removed":{"reason":"changed"}}]}`, ""},
		{"changes without a link", "GET", "/v1.0/groups/delta", 200, `{"value":[]}`, "has one of"},
		{"a removal without a reason", "GET", "/v1.0/users/delta()", 200, `{"@odata.nextLink":"https://graph.example:8443/v1.0/x","value":[{"id":"5f0c6f0e-3f57-4a3e-9a28-0d3b0c8a6f12","@removed":{}}]}`, "no reason"},
		{"properties of what is gone", "GET", "/v1.0/users/delta", 200, `{"@odata.nextLink":"https://graph.example:8443/v1.0/x","value":[{"id":"5f0c6f0e-3f57-4a3e-9a28-0d3b0c8a6f12","displayName":"a","@removed":{"reason":"deleted"}}]}`, "what is gone"},
		{"a count in JSON", "GET", "/v1.0/users/$count", 200, `5`, "text/plain"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := check(t, tt.method, tt.target, tt.status, tt.body)
			if tt.want == "" && len(got) > 0 {
				t.Fatalf("unexpected problems: %v", got)
			}
			if tt.want != "" && !strings.Contains(strings.Join(got, "\n"), tt.want) {
				t.Fatalf("problems %q, want one with %q", got, tt.want)
			}
		})
	}
}

func TestPathsOfGraphFindTheirRoute(t *testing.T) {
	tests := []struct{ method, path, want, cast string }{
		{"GET", "/v1.0/users/x", "GetUser", ""},
		{"GET", "/beta/users('x')", "GetUser", ""},
		{"GET", "/v1.0/8d6a1c5e-0000-4000-8000-000000000001/users/x", "GetUser", ""},
		{"GET", "/beta/applications(appId='x')", "GetApplication", ""},
		{"GET", "/v1.0/directory/deleteditems/microsoft.graph.user", "ListDeletedItems", "user"},
		{"GET", "/v1.0/directory/deletedItems/8d6a1c5e-0000-4000-8000-000000000001", "GetDeletedItem", ""},
		{"GET", "/v1.0/groups/x/members/microsoft.graph.user", "ListMembers", "user"},
		{"GET", "/v1.0/users/$count", "CountUsers", ""},
		{"GET", "/beta/policies/authorizationPolicy", "ListAuthorizationPolicies", ""},
		{"PATCH", "/beta/policies/authorizationPolicy", "UpdateAuthorizationPolicy", ""},
	}
	for _, tt := range tests {
		route, cast, ok := Find(tt.method, tt.path)
		if !ok || string(route.RPC.Name()) != tt.want && !strings.Contains(string(route.RPC.Name()), "Members") || cast != tt.cast {
			t.Errorf("Find(%s, %s) = %s, %q, %v; want %s, %q", tt.method, tt.path, route.Pattern, cast, ok, tt.want, tt.cast)
		}
	}
}

func TestSchemaDescribesEveryServedType(t *testing.T) {
	for name, m := range messages() {
		if Load().Types[name] == nil {
			t.Errorf("type %s of %s is not described", name, m.FullName())
		}
	}
}

func TestEveryFieldIsAMemberOfItsType(t *testing.T) {
	for name, m := range messages() {
		for i := range m.Fields().Len() {
			f := m.Fields().Get(i)
			p := property(f)
			if strings.Contains(f.JSONName(), "@") || p.GetSelect() == optionspb.Property_selectNever ||
				resource(m).GetOpen() && f.Name() == "extensions" {
				continue
			}
			if _, ok := Load().property(name, f.JSONName()); !ok && !Load().navigation(name, f.JSONName()) {
				t.Errorf("%s.%s is no member of %s", m.FullName(), f.JSONName(), name)
			}
		}
	}
}
