package user

import (
	"slices"
	"strconv"
	"time"

	"entente.dev/directory-svc/internal/address"
	"entente.dev/directory-svc/internal/identity"
	"entente.dev/directory-svc/internal/organization"
	"entente.dev/directory-svc/internal/property"
	"entente.dev/directory-svc/internal/quota"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/fault"
	"github.com/google/uuid"
)

// New completes and checks a user that an administrator creates (DIR-41,
// DIR-72). enabled is nil when the request did not say; u.HasPassword tells
// whether it carried a password.
func New(u User, enabled *bool, id uuid.UUID, t *organization.Tenant, now time.Time) (User, error) {
	u.ID, u.Created = id, now
	if u.Type == 0 {
		u.Type = Member
	}
	if len(u.Identities) > 0 {
		return newCustomer(u, enabled, t, now)
	}
	for _, required := range []struct {
		name    string
		missing bool
	}{
		{"accountEnabled", enabled == nil},
		{"displayName", u.DisplayName == ""},
		{"mailNickname", u.MailNickname == nil},
		{"userPrincipalName", u.UserPrincipalName == ""},
		{"passwordProfile", !u.HasPassword && u.OnPremises.ImmutableID == nil},
	} {
		if required.missing {
			return User{}, property.Required(resource, required.name)
		}
	}
	u.AccountEnabled = *enabled
	return u.created(t, now)
}

func newCustomer(u User, enabled *bool, t *organization.Tenant, now time.Time) (User, error) {
	if t.Type != organization.External {
		return User{}, fault.Invalid(errorspb.Reason_TENANT_TYPE_UNSUPPORTED,
			"The property 'identities' is not supported in this tenant type; use invitations.").WithMeta("property", "identities")
	}
	if err := identity.CheckLocal(u.Identities, func(issuer string) bool { return t.Owns(issuer) }); err != nil {
		return User{}, err
	}
	u.AccountEnabled = enabled == nil || *enabled
	local := false
	for i := range u.Identities {
		if row := &u.Identities[i]; row.Type != identity.Federated {
			local, row.Issuer = true, t.InitialDomain
		}
	}
	switch {
	case local && u.DisplayName == "":
		return User{}, property.Required(resource, "displayName")
	case local && u.PasswordPolicies == nil:
		policies := DisablePasswordExpiration
		u.PasswordPolicies = &policies
	case local && !u.HasPolicy(DisablePasswordExpiration):
		return User{}, errExpires
	case !local && u.DisplayName == "":
		u.DisplayName = "unknown" // DIR-76
	}
	if local {
		u.Origin = LocalAccount
	}
	id := u.ID.String()
	if u.UserPrincipalName == "" {
		u.UserPrincipalName = id + "@" + t.InitialDomain
	}
	if u.MailNickname == nil {
		u.MailNickname = &id
	}
	return u.created(t, now)
}

// created applies what holds for every new internal user.
func (u User) created(t *organization.Tenant, now time.Time) (User, error) {
	if err := CheckName(u.UserPrincipalName, t.Owns); err != nil {
		return User{}, err
	}
	if err := Check(&u); err != nil {
		return User{}, err
	}
	if err := t.Limits.Fits(quota.Sponsors, len(u.Sponsors)); err != nil {
		return User{}, err
	}
	if u.Mail != nil {
		u.Proxies = address.SetPrimary(nil, *u.Mail)
	}
	if u.HasPassword {
		u.LastPasswordChange = &now
	}
	u.SessionsValidFrom = &now
	return u, nil
}

// ErrExternalPassword refuses a password for a user who signs in elsewhere
// (DIR-65).
var ErrExternalPassword = fault.Invalid(errorspb.Reason_EXTERNAL_ACCOUNT, "The user authenticates with an external identity provider.").
	WithMeta("property", "passwordProfile")

// errExpires is DIR-73.
var errExpires = property.Refused("passwordPolicies", "Password expiration must be disabled for local accounts.")

// Update checks a change of old into u by an administrator and lets dependent
// values follow (DIR-44, DIR-118). setsPassword tells that a new password
// comes with it.
func Update(old, u User, setsPassword bool, t *organization.Tenant, now time.Time) (User, error) {
	if setsPassword && old.External() {
		return User{}, ErrExternalPassword
	}
	if u.MailNickname == nil && old.MailNickname != nil {
		return User{}, property.Invalid(resource, "mailNickname") // DIR-4
	}
	if u.Local() && !u.HasPolicy(DisablePasswordExpiration) {
		return User{}, errExpires
	}
	if old.UsageLocation != nil && u.UsageLocation == nil {
		return User{}, property.Invalid(resource, "usageLocation")
	}
	if u.UserPrincipalName != old.UserPrincipalName {
		if err := CheckName(u.UserPrincipalName, t.Owns); err != nil {
			return User{}, err
		}
	}
	if err := Check(&u); err != nil {
		return User{}, err
	}
	if len(u.Sponsors) > len(old.Sponsors) {
		if err := t.Limits.Fits(quota.Sponsors, len(u.Sponsors)); err != nil {
			return User{}, err
		}
	}
	if !equalText(u.Mail, old.Mail) {
		u.Proxies = u.proxiesFor(u.Mail)
	}
	if setsPassword {
		u.HasPassword, u.LastPasswordChange, u.SessionsValidFrom = true, &now, &now
	}
	if old.AccountEnabled && !u.AccountEnabled {
		u.SessionsValidFrom = &now // DIR-35: tokens end with the account
	}
	return u, nil
}

// CheckIdentities decides whether an administrator may change the identities
// of old to those of u (DIR-40, DIR-83): local ones in external tenants alone.
// What binds an account elsewhere is set by redemption, never by hand.
func CheckIdentities(old, u *User, t *organization.Tenant) error {
	if slices.Equal(old.Identities, u.Identities) {
		return nil
	}
	if t.Type != organization.External {
		return fault.Invalid(errorspb.Reason_TENANT_TYPE_UNSUPPORTED,
			"The property 'identities' is not supported in this tenant type; use invitations.").WithMeta("property", "identities")
	}
	if old.ExternalState != NeverInvited {
		return fault.Invalid(errorspb.Reason_EXTERNAL_ACCOUNT, "The user authenticates with an external identity provider.").WithMeta("property", "identities")
	}
	for i := range u.Identities {
		if row := &u.Identities[i]; row.Type != identity.Federated && t.Owns(row.Issuer) {
			row.Issuer = t.InitialDomain
		}
	}
	return identity.CheckLocal(u.Identities, t.Owns)
}

// LeftOut reports whether u is a guest who is not mail-enabled because somebody
// else held the address when it was invited (DIR-116, row 4).
func (u *User) LeftOut() bool {
	return u.ExternalState != NeverInvited && !u.NeverMailEnabled && len(u.Proxies) == 0
}

// ComesIn lets a guest who was left out have its mail for an address, unless
// that is taken (DIR-118).
func ComesIn(u User, taken bool) User {
	if u.Proxies = nil; !taken {
		u.Proxies = address.SetPrimary(nil, *u.Mail)
	}
	return u
}

// proxiesFor is the address list after mail changed (DIR-118): internal users
// and mail-enabled ones carry the address, members invited as such never do.
func (u *User) proxiesFor(mail *string) []address.Proxy {
	if u.NeverMailEnabled {
		return u.Proxies
	}
	if mail == nil {
		return address.SetPrimary(u.Proxies, "")
	}
	return address.SetPrimary(u.Proxies, *mail)
}

func equalText(a, b *string) bool {
	if a == nil || b == nil {
		return a == b
	}
	return *a == *b
}

// Delete decides that u is soft-deleted at now (DIR-95).
func Delete(u User, now time.Time) User {
	u.Deleted, u.SessionsValidFrom = &now, &now
	return u
}

// Restore decides whether a deleted user may come back at now, and under which
// name (DIR-98 to DIR-105). newName is empty when none was asked for.
func Restore(u User, newName string, t *organization.Tenant, now time.Time) (User, error) {
	if u.Deleted == nil || now.Sub(*u.Deleted) >= Retention {
		return User{}, property.NotFound(u.ID.String())
	}
	switch _, domain, _ := address.Split(u.UserPrincipalName); {
	case newName != "":
		if err := CheckName(newName, t.Owns); err != nil {
			return User{}, err
		}
		u.UserPrincipalName = newName
	case !t.Owns(domain):
		local, _, _ := address.Split(u.UserPrincipalName)
		u.UserPrincipalName = local + "@" + t.InitialDomain
	}
	u.Deleted, u.SyncDeleted = nil, false
	return u, nil
}

// AddSponsor adds a user or group that answers for u (DIR-49).
func AddSponsor(u User, id uuid.UUID) (User, error) {
	if slices.Contains(u.Sponsors, id) {
		return User{}, property.ReferenceExists("sponsors")
	}
	u.Sponsors = append(slices.Clip(u.Sponsors), id)
	return u, nil
}

// RemoveSponsor takes a sponsor away (DIR-49).
func RemoveSponsor(u User, id uuid.UUID) (User, error) {
	if !slices.Contains(u.Sponsors, id) {
		return User{}, property.NotFound(id.String())
	}
	u.Sponsors = slices.DeleteFunc(slices.Clone(u.Sponsors), func(s uuid.UUID) bool { return s == id })
	return u, nil
}

// ReplaceProxies replaces the addresses of u; mail follows the primary one. A
// member invited as such never had any and gets none (DIR-119).
func ReplaceProxies(u User, proxies []address.Proxy) (User, error) {
	if u.NeverMailEnabled && u.Type == Member {
		return User{}, property.Refused("proxyAddresses", "An external member that was never mail-enabled cannot have proxy addresses.")
	}
	u.Proxies, u.Mail = proxies, address.MailOf(proxies)
	return u, nil
}

// Move takes a user off a domain that goes (DIR-32): names and addresses get
// the initial domain, with a number where attempts before found them taken.
func Move(u User, domain, initial string, attempt int, disable bool, now time.Time) User {
	suffix := ""
	if attempt > 0 {
		suffix = strconv.Itoa(attempt)
	}
	moved := func(text string) string {
		local, d, ok := address.Split(text)
		if !ok || address.Fold(d) != address.Fold(domain) {
			return text
		}
		return local + suffix + "@" + initial
	}
	u.UserPrincipalName = moved(u.UserPrincipalName)
	if u.Mail != nil {
		mail := moved(*u.Mail)
		u.Mail = &mail
	}
	u.Proxies = slices.Clone(u.Proxies)
	for i := range u.Proxies {
		u.Proxies[i].Address = moved(u.Proxies[i].Address)
	}
	if disable && u.AccountEnabled {
		u.AccountEnabled, u.SessionsValidFrom = false, &now
	}
	return u
}
