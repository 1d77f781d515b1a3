package invitation

import (
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/fault"
	"github.com/google/uuid"
	"golang.org/x/text/language"
	"golang.org/x/text/unicode/norm"
)

// Limits of INV-9.
const (
	maxName     = 256
	maxMessage  = 4000
	maxSponsors = 5
)

// UserType is the type of the user that is created.
type UserType int8

// The user types an invitation may ask for; the numbers are stored.
const (
	Guest  UserType = 1
	Member UserType = 2
)

// String is the spelling of the wire.
func (t UserType) String() string {
	if t == Member {
		return "Member"
	}
	return "Guest"
}

// Request is a POST of an invitation before anything is checked.
type Request struct {
	Address         string
	RedirectURL     string
	Panel           bool // RedirectURL is ours, where nobody asked for one
	DisplayName     string
	SendMessage     bool
	Language        string
	Message         string
	CC              []string // empty entries are placeholders that clients send
	UserType        string
	ResetRedemption bool
	InvitedUser     string // object id, or empty
	Sponsors        []string
}

// Draft is a request whose fields are valid.
type Draft struct {
	Address     Address
	Redirect    Redirect
	DisplayName string // never empty
	Named       bool   // DisplayName was given, not derived
	SendMessage bool
	Language    language.Tag // language.Und when none was given
	Message     string
	CC          Address // zero for none
	UserType    UserType
	Typed       bool // UserType was given, not the default
	Reset       bool
	InvitedUser uuid.UUID // uuid.Nil for none
	Sponsors    []uuid.UUID
}

// Settings is what a tenant says about its invitations. The zero value is the
// default.
type Settings struct {
	LinkLifetime     time.Duration // zero for the deployment's default
	PasscodeValidity time.Duration // zero for the deployment's default
	Strict           bool          // refuse `+` in addresses
	// RedirectHosts, each with what is below it, are where invitees may be
	// sent; empty means anywhere.
	RedirectHosts []string
}

// Check is gate G4: it reads the fields of a request, or answers the fault
// that names the first property at fault.
func Check(r Request, s Settings) (Draft, error) {
	d := Draft{SendMessage: r.SendMessage, Reset: r.ResetRedemption, UserType: Guest}
	var wrong string
	if strings.TrimSpace(r.Address) == "" {
		return Draft{}, refuse("invitedUserEmailAddress", "a value is required")
	}
	if d.Address, wrong = ParseAddress(r.Address, s.Strict); wrong != "" {
		return Draft{}, refuse("invitedUserEmailAddress", wrong)
	}
	if d.Redirect, wrong = ParseRedirect(r.RedirectURL); wrong != "" {
		return Draft{}, refuse("inviteRedirectUrl", wrong)
	}
	if !r.Panel && !d.Redirect.Within(s.RedirectHosts) {
		return Draft{}, refuse("inviteRedirectUrl", "its host is not one that the organization allows")
	}
	if utf8.RuneCountInString(r.DisplayName) > maxName {
		return Draft{}, refuse("invitedUserDisplayName", "it must have at most 256 characters")
	}
	if d.DisplayName = Clean(r.DisplayName); d.DisplayName != "" {
		d.Named = true
	} else {
		d.DisplayName = d.Address.Local()
	}
	switch strings.ToLower(r.UserType) {
	case "":
	case "guest":
		d.Typed = true
	case "member":
		d.UserType, d.Typed = Member, true
	default:
		return Draft{}, refuse("invitedUserType", "it must be Guest or Member")
	}
	if err := d.checkMessage(r, s.Strict); err != nil {
		return Draft{}, err
	}
	return d, d.checkReferences(r)
}

func (d *Draft) checkMessage(r Request, strict bool) error {
	const info = "invitedUserMessageInfo/"
	if text := strings.TrimSpace(r.Language); text != "" {
		tag, err := language.Parse(text)
		if err != nil && len(text) > 35 {
			return refuse(info+"messageLanguage", "it must be a language tag")
		}
		if err == nil {
			d.Language = tag // one that nobody registered counts as not given
		}
	}
	if utf8.RuneCountInString(r.Message) > maxMessage {
		return refuse(info+"customizedMessageBody", "it must have at most 4000 characters")
	}
	d.Message = cleanMessage(r.Message)
	for _, cc := range r.CC {
		if strings.TrimSpace(cc) == "" {
			continue
		}
		if !d.CC.IsZero() {
			return refuse(info+"ccRecipients", "it must hold at most one recipient")
		}
		var wrong string
		if d.CC, wrong = ParseAddress(cc, strict); wrong != "" {
			return refuse(info+"ccRecipients", wrong)
		}
	}
	return nil
}

func (d *Draft) checkReferences(r Request) error {
	if r.InvitedUser != "" {
		id, err := uuid.Parse(r.InvitedUser)
		if err != nil || id == uuid.Nil || len(r.InvitedUser) != 36 {
			return refuse("invitedUser", "its id must be an object id")
		}
		d.InvitedUser = id
	} else if r.ResetRedemption {
		return refuse("invitedUser", "resetRedemption needs the id of the user")
	}
	if len(r.Sponsors) > maxSponsors {
		return refuse("invitedUserSponsors", "it must hold at most 5 objects")
	}
	for _, s := range r.Sponsors {
		id, err := uuid.Parse(s)
		if err != nil || len(s) != 36 {
			return refuse("invitedUserSponsors", "it must hold object ids")
		}
		d.Sponsors = append(d.Sponsors, id)
	}
	return nil
}

// refuse names the property in the words of the service we stand in for.
func refuse(property, why string) *fault.Error {
	return fault.Invalid(errorspb.Reason_BAD_REQUEST,
		"Invalid value specified for property '%s' of resource 'Invitation': %s.", property, why).
		WithMeta("property", property).WithViolation(property, why, "InvalidValue")
}

// Clean takes out of a name what could make it show as something else:
// control, direction and zero-width characters. Blanks become plain spaces.
func Clean(name string) string {
	name = strings.Map(func(r rune) rune {
		switch {
		case r == '\t' || r == '\n' || r == '\r' || unicode.Is(unicode.Zs, r) || unicode.Is(unicode.Zl, r) || unicode.Is(unicode.Zp, r):
			return ' '
		case unicode.IsControl(r), unicode.Is(unicode.Cf, r), r == utf8.RuneError:
			return -1
		default:
			return r
		}
	}, norm.NFC.String(name))
	return strings.TrimSpace(name)
}

// cleanMessage keeps line ends and tabs and removes every other control and
// every direction character.
func cleanMessage(body string) string {
	body = strings.ReplaceAll(body, "\r\n", "\n")
	body = strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return r
		case r == '\r':
			return '\n'
		case unicode.IsControl(r), unicode.Is(unicode.Cf, r), r == utf8.RuneError:
			return -1
		default:
			return r
		}
	}, body)
	return strings.TrimSpace(body)
}
