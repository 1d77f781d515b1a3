package contract

import "testing"

func TestRequestsFindTheirOperation(t *testing.T) {
	const id = "8d6a1c5e-0000-4000-8000-000000000001"
	tests := []struct{ method, path, want string }{
		{"GET", "/v1.0/users/" + id, "/users/{user-id}"},
		{"GET", "/v1.0/users/delta()", "/users/delta"},
		{"GET", "/beta/users('a@b.example')/manager", "/users/{user-id}/manager"},
		{"GET", "/v1.0/users/$count", "/users/$count"},
		{"GET", "/v1.0/groups/" + id + "/members/microsoft.graph.user", "/groups/{group-id}/members/microsoft.graph.user"},
		{"GET", "/v1.0/groups/" + id + "/members/microsoft.graph.device", ""},
		{"DELETE", "/beta/groups/" + id + "/members/" + id + "/$ref", "/groups/{group-id}/members/{directoryObject-id}/$ref"},
		{"GET", "/v1.0/tenantRelationships/findTenantInformationByTenantId(tenantId='" + id + "')", "/tenantRelationships/findTenantInformationByTenantId(tenantId='{tenantId}')"},
		{"POST", "/v1.0/$batch", "/$batch"},
		{"GET", "/v1.0/nothing", ""},
	}
	for _, tt := range tests {
		if got, _ := operation(tt.method, normalize(tt.path)); got.Path != tt.want {
			t.Errorf("%s %s is %q, want %q", tt.method, tt.path, got.Path, tt.want)
		}
	}
}

func TestCoverageNamesWhatWasNotSeen(t *testing.T) {
	var c Coverage
	all := len(Operations())
	c.Observe("GET", "/v1.0/users")
	c.Observe("GET", "/beta/users")
	c.Observe("GET", "/v1.0/nothing")
	if missing := c.Missing(); len(missing) != all-1 {
		t.Errorf("%d of %d operations are missing after one was seen", len(missing), all)
	}
}
