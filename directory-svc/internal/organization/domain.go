package organization

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"

	"entente.dev/directory-svc/internal/address"
	"entente.dev/directory-svc/internal/property"
	"entente.dev/directory-svc/internal/quota"
)

// Values of supportedServices (DIR-30).
var domainServices = []string{"Email", "OfficeCommunicationsOnline", "Yammer"}

// NewDomain makes an unverified domain (DIR-27). A child of a domain that the
// tenant has verified needs no proof of its own.
func (t *Tenant) NewDomain(name, installationSuffix string) (Domain, error) {
	name = address.Fold(name)
	if name == "" {
		return Domain{}, property.Required("Domain", "id")
	}
	if err := CheckDomain(name, installationSuffix); err != nil {
		return Domain{}, err
	}
	if _, ok := t.Domain(name); ok {
		return Domain{}, property.Conflict("id")
	}
	d := Domain{Name: name, Root: true, Services: []string{"Email"}, PasswordValidity: NoExpiry, PasswordNotifyDays: 14}
	for _, parent := range address.Parents(name) {
		if t.Owns(parent) {
			d.Root, d.Verified = false, true
		}
	}
	return d, nil
}

// CheckRoom refuses one more domain than a tenant may have (DIR-27).
func (t *Tenant) CheckRoom() error {
	return t.Limits.Fits(quota.Domains, len(t.Domains)+1)
}

// Domain finds a domain of the tenant by its name in any case.
func (t *Tenant) Domain(name string) (Domain, bool) {
	folded := address.Fold(name)
	for _, d := range t.Domains {
		if d.Name == folded {
			return d, true
		}
	}
	return Domain{}, false
}

// ProofOf is the text that a TXT record of the domain must hold before the
// tenant may verify it; the same every time (DIR-28).
func (t *Tenant) ProofOf(name string) string {
	sum := sha256.Sum256([]byte("domain verification\x00" + t.ID.String() + "\x00" + address.Fold(name)))
	return "entente-verify=" + hex.EncodeToString(sum[:16])
}

// UpdateDomain checks a change of old into d (DIR-30).
func UpdateDomain(old, d Domain) error {
	const resource = "Domain"
	switch {
	case old.Default && !d.Default:
		return property.Refused("isDefault", "Another domain must be made the default instead.")
	case d.Default && !d.Verified:
		return property.Refused("isDefault", "Only a verified domain can be the default.")
	case slices.ContainsFunc(d.Services, func(s string) bool { return !slices.Contains(domainServices, s) }):
		return property.Invalid(resource, "supportedServices")
	case d.PasswordValidity != NoExpiry && (d.PasswordValidity < 14 || d.PasswordValidity > 730):
		return property.Invalid(resource, "passwordValidityPeriodInDays")
	case d.PasswordNotifyDays < 1 || d.PasswordNotifyDays > 30:
		return property.Invalid(resource, "passwordNotificationWindowInDays")
	}
	return nil
}

// RemoveDomain decides whether a domain may go at all (DIR-31, DIR-32).
func RemoveDomain(d Domain) error {
	if d.Initial || d.Default {
		return property.Refused("id", "The initial and the default domain cannot be removed.")
	}
	return nil
}
