package invitation

import (
	"net/mail"
	"slices"

	"github.com/google/uuid"
)

// InviterKind says what kind of caller invites.
type InviterKind int8

// The kinds; the numbers are stored.
const (
	ByUser InviterKind = 1
	ByApp  InviterKind = 2
	BySync InviterKind = 3
)

// Inviter is who asks, with the rights of this moment.
type Inviter struct {
	Kind        InviterKind
	ID          uuid.UUID
	Name        string
	Mail        string // empty when the inviter has no address in the tenant
	Guest       bool
	Permissions []string // scopes or app roles
	Roles       []string // directory roles held at tenant scope
}

// Names of directory roles the gates ask for.
const (
	globalAdministrator   = "Global Administrator"
	userAdministrator     = "User Administrator"
	helpdeskAdministrator = "Helpdesk Administrator"
	guestInviter          = "Guest Inviter"
)

// actAsUser is the scope by which an application may do what the signed-in
// user may.
const actAsUser = "Directory.AccessAsUser.All"

func (i Inviter) holds(roles ...string) bool {
	return i.Kind == ByUser && slices.ContainsFunc(roles, func(r string) bool { return slices.Contains(i.Roles, r) })
}

func (i Inviter) permitted(permissions ...string) bool {
	return slices.ContainsFunc(permissions, func(p string) bool { return slices.Contains(i.Permissions, p) })
}

// MayInvite is gate G2: a permission of operation O1.
func (i Inviter) MayInvite() bool {
	return i.Kind == BySync || i.permitted("User.Invite.All", "User.ReadWrite.All", "Directory.ReadWrite.All", actAsUser)
}

// MayInviteMembers is gate G5.
func (i Inviter) MayInviteMembers() bool {
	switch i.Kind {
	case ByApp:
		return i.permitted("User.ReadWrite.All", "Directory.ReadWrite.All")
	case ByUser:
		return i.holds(userAdministrator, globalAdministrator)
	default:
		return i.Kind == BySync
	}
}

// MayReset is the caller's half of INV-28; the target's roles are the other.
func (i Inviter) MayReset() bool {
	if !i.permitted("User.ReadWrite.All", "Directory.ReadWrite.All", actAsUser) {
		return false
	}
	return i.Kind == ByApp || i.holds(helpdeskAdministrator, userAdministrator, globalAdministrator)
}

// mayDeleteUsers mirrors what DELETE /users/{id} asks for (DIR-45).
func (i Inviter) mayDeleteUsers() bool {
	switch i.Kind {
	case ByApp:
		return i.permitted("User.ReadWrite.All", "User.DeleteRestore.All")
	case ByUser:
		return i.permitted("User.ReadWrite.All", "User.DeleteRestore.All", actAsUser) && i.holds(userAdministrator, globalAdministrator)
	default:
		return i.Kind == BySync
	}
}

// ownGuest reports that the caller, and nobody else, made the user that all
// these invitations are about, and that nobody has become that user since.
// Inviting somebody else's guest again makes it no own one.
func (i Inviter) ownGuest(all []Invitation) bool {
	made := false
	for _, one := range all {
		if one.State == Completed || one.Action == Convert || one.Action == Create && !i.Made(one.Inviter.ID) {
			return false
		}
		made = made || one.Action == Create
	}
	return made
}

// MayReadUsers decides whether an answer may name existing objects (INV-18).
func (i Inviter) MayReadUsers() bool {
	if i.Guest {
		return false
	}
	if i.Kind == ByUser {
		return true // members read users by default
	}
	return i.permitted("User.Read.All", "User.ReadWrite.All", "Directory.Read.All", "Directory.ReadWrite.All")
}

// Privileged decides which row of INV-57 counts the caller.
func (i Inviter) Privileged() bool {
	return i.Kind != ByUser || i.holds(userAdministrator, globalAdministrator, guestInviter)
}

// SpeaksToInvitee reports whether a customized message is sent in the
// inviter's words: only for a person with an address in the tenant (INV-41).
func (i Inviter) SpeaksToInvitee() bool {
	if i.Kind != ByUser || i.Mail == "" {
		return false
	}
	_, err := mail.ParseAddress(i.Mail)
	return err == nil
}
