package user

import (
	"slices"
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

// Holder is the kind of live object that holds an address already.
type Holder int

// The kinds, as far as DIR-116 tells them apart.
const (
	Nobody Holder = iota
	Contact
	UserOrGroup
)

// NewExternal completes and checks a user who is invited or synchronized
// (DIR-59, DIR-60, DIR-116). u.Mail is the invited address; a home key makes
// the user born Accepted. from is what the name is made of: the invited
// address, or the home name under synchronization.
func NewExternal(u User, from string, id uuid.UUID, holder Holder, t *organization.Tenant, now time.Time) (User, error) {
	u.ID, u.Created, u.Origin, u.AccountEnabled = id, now, Invitation, true
	if u.Type == 0 {
		u.Type = Guest
	}
	if u.UserPrincipalName == "" {
		u.UserPrincipalName = ExternalName(from, t.InitialDomain)
	}
	if u.MailNickname == nil {
		nickname := Nickname(u.UserPrincipalName)
		u.MailNickname = &nickname
	}
	if u.DisplayName == "" {
		u.DisplayName = from
	}
	u.InvitedEmail = u.Mail
	if u.Mail != nil && len(u.OtherMails) == 0 {
		u.OtherMails = []string{*u.Mail}
	}
	if err := u.enableMail(holder); err != nil {
		return User{}, err
	}
	u.ExternalState, u.ExternalStateChanged = PendingAcceptance, &now
	if !u.HomeKey.IsZero() {
		u.ExternalState = Accepted
		u.Identities = []identity.Identity{u.HomeKey.Row()}
	}
	u.SessionsValidFrom = &now
	if err := Check(&u); err != nil {
		return User{}, err
	}
	return u, t.Limits.Fits(quota.Sponsors, len(u.Sponsors))
}

// enableMail applies the creation matrix of DIR-116.
func (u *User) enableMail(holder Holder) error {
	if u.Mail == nil {
		return nil
	}
	switch {
	case holder == UserOrGroup, holder == Contact && u.Type == Member:
		return property.Conflict("proxyAddresses") // rows 3 and 9
	case u.Type == Member:
		u.NeverMailEnabled = true // row 1
		return nil
	case holder == Nobody:
		u.Proxies = []address.Proxy{address.Primary(*u.Mail)} // row 2
	}
	if u.ShowInAddressList == nil {
		hidden := false
		u.ShowInAddressList = &hidden
	}
	return nil
}

// Bind decides what redemption makes of u (DIR-61): the federated row, the
// home key and the state Accepted. Binding the same account again changes
// nothing.
func Bind(u User, home identity.HomeKey, now time.Time) (User, bool, error) {
	if u.ExternalState == Accepted {
		if u.HomeKey == home {
			return u, false, nil
		}
		return User{}, false, fault.Precondition(errorspb.Reason_IDENTITY_BOUND, "The invitation has been redeemed with another account.")
	}
	if u.ExternalState != PendingAcceptance {
		return User{}, false, fault.Precondition(errorspb.Reason_IDENTITY_BOUND, "The user was not invited.")
	}
	u.Identities = append([]identity.Identity{home.Row()}, u.Identities...)
	u.HomeKey = home
	u.ExternalState, u.ExternalStateChanged = Accepted, &now
	u.HasPassword = false // DIR-71: an internal user's password ends here
	return u, true, nil
}

// Reset takes the redemption of u back (DIR-62); id, groups and roles stay.
// mail is the newly invited address, empty to keep the present one.
func Reset(u User, mail string, now time.Time) (User, error) {
	if u.ExternalState == NeverInvited {
		return User{}, fault.Precondition(errorspb.Reason_EXTERNAL_ACCOUNT, "The user was not invited.")
	}
	var kept []identity.Identity
	for _, i := range u.Identities {
		if i.Type != identity.Federated {
			kept = append(kept, i)
		}
	}
	u.Identities, u.HomeKey = kept, identity.HomeKey{}
	u.ExternalState, u.ExternalStateChanged, u.SessionsValidFrom = PendingAcceptance, &now, &now
	if mail != "" && (u.Mail == nil || address.Fold(*u.Mail) != address.Fold(mail)) {
		if u.MailEnabled() {
			u.Proxies = address.SetPrimary(u.Proxies, mail)
		}
		u.Mail, u.InvitedEmail, u.OtherMails = &mail, &mail, []string{mail}
	}
	return u, Check(&u)
}

// BeginConversion invites an internal user to sign in with an account from
// elsewhere (DIR-71). The password works until that account is bound; name,
// type and memberships stay.
func BeginConversion(u User, mail string, now time.Time) (User, error) {
	switch {
	case u.External(), u.ExternalState != NeverInvited:
		return User{}, fault.Precondition(errorspb.Reason_EXTERNAL_ACCOUNT, "The user is an external user already.")
	case u.OnPremises.SyncEnabled != nil && *u.OnPremises.SyncEnabled, u.OnPremises.UserPrincipalName != nil:
		return User{}, fault.Precondition(errorspb.Reason_EXTERNAL_ACCOUNT, "A user that is synchronized from on-premises cannot be converted.")
	case u.Converted != nil:
		return User{}, fault.Precondition(errorspb.Reason_EXTERNAL_ACCOUNT, "A user that was external before and became internal cannot be converted again.")
	case !address.IsMail(mail):
		return User{}, property.Invalid(resource, "mail")
	}
	u.ExternalState, u.ExternalStateChanged = PendingAcceptance, &now
	if u.Mail == nil || address.Fold(*u.Mail) != address.Fold(mail) {
		u.Mail, u.Proxies = &mail, u.proxiesFor(&mail)
	}
	if !slices.ContainsFunc(u.OtherMails, func(m string) bool { return address.Fold(m) == address.Fold(mail) }) {
		u.OtherMails = append(slices.Clone(u.OtherMails), mail)
	}
	u.InvitedEmail = &mail
	return u, Check(&u)
}
