package invitation

import (
	"time"

	"entente.dev/servicekit/tenant"
	"github.com/google/uuid"
)

// Lifetimes of a redeem link, as settled for the product.
const (
	DefaultLifetime = 30 * 24 * time.Hour
	MinLifetime     = time.Hour
	MaxLifetime     = 365 * 24 * time.Hour
)

// Invitation is one act of inviting and what became of it.
type Invitation struct {
	ID     uuid.UUID
	User   uuid.UUID // uuid.Nil until the directory has made the user
	State  State
	Action Action

	Address     Address
	DisplayName string
	UserType    UserType
	Redirect    Redirect
	SendMessage bool
	Language    string // BCP 47, empty when none was asked for
	Message     string // the inviter's own words, as they will be sent
	CC          Address
	Sponsors    []uuid.UUID
	Inviter     Inviter // rights are not kept
	// First is the invitation that this one sends again, uuid.Nil for none.
	First uuid.UUID

	// Home is the account that redeems by itself (INV-123), zero for none.
	HomeTenant tenant.ID
	HomeObject uuid.UUID

	CreatedAt   time.Time
	ExpiresAt   time.Time
	CompletedAt time.Time
	// Redemption is the id of the commit that holds or has finished the
	// invitation, and RedeemingSince when it took it.
	Redemption     uuid.UUID
	RedeemingSince time.Time
	// Abandoned says that the inviter was told of a failure, so that what was
	// begun is undone and not finished.
	Abandoned bool
}

// Make is the invitation that an admitted draft begins.
func Make(id uuid.UUID, d Draft, by Inviter, p Plan, now time.Time, lifetime time.Duration) Invitation {
	i := Invitation{
		ID: id, User: p.User, Action: p.Action, State: Creating, Address: d.Address, DisplayName: d.DisplayName,
		UserType: d.UserType, Redirect: d.Redirect, SendMessage: d.SendMessage, CC: d.CC, Sponsors: d.Sponsors,
		Inviter:   Inviter{Kind: by.Kind, ID: by.ID, Name: Clean(by.Name), Mail: by.Mail, Guest: by.Guest, Roles: by.Roles},
		CreatedAt: now, ExpiresAt: now.Add(Lifetime(lifetime)),
	}
	if !d.Language.IsRoot() {
		i.Language = d.Language.String()
	}
	if by.SpeaksToInvitee() {
		i.Message = d.Message
	}
	if len(i.Sponsors) == 0 && by.Kind == ByUser {
		i.Sponsors = []uuid.UUID{by.ID}
	}
	return i
}

// Again is a fresh invitation in place of an earlier one: same person, same
// words, mailed. It is what a resent link is (INV-35, INV-106).
func (i Invitation) Again(id uuid.UUID, now time.Time, lifetime time.Duration) Invitation {
	n := i
	n.First = i.Origin()
	n.ID, n.State, n.Action, n.SendMessage = id, Pending, Reinvite, true
	n.CC = Address{}
	n.CreatedAt, n.ExpiresAt = now, now.Add(Lifetime(lifetime))
	n.CompletedAt, n.RedeemingSince, n.Redemption, n.Abandoned = time.Time{}, time.Time{}, uuid.Nil, false
	return n
}

// Origin is the invitation that the directory holds the user by: a link that
// is sent again is none of its own there.
func (i Invitation) Origin() uuid.UUID {
	if i.First != uuid.Nil {
		return i.First
	}
	return i.ID
}

// At is the state at now: a link whose time is over has expired, to the
// second, whether or not anything has recorded it.
func (i Invitation) At(now time.Time) State {
	if i.State == Pending && !now.Before(i.ExpiresAt) {
		return Expired
	}
	return i.State
}

// Lifetime clamps a setting to what is allowed; zero is the default.
func Lifetime(set time.Duration) time.Duration {
	switch {
	case set <= 0:
		return DefaultLifetime
	case set < MinLifetime:
		return MinLifetime
	case set > MaxLifetime:
		return MaxLifetime
	default:
		return set
	}
}
