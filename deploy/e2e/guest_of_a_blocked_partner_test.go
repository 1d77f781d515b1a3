package e2e

import (
	"strings"
	"testing"

	"entente.dev/deploy/e2e/suitetest"
)

// A partner that either side blocks after the mail went out is out, although
// a passcode shows no account of it (POL-52, POL-56).
func TestGuestOfABlockedPartnerDoesNotGetIn(t *testing.T) {
	t.Parallel()
	blocked := object{
		"usersAndGroups": object{"accessType": "blocked", "targets": []object{{"target": "AllUsers", "targetType": "user"}}},
		"applications":   object{"accessType": "blocked", "targets": []object{{"target": "AllApplications", "targetType": "application"}}},
	}
	const partners = "/v1.0/policies/crossTenantAccessPolicy/partners"
	for name, block := range map[string]func(contoso, fabrikam *suitetest.Graph, host, home suitetest.Tenant){
		"the host blocks": func(contoso, _ *suitetest.Graph, _, home suitetest.Tenant) {
			contoso.Create(partners, object{"tenantId": home.ID, "b2bCollaborationInbound": blocked})
		},
		"the home blocks": func(_, fabrikam *suitetest.Graph, host, _ suitetest.Tenant) {
			fabrikam.Create(partners, object{"tenantId": host.ID, "b2bCollaborationOutbound": blocked})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := suitetest.Shared(t)
			host, home := s.NewTenant(t, "workforce", "Contoso"), s.NewTenant(t, "workforce", "Fabrikam")
			contoso, fabrikam := s.Graph(t, host), s.Graph(t, home)
			mail := "kim@" + home.Domain
			box := s.Mailbox(mail)
			guest := guestOf(invite(contoso, mail))
			p := s.Person(t)
			code := sendCode(t, p, box, box.Next(t).Link(t))
			block(contoso, fabrikam, host, home)

			enterCode(p, code)
			if !strings.Contains(p.Page.Text, "not allowed") || landed(p) || p.Has("accept") {
				t.Errorf("the person is on %s: %s", p.Page.URL, p.Page.Text)
			}
			if got := contoso.Get("/v1.0/users/" + guest + "?$select=externalUserState"); got["externalUserState"] != "PendingAcceptance" {
				t.Errorf("guest = %v", got)
			}
			rows := suitetest.Values(contoso.Get("/v1.0/auditLogs/directoryAudits?$filter=activityDisplayName eq 'Redeem external user invite' and result eq 'failure'"))
			if len(rows) != 1 {
				t.Errorf("records of the refusal: %v", rows)
			}
		})
	}
}
