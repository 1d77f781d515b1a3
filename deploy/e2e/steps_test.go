package e2e

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"entente.dev/deploy/e2e/suitetest"
	"github.com/google/uuid"
)

// Steps that several stories take.

type object = suitetest.Object

const (
	welcome          = "https://app.example/welcome"
	graphApplication = "00000003-0000-0000-c000-000000000000"
	// crossTenantTemplate is the application template of cross-tenant synchronization.
	crossTenantTemplate = "518e5f48-1fc8-4c48-9387-9fdf28b0dfe7"
	syncTemplate        = "Azure2Azure"
)

// unused is an id that no object has.
func unused() string { return uuid.NewString() }

// address makes a mail address of a partner without a tenant here, new in each run.
func address(name string) string {
	return name + "." + uuid.NewString()[:8] + "@partner.example"
}

// invite invites an address with a mail and returns the invitation.
func invite(g *suitetest.Graph, to string) object {
	return g.Create("/v1.0/invitations", object{
		"invitedUserEmailAddress": to, "inviteRedirectUrl": welcome, "sendInvitationMessage": true,
	})
}

// guestOf returns the id of the user that an invitation made.
func guestOf(invitation object) string {
	user, _ := invitation["invitedUser"].(object)
	return suitetest.ID(user)
}

// sendCode opens a link and asks for a passcode, which it returns.
func sendCode(t *testing.T, p *suitetest.Person, box *suitetest.Mailbox, link string) string {
	t.Helper()
	if page := p.Open(link); page.Status != http.StatusOK {
		t.Fatalf("the link answers %d: %s", page.Status, page.Text)
	}
	p.Press("send code", nil)
	return box.Next(t).Passcode(t)
}

// enterCode types a passcode.
func enterCode(p *suitetest.Person, code string) {
	p.Press("continue", url.Values{p.Field("continue"): {code}})
}

// redeem takes an invited person from the link to the end of the redemption.
func redeem(t *testing.T, p *suitetest.Person, box *suitetest.Mailbox, link string) {
	t.Helper()
	enterCode(p, sendCode(t, p, box, link))
	p.Sees("permission")
	p.Press("accept", nil)
	if !landed(p) {
		t.Fatalf("after consent the person is on %s (%d): %s", p.Page.URL, p.Page.Status, p.Page.Text)
	}
}

// landed says whether the person was sent to the redirect address, or is shown
// it for a click, as INV-105 wants for hosts that the tenant has not vouched for.
func landed(p *suitetest.Person) bool {
	if p.Left == welcome {
		return true
	}
	for _, target := range p.Page.Links {
		if target == welcome {
			return strings.Contains(p.Page.Text, "app.example")
		}
	}
	for _, f := range p.Page.Forms {
		if f.Action == welcome {
			return true
		}
	}
	return false
}

// allowSync opens the way for synchronization from one tenant to another on
// both sides.
func allowSync(source, target *suitetest.Graph, from, to suitetest.Tenant) {
	partners := "/v1.0/policies/crossTenantAccessPolicy/partners"
	source.Create(partners, object{"tenantId": to.ID, "automaticUserConsentSettings": object{"outboundAllowed": true}})
	target.Create(partners, object{"tenantId": from.ID, "automaticUserConsentSettings": object{"inboundAllowed": true}})
	target.Send(http.MethodPut, partners+"/"+from.ID+"/identitySynchronization", object{
		"displayName": from.Name, "userSyncInbound": object{"isSyncAllowed": true},
	})
}

// configuration is a synchronization set up in a source tenant.
type configuration struct {
	ServicePrincipal string
	Application      string
	Role             string // app role to assign users with
	Base             string // path of the synchronization
	Job              string // path of the job
}

// configure instantiates the template in the source, stores the target and
// creates a job, without starting it.
func configure(t *testing.T, g *suitetest.Graph, to suitetest.Tenant, all bool) configuration {
	t.Helper()
	made := g.Create("/v1.0/applicationTemplates/"+crossTenantTemplate+"/instantiate", object{"displayName": "Synchronize to " + to.Name})
	sp, _ := made["servicePrincipal"].(object)
	app, _ := made["application"].(object)
	c := configuration{ServicePrincipal: suitetest.ID(sp), Application: suitetest.ID(app)}
	c.Base = "/v1.0/servicePrincipals/" + c.ServicePrincipal + "/synchronization"
	roles, _ := sp["appRoles"].([]any)
	for _, r := range roles {
		if role, ok := r.(object); ok && role["isEnabled"] == true {
			c.Role = suitetest.ID(role)
		}
	}
	syncAll := "false"
	if all {
		syncAll = "true"
	}
	g.Send(http.MethodPut, c.Base+"/secrets", object{"value": []object{
		{"key": "AuthenticationType", "value": "SyncPolicy"}, {"key": "CompanyId", "value": to.ID}, {"key": "SyncAll", "value": syncAll},
	}})
	job := g.Create(c.Base+"/jobs", object{"templateId": syncTemplate})
	c.Job = c.Base + "/jobs/" + suitetest.ID(job)
	return c
}

// assign puts a user or group in the scope of a configuration.
func (c configuration) assign(g *suitetest.Graph, principal string) {
	g.Create("/v1.0/servicePrincipals/"+c.ServicePrincipal+"/appRoleAssignedTo", object{
		"principalId": principal, "resourceId": c.ServicePrincipal, "appRoleId": c.Role,
	})
}

// found waits for users in a tenant that match a filter.
func found(t *testing.T, g *suitetest.Graph, filter string, n int) []object {
	t.Helper()
	var users []object
	suitetest.Eventually(t, 30*time.Second, filter, func() bool {
		users, _ = g.All("/v1.0/users?$filter=" + filter + "&$select=id,displayName,userPrincipalName,userType,externalUserState,department,mail,accountEnabled")
		return len(users) == n
	})
	return users
}
