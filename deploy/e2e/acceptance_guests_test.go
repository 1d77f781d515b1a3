package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"entente.dev/deploy/e2e/suitetest"
)

const guestProperties = "?$select=id,userPrincipalName,userType,externalUserState,proxyAddresses,showInAddressList,mail"

// inviteAs invites somebody as a kind of user and returns the user.
func inviteAs(g *suitetest.Graph, to, kind string) object {
	made := g.Create("/v1.0/invitations", object{"invitedUserEmailAddress": to, "inviteRedirectUrl": welcome, "invitedUserType": kind})
	return g.Get("/v1.0/users/" + guestOf(made) + guestProperties)
}

// texts returns a list of texts.
func texts(v any) []string {
	list, _ := v.([]any)
	all := []string{}
	for _, item := range list {
		all = append(all, fmt.Sprint(item))
	}
	return all
}

func TestAC1_StrangersIdsAreUnknown(t *testing.T) {
	t.Parallel()
	s := suitetest.Shared(t)
	a, b := s.NewTenant(t, "workforce", "A"), s.NewTenant(t, "workforce", "B")
	theirs, random := member(s.Graph(t, b), b, "ann"), unused()
	admin := s.Admin(t, a)
	refusal := func(id string) string {
		answer := admin.Refused(http.MethodGet, "/v1.0/users/"+id, nil, 404, "Request_ResourceNotFound")
		return strings.ReplaceAll(suitetest.Message(answer), id, "ID") + fmt.Sprint(suitetest.Details(answer))
	}
	if got, want := refusal(theirs), refusal(random); got != want {
		t.Errorf("a stranger's id answers %q, a random one %q", got, want)
	}
}

func TestAC21_InvitedGuest(t *testing.T) {
	t.Parallel()
	s := suitetest.Shared(t)
	tenant := s.NewTenant(t, "workforce", "Contoso")
	g := s.Graph(t, tenant)
	inviter := s.As(t, tenant, member(g, tenant, "host"), "User.Invite.All", "User.Read.All")
	made := inviter.Create("/v1.0/invitations", object{"invitedUserEmailAddress": "lstokes@fabrikam.example.org", "inviteRedirectUrl": welcome})
	guest := g.Get("/v1.0/users/" + guestOf(made) + guestProperties)
	if guest["userPrincipalName"] != "lstokes_fabrikam.example.org#EXT#@"+tenant.Domain || guest["externalUserState"] != "PendingAcceptance" || guest["showInAddressList"] != false {
		t.Errorf("guest = %v", guest)
	}
	if proxies := texts(guest["proxyAddresses"]); len(proxies) != 1 || proxies[0] != "SMTP:lstokes@fabrikam.example.org" {
		t.Errorf("proxyAddresses = %v", proxies)
	}
	sponsors := suitetest.Values(g.Get("/v1.0/users/" + guestOf(made) + "/sponsors"))
	if len(sponsors) != 1 || sponsors[0]["displayName"] != "host" {
		t.Errorf("sponsors = %v", sponsors)
	}
}

func TestAC22_InvitedMember(t *testing.T) {
	t.Parallel()
	s := suitetest.Shared(t)
	g := s.Graph(t, s.NewTenant(t, "workforce", "Contoso"))
	user := inviteAs(g, address("kim"), "Member")
	if user["userType"] != "Member" || user["showInAddressList"] != nil || len(texts(user["proxyAddresses"])) != 0 {
		t.Errorf("invited member = %v", user)
	}
}

func TestAC23_ContactHoldsTheAddress(t *testing.T) {
	t.Parallel()
	s := suitetest.Shared(t)
	g, mail := s.Graph(t, s.NewTenant(t, "workforce", "Contoso")), address("kim")
	g.Create("/entente/v1/contacts", object{"displayName": "Kim", "mail": mail})
	before, _ := g.All("/v1.0/users")
	g.Refused(http.MethodPost, "/v1.0/invitations", object{"invitedUserEmailAddress": mail, "inviteRedirectUrl": welcome, "invitedUserType": "Member"}, 400, "BadRequest")
	if after, _ := g.All("/v1.0/users"); len(after) != len(before) {
		t.Errorf("the refusal made a user: %v", after)
	}
	guest := inviteAs(g, mail, "Guest")
	if len(texts(guest["proxyAddresses"])) != 0 || guest["mail"] != mail {
		t.Errorf("guest beside a contact = %v", guest)
	}
	if again := inviteAs(g, mail, "Guest"); again["id"] != guest["id"] {
		t.Errorf("a second invitation made %v", again)
	}
}

func TestAC24_GuestHoldsTheAddress(t *testing.T) {
	t.Parallel()
	s := suitetest.Shared(t)
	g, mail := s.Graph(t, s.NewTenant(t, "workforce", "Contoso")), address("kim")
	inviteAs(g, mail, "Guest")
	refused := g.Refused(http.MethodPost, "/entente/v1/contacts", object{"displayName": "Kim", "mail": strings.ToUpper(mail)}, 400, "Request_BadRequest")
	if !strings.Contains(string(refused.Raw), `"target":"proxyAddresses"`) {
		t.Errorf("the refusal names no target: %s", refused.Raw)
	}
}

func TestAC25_GuestBecomesAVisibleMember(t *testing.T) {
	t.Parallel()
	s := suitetest.Shared(t)
	g, mail := s.Graph(t, s.NewTenant(t, "workforce", "Contoso")), address("kim")
	guest := inviteAs(g, mail, "Guest")
	user := "/v1.0/users/" + suitetest.ID(guest)
	group := suitetest.ID(g.Create("/v1.0/groups", object{"displayName": "kept", "mailEnabled": false, "mailNickname": "kept", "securityEnabled": true,
		"members@odata.bind": []string{s.GraphURL + user}}))
	g.Patch(user, object{"showInAddressList": true})
	g.Patch(user, object{"userType": "Member"})
	got := g.Get(user + guestProperties)
	if got["userType"] != "Member" || got["userPrincipalName"] != guest["userPrincipalName"] || got["externalUserState"] != "PendingAcceptance" || len(texts(got["proxyAddresses"])) != 1 {
		t.Errorf("after the change: %v", got)
	}
	listed, _ := g.All("/entente/v1/addressList")
	found := false
	for _, entry := range listed {
		found = found || suitetest.ID(entry) == suitetest.ID(guest)
	}
	if !found {
		t.Error("the address list does not show the new member")
	}
	if groups := suitetest.Values(g.Get(user + "/memberOf")); len(groups) != 1 || suitetest.ID(groups[0]) != group {
		t.Errorf("groups = %v", groups)
	}
}

func TestAC41_DynamicGroupFollowsWithinASecond(t *testing.T) {
	t.Parallel()
	s := suitetest.Shared(t)
	tenant := s.NewTenant(t, "workforce", "Contoso")
	g := s.Graph(t, tenant)
	guest, off := guestOf(invite(g, address("kim"))), member(g, tenant, "off")
	g.Patch("/v1.0/users/"+off, object{"accountEnabled": false})
	dynamic := func(name, rule string) string {
		return suitetest.ID(g.Create("/v1.0/groups", object{
			"displayName": name, "mailEnabled": false, "mailNickname": name, "securityEnabled": true, "groupTypes": []string{"DynamicMembership"},
			"membershipRule": rule, "membershipRuleProcessingState": "On",
		}))
	}
	all, members := dynamic("all", "user.objectId -ne null"), dynamic("members", `user.objectId -ne null -and user.userType -eq "Member"`)
	holds := func(group string, want ...string) func() bool {
		return func() bool {
			list, _ := g.All("/v1.0/groups/" + group + "/members?$select=id")
			have := map[string]bool{}
			for _, m := range list {
				have[suitetest.ID(m)] = true
			}
			for _, id := range want {
				if !have[id] {
					return false
				}
			}
			return len(list) == len(want)
		}
	}
	admin := suitetest.ID(g.Get("/v1.0/users/" + tenant.Admin.UserPrincipalName))
	suitetest.Eventually(t, 10*time.Second, "everybody is in the group of all", holds(all, admin, guest, off))
	suitetest.Eventually(t, 10*time.Second, "guests are not in the group of members", holds(members, admin, off))
	g.Patch("/v1.0/users/"+guest, object{"userType": "Member"})
	suitetest.Eventually(t, 5*time.Second, "the guest that became a member joins", holds(members, admin, guest, off))
	g.Refused(http.MethodPost, "/v1.0/groups/"+members+"/members/$ref", refer(g, off), 400, "Request_BadRequest")
}

func TestAC56_AuditOfATypeChange(t *testing.T) {
	t.Parallel()
	s := suitetest.Shared(t)
	tenant := s.NewTenant(t, "workforce", "Contoso")
	g := s.Graph(t, tenant)
	id := member(g, tenant, "ann")
	changed := g.Do(http.MethodPatch, "/v1.0/users/"+id, object{"userType": "Guest"})
	rows, _ := g.All("/v1.0/auditLogs/directoryAudits?$filter=correlationId eq '" + changed.Header.Get("request-id") + "'")
	if len(rows) != 1 {
		t.Fatalf("%d audit rows of one request: %v", len(rows), rows)
	}
	app, _ := rows[0]["initiatedBy"].(object)["app"].(object)
	if rows[0]["activityDisplayName"] != "Update user" || app["servicePrincipalId"] != tenant.ServicePrincipalID {
		t.Errorf("audit row = %v", rows[0])
	}
	if text := fmt.Sprint(rows[0]["targetResources"]); !strings.Contains(text, `oldValue:["Member"]`) || !strings.Contains(text, `newValue:["Guest"]`) {
		t.Errorf("targets = %s", text)
	}
}

func TestAC57_DanglingOwner(t *testing.T) {
	t.Parallel()
	s := suitetest.Shared(t)
	g := s.Graph(t, s.NewTenant(t, "workforce", "Contoso"))
	refused := g.Do(http.MethodPost, "/v1.0/groups", object{"displayName": "x", "mailEnabled": false, "mailNickname": "x", "securityEnabled": true,
		"owners@odata.bind": []string{s.GraphURL + "/v1.0/users/" + unused()}})
	if refused.Status != 400 {
		t.Errorf("a dangling owner = %d %s", refused.Status, refused.Raw)
	}
	// Terraform's client would try again on these words.
	for _, words := range []string{"One or more property values specified are invalid", "Not a valid reference update", "does not exist or one of its queried"} {
		if strings.Contains(suitetest.Message(refused), words) {
			t.Errorf("message = %q", suitetest.Message(refused))
		}
	}
}
