package e2e

import (
	"net/http"
	"testing"

	"entente.dev/deploy/e2e/suitetest"
)

// The owner of a group invites and adds in one step (INV-138).
func TestOwnerInvitesIntoAGroup(t *testing.T) {
	t.Parallel()
	s := suitetest.Shared(t)
	tenant, elsewhere := s.NewTenant(t, "workforce", "Contoso"), s.NewTenant(t, "workforce", "Fabrikam")
	g := s.Graph(t, tenant)
	owner := member(g, tenant, "owner")
	group := func(name string, more object) string {
		body := object{"displayName": name, "mailEnabled": false, "mailNickname": name, "securityEnabled": true, "owners@odata.bind": []string{s.GraphURL + "/v1.0/users/" + owner}}
		for key, value := range more {
			body[key] = value
		}
		return suitetest.ID(g.Create("/v1.0/groups", body))
	}
	team, mail := group("team", nil), address("kim")
	as, inviteMember := s.As(t, tenant, owner, "GroupMember.ReadWrite.All"), func(id string) string { return "/entente/v1/groups/" + id + "/inviteMember" }
	body := object{"emailAddress": mail, "displayName": "Kim", "message": "Join us."}

	// Nobody is invited where the group cannot take them.
	g.Refused(http.MethodPost, inviteMember(team), body, 403, "Authorization_RequestDenied")
	s.As(t, tenant, member(g, tenant, "other"), "GroupMember.ReadWrite.All").Refused(http.MethodPost, inviteMember(team), body, 403, "Authorization_RequestDenied")
	s.Admin(t, elsewhere).Refused(http.MethodPost, inviteMember(team), body, 404, "Request_ResourceNotFound")
	as.Refused(http.MethodPost, inviteMember(group("roles", object{"isAssignableToRole": true})), body, 403, "Authorization_RequestDenied")
	dynamic := group("dynamic", object{"groupTypes": []string{"DynamicMembership"}, "membershipRule": `user.department -eq "none"`})
	if a := as.Do(http.MethodPost, inviteMember(dynamic), body); a.Status != 400 {
		t.Errorf("a dynamic group = %d %s", a.Status, a.Raw)
	}
	if users := suitetest.Values(g.Get("/v1.0/users?$filter=mail eq '" + mail + "'")); len(users) != 0 {
		t.Fatalf("the refusals invited %v", users)
	}

	box := s.Mailbox(mail)
	made := as.Do(http.MethodPost, inviteMember(team), body)
	guest := guestOf(made.JSON)
	if made.Status != 201 || made.JSON["added"] != true || guest == "" || made.JSON["error"] != nil || made.JSON["inviteRedeemUrl"] != nil {
		t.Fatalf("invited = %d %s", made.Status, made.Raw)
	}
	if in := suitetest.Values(g.Get("/v1.0/groups/" + team + "/members?$select=id,mail")); len(in) != 1 || suitetest.ID(in[0]) != guest || in[0]["mail"] != mail {
		t.Errorf("members = %v", in)
	}
	p := s.Person(t)
	enterCode(p, sendCode(t, p, box, box.Next(t).Link(t)))
	p.Press("accept", nil)

	// Who is in the group already is a guest already, and cannot be added.
	again := as.Do(http.MethodPost, inviteMember(team), body)
	failed, _ := again.JSON["error"].(object)
	if again.Status != http.StatusMultiStatus || again.JSON["added"] != false || guestOf(again.JSON) != guest || failed["code"] != "Request_BadRequest" || failed["message"] == "" {
		t.Errorf("again = %d %s", again.Status, again.Raw)
	}
	if next := as.Do(http.MethodPost, inviteMember(group("next", nil)), body); next.Status != 201 || guestOf(next.JSON) != guest {
		t.Errorf("into another group = %d %s", next.Status, next.Raw)
	}
}
