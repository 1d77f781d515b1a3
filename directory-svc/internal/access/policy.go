package access

import (
	"entente.dev/directory-svc/internal/property"
	"entente.dev/servicekit/caller"
)

// GuestLevel is what guests without a role may see (DIR-175).
type GuestLevel int

// The levels; the zero value is the default.
const (
	LimitedGuests    GuestLevel = iota // guestUserRoleId 10dae51f-…
	GuestsAsMembers                    // a0b1b346-…
	RestrictedGuests                   // 2af84b1e-…
)

// Ids of the permission sets that an authorization policy names (DIR-167).
const (
	asMembers  = "a0b1b346-4d3e-4e8b-98f8-753987be4970"
	restricted = "2af84b1e-32c8-42b7-82bc-daa82404023b"
)

// ParseGuestLevel reads guestUserRoleId; anything unknown is the default.
func ParseGuestLevel(id string) GuestLevel {
	switch id {
	case asMembers:
		return GuestsAsMembers
	case restricted:
		return RestrictedGuests
	}
	return LimitedGuests
}

// Policy is what the tenant's authorization policy says about users without a
// role. The zero value is the default policy.
type Policy struct {
	Guests GuestLevel
	// What the policy takes away from members.
	NoOtherUsers, NoSecurityGroups, NoApps bool
}

// guest reports whether the caller has the rights of a guest.
func guest(c caller.Caller, in Tenant) bool {
	return c.Guest && in.Policy.Guests != GuestsAsMembers
}

// OwnOnly reports whether the caller is a restricted guest without a role that
// reads: of groups it sees its own alone, and of those the id.
func OwnOnly(c caller.Caller, in Tenant) bool {
	return c.Kind == caller.User && c.Guest && in.Policy.Guests == RestrictedGuests && !c.HasRole(readerRoles...)
}

// Links decides whether the caller may read the members and owners of a group
// (DIR-175).
func Links(c caller.Caller, in Tenant) error {
	if c.Kind == caller.User && in.External {
		return Directory(c, in)
	}
	if OwnOnly(c, in) {
		return property.Denied()
	}
	return nil
}

// CreateUnified decides whether the caller may create a Microsoft 365 group
// (DIR-126): allowed is the setting of the tenant, or membership in the group
// that it names.
func CreateUnified(c caller.Caller, allowed bool) error {
	if c.Kind != caller.User || allowed || c.HasRole(groupCreators...) {
		return nil
	}
	return property.Denied()
}

// Administers reports whether the caller, with the roles that count for the
// group, is an administrator whom the settings for guests do not bind
// (DIR-134).
func Administers(c caller.Caller) bool {
	return c.Kind != caller.User || c.HasRole(ga, ua, groupsAdministrator)
}

// GuestReads decides whether a guest may read the links of a Microsoft 365
// group; allowed is the setting of the tenant (DIR-134).
func GuestReads(allowed bool) error {
	if allowed {
		return nil
	}
	return property.Denied()
}
