package ticket

import (
	"net/url"

	"entente.dev/servicekit/tenant"
	"github.com/google/uuid"
)

// version is the value of `ver` in every link.
const version = "2.0"

// Link is what a redeem link says.
type Link struct {
	Tenant     tenant.ID
	Invitation uuid.UUID
	Ticket     Ticket
}

// URL writes the link under the configured login origin. The origin never
// comes from a request (hostile Host headers change no mail).
func (l Link) URL(origin string) string {
	// Written in the order of INV-50; url.Values would sort the names.
	return origin + "/redeem?tenant=" + l.Tenant.String() + "&user=" + l.Invitation.String() +
		"&ticket=" + l.Ticket.Text() + "&ver=" + version
}

// ParseLink reads the query of a redeem link. Names given twice, other
// spellings of the ids and other versions are refused.
func ParseLink(query string) (Link, bool) {
	values, err := url.ParseQuery(query)
	if err != nil {
		return Link{}, false
	}
	one := func(name string) string {
		if v := values[name]; len(v) == 1 {
			return v[0]
		}
		return ""
	}
	if one("ver") != version {
		return Link{}, false
	}
	return ParseParts(one("tenant"), one("user"), one("ticket"))
}

// ParseParts reads the three variable parts of a redeem link.
func ParseParts(tenantID, invitation, secret string) (Link, bool) {
	t, err := tenant.Parse(tenantID)
	if err != nil || t.IsZero() || t.String() != tenantID {
		return Link{}, false
	}
	id, err := uuid.Parse(invitation)
	if err != nil || id == uuid.Nil || id.String() != invitation {
		return Link{}, false
	}
	k, ok := Parse(secret)
	if !ok {
		return Link{}, false
	}
	return Link{Tenant: t, Invitation: id, Ticket: k}, true
}
