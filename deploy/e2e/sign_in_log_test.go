package e2e

import (
	"testing"

	"entente.dev/deploy/e2e/suitetest"
)

// TestSignInLogTellsTheKindOfAccess reads the log in both versions: /v1.0 has
// the property when it is named (DIR-221, INV-167).
func TestSignInLogTellsTheKindOfAccess(t *testing.T) {
	t.Parallel()
	s := suitetest.Shared(t)
	tenant := s.NewTenant(t, "workforce", "Logged Works")
	g := s.Graph(t, tenant)
	recordSignIns(t, s, tenant, member(g, tenant, "ann"), 1)
	for path, shown := range map[string]bool{"/v1.0/auditLogs/signIns": false, "/v1.0/auditLogs/signIns?$select=id,crossTenantAccessType": true, "/beta/auditLogs/signIns": true} {
		rows := suitetest.Values(g.Get(path))
		if len(rows) != 1 {
			t.Fatalf("%s: %v", path, rows)
		}
		if got, ok := rows[0]["crossTenantAccessType"]; ok != shown || shown && got != "none" {
			t.Errorf("%s: %v, %v", path, got, ok)
		}
	}
}
