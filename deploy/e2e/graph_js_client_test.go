package e2e

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"entente.dev/deploy/e2e/suitetest"
)

// TestScriptRunsWithMicrosoftsClients runs js/graph.mjs with the npm packages
// that Microsoft publishes, unmodified.
func TestScriptRunsWithMicrosoftsClients(t *testing.T) {
	t.Parallel()
	s := suitetest.Shared(t)
	tenant := s.NewTenant(t, "workforce", "Graphic Design Institute")
	g := s.Graph(t, tenant)
	for i := range 20 {
		g.Create("/v1.0/users", tenant.NewUser(fmt.Sprintf("member%02d", i)))
	}
	out := s.Script(t, tenant, "graph.mjs", "INVITEE="+address("js"))
	var got map[string]any
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatalf("graph.mjs: %v\n%s", err, out)
	}
	want := map[string]any{
		"created": true, "patched": true, "paged": 22.0, "complete": true, "count": 22.0, "advanced": 22.0,
		"invited": true, "pending": true, "missing": "404 Request_ResourceNotFound", "requestId": true,
		"batch": []any{200.0, 404.0, 204.0}, "batchBody": true, "members": true, "wrongSecret": "invalid_client",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("outcome of the script (-want +got):\n%s", diff)
	}
}

// Each script follows one kind of object through its life with the requests
// and bodies of Terraform's provider, and asserts what it reads back.
func TestScriptsManageEachKindOfObject(t *testing.T) {
	t.Parallel()
	for _, script := range []string{
		"users.mjs", "groups.mjs", "units.mjs", "roles.mjs", "applications.mjs", "assignments.mjs", "delta.mjs", "batch.mjs",
	} {
		t.Run(script, func(t *testing.T) {
			t.Parallel()
			s := suitetest.Shared(t)
			s.Script(t, s.NewTenant(t, "workforce", "Script "+script), script)
		})
	}
}
