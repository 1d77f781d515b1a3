package user

import (
	"time"

	"entente.dev/directory-svc/internal/address"
	"entente.dev/directory-svc/internal/identity"
	"entente.dev/directory-svc/internal/organization"
	"entente.dev/directory-svc/internal/property"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/fault"
)

// Conversion is what an external user is to become (DIR-69).
type Conversion struct {
	UserPrincipalName string
	// Mail is the new address; nil keeps the present one.
	Mail        *string
	HasPassword bool
	// HoldsRole tells that the user holds a directory role.
	HoldsRole bool
}

// Convert makes an external user an internal member (DIR-69): the credential
// is here from now on. Id, memberships and assignments stay.
func Convert(u User, c Conversion, t *organization.Tenant, now time.Time) (User, error) {
	if !u.External() {
		return User{}, fault.Invalid(errorspb.Reason_EXTERNAL_ACCOUNT, "The user is already internal and is not eligible for conversion.")
	}
	synced := u.OnPremises.SyncEnabled != nil && *u.OnPremises.SyncEnabled
	switch {
	case u.ExternalState == NeverInvited:
		return User{}, fault.Precondition(errorspb.Reason_STALE_ETAG, "The state of the external user does not allow a conversion.")
	case c.HoldsRole:
		return User{}, property.Refused("id", "A user who holds a directory role cannot be converted.")
	case synced && (c.UserPrincipalName != "" || c.HasPassword):
		return User{}, property.Refused("userPrincipalName", "userPrincipalName and passwordProfile must be empty for a user who is synchronized from on-premises.")
	case !synced && c.UserPrincipalName == "":
		return User{}, property.Refused("userPrincipalName", "userPrincipalName cannot be empty.")
	case !synced && !c.HasPassword:
		return User{}, property.Required(resource, "passwordProfile")
	}
	if !synced {
		if _, domain, ok := address.Split(c.UserPrincipalName); !ok || !t.Owns(domain) {
			return User{}, property.Refused("userPrincipalName", "userPrincipalName does not have a valid domain.")
		}
		if err := CheckName(c.UserPrincipalName, t.Owns); err != nil {
			return User{}, err
		}
		u.UserPrincipalName = c.UserPrincipalName
		nickname := Nickname(u.UserPrincipalName)
		u.MailNickname = &nickname
	}
	if c.Mail != nil {
		if _, domain, ok := address.Split(*c.Mail); !ok || !t.Owns(domain) {
			return User{}, property.Refused("mail", "mail does not have a valid domain.")
		}
		u.NeverMailEnabled = false
		u.Mail, u.Proxies = c.Mail, address.SetPrimary(u.Proxies, *c.Mail)
	}
	u.Identities, u.HomeKey = nil, identity.HomeKey{}
	u.ExternalState, u.ExternalStateChanged, u.InvitedEmail = NeverInvited, nil, nil
	u.Type, u.Converted, u.SessionsValidFrom = Member, &now, &now
	if c.HasPassword {
		u.HasPassword, u.LastPasswordChange = true, &now
	}
	return u, Check(&u)
}

// PasswordExpired reports whether the user's password is too old for the
// domain of the name (DIR-88). days is how long passwords of the domain hold.
func (u *User) PasswordExpired(days int32, now time.Time) bool {
	if days <= 0 || days >= organization.NoExpiry || u.HasPolicy(DisablePasswordExpiration) || u.LastPasswordChange == nil {
		return false
	}
	return !now.Before(u.LastPasswordChange.AddDate(0, 0, int(days)))
}
