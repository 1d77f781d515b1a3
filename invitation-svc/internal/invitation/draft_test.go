package invitation_test

import (
	"strings"
	"testing"

	"entente.dev/invitation-svc/internal/invitation"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/fault"
	"github.com/google/uuid"
	"golang.org/x/text/language"
)

func request(change func(*invitation.Request)) invitation.Request {
	r := invitation.Request{Address: "alice@partner.example", RedirectURL: "https://app.example/welcome"}
	if change != nil {
		change(&r)
	}
	return r
}

func TestTheTwoRequiredFieldsAreEnough(t *testing.T) {
	t.Parallel()
	d, err := invitation.Check(request(nil), invitation.Settings{})
	if err != nil {
		t.Fatal(err)
	}
	if d.DisplayName != "alice" || d.Named || d.UserType != invitation.Guest || d.Typed || d.SendMessage || !d.CC.IsZero() || d.Language != language.Und || d.InvitedUser != uuid.Nil {
		t.Errorf("defaults: %+v", d)
	}
}

func TestAFieldAtFaultIsNamed(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, property string
		change         func(*invitation.Request)
	}{
		{"no address", "invitedUserEmailAddress", func(r *invitation.Request) { r.Address = "" }},
		{"bad address", "invitedUserEmailAddress", func(r *invitation.Request) { r.Address = "a@b@c.example" }},
		{"no redirect", "inviteRedirectUrl", func(r *invitation.Request) { r.RedirectURL = "" }},
		{"hostile redirect", "inviteRedirectUrl", func(r *invitation.Request) { r.RedirectURL = "https://good@evil/" }},
		{"long name", "invitedUserDisplayName", func(r *invitation.Request) { r.DisplayName = strings.Repeat("é", 257) }},
		{"other type", "invitedUserType", func(r *invitation.Request) { r.UserType = "Admin" }},
		{"long message", "invitedUserMessageInfo/customizedMessageBody", func(r *invitation.Request) { r.Message = strings.Repeat("é", 4001) }},
		{"two copies", "invitedUserMessageInfo/ccRecipients", func(r *invitation.Request) { r.CC = []string{"a@b.example", "", "c@d.example"} }},
		{"bad copy", "invitedUserMessageInfo/ccRecipients", func(r *invitation.Request) { r.CC = []string{"a@b.example\r\nBcc: x@y.example"} }},
		{"reset of nobody", "invitedUser", func(r *invitation.Request) { r.ResetRedemption = true }},
		{"user that is no id", "invitedUser", func(r *invitation.Request) { r.InvitedUser = "me" }},
		{"six sponsors", "invitedUserSponsors", func(r *invitation.Request) {
			for range 6 {
				r.Sponsors = append(r.Sponsors, uuid.NewString())
			}
		}},
		{"sponsor that is no id", "invitedUserSponsors", func(r *invitation.Request) { r.Sponsors = []string{"x"} }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			_, err := invitation.Check(request(tc.change), invitation.Settings{})
			f := fault.From(err)
			if !fault.Is(err, errorspb.Reason_BAD_REQUEST) || f.Meta["property"] != tc.property || !strings.Contains(f.Message, "'"+tc.property+"'") {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestFieldsAreRead(t *testing.T) {
	t.Parallel()
	id, sponsor := uuid.New(), uuid.New()
	d, err := invitation.Check(request(func(r *invitation.Request) {
		r.DisplayName = " Payroll\u202e https://evil\u200b\x07 "
		r.UserType = "mEMBER"
		r.Language = "nl-BE"
		r.Message = "Hi,\r\n\x1b[31mred\x00\r\nbye\u202e "
		r.CC = []string{"", "boss@partner.example"}
		r.InvitedUser, r.ResetRedemption = id.String(), true
		r.Sponsors = []string{sponsor.String()}
		r.SendMessage = true
	}), invitation.Settings{})
	if err != nil {
		t.Fatal(err)
	}
	if d.DisplayName != "Payroll https://evil" || !d.Named {
		t.Errorf("name %q", d.DisplayName)
	}
	if d.UserType.String() != "Member" || !d.Typed || d.Language.String() != "nl-BE" || d.CC.Key() != "boss@partner.example" {
		t.Errorf("%+v", d)
	}
	if d.Message != "Hi,\n[31mred\nbye" {
		t.Errorf("message %q", d.Message)
	}
	if d.InvitedUser != id || !d.Reset || len(d.Sponsors) != 1 || d.Sponsors[0] != sponsor || !d.SendMessage {
		t.Errorf("%+v", d)
	}
}

func TestLimitsAreInCharacters(t *testing.T) {
	t.Parallel()
	if _, err := invitation.Check(request(func(r *invitation.Request) {
		r.Message, r.DisplayName = strings.Repeat("😀", 4000), strings.Repeat("é", 256)
	}), invitation.Settings{}); err != nil {
		t.Error(err)
	}
}

func TestLanguagesNobodyKnowsCountAsNone(t *testing.T) {
	t.Parallel()
	for _, tag := range []string{"", "qqq-unknown-x", "  ", "klingonese"} {
		d, err := invitation.Check(request(func(r *invitation.Request) { r.Language = tag }), invitation.Settings{})
		if err != nil {
			t.Errorf("%q: %v %v", tag, d.Language, err)
		}
	}
}
