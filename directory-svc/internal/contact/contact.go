package contact

import (
	"time"

	"entente.dev/directory-svc/internal/address"
	"entente.dev/directory-svc/internal/property"
	"github.com/google/uuid"
)

const (
	resource    = "OrgContact"
	maxName     = 256
	maxNickname = 64
	maxText     = 128
	maxEntries  = 10
)

// Contact is a mail contact. Nil means no value.
type Contact struct {
	ID                                                    uuid.UUID
	DisplayName, Mail, MailNickname                       string
	GivenName, Surname, JobTitle, Department, CompanyName *string
	Phones                                                []Phone
	Addresses                                             []Address
	Created                                               time.Time
}

// Phone is a number with its use: `home`, `business`, `mobile` or another
// value of Graph's phoneType.
type Phone struct {
	Type     string  `json:"type,omitempty"`
	Number   *string `json:"number,omitempty"`
	Language *string `json:"language,omitempty"`
	Region   *string `json:"region,omitempty"`
}

// Address is a postal address.
type Address struct {
	Street          *string `json:"street,omitempty"`
	City            *string `json:"city,omitempty"`
	State           *string `json:"state,omitempty"`
	PostalCode      *string `json:"postalCode,omitempty"`
	CountryOrRegion *string `json:"countryOrRegion,omitempty"`
	OfficeLocation  *string `json:"officeLocation,omitempty"`
}

// Proxies are the addresses the contact holds: its mail, and nothing else.
func (c *Contact) Proxies() []address.Proxy { return []address.Proxy{address.Primary(c.Mail)} }

// New makes a contact of a draft. The alias is the part of the address before
// the at sign unless one is given.
func New(draft Contact, id uuid.UUID, now time.Time) (Contact, error) {
	draft.ID, draft.Created = id, now
	switch {
	case draft.DisplayName == "":
		return Contact{}, property.Required(resource, "displayName")
	case draft.Mail == "":
		return Contact{}, property.Required(resource, "mail")
	}
	return draft, draft.check()
}

// Update makes what a contact is to become of draft.
func Update(draft Contact) (Contact, error) { return draft, draft.check() }

func (c *Contact) check() error {
	if !address.IsMail(c.Mail) {
		return property.Invalid(resource, "mail")
	}
	if c.MailNickname == "" {
		c.MailNickname, _, _ = address.Split(c.Mail)
	}
	switch {
	case c.DisplayName == "" || property.TooLong(c.DisplayName, maxName) || property.Padded(c.DisplayName):
		return property.Invalid(resource, "displayName")
	case property.TooLong(c.MailNickname, maxNickname) || property.Padded(c.MailNickname):
		return property.Invalid(resource, "mailNickname")
	case len(c.Phones) > maxEntries:
		return property.Invalid(resource, "phones")
	case len(c.Addresses) > maxEntries:
		return property.Invalid(resource, "addresses")
	}
	for name, text := range map[string]*string{"givenName": c.GivenName, "surname": c.Surname, "jobTitle": c.JobTitle, "department": c.Department, "companyName": c.CompanyName} {
		if text != nil && (property.TooLong(*text, maxText) || property.Padded(*text)) {
			return property.Invalid(resource, name)
		}
	}
	return nil
}
