package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"entente.dev/deploy/e2e/suitetest"
)

// member makes a member and returns the id.
func member(g *suitetest.Graph, tenant suitetest.Tenant, name string) string {
	return suitetest.ID(g.Create("/v1.0/users", tenant.NewUser(name)))
}

// team makes a Microsoft 365 group with an owner.
func team(g *suitetest.Graph, name, owner string) string {
	return suitetest.ID(g.Create("/v1.0/groups", object{
		"displayName": name, "mailEnabled": true, "mailNickname": name, "securityEnabled": false, "groupTypes": []string{"Unified"},
		"owners@odata.bind": []string{g.Suite.GraphURL + "/v1.0/users/" + owner},
	}))
}

// refer is the body that links an object.
func refer(g *suitetest.Graph, id string) object {
	return object{"@odata.id": g.Suite.GraphURL + "/v1.0/directoryObjects/" + id}
}

// give assigns a role over a scope.
func give(g *suitetest.Graph, role, principal, scope string) {
	g.Create("/v1.0/roleManagement/directory/roleAssignments", object{"principalId": principal, "roleDefinitionId": role, "directoryScopeId": scope})
}

const asUser = "Directory.AccessAsUser.All"

func TestAC12_AddressListFlagOfBetaShowsOnV1(t *testing.T) {
	t.Parallel()
	s := suitetest.Shared(t)
	tenant := s.NewTenant(t, "workforce", "Flag")
	g := s.Graph(t, tenant)
	user := "/users/" + member(g, tenant, "ann")
	g.Patch("/beta"+user, object{"showInAddressList": false})
	if got := g.Get("/v1.0" + user + "?$select=showInAddressList"); got["showInAddressList"] != false {
		t.Errorf("showInAddressList = %v", got)
	}
}

func TestAC29_ExternalUserBecomesInternal(t *testing.T) {
	t.Parallel()
	s := suitetest.Shared(t)
	tenant := s.NewTenant(t, "workforce", "Inside")
	g := s.Graph(t, tenant)
	id := guestOf(invite(g, address("kim")))
	group := suitetest.ID(g.Create("/v1.0/groups", object{"displayName": "kept", "mailEnabled": false, "mailNickname": "kept", "securityEnabled": true,
		"members@odata.bind": []string{s.GraphURL + "/v1.0/users/" + id}}))
	convert := "/v1.0/users/" + id + "/convertExternalToInternalMemberUser"
	body := func(domain string) object {
		return object{"userPrincipalName": "kim@" + domain, "passwordProfile": object{"password": "Blue-Kettle-93-Window", "forceChangePasswordNextSignIn": false}}
	}
	admin := s.Admin(t, tenant)
	admin.Refused(http.MethodPost, convert, body("nowhere.example"), 400, "Request_BadRequest")
	if done := admin.Act(convert, body(tenant.Domain)); done["userPrincipalName"] != "kim@"+tenant.Domain || done["convertedToInternalUserDateTime"] == nil {
		t.Errorf("conversion = %v", done)
	}
	got := g.Get("/v1.0/users/" + id + "?$select=externalUserState,userType,identities")
	if got["externalUserState"] != nil || got["userType"] != "Member" {
		t.Errorf("converted user = %v", got)
	}
	signsIn(t, s, tenant, "kim@"+tenant.Domain, "Blue-Kettle-93-Window", 1)
	if groups := suitetest.Values(g.Get("/v1.0/users/" + id + "/memberOf")); len(groups) != 1 || suitetest.ID(groups[0]) != group {
		t.Errorf("groups after the conversion = %v", groups)
	}
	holder := guestOf(invite(g, address("lee")))
	give(g, userAdministrator, holder, "/")
	admin.Refused(http.MethodPost, "/v1.0/users/"+holder+"/convertExternalToInternalMemberUser", object{"userPrincipalName": "lee@" + tenant.Domain,
		"passwordProfile": object{"password": "Blue-Kettle-93-Window"}}, 400, "Request_BadRequest")
}

func TestAC37_GuestsReadLittle(t *testing.T) {
	t.Parallel()
	s := suitetest.Shared(t)
	tenant := s.NewTenant(t, "workforce", "Guests")
	g := s.Graph(t, tenant)
	other, guest := member(g, tenant, "ann"), guestOf(invite(g, address("kim")))
	group := suitetest.ID(g.Create("/v1.0/groups", object{"displayName": "club", "mailEnabled": false, "mailNickname": "club", "securityEnabled": true,
		"members@odata.bind": []string{s.GraphURL + "/v1.0/users/" + guest}}))
	as := s.As(t, tenant, guest, "User.Read", "User.Read.All", "Group.Read.All", "Directory.Read.All", asUser)
	level := func(role string) {
		g.Patch("/v1.0/policies/authorizationPolicy", object{"guestUserRoleId": role})
	}
	as.Refused(http.MethodGet, "/v1.0/users", nil, 403, "Authorization_RequestDenied")
	if got := as.Get("/v1.0/users/" + other); got["displayName"] != "ann" || got["jobTitle"] != nil {
		t.Errorf("a guest reads %v", got)
	}
	level("2af84b1e-32c8-42b7-82bc-daa82404023b") // restricted
	suitetest.Eventually(t, 5*time.Second, "restricted guests read nobody", func() bool { return as.Do(http.MethodGet, "/v1.0/users/"+other, nil).Status == 403 })
	if own := suitetest.Values(as.Get("/v1.0/me/memberOf")); len(own) != 1 || suitetest.ID(own[0]) != group || own[0]["displayName"] != nil {
		t.Errorf("a restricted guest's groups = %v", own)
	}
	level("a0b1b346-4d3e-4e8b-98f8-753987be4970") // as members
	suitetest.Eventually(t, 5*time.Second, "guests read as members do", func() bool { return as.Do(http.MethodGet, "/v1.0/users", nil).Status == 200 })
}

func TestAC38_SettingsKeepGuestsOutOfTeams(t *testing.T) {
	t.Parallel()
	s := suitetest.Shared(t)
	tenant := s.NewTenant(t, "workforce", "Teams")
	g := s.Graph(t, tenant)
	owner, clerk := member(g, tenant, "owner"), member(g, tenant, "clerk")
	give(g, "fdd7a751-b60b-444a-984c-02652fe8fa1c", clerk, "/") // Groups Administrator
	as, admin := s.As(t, tenant, owner, "Group.ReadWrite.All", asUser), s.As(t, tenant, clerk, asUser)
	add := func(by *suitetest.Graph, group, id string) suitetest.Answer {
		return by.Do(http.MethodPost, "/v1.0/groups/"+group+"/members/$ref", refer(g, id))
	}
	setting := func(path, template, value string) string {
		return path + "/" + suitetest.ID(g.Create(path, object{"templateId": template, "values": []object{{"name": "AllowToAddGuests", "value": value}}}))
	}
	everywhere := setting("/v1.0/groupSettings", unifiedSettings, "true")
	for i, c := range []struct{ tenant, group string }{{"false", ""}, {"true", "false"}, {"false", "true"}} {
		group := team(g, fmt.Sprintf("team%d", i), owner)
		g.Patch(everywhere, object{"values": []object{{"name": "AllowToAddGuests", "value": c.tenant}}})
		if c.group != "" {
			setting("/v1.0/groups/"+group+"/settings", guestSettings, c.group)
		}
		guest := guestOf(invite(g, address(fmt.Sprintf("guest%d", i))))
		if a := add(as, group, guest); a.Status != 400 {
			t.Errorf("tenant %s, group %q: an owner adds a guest = %d %s", c.tenant, c.group, a.Status, a.Raw)
		}
		if a := add(admin, group, guest); a.Status != 204 {
			t.Errorf("tenant %s, group %q: a Groups Administrator adds a guest = %d %s", c.tenant, c.group, a.Status, a.Raw)
		}
	}
	plain := suitetest.ID(g.Create("/v1.0/groups", object{"displayName": "plain", "mailEnabled": false, "mailNickname": "plain", "securityEnabled": true,
		"owners@odata.bind": []string{s.GraphURL + "/v1.0/users/" + owner}}))
	guest := guestOf(invite(g, address("plain")))
	if a := add(as, plain, guest); a.Status != 204 {
		t.Errorf("an owner adds a guest to a security group = %d %s", a.Status, a.Raw)
	}
	external := guestOf(g.Create("/v1.0/invitations", object{"invitedUserEmailAddress": address("partner"), "inviteRedirectUrl": welcome, "invitedUserType": "Member"}))
	if a := add(as, team(g, "open", owner), external); a.Status != 204 {
		t.Errorf("an owner adds an external member to a team = %d %s", a.Status, a.Raw)
	}
}

func TestAC44_RestrictedUnitKeepsTenantAdministratorsOut(t *testing.T) {
	t.Parallel()
	s := suitetest.Shared(t)
	tenant := s.NewTenant(t, "workforce", "Vault")
	g := s.Graph(t, tenant)
	secret, scoped, elsewhere := member(g, tenant, "secret"), member(g, tenant, "scoped"), member(g, tenant, "elsewhere")
	unit := func(name string, restricted bool) string {
		return suitetest.ID(g.Create("/v1.0/directory/administrativeUnits", object{"displayName": name, "isMemberManagementRestricted": restricted}))
	}
	vault, plain := unit("Vault", true), unit("Plain", false)
	for _, u := range []string{vault, plain} {
		g.Send(http.MethodPost, "/v1.0/directory/administrativeUnits/"+u+"/members/$ref", refer(g, secret))
	}
	give(g, userAdministrator, scoped, "/administrativeUnits/"+vault)
	give(g, userAdministrator, elsewhere, "/administrativeUnits/"+plain)
	admin := s.Admin(t, tenant)
	user, change := "/v1.0/users/"+secret, object{"department": "Board"}
	admin.Refused(http.MethodPatch, user, change, 403, "Authorization_RequestDenied")
	g.Refused(http.MethodPatch, user, change, 403, "Authorization_RequestDenied")
	s.As(t, tenant, elsewhere, asUser).Refused(http.MethodPatch, user, change, 403, "Authorization_RequestDenied")
	s.As(t, tenant, scoped, asUser).Patch(user, change)
	admin.Delete("/v1.0/directory/administrativeUnits/" + vault + "/members/" + secret + "/$ref")
	suitetest.Eventually(t, 5*time.Second, "the user is free again", func() bool { return admin.Do(http.MethodPatch, user, change).Status == 204 })
}

func TestAC36_WhoResetsWhosePassword(t *testing.T) {
	t.Parallel()
	s := suitetest.Shared(t)
	tenant := s.NewTenant(t, "workforce", "Resets")
	g := s.Graph(t, tenant)
	roles := map[string]string{
		"helpdesk": "729827e3-9c14-49f7-bb1b-9608f156bbb8", "users": userAdministrator,
		"authentication": "c4e39bd9-1100-46d3-8c65-fb160da0071f", "authentication2": "c4e39bd9-1100-46d3-8c65-fb160da0071f",
	}
	ids := map[string]string{}
	for name, role := range roles {
		ids[name] = member(g, tenant, name)
		give(g, role, ids[name], "/")
	}
	ids["assigned"] = member(g, tenant, "assigned")
	g.Create("/v1.0/groups", object{"displayName": "role", "mailEnabled": false, "mailNickname": "role", "securityEnabled": true, "isAssignableToRole": true,
		"members@odata.bind": []string{s.GraphURL + "/v1.0/users/" + ids["assigned"]}})
	for _, c := range []struct {
		by, whose string
		want      int
	}{
		{"helpdesk", "users", 403}, {"users", "helpdesk", 202}, {"authentication", "authentication2", 202}, {"users", "assigned", 403},
	} {
		as := s.As(t, tenant, ids[c.by], asUser)
		a := as.Do(http.MethodPost, "/v1.0/users/"+ids[c.whose]+"/authentication/methods/"+passwordMethod+"/resetPassword", object{})
		if a.Status != c.want {
			t.Errorf("%s resets the password of %s = %d %s", c.by, c.whose, a.Status, strings.TrimSpace(string(a.Raw)))
		}
	}
}
