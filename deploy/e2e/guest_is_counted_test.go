package e2e

import (
	"fmt"
	"testing"
	"time"

	"entente.dev/deploy/e2e/suitetest"
)

// A redemption is a sign-in of the guest: the log shows it, and the month
// counts the guest as active (DIR-220, DIR-231).
func TestGuestIsCountedFromTheRedemptionOn(t *testing.T) {
	t.Parallel()
	s := suitetest.Shared(t)
	tenant := s.NewTenant(t, "workforce", "Contoso")
	g, mail := s.Graph(t, tenant), address("kim")
	box := s.Mailbox(mail)
	guest := guestOf(invite(g, mail))
	redeem(t, s.Person(t), box, box.Next(t).Link(t))

	var rows []object
	suitetest.Eventually(t, 30*time.Second, "the sign-in of the guest", func() bool {
		rows = suitetest.Values(g.Get("/v1.0/auditLogs/signIns?$filter=userId eq '" + guest + "'"))
		return len(rows) > 0
	})
	row := rows[0]
	if len(rows) != 1 || row["isInteractive"] != true || row["resourceTenantId"] != tenant.ID ||
		row["ipAddress"] == nil || row["clientAppUsed"] != "Browser" || row["correlationId"] == nil {
		t.Errorf("sign-ins = %v", rows)
	}
	if status, _ := row["status"].(object); fmt.Sprint(status["errorCode"]) != "0" {
		t.Errorf("status = %v", row["status"])
	}
	user := g.Get("/v1.0/users/" + guest + "?$select=signInActivity")
	if activity, _ := user["signInActivity"].(object); activity["lastSignInDateTime"] == nil {
		t.Errorf("activity = %v", user)
	}
	if got := g.Get("/entente/v1/reports/mau"); fmt.Sprint(got["externalGuests"]) != "1" {
		t.Errorf("monthly active users = %v", got)
	}
}
