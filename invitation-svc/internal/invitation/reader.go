package invitation

import (
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/fault"
	"github.com/google/uuid"
)

// readerRoles are the directory roles that may read every user of a tenant
// whatever its settings say, as directory-svc has them (DIR-175).
var readerRoles = []string{
	globalAdministrator, userAdministrator, helpdeskAdministrator, "Privileged Authentication Administrator", "Authentication Administrator",
	"Password Administrator", "Global Reader", "Directory Readers", "Directory Writers", "Groups Administrator", "Privileged Role Administrator",
	"Application Administrator", "Cloud Application Administrator", "Hybrid Identity Administrator",
}

// Visibility is what a tenant lets people without a reader role see of its
// other users, and so of the invitations of others. The zero value is nothing.
type Visibility struct {
	Guests  bool // guests have the rights of members
	Members bool // members read other users
}

// ReadsAll reports that a caller sees every invitation, whatever the settings.
func (i Inviter) ReadsAll() bool { return i.Kind != ByUser || i.holds(readerRoles...) }

// Made reports that an invitation with this inviter is the caller's own.
func (i Inviter) Made(inviter uuid.UUID) bool { return i.ID != uuid.Nil && i.ID == inviter }

// MaySee decides whether a caller may see invitations that others made. What
// is not for reading is not for resending or revoking either.
func MaySee(by Inviter, v Visibility) error {
	if by.ReadsAll() || v.Members && (v.Guests || !by.Guest) {
		return nil
	}
	return fault.Denied(errorspb.Reason_ACCESS_DENIED, textPrivileges)
}
