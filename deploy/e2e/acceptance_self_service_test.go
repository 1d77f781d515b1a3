package e2e

import (
	"net/http"
	"testing"

	"entente.dev/deploy/e2e/suitetest"
)

func TestAC47_OwnerInvitesIntoAnApplication(t *testing.T) {
	t.Parallel()
	s := suitetest.Shared(t)
	tenant := s.NewTenant(t, "workforce", "Self Service")
	g := s.Graph(t, tenant)
	owner := member(g, tenant, "owner")
	app := g.Create("/v1.0/applications", object{"displayName": "Portal"})
	sp := suitetest.ID(g.Create("/v1.0/servicePrincipals", object{"appId": app["appId"], "owners@odata.bind": []string{s.GraphURL + "/v1.0/users/" + owner}}))
	group := suitetest.ID(g.Create("/v1.0/groups", object{"displayName": "portal", "mailEnabled": false, "mailNickname": "portal", "securityEnabled": true}))
	g.Create("/v1.0/servicePrincipals/"+sp+"/appRoleAssignedTo", object{"principalId": group, "resourceId": sp, "appRoleId": "00000000-0000-0000-0000-000000000000"})
	g.Patch("/v1.0/policies/authorizationPolicy", object{"allowInvitesFrom": "adminsAndGuestInviters"})
	settings := "/entente/v1/servicePrincipals/" + sp + "/selfService"
	g.Patch(settings, object{"enabled": true, "groupId": group, "ownersMayInvite": false})

	as, to := s.As(t, tenant, owner, asUser), address("kim")
	inviteUser, body := "/entente/v1/applications/"+sp+"/inviteUser", object{"invitedUserEmailAddress": to, "inviteRedirectUrl": welcome}
	members := func() []object { return suitetest.Values(g.Get("/v1.0/groups/" + group + "/members?$select=id,mail")) }
	if a := as.Do(http.MethodPost, inviteUser, body); a.Status != 403 {
		t.Errorf("an owner who may not invite = %d %s", a.Status, a.Raw)
	}
	if users := suitetest.Values(g.Get("/v1.0/users?$filter=mail eq '" + to + "'")); len(users) != 0 || len(members()) != 0 {
		t.Errorf("the refusal wrote %v %v", users, members())
	}
	g.Patch(settings, object{"ownersMayInvite": true})
	if a := as.Do(http.MethodPost, inviteUser, body); a.Status >= 300 {
		t.Errorf("an owner who may invite = %d %s", a.Status, a.Raw)
	}
	if in := members(); len(in) != 1 || in[0]["mail"] != to {
		t.Errorf("members = %v", in)
	}
}
