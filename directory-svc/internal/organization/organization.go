package organization

import (
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"entente.dev/directory-svc/internal/address"
	"entente.dev/directory-svc/internal/property"
	"entente.dev/directory-svc/internal/quota"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/fault"
	"entente.dev/servicekit/tenant"
)

// Type is the kind of a tenant; it never changes. The numbers are stored.
type Type int16

// The kinds of tenant (DIR-22).
const (
	Workforce Type = 1 // employees and guests
	External  Type = 2 // customers with local accounts
)

// Graph is the tenantType of Graph: AAD or CIAM.
func (t Type) Graph() string {
	if t == External {
		return "CIAM"
	}
	return "AAD"
}

// State says whether a tenant works. The numbers are stored.
type State int16

// The states of a tenant.
const (
	Active    State = 1
	Suspended State = 2 // every token is refused (DIR-19)
	Scheduled State = 3 // deletion is scheduled (DIR-20)
)

// Domain is one domain of a tenant (DIR-26).
type Domain struct {
	Name               string
	Verified           bool
	Default            bool
	Initial            bool
	Root               bool
	Services           []string
	PasswordValidity   int32 // days
	PasswordNotifyDays int32
	Created            time.Time
}

// NoExpiry is the password validity that means never (DIR-26).
const NoExpiry = 2147483647

// Tenant is what the rules need to know of a tenant.
type Tenant struct {
	ID            tenant.ID
	DisplayName   string
	Type          Type
	State         State
	InitialDomain string
	Domains       []Domain
	Created       time.Time
	Limits        quota.Limits // those that are not the default
}

// MaxObjects is how many objects the tenant may have (DIR-235).
func (t *Tenant) MaxObjects() int {
	return t.Limits.ObjectsOf(slices.ContainsFunc(t.Domains, func(d Domain) bool { return d.Verified && !d.Initial }))
}

// Owns reports whether name is a verified domain of the tenant.
func (t *Tenant) Owns(name string) bool {
	folded := address.Fold(name)
	return slices.ContainsFunc(t.Domains, func(d Domain) bool { return d.Verified && d.Name == folded })
}

// DefaultDomain is the domain that new addresses get.
func (t *Tenant) DefaultDomain() string {
	for _, d := range t.Domains {
		if d.Default {
			return d.Name
		}
	}
	return t.InitialDomain
}

const resource = "Tenant"

var prefix = regexp.MustCompile(`^[a-z][a-z0-9]{2,26}$`)

// CheckPrefix decides whether the first label of an initial domain is well
// formed (DIR-17).
func CheckPrefix(s string) error {
	if s == "" {
		return property.Required(resource, "initialDomainPrefix")
	}
	if !prefix.MatchString(s) {
		return property.Invalid(resource, "initialDomainPrefix")
	}
	return nil
}

// CheckDisplayName decides on the name of a tenant: 1 to 256 characters.
func CheckDisplayName(s string) error {
	if s == "" {
		return property.Required(resource, "displayName")
	}
	if property.TooLong(s, 256) || property.Padded(s) {
		return property.Invalid(resource, "displayName")
	}
	return nil
}

var country = regexp.MustCompile(`^[A-Z]{2}$`)

// IsCountry reports whether s has the form of an ISO 3166-1 alpha-2 code and
// is assigned.
func IsCountry(s string) bool { return country.MatchString(s) && slices.Contains(countries, s) }

// IsLanguage accepts the form of BCP 47: subtags of one to eight letters and
// digits joined by hyphens.
func IsLanguage(s string) bool {
	for tag := range strings.SplitSeq(s, "-") {
		if len(tag) == 0 || len(tag) > 8 {
			return false
		}
		for i := range len(tag) {
			c := tag[i] | 0x20
			if (c < 'a' || c > 'z') && (tag[i] < '0' || tag[i] > '9') {
				return false
			}
		}
	}
	return true
}

// CheckDomain decides whether a tenant may claim name (DIR-27).
func CheckDomain(name, installationSuffix string) error {
	if !address.IsDomain(name) {
		return property.Invalid("Domain", "id")
	}
	if name == installationSuffix || len(name) > len(installationSuffix) && name[len(name)-len(installationSuffix)-1:] == "."+installationSuffix {
		return property.Refused("id", "The domain '%s' belongs to the installation.", name)
	}
	return nil
}

// CheckState decides whether the operator may move a tenant from one state to
// another (DIR-19, DIR-20).
func CheckState(from, to State) error {
	if from == Scheduled || to == Scheduled {
		return fault.Invalid(errorspb.Reason_INVALID_REQUEST, "A tenant that is scheduled for deletion cannot change its state.")
	}
	return nil
}

// CheckStatementURL decides on a privacy statement: an absolute http or https
// URL of at most 2048 characters (DIR-24).
func CheckStatementURL(s string) error {
	u, err := url.Parse(s)
	if err != nil || len(s) > 2048 || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return property.Invalid("Organization", "privacyProfile")
	}
	return nil
}
