package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"entente.dev/deploy/e2e/suitetest"
)

// TestScriptRunsWithMicrosoftsClients runs js/graph.mjs with the npm packages
// that Microsoft publishes, unmodified.
func TestScriptRunsWithMicrosoftsClients(t *testing.T) {
	t.Parallel()
	for _, program := range []string{"node", "npm"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Fatalf("%s was not found: install Node.js 20 or newer (Debian: nodejs and npm)", program)
		}
	}
	s := suitetest.Shared(t)
	dir := t.TempDir()
	for _, name := range []string{"package.json", "package-lock.json", "graph.mjs"} {
		text, err := os.ReadFile(filepath.Join("js", name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	install := exec.CommandContext(t.Context(), "npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts")
	install.Dir = dir
	if out, err := install.CombinedOutput(); err != nil {
		t.Fatalf("npm ci: %v\n%s", err, out)
	}

	tenant := s.NewTenant(t, "workforce", "Graphic Design Institute")
	g := s.Graph(t, tenant)
	for i := range 20 {
		g.Create("/v1.0/users", tenant.NewUser(fmt.Sprintf("member%02d", i)))
	}
	script := exec.CommandContext(t.Context(), "node", "graph.mjs")
	script.Dir = dir
	script.Env = append(slices.Clone(os.Environ()), "NODE_EXTRA_CA_CERTS="+s.CAFile, "NODE_NO_WARNINGS=1",
		"GRAPH_URL="+s.GraphURL, "TENANT_ID="+tenant.ID, "TENANT_DOMAIN="+tenant.Domain,
		"CLIENT_ID="+tenant.ClientID, "CLIENT_SECRET="+tenant.ClientSecret, "INVITEE="+address("js"))
	out, err := script.Output()
	if err != nil {
		var text []byte
		if exit, ok := err.(*exec.ExitError); ok {
			text = exit.Stderr
		}
		t.Fatalf("node graph.mjs: %v\n%s%s", err, out, text)
	}
	var got map[string]any
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatalf("node graph.mjs: %v\n%s", err, out)
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
