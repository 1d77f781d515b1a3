package invitation_test

import (
	"fmt"
	"strings"
	"testing"

	"entente.dev/invitation-svc/internal/invitation"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/fault"
)

const bulkHead = "version:v1.0\nEmail address to invite [inviteeEmail] Required,Redirection url [inviteRedirectURL] Required," +
	"Send invitation message (true or false) [sendEmail],Customized invitation message [customizedMessageBody]\n"

func TestTheTemplateHasTheHeadingsOfTheOriginal(t *testing.T) {
	t.Parallel()
	if got := string(invitation.BulkFormat().Template()); got != bulkHead {
		t.Errorf("%q", got)
	}
}

func TestABulkFileIsTakenOrRefusedAsAWhole(t *testing.T) {
	t.Parallel()
	const good = "a@partner.example,https://contoso.example/\n"
	for name, c := range map[string]struct{ file, problem string }{
		"no version row":              {strings.TrimPrefix(bulkHead, "version:v1.0\n") + good, "row 1:"},
		"a heading is missing":        {strings.Replace(bulkHead, "Redirection url [inviteRedirectURL] Required", "Landing [page]", 1) + good, "row 2:"},
		"an address is missing":       {bulkHead + good + " ,https://contoso.example/\n", "row 4: a value is required in [inviteeEmail]"},
		"a URL is missing":            {bulkHead + "a@partner.example\n", "row 3: a value is required in [inviteRedirectURL]"},
		"addresses that cannot be":    {bulkHead + "nobody,https://contoso.example/\n" + good + "a@b@c.example,https://contoso.example/\n", "row 5: the address"},
		"the example is given":        {bulkHead + "Example@Example.com,https://contoso.example/\n", "row 3: the address in [inviteeEmail] is not valid: it is the one of the example"},
		"more rows than a file has":   {bulkHead + strings.Repeat(good, 5001), "row 5003: a file has at most 5000 rows"},
		"far more rows":               {bulkHead + strings.Repeat(good, 50_001), "a file has at most 5000 rows"},
		"more bytes than a file has":  {bulkHead + strings.Repeat(" ", 5<<20), "larger than 5 MB"},
		"far more bytes":              {bulkHead + strings.Repeat(" ", 20<<20), "larger than 5 MB"},
		"a quote that nobody closes":  {bulkHead + good + "\"", "row 4:"},
		"two columns of one property": {strings.Replace(bulkHead, "[sendEmail]", "[inviteeEmail]", 1) + good, "twice"},
	} {
		rows, err := invitation.ParseBulk([]byte(c.file), invitation.Settings{})
		if !fault.Is(err, errorspb.Reason_PROPERTY_INVALID) || !strings.Contains(fault.From(err).Message, c.problem) {
			t.Errorf("%s: %d rows, %v", name, len(rows), err)
		}
	}
	if _, err := invitation.ParseBulk([]byte(bulkHead+strings.Repeat(good, 5000)), invitation.Settings{}); err != nil {
		t.Error(err)
	}
	if _, err := invitation.ParseBulk([]byte(bulkHead+"a+b@partner.example,https://contoso.example/\n"), invitation.Settings{Strict: true}); err == nil {
		t.Error("an address that the tenant does not take is taken")
	}
}

func TestABulkRowIsARequest(t *testing.T) {
	t.Parallel()
	file := "version:v1.0,,\n[sendEmail],The address [inviteeEmail],Who [inviteeName],Redirection url [inviteRedirectURL] Required,Badge\n" +
		"TRUE,ann@partner.example,\"Ann, of Partner\",https://contoso.example/a,7\n,ANN@Partner.example,,https://contoso.example/b,\nmaybe,ben@partner.example,,https://contoso.example/c,\n"
	rows, err := invitation.ParseBulk([]byte(file), invitation.Settings{})
	if err != nil || len(rows) != 3 {
		t.Fatalf("%v, %v", rows, err)
	}
	r, err := invitation.BulkRequest(rows[0].Values)
	if err != nil || !r.SendMessage || r.Address != "ann@partner.example" || r.DisplayName != "Ann, of Partner" || r.RedirectURL != "https://contoso.example/a" || r.UserType != "" {
		t.Errorf("%+v, %v", r, err)
	}
	if r, err := invitation.BulkRequest(rows[1].Values); err != nil || r.SendMessage {
		t.Errorf("%+v, %v", r, err)
	}
	if _, err := invitation.BulkRequest(rows[2].Values); !fault.Is(err, errorspb.Reason_BAD_REQUEST) {
		t.Error(err)
	}
	if got := fmt.Sprint(rows[0].SameAs, rows[1].SameAs, rows[2].SameAs); got != "0 3 0" {
		t.Errorf("the same as %s", got)
	}
}

func TestWhoMayInviteInBulk(t *testing.T) {
	t.Parallel()
	user := func(scope string, roles ...string) invitation.Inviter {
		return invitation.Inviter{Kind: invitation.ByUser, Permissions: []string{scope}, Roles: roles}
	}
	app := func(permission string) invitation.Inviter {
		return invitation.Inviter{Kind: invitation.ByApp, Permissions: []string{permission}, Roles: []string{"User Administrator"}}
	}
	for name, c := range map[string]struct {
		who  invitation.Inviter
		want bool
	}{
		"a user administrator":              {user("User.Invite.All", "User Administrator"), true},
		"a global administrator":            {user("Directory.AccessAsUser.All", "Global Administrator"), true},
		"a guest inviter":                   {user("User.Invite.All", "Guest Inviter"), false},
		"a member":                          {user("User.ReadWrite.All"), false},
		"a role without the scope":          {user("User.Read.All", "User Administrator"), false},
		"an application that invites":       {app("User.Invite.All"), true},
		"an application that writes users":  {app("User.ReadWrite.All"), false},
		"the synchronization, which has no": {invitation.Inviter{Kind: invitation.BySync}, false},
	} {
		if got := c.who.MayInviteInBulk(); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
