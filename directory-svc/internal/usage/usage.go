package usage

import (
	"time"

	"entente.dev/directory-svc/internal/identity"
	"entente.dev/directory-svc/internal/organization"
	"entente.dev/directory-svc/internal/property"
	"entente.dev/directory-svc/internal/user"
)

// Kind is what a user counts as. The numbers are stored; 0 does not count.
type Kind int16

// The kinds of DIR-220.
const (
	None          Kind = 0
	ExternalGuest Kind = 1
	InternalGuest Kind = 2
	Customer      Kind = 3
)

// FreeTier is how many users of a month cost nothing.
const FreeTier = 50_000

// Kept is how many months are kept.
const Kept = 25

// Of says what a user counts as who signs in (DIR-219): in a workforce tenant
// guests alone, in an external tenant everyone.
func Of(u *user.User, t *organization.Tenant) Kind {
	switch {
	case t.Type == organization.External:
		return Customer
	case u.Type != user.Guest:
		return None
	case u.External():
		return ExternalGuest
	}
	return InternalGuest
}

// Person names the account behind a user, the same in every tenant that it is
// a user of.
func Person(u *user.User, t *organization.Tenant) string {
	if !u.HomeKey.IsZero() {
		return u.HomeKey.String()
	}
	return identity.HomeKey{Tenant: t.ID, Object: u.ID.String()}.String()
}

// Month is the calendar month of a time, in UTC.
func Month(at time.Time) time.Time {
	at = at.UTC()
	return time.Date(at.Year(), at.Month(), 1, 0, 0, 0, 0, time.UTC)
}

const layout = "2006-01"

// Format writes a month as reports do.
func Format(month time.Time) string { return month.Format(layout) }

// ParseMonth reads `YYYY-MM`; empty is the present month.
func ParseMonth(s string, now time.Time) (time.Time, error) {
	if s == "" {
		return Month(now), nil
	}
	m, err := time.Parse(layout, s)
	if err != nil {
		return m, property.Refused("month", "The month must be written as YYYY-MM.")
	}
	return m, nil
}

// Final reports whether a month is over.
func Final(month, now time.Time) bool { return !now.Before(month.AddDate(0, 1, 0)) }
