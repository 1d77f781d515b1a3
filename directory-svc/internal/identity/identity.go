package identity

import (
	"regexp"
	"strings"

	"entente.dev/directory-svc/internal/address"
	"entente.dev/directory-svc/internal/property"
	"entente.dev/servicekit/tenant"
)

// Type is the signInType of an identity. The numbers are stored.
type Type int16

// The types of DIR-38.
const (
	UserPrincipalName Type = 1
	Federated         Type = 2
	EmailAddress      Type = 3
	UserName          Type = 4
)

var typeNames = map[Type]string{
	UserPrincipalName: "userPrincipalName",
	Federated:         "federated",
	EmailAddress:      "emailAddress",
	UserName:          "userName",
}

// String is the name on the wire.
func (t Type) String() string { return typeNames[t] }

// ParseType reads the name on the wire.
func ParseType(s string) (Type, bool) {
	for t, name := range typeNames {
		if name == s {
			return t, true
		}
	}
	return 0, false
}

// Issuers with a meaning of their own (DIR-38).
const (
	IssuerHomeTenant = "ExternalAzureAD"
	IssuerMail       = "mail"
)

// Identity is one row of identities. AssignedID is empty for accounts of
// another tenant, whose key stays hidden (DIR-39).
type Identity struct {
	Type       Type
	Issuer     string
	AssignedID string
}

// Key is the value that is unique among the live users of a tenant. Subjects
// of federated issuers compare exactly, everything else without case
// (DIR-12). It is empty for rows that cannot clash.
func (i Identity) Key() string {
	switch {
	case i.AssignedID == "":
		return ""
	case i.Type == Federated && i.Issuer != IssuerMail:
		return i.AssignedID
	}
	return address.Fold(i.AssignedID)
}

// HomeKey is the hidden alternativeSecurityId: the one account elsewhere that
// an external user is bound to. It is an object of another tenant of the
// installation, or a subject at an issuer outside of it. The zero value is no
// key.
type HomeKey struct {
	Tenant  tenant.ID
	Object  string // in Tenant
	Issuer  string
	Subject string // at Issuer, compared exactly
}

// IsZero reports that there is no home account yet.
func (k HomeKey) IsZero() bool { return k == HomeKey{} }

// String is the stored form: `tenant:object` or `issuer|subject`. No issuer
// begins with a UUID and a colon.
func (k HomeKey) String() string {
	switch {
	case k.IsZero():
		return ""
	case k.Issuer != "":
		return k.Issuer + "|" + k.Subject
	}
	return k.Tenant.String() + ":" + k.Object
}

const uuidLength = 36

// ParseHomeKey reads the stored form.
func ParseHomeKey(s string) HomeKey {
	if len(s) > uuidLength && s[uuidLength] == ':' {
		if t, err := tenant.Parse(s[:uuidLength]); err == nil {
			return HomeKey{Tenant: t, Object: s[uuidLength+1:]}
		}
	}
	issuer, subject, _ := strings.Cut(s, "|")
	return HomeKey{Issuer: issuer, Subject: subject}
}

// Row is the federated identity that binding the account adds (DIR-38): for
// an account of another tenant the assigned id stays hidden.
func (k HomeKey) Row() Identity {
	if k.Issuer == "" {
		return Identity{Type: Federated, Issuer: IssuerHomeTenant}
	}
	return Identity{Type: Federated, Issuer: k.Issuer, AssignedID: k.Subject}
}

var userName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$`)

const (
	resource   = "User"
	maxItems   = 10
	maxIssuer  = 512
	maxSubject = 512
)

// CheckLocal decides whether the identities may be set on a customer of an
// external tenant (DIR-40): at least one and at most ten, local ones issued by
// a domain of the tenant, each value well formed.
func CheckLocal(list []Identity, ownDomain func(string) bool) error {
	if len(list) == 0 || len(list) > maxItems {
		return property.Invalid(resource, "identities")
	}
	for _, i := range list {
		if i.Issuer == "" || len(i.Issuer) > maxIssuer || i.AssignedID == "" || len(i.AssignedID) > maxSubject {
			return property.Invalid(resource, "identities")
		}
		if i.Type != Federated && !ownDomain(i.Issuer) {
			return property.Refused("identities", "The issuer of a local identity must be a domain of the tenant.")
		}
		if i.Type == EmailAddress && !address.IsMail(i.AssignedID) || i.Type == UserName && !userName.MatchString(i.AssignedID) {
			return property.Invalid(resource, "identities")
		}
	}
	return nil
}
