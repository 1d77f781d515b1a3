package user

import (
	"encoding/binary"
	"slices"
	"strconv"
	"time"

	"entente.dev/directory-svc/internal/address"
	"entente.dev/directory-svc/internal/identity"
	"github.com/google/uuid"
)

// Type is the rights level of a user. The numbers are stored.
type Type int16

// The rights levels (DIR-37).
const (
	Member Type = 1
	Guest  Type = 2
)

// Origin says how the account came to be (creationType). The numbers are
// stored; 0 is a work account.
type Origin int16

// The origins of DIR-35.
const (
	WorkAccount       Origin = 0
	Invitation        Origin = 1
	LocalAccount      Origin = 2
	EmailVerified     Origin = 3
	SelfServiceSignUp Origin = 4
)

// ExternalState is the state of an invitation. The numbers are stored; 0 is a
// user who was never invited.
type ExternalState int16

// The states of externalUserState.
const (
	NeverInvited      ExternalState = 0
	PendingAcceptance ExternalState = 1
	Accepted          ExternalState = 2
)

// Retention is how long a deleted user can be restored (DIR-101).
const Retention = 30 * 24 * time.Hour

// User is an account of a person in a tenant. Nil means that a property has
// no value.
type User struct {
	ID                uuid.UUID
	AccountEnabled    bool
	DisplayName       string
	UserPrincipalName string
	MailNickname      *string

	GivenName, Surname, JobTitle, Department, CompanyName *string
	OfficeLocation, StreetAddress, City, State            *string
	Country, PostalCode, FaxNumber                        *string
	EmployeeID, EmployeeType, MobilePhone                 *string
	UsageLocation, PreferredLanguage                      *string
	AgeGroup, ConsentProvidedForMinor, PasswordPolicies   *string
	OnPremises                                            OnPremises

	Mail           *string
	BusinessPhones []string
	OtherMails     []string
	IMAddresses    []string
	Proxies        []address.Proxy
	// Identities are the rows besides the one that every user has for its own
	// name (DIR-38); see AllIdentities.
	Identities []identity.Identity
	HomeKey    identity.HomeKey // DIR-39, never on the wire

	Type                 Type
	Origin               Origin
	ExternalState        ExternalState
	ExternalStateChanged *time.Time
	ShowInAddressList    *bool
	EmployeeHireDate     *time.Time
	EmployeeLeaveDate    *time.Time
	CostCenter, Division *string
	ExtensionAttributes  [15]*string

	Created            time.Time
	Deleted            *time.Time
	LastPasswordChange *time.Time
	SessionsValidFrom  *time.Time

	ManagerID *uuid.UUID
	Sponsors  []uuid.UUID
	// InvitedEmail is the address an invitation went to, by which it is found
	// again (DIR-63).
	InvitedEmail *string
	// InvitationID is the invitation that created the user; it makes the
	// creation idempotent.
	InvitationID *string
	// NeverMailEnabled marks an external member whose address stays out of
	// proxyAddresses for good (DIR-116 row 1, DIR-118).
	NeverMailEnabled bool
	// Restricted says that a restricted administrative unit holds the user
	// (DIR-163); the database keeps it.
	Restricted bool
	// HasPassword is true when a credential of the user is kept here.
	HasPassword bool
	// SyncJob is the synchronization that owns the user, if one does.
	SyncJob *string
	// RedemptionID is the redemption that bound the user, for repeats of it.
	RedemptionID *string
	// Converted is when an external user became internal (DIR-69).
	Converted *time.Time
	// Version counts the changes of the row; the store raises it.
	Version int64
	// SyncDeleted is true when SyncJob has soft-deleted the user.
	SyncDeleted bool
}

// OnPremises are the properties that only an import by the operator writes.
type OnPremises struct {
	SyncEnabled                           *bool
	ImmutableID, SamAccountName           *string
	DistinguishedName, DomainName         *string
	SecurityIdentifier, UserPrincipalName *string
	LastSync                              *time.Time
}

// Local reports whether u has an identity of a customer account here.
func (u *User) Local() bool {
	return slices.ContainsFunc(u.Identities, func(i identity.Identity) bool { return i.Type == identity.EmailAddress || i.Type == identity.UserName })
}

// External reports whether the credential of the user is kept elsewhere: a
// federated identity without a local one, or an invitation without a password
// here.
func (u *User) External() bool {
	federated := false
	for _, i := range u.Identities {
		switch i.Type {
		case identity.Federated:
			federated = true
		case identity.EmailAddress, identity.UserName:
			return false
		}
	}
	return federated || u.ExternalState != NeverInvited && !u.HasPassword
}

// MailEnabled reports whether the user has a primary proxy address.
func (u *User) MailEnabled() bool { return address.HasPrimary(u.Proxies) }

// AllIdentities are the rows of the identities property: the ones kept and,
// last, the one that stands for the user's own name.
func (u *User) AllIdentities(initialDomain string) []identity.Identity {
	all := make([]identity.Identity, 0, len(u.Identities)+1)
	all = append(all, u.Identities...)
	return append(all, identity.Identity{Type: identity.UserPrincipalName, Issuer: initialDomain, AssignedID: u.UserPrincipalName})
}

// DeletedName is the userPrincipalName that a soft-deleted user shows
// (DIR-96).
func (u *User) DeletedName() string {
	var id [32]byte
	const digits = "0123456789abcdef"
	for i, b := range u.ID {
		id[2*i], id[2*i+1] = digits[b>>4], digits[b&15]
	}
	return string(id[:]) + u.UserPrincipalName
}

// LegalAgeGroup is the value of legalAgeGroupClassification, which two other
// properties decide (DIR-35); empty means null.
func (u *User) LegalAgeGroup() string {
	if u.AgeGroup == nil {
		return ""
	}
	consent := ""
	if u.ConsentProvidedForMinor != nil {
		consent = *u.ConsentProvidedForMinor
	}
	switch {
	case *u.AgeGroup != "Minor":
		return *u.AgeGroup
	case consent == "Granted":
		return "MinorWithParentalConsent"
	case consent == "NotRequired":
		return "MinorNoParentalConsentRequired"
	}
	return "MinorWithoutParentalConsent"
}

// SecurityIdentifier is the SID that stands for an object of the cloud: its
// id as four numbers.
func SecurityIdentifier(id uuid.UUID) string {
	out := make([]byte, 0, 56)
	out = append(out, "S-1-12-1"...)
	// A GUID is stored as one 32-bit and two 16-bit little-endian numbers and
	// eight plain bytes; a UUID has them in network order.
	guid := [16]byte{id[3], id[2], id[1], id[0], id[5], id[4], id[7], id[6]}
	copy(guid[8:], id[8:])
	for i := 0; i < 16; i += 4 {
		out = append(out, '-')
		out = strconv.AppendUint(out, uint64(binary.LittleEndian.Uint32(guid[i:])), 10)
	}
	return string(out)
}
