package route

import (
	"strings"
	"testing"

	policypb "entente.dev/proto/gen/entente/policy/v1"
	"google.golang.org/protobuf/proto"
)

// What /beta has for itself hides nothing of what it shares with /v1.0, and is
// not there on /v1.0 (WIRE-90).
func TestPathsOfBetaAlone(t *testing.T) {
	t.Parallel()
	const policy = "/policies/authorizationPolicy"
	f := &fakeConn{answer: func(_ string, reply proto.Message) error {
		if list, ok := reply.(*policypb.ListAuthorizationPoliciesResponse); ok {
			list.Value = []*policypb.AuthorizationPolicy{{Id: "authorizationPolicy"}}
		}
		return nil
	}}
	rt := newRouter(t, f)
	for _, c := range []struct {
		method, target, rpc, body string
		status                    int
	}{
		{"GET", "/beta" + policy, "ListAuthorizationPolicies", `{"@odata.context":"https://host:8443/beta/$metadata#policies/authorizationPolicy","value":[{`, 200},
		{"GET", "/beta" + policy + "/authorizationPolicy", "GetAuthorizationPolicy", `{"@odata.context":"https://host:8443/beta/$metadata#policies/authorizationPolicy/$entity"`, 200},
		{"GET", "/v1.0" + policy, "GetAuthorizationPolicy", `{"@odata.context":"https://host:8443/v1.0/$metadata#policies/authorizationPolicy/$entity"`, 200},
		{"GET", "/v1.0" + policy + "/authorizationPolicy", "", "", 404},
		{"PATCH", "/beta" + policy, "UpdateAuthorizationPolicy", "", 204},
		{"PATCH", "/beta" + policy + "/authorizationPolicy", "UpdateAuthorizationPolicy", "", 204},
		{"PATCH", "/v1.0" + policy, "UpdateAuthorizationPolicy", "", 204},
		{"DELETE", "/beta" + policy, "", "", 405},
	} {
		f.method = ""
		body := ""
		if c.method == "PATCH" {
			body = `{"allowedToUseSSPR":false}`
		}
		rec := do(rt, c.method, c.target, body)
		if rec.Code != c.status || !strings.HasSuffix(f.method, c.rpc) || c.rpc == "" && f.method != "" || !strings.HasPrefix(rec.Body.String(), c.body) {
			t.Errorf("%s %s reached %q: %d %s", c.method, c.target, f.method, rec.Code, rec.Body)
		}
	}
}

func TestAnActionAfterAKey(t *testing.T) {
	t.Parallel()
	const id = "7a1b0c00-0000-4000-8000-000000000001"
	f := &fakeConn{}
	rt := newRouter(t, f)
	rec := do(rt, "POST", "/entente/v1/crossTenantAccess/deletedPartners/"+id+":Restore", "")
	if r, ok := f.req.(*policypb.RestorePartnerRequest); rec.Code != 200 || !ok || r.GetTenantId() != id {
		t.Errorf("reached %q with %v: %d %s", f.method, f.req, rec.Code, rec.Body)
	}
	for _, target := range []string{id, id + ":purge", ":restore", id + ":restore/x"} {
		f.method = ""
		if rec := do(rt, "POST", "/entente/v1/crossTenantAccess/deletedPartners/"+target, ""); rec.Code != 404 || f.method != "" {
			t.Errorf("%s reached %q: %d", target, f.method, rec.Code)
		}
	}
	if rec := do(rt, "POST", "/entente/v1/crossTenantAccess/partners:add", `{"domainName":"fabrikam.com"}`); rec.Code != 201 || f.req.(*policypb.AddPartnerRequest).GetDomainName() != "fabrikam.com" {
		t.Errorf("reached %q with %v: %d %s", f.method, f.req, rec.Code, rec.Body)
	}
}
