package guestsettings

import (
	"slices"

	"entente.dev/policy-svc/internal/patch"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/fault"
	"github.com/google/uuid"
)

// AllowInvitesFrom says who may invite.
type AllowInvitesFrom int16

// From nobody to everybody (POL-72).
const (
	Nobody AllowInvitesFrom = iota
	AdminsAndGuestInviters
	AdminsGuestInvitersAndAllMembers
	Everyone
)

// Levels of guest access (POL-74).
var (
	GuestAsMember   = uuid.MustParse("a0b1b346-4d3e-4e8b-98f8-753987be4970")
	GuestLimited    = uuid.MustParse("10dae51f-b6af-4016-8d66-8c2a99b929b3")
	GuestRestricted = uuid.MustParse("2af84b1e-32c8-42b7-82bc-daa82404023b")
)

// Authorization is a tenant's authorizationPolicy (POL-71).
type Authorization struct {
	AllowInvitesFrom       AllowInvitesFrom
	GuestUserRole          uuid.UUID
	EmailVerifiedUsersJoin bool
	EmailSubscriptions     bool
	SSPR                   bool
	ConsentForRiskyApps    *bool
	BlockMsolPowerShell    *bool
	UserRole               UserRolePermissions
}

// UserRolePermissions are what every member may do; directory-svc enforces
// them.
type UserRolePermissions struct {
	CreateApps           bool
	CreateSecurityGroups bool
	CreateTenants        *bool
	ReadBitlockerKeys    *bool
	ReadOtherUsers       bool
	GrantPolicies        []string
}

// AuthorizationPatch is the body of a PATCH.
type AuthorizationPatch struct {
	AllowInvitesFrom                     patch.Change[AllowInvitesFrom]
	GuestUserRole                        patch.Change[uuid.UUID]
	EmailVerifiedUsersJoin               patch.Change[bool]
	EmailSubscriptions, SSPR             patch.Change[bool]
	ConsentForRiskyApps, BlockPowerShell patch.Change[bool]
	CreateApps, CreateSecurityGroups     patch.Change[bool]
	CreateTenants, ReadBitlockerKeys     patch.Change[bool]
	ReadOtherUsers                       patch.Change[bool]
	GrantPolicies                        patch.Change[[]string]
	ClearsUserRole                       bool
}

// DefaultAuthorization is the policy of a tenant that changed nothing.
func DefaultAuthorization() Authorization {
	yes := true
	return Authorization{
		AllowInvitesFrom:    Everyone,
		GuestUserRole:       GuestLimited,
		EmailSubscriptions:  true,
		SSPR:                true,
		ConsentForRiskyApps: new(bool),
		BlockMsolPowerShell: new(bool),
		UserRole: UserRolePermissions{
			CreateApps: true, CreateSecurityGroups: true, CreateTenants: &yes, ReadBitlockerKeys: &yes, ReadOtherUsers: true,
			GrantPolicies: []string{"ManagePermissionGrantsForSelf.microsoft-user-default-legacy"},
		},
	}
}

// Update applies a PATCH; the nested permissions merge leaf by leaf.
func (a Authorization) Update(p AuthorizationPatch) (Authorization, error) {
	if p.ClearsUserRole {
		return Authorization{}, notNull("defaultUserRolePermissions")
	}
	if p.AllowInvitesFrom.Named {
		to := p.AllowInvitesFrom.To
		if to == nil || *to < Nobody || *to > Everyone {
			return Authorization{}, invalid("allowInvitesFrom must be none, adminsAndGuestInviters, adminsGuestInvitersAndAllMembers or everyone.")
		}
		a.AllowInvitesFrom = *to
	}
	if p.GuestUserRole.Named {
		to := p.GuestUserRole.To
		if to == nil || !slices.Contains([]uuid.UUID{GuestAsMember, GuestLimited, GuestRestricted}, *to) {
			return Authorization{}, invalid("guestUserRoleId is not one of the guest access levels.")
		}
		a.GuestUserRole = *to
	}
	for _, required := range []struct {
		name   string
		at     *bool
		change patch.Change[bool]
	}{
		{"allowEmailVerifiedUsersToJoinOrganization", &a.EmailVerifiedUsersJoin, p.EmailVerifiedUsersJoin},
		{"allowedToSignUpEmailBasedSubscriptions", &a.EmailSubscriptions, p.EmailSubscriptions},
		{"allowedToUseSSPR", &a.SSPR, p.SSPR},
		{"defaultUserRolePermissions.allowedToCreateApps", &a.UserRole.CreateApps, p.CreateApps},
		{"defaultUserRolePermissions.allowedToCreateSecurityGroups", &a.UserRole.CreateSecurityGroups, p.CreateSecurityGroups},
		{"defaultUserRolePermissions.allowedToReadOtherUsers", &a.UserRole.ReadOtherUsers, p.ReadOtherUsers},
	} {
		if required.change.Clears() {
			return Authorization{}, notNull(required.name)
		}
		if required.change.Named {
			*required.at = *required.change.To
		}
	}
	p.ConsentForRiskyApps.Apply(&a.ConsentForRiskyApps)
	p.BlockPowerShell.Apply(&a.BlockMsolPowerShell)
	p.CreateTenants.Apply(&a.UserRole.CreateTenants)
	p.ReadBitlockerKeys.Apply(&a.UserRole.ReadBitlockerKeys)
	if p.GrantPolicies.Named {
		if a.UserRole.GrantPolicies = nil; p.GrantPolicies.To != nil {
			a.UserRole.GrantPolicies = slices.Clone(*p.GrantPolicies.To)
		}
	}
	return a, nil
}

// InviterKind says what sort of caller wants to invite.
type InviterKind int8

// Kinds of inviters.
const (
	InviterUser InviterKind = iota
	InviterApplication
	// InviterSync is the synchronization service, which is no inviter: only
	// Nobody stops it (POL-65).
	InviterSync
)

// Inviter is who wants to invite.
type Inviter struct {
	Kind InviterKind
	// Guest tells that a user has userType Guest in the tenant.
	Guest bool
	// Privileged tells that Global Administrator, User Administrator or Guest
	// Inviter is held, by an application's service principal likewise.
	Privileged bool
}

// InviterRoles are the directory roles that make an inviter privileged.
var InviterRoles = []string{"Global Administrator", "User Administrator", "Guest Inviter"}

// Admits decides who may invite (POL-72, POL-73).
func (a AllowInvitesFrom) Admits(i Inviter) bool {
	switch {
	case a == Nobody:
		return false
	case i.Kind == InviterSync || i.Privileged:
		return true
	case a == Everyone:
		return true
	case a == AdminsGuestInvitersAndAllMembers:
		return i.Kind == InviterApplication || !i.Guest
	default:
		return false
	}
}

func invalid(format string, args ...any) error {
	return fault.Invalid(errorspb.Reason_INVALID_REQUEST, format, args...)
}

func notNull(property string) error {
	return invalid("%s must not be null.", property)
}
