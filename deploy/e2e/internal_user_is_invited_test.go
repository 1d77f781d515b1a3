package e2e

import (
	"fmt"
	"net/http"
	"testing"

	"entente.dev/deploy/e2e/suitetest"
	directorypb "entente.dev/proto/gen/entente/directory/v1"
)

// An internal user is invited to sign in from elsewhere (INV-33, INV-34,
// DIR-71): the password serves until the redemption, and never again.
func TestInternalUserIsInvited(t *testing.T) {
	t.Parallel()
	s := suitetest.Shared(t)
	tenant := s.NewTenant(t, "workforce", "Contoso")
	g, mail := s.Graph(t, tenant), address("ann")
	const password = "Gletscher-spalte-77"
	name := "ann@" + tenant.Domain
	user := suitetest.ID(g.Create("/v1.0/users", object{
		"accountEnabled": true, "displayName": "Ann", "mailNickname": "ann", "userPrincipalName": name, "mail": mail,
		"passwordProfile": object{"password": password, "forceChangePasswordNextSignIn": false},
	}))
	group := suitetest.ID(g.Create("/v1.0/groups", object{"displayName": "kept", "mailEnabled": false, "mailNickname": "kept", "securityEnabled": true,
		"members@odata.bind": []string{s.GraphURL + "/v1.0/users/" + user}}))
	body := func(to string) object {
		return object{"invitedUserEmailAddress": to, "inviteRedirectUrl": welcome, "sendInvitationMessage": true, "invitedUser": object{"id": user}}
	}
	g.Refused(http.MethodPost, "/v1.0/invitations", body(address("other")), 400, "BadRequest")
	s.As(t, tenant, member(g, tenant, "host"), "User.Invite.All").Refused(http.MethodPost, "/v1.0/invitations", body(mail), 403, "Authorization_RequestDenied")

	// A first invitation is taken back, which leaves the user as it was.
	first := g.Create("/v1.0/invitations", body(mail))
	box := s.Mailbox(mail)
	box.Next(t)
	g.Send(http.MethodPost, "/entente/v1/invitations/"+suitetest.ID(first)+"/revoke", object{})
	signsIn(t, s, tenant, name, password, directorypb.VerifyPasswordResponse_Success)

	if again := g.Create("/v1.0/invitations", body(mail)); guestOf(again) != user {
		t.Fatalf("the invitation is about %v", again)
	}
	link := box.Next(t).Link(t)
	signsIn(t, s, tenant, name, password, directorypb.VerifyPasswordResponse_Success)
	p := s.Person(t)
	enterCode(p, sendCode(t, p, box, link))
	p.Press("accept", nil)

	got := g.Get("/v1.0/users/" + user + "?$select=id,userPrincipalName,userType,externalUserState")
	if got["userPrincipalName"] != name || got["userType"] != "Member" || got["externalUserState"] != "Accepted" {
		t.Errorf("after the redemption: %v", got)
	}
	if groups := suitetest.Values(g.Get("/v1.0/users/" + user + "/memberOf")); len(groups) != 1 || suitetest.ID(groups[0]) != group {
		t.Errorf("groups = %v", groups)
	}
	if answer := signIn(t, s, tenant, name, password); answer.Result == directorypb.VerifyPasswordResponse_Success {
		t.Errorf("the password serves after the redemption: %s", fmt.Sprint(answer))
	}
}
