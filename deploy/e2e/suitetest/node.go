package suitetest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"
)

// scripts installs the npm packages of js beside a copy of its scripts, once.
var scripts = sync.OnceValues(func() (string, error) {
	for _, program := range []string{"node", "npm"} {
		if _, err := exec.LookPath(program); err != nil {
			return "", fmt.Errorf("%s was not found: install Node.js 20 or newer (Debian: nodejs and npm)", program)
		}
	}
	dir, err := scratch("entente-e2e-js-")
	if err != nil {
		return "", err
	}
	if err := os.CopyFS(dir, os.DirFS("js")); err != nil {
		return "", err
	}
	install := exec.Command("npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts")
	install.Dir = dir
	if out, err := install.CombinedOutput(); err != nil {
		return "", fmt.Errorf("npm ci: %w\n%s", err, out)
	}
	return dir, nil
})

// Script runs a script of js as the application of a tenant and returns what
// it printed. It fails the test when the script fails.
func (s *Suite) Script(t testing.TB, tenant Tenant, name string, variables ...string) []byte {
	t.Helper()
	dir, err := scripts()
	if err != nil {
		t.Fatal(err)
	}
	script := exec.CommandContext(t.Context(), "node", filepath.Join(dir, name))
	script.Dir = dir
	script.Env = append(slices.Clone(os.Environ()), "NODE_EXTRA_CA_CERTS="+s.CAFile, "NODE_NO_WARNINGS=1",
		"GRAPH_URL="+s.GraphURL, "TENANT_ID="+tenant.ID, "TENANT_DOMAIN="+tenant.Domain,
		"CLIENT_ID="+tenant.ClientID, "CLIENT_SECRET="+tenant.ClientSecret, "CALLER="+tenant.ServicePrincipalID)
	script.Env = append(script.Env, variables...)
	out, err := script.Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			out = append(out, exit.Stderr...)
		}
		t.Fatalf("node %s: %v\n%s", name, err, out)
	}
	return out
}
