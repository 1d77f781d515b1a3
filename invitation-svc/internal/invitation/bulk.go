package invitation

import (
	"strings"

	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/fault"
	"entente.dev/servicekit/sheet"
)

// Limits of a file (INV-37).
const (
	MaxFileBytes = 5 << 20
	maxFileRows  = 5_000
)

// The columns of a file, in the order of BulkColumns.
const (
	columnAddress = iota
	columnRedirect
	columnSend
	columnMessage
	columnName
)

// BulkColumns are those of a file of invitations (INV-36).
var BulkColumns = []sheet.Column{
	columnAddress:  {Title: "Email address to invite", Property: "inviteeEmail", Required: true},
	columnRedirect: {Title: "Redirection url", Property: "inviteRedirectURL", Required: true},
	columnSend:     {Title: "Send invitation message (true or false)", Property: "sendEmail"},
	columnMessage:  {Title: "Customized invitation message", Property: "customizedMessageBody"},
	columnName:     {Title: "Name", Property: "inviteeName", Unasked: true},
}

// BulkFormat is what a file of invitations looks like.
func BulkFormat() sheet.Format {
	return sheet.Format{Columns: BulkColumns, MaxBytes: MaxFileBytes, MaxRows: maxFileRows, ByProperty: true}
}

// exampleAddress stands in the example that people are shown.
const exampleAddress = "example@example.com"

// BulkRow is a row of a file with the number of the first row that has the
// same address, 0 where it is the first itself.
type BulkRow struct {
	sheet.Row
	SameAs int
}

// ParseBulk reads a file. It is refused as a whole where a row lacks a
// required value or has an address that cannot be one (INV-37); whatever else
// is wrong fails the row.
func ParseBulk(content []byte, s Settings) ([]BulkRow, error) {
	format := BulkFormat()
	parsed, err := format.Parse(content)
	if err != nil {
		return nil, err
	}
	rows, first := make([]BulkRow, len(parsed)), make(map[string]int, len(parsed))
	var problems []sheet.Problem
	for i, p := range parsed {
		rows[i].Row = p
		if c, missing := format.Missing(trimmed(p.Values)); missing {
			problems = append(problems, sheet.Problem{Row: p.Number, Text: "a value is required in [" + c.Property + "]"})
			continue
		}
		a, wrong := ParseAddress(p.Values[columnAddress], s.Strict)
		if wrong == "" && a.Key() == exampleAddress {
			wrong = "it is the one of the example"
		}
		if wrong != "" {
			problems = append(problems, sheet.Problem{Row: p.Number, Text: "the address in [inviteeEmail] is not valid: " + wrong})
			continue
		}
		if rows[i].SameAs = first[a.Key()]; rows[i].SameAs == 0 {
			first[a.Key()] = p.Number
		}
	}
	if len(problems) > 0 {
		return nil, sheet.Refuse(problems...)
	}
	return rows, nil
}

func trimmed(values []string) []string {
	out := make([]string, len(values))
	for i, v := range values {
		out[i] = strings.TrimSpace(v)
	}
	return out
}

// BulkRequest is the request that a row stands for.
func BulkRequest(values []string) (Request, error) {
	r := Request{Address: values[columnAddress], RedirectURL: strings.TrimSpace(values[columnRedirect]), Message: values[columnMessage], DisplayName: values[columnName]}
	switch strings.ToLower(strings.TrimSpace(values[columnSend])) {
	case "true":
		r.SendMessage = true
	case "false", "":
	default:
		return r, fault.Invalid(errorspb.Reason_BAD_REQUEST, "Send invitation message must be true or false.").WithMeta("property", "sendEmail")
	}
	return r, nil
}

// MayInviteInBulk is the right of operation O4.
func (i Inviter) MayInviteInBulk() bool {
	if i.Kind == ByApp {
		return i.permitted("User.Invite.All")
	}
	return i.Kind == ByUser && i.MayInvite() && i.holds(userAdministrator, globalAdministrator)
}

// BulkStatus is the state of a bulk invitation.
type BulkStatus int8

// The states; the numbers are stored.
const (
	BulkQueued    BulkStatus = 1
	BulkRunning   BulkStatus = 2
	BulkCompleted BulkStatus = 3
	BulkTimedOut  BulkStatus = 4
	BulkCanceled  BulkStatus = 5
)

// Ended reports that nothing more happens.
func (s BulkStatus) Ended() bool { return s >= BulkCompleted }
