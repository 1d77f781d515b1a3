package invitation

import (
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/fault"
	"github.com/google/uuid"
)

// Texts that clients compare word by word (INV-13, INV-19, INV-27).
const (
	textPrivileges  = "Insufficient privileges to complete the operation."
	textInvitesOff  = "Guest invitations not allowed for your company. Contact your company administrator for more details."
	textOwnDomain   = "This user cannot be invited because the domain of the user's email address is a verified domain of this directory."
	textOwnUser     = "Invitee is in inviter tenant"
	textDomainList  = "The domain of the email address is not allowed by the collaboration restrictions of your organization."
	textCrossTenant = "This invitation is blocked by cross-tenant access settings. Admins in both your organization and the invited user's organization must configure cross-tenant access settings to allow the invitation."
	textBlocked     = "The invited user already exists in the directory as object ID: %s, but the account is blocked from signing in. If the account is unblocked, they can use that account to sign in to shared apps and resources."
	textInternal    = "The invited user already exists in the directory as object ID: %s. They can use that account to sign in to shared apps and resources."
	textProxy       = "The invited user's email address is held as a proxy address by another object in the directory. Remove it there first."
	textGroup       = "The email address belongs to a group of the directory. Group addresses cannot be invited."
	textNoDetail    = "This user cannot be invited."
	textNoMatch     = "The email you're using to invite this user doesn't match any emails on the user object. Please add this email to the user object and try again."
	textNotExternal = "The user is not an external user; only external users can have their redemption status reset."
	textNotItsMail  = "An internal user can be invited only by the address in its mail property."
	textOnPremises  = "A user that is synchronized from on-premises cannot be invited."
	textKeepsType   = "Invalid value specified for property 'invitedUserType' of resource 'Invitation': the invitation of an internal user does not change its type."
	textOtherType   = "Invalid value specified for property 'invitedUserType' of resource 'Invitation': the pending user has another type."
)

// ObjectKind is what kind of object stands under an address.
type ObjectKind int8

// The kinds of INV-19.
const (
	ExternalUser ObjectKind = iota + 1
	InternalUser
	Group
	Contact
)

// Match says how the address was found on an object; stronger ways first.
type Match int8

// The ways, strongest first.
const (
	ByInvitedAddress Match = iota + 1
	BySignInName           // user principal name or an identity
	ByMail
	ByOtherMail
	ByProxy
)

// Existing is a live object of the tenant that the address, or the request,
// names. Soft-deleted objects are no conflict and are left out.
type Existing struct {
	ID       uuid.UUID
	Kind     ObjectKind
	Match    Match
	Enabled  bool
	Pending  bool // external users: not redeemed yet
	UserType UserType
	HasRoles bool // holds a directory role
	// OnPremises says that the user is kept by a directory on premises.
	OnPremises bool
	// Mail is the comparison key of the mail property.
	Mail string
	// Addresses are the comparison keys of mail and otherMails.
	Addresses []string
}

// Verdict is the answer of a policy question.
type Verdict int8

// The answers. The zero value refuses, so that a forgotten look-up never
// opens a gate.
const (
	Refused Verdict = iota
	Allowed
)

// Facts is everything that was looked up about one request.
type Facts struct {
	Inviter   Inviter
	Owner     bool    // the right to invite to one application stands in for G2 (INV-138)
	Fields    error   // of Check; nil when the draft is valid
	Invites   Verdict // G3, allowInvitesFrom
	InvitesNo bool    // allowInvitesFrom is none, which refuses resets too
	OwnDomain bool    // G7, the domain is verified in this tenant
	Domain    Verdict // G8
	Partner   Verdict // G9
	Target    *Existing
	Found     []Existing // G10
	Quota     error      // G11; nil when within
}

// Action is what an admitted invitation does to the directory.
type Action int8

// The actions; the numbers are stored.
const (
	Create   Action = 1 // a new external user
	Reinvite Action = 2 // the pending user stays, older links end
	Known    Action = 3 // accepted already: a direct link and no mail
	Reset    Action = 4 // the user redeems again
	Convert  Action = 5 // an internal user is to sign in from elsewhere
)

// Plan is the outcome of the gates.
type Plan struct {
	Action Action
	User   uuid.UUID // uuid.Nil for Create
}

// Admit takes a draft through the gates G2 to G11 of INV-13, in that order;
// the first refusal wins. G1 and the scope part of G2 were the interceptor's.
func Admit(d Draft, f Facts) (Plan, error) {
	for _, gate := range []func(Draft, Facts) error{permission, invitesFrom, fields, memberRight, resetRight, ownTenant, domainList, crossTenant} {
		if err := gate(d, f); err != nil {
			return Plan{}, err
		}
	}
	plan, err := conflicts(d, f)
	if err != nil {
		return Plan{}, err
	}
	return plan, f.Quota
}

// MayTouch decides whether a caller who could invite somebody now may resend
// or revoke an invitation of theirs: gates G2, G3 and G5 of the target.
func MayTouch(i Invitation, f Facts) error {
	d := Draft{Address: i.Address, UserType: i.UserType}
	for _, gate := range []func(Draft, Facts) error{permission, invitesFrom, memberRight} {
		if err := gate(d, f); err != nil {
			return err
		}
	}
	return nil
}

// MayDelete decides whether a caller may delete a pending user along with an
// invitation; all are the invitations of that user. It is the caller's own
// guest, or the right to delete users is needed (DIR-45).
func MayDelete(all []Invitation, by Inviter) error {
	if by.ownGuest(all) || by.mayDeleteUsers() {
		return nil
	}
	return fault.Denied(errorspb.Reason_ACCESS_DENIED, textPrivileges)
}

func permission(_ Draft, f Facts) error {
	if !f.Owner && !f.Inviter.MayInvite() {
		return fault.Denied(errorspb.Reason_ACCESS_DENIED, textPrivileges)
	}
	return nil
}

// invitesFrom is G3. A reset replaces it by checks of its own, except that
// `none` still refuses (INV-28).
func invitesFrom(d Draft, f Facts) error {
	if f.InvitesNo || f.Invites != Allowed && !(d.Reset && f.Fields == nil) {
		return fault.Denied(errorspb.Reason_INVITATIONS_OFF, textInvitesOff)
	}
	return nil
}

func fields(_ Draft, f Facts) error { return f.Fields }

func memberRight(d Draft, f Facts) error {
	if d.UserType == Member && !f.Inviter.MayInviteMembers() {
		return fault.Denied(errorspb.Reason_ACCESS_DENIED, textPrivileges)
	}
	return nil
}

// resetRight is G6: INV-27 to INV-29, INV-32 and INV-33.
func resetRight(d Draft, f Facts) error {
	if d.InvitedUser == uuid.Nil {
		return nil
	}
	if d.Reset && !f.Inviter.MayReset() {
		return fault.Denied(errorspb.Reason_ACCESS_DENIED, textPrivileges)
	}
	if f.Target == nil {
		return fault.NotFound(errorspb.Reason_NOT_FOUND,
			"Resource '%s' does not exist or one of its queried reference-property objects are not present.", d.InvitedUser).WithMeta("key", d.InvitedUser.String())
	}
	convert := f.converts(d)
	if f.Target.Kind != ExternalUser && !convert {
		return fault.Invalid(errorspb.Reason_BAD_REQUEST, textNotExternal)
	}
	// The sign-in of an object that exists changes, as by a reset (INV-33); the
	// right to invite is asked for beside, since it is an invitation.
	if convert && !f.Inviter.MayReset() {
		return fault.Denied(errorspb.Reason_ACCESS_DENIED, textPrivileges)
	}
	// Whoever may make an address redeem for a privileged guest could become
	// that guest, so this is for those alone who may do so anyway.
	if (d.Reset || convert) && f.Target.HasRoles && !f.Inviter.holds(globalAdministrator) {
		return fault.Denied(errorspb.Reason_ACCESS_DENIED, textPrivileges)
	}
	if convert {
		return convertible(d, *f.Target)
	}
	for _, a := range f.Target.Addresses {
		if a == d.Address.Key() {
			return nil
		}
	}
	return fault.Invalid(errorspb.Reason_BAD_REQUEST, textNoMatch)
}

// converts reports that the request is to turn an internal user into one who
// signs in from elsewhere (INV-33).
func (f Facts) converts(d Draft) bool {
	return d.InvitedUser != uuid.Nil && !d.Reset && f.Target != nil && f.Target.Kind == InternalUser
}

// convertible has the preconditions of INV-33 that are about the user.
func convertible(d Draft, user Existing) error {
	switch {
	case user.Mail != d.Address.Key():
		return fault.Invalid(errorspb.Reason_BAD_REQUEST, textNotItsMail).WithMeta("property", "invitedUserEmailAddress")
	case user.OnPremises:
		return fault.Invalid(errorspb.Reason_BAD_REQUEST, textOnPremises)
	case d.Typed && d.UserType != user.UserType:
		return fault.Invalid(errorspb.Reason_BAD_REQUEST, textKeepsType).WithMeta("property", "invitedUserType")
	}
	return nil
}

func ownTenant(d Draft, f Facts) error {
	if !f.OwnDomain || d.Reset {
		return nil
	}
	if f.Inviter.Guest {
		return fault.Invalid(errorspb.Reason_INVITEE_IN_TENANT, textNoDetail)
	}
	for _, e := range f.Found {
		if e.Kind == InternalUser && e.Match != ByOtherMail && f.Inviter.MayReadUsers() {
			return fault.Invalid(errorspb.Reason_INVITEE_IN_TENANT, textOwnUser)
		}
	}
	return fault.Invalid(errorspb.Reason_INVITEE_IN_TENANT, textOwnDomain)
}

func domainList(_ Draft, f Facts) error {
	if f.Domain != Allowed {
		return fault.Denied(errorspb.Reason_DOMAIN_NOT_ALLOWED, textDomainList)
	}
	return nil
}

func crossTenant(_ Draft, f Facts) error {
	if f.Partner != Allowed {
		return fault.Denied(errorspb.Reason_CROSS_TENANT_BLOCKED, textCrossTenant)
	}
	return nil
}

// conflicts is G10, the table of INV-19.
func conflicts(d Draft, f Facts) (Plan, error) {
	if d.Reset {
		return Plan{Action: Reset, User: f.Target.ID}, nil
	}
	convert := f.converts(d)
	if convert && !f.Target.Enabled {
		return Plan{}, f.conflict(f.Target.ID, textBlocked)
	}
	if user, ok := f.external(d); ok && !convert {
		return again(d, f, user)
	}
	for _, e := range f.Found {
		switch {
		case convert && e.ID == f.Target.ID:
		case convert && e.Kind == ExternalUser && e.Match == ByInvitedAddress:
			return Plan{}, f.conflict(e.ID, textInternal)
		case e.Kind == InternalUser && e.Match != ByProxy, e.Kind == ExternalUser && e.Match == BySignInName:
			return Plan{}, f.conflict(e.ID, textInternal)
		case e.Kind == Group && e.Match == ByMail:
			return Plan{}, f.conflict(uuid.Nil, textGroup)
		case e.Match == ByProxy && e.Kind != Contact:
			return Plan{}, f.conflict(uuid.Nil, textProxy)
		case e.Kind == Contact && d.UserType == Member:
			return Plan{}, f.conflict(uuid.Nil, textProxy)
		}
	}
	if convert {
		return Plan{Action: Convert, User: f.Target.ID}, nil
	}
	// A contact beside a guest is no conflict: the directory leaves the guest
	// without a proxy address (INV-19).
	return Plan{Action: Create}, nil
}

// external is the one external user that was invited under the address, or
// that the request names.
func (f Facts) external(d Draft) (Existing, bool) {
	if f.Target != nil && d.InvitedUser != uuid.Nil {
		return *f.Target, true
	}
	for _, e := range f.Found {
		if e.Kind == ExternalUser && e.Match == ByInvitedAddress {
			return e, true
		}
	}
	return Existing{}, false
}

func again(d Draft, f Facts, user Existing) (Plan, error) {
	switch {
	case !user.Enabled:
		return Plan{}, f.conflict(user.ID, textBlocked)
	case !user.Pending:
		return Plan{Action: Known, User: user.ID}, nil
	case d.Typed && d.UserType != user.UserType:
		return Plan{}, fault.Invalid(errorspb.Reason_BAD_REQUEST, textOtherType).WithMeta("property", "invitedUserType")
	default:
		return Plan{Action: Reinvite, User: user.ID}, nil
	}
}

// conflict refuses by G10. The object is named only to callers who may read
// it (INV-18).
func (f Facts) conflict(id uuid.UUID, text string) error {
	if !f.Inviter.MayReadUsers() {
		return fault.Invalid(errorspb.Reason_INVITE_CONFLICT, textNoDetail)
	}
	if id == uuid.Nil {
		return fault.Invalid(errorspb.Reason_INVITE_CONFLICT, text)
	}
	return fault.Invalid(errorspb.Reason_INVITE_CONFLICT, text, id).WithMeta("objectId", id.String())
}
