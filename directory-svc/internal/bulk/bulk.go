package bulk

import "entente.dev/servicekit/sheet"

// Limits of DIR-215.
const (
	MaxBytes = 20 << 20
	MaxRows  = 50_000
)

// Kind is what a bulk operation does.
type Kind string

// The kinds.
const (
	CreateUsers   Kind = "createUsers"
	DeleteUsers   Kind = "deleteUsers"
	RestoreUsers  Kind = "restoreUsers"
	ExportUsers   Kind = "exportUsers"
	ImportMembers Kind = "importMembers"
	RemoveMembers Kind = "removeMembers"
)

// columns of the kinds that read a file.
var columns = map[Kind][]sheet.Column{
	CreateUsers: {
		{Title: "Name", Property: "displayName", Required: true}, {Title: "User name", Property: "userPrincipalName", Required: true},
		{Title: "Initial password", Property: "passwordProfile", Required: true, Secret: true}, {Title: "Block sign in (Yes/No)", Property: "accountEnabled", Required: true},
		{Title: "First name", Property: "givenName"}, {Title: "Last name", Property: "surname"}, {Title: "Job title", Property: "jobTitle"},
		{Title: "Department", Property: "department"}, {Title: "Usage location", Property: "usageLocation"}, {Title: "Street address", Property: "streetAddress"},
		{Title: "State or province", Property: "state"}, {Title: "Country or region", Property: "country"}, {Title: "Office", Property: "physicalDeliveryOfficeName"},
		{Title: "City", Property: "city"}, {Title: "ZIP or postal code", Property: "postalCode"}, {Title: "Office phone", Property: "telephoneNumber"},
		{Title: "Mobile phone", Property: "mobile"},
	},
	DeleteUsers:   {{Title: "User name", Property: "userPrincipalName", Required: true}},
	RestoreUsers:  {{Title: "Object ID", Property: "objectId", Required: true}},
	ImportMembers: {{Title: "Member object ID or user principal name", Property: "memberObjectIdOrUpn", Required: true}},
	RemoveMembers: {{Title: "Member object ID or user principal name", Property: "memberObjectIdOrUpn", Required: true}},
}

// Columns are those of a kind; none for exports, which read no file.
func (k Kind) Columns() []sheet.Column { return columns[k] }

// Format is what a file of the kind looks like (DIR-215, DIR-216).
func (k Kind) Format() sheet.Format {
	return sheet.Format{Columns: columns[k], MaxBytes: MaxBytes, MaxRows: MaxRows}
}

// Known reports whether the kind exists.
func (k Kind) Known() bool { return k == ExportUsers || len(columns[k]) > 0 }

// OfGroup reports whether the operation is about one group.
func (k Kind) OfGroup() bool { return k == ImportMembers || k == RemoveMembers }

// Stage is a moment of an operation that the audit log tells (DIR-218).
type Stage string

// The stages.
const (
	Started  Stage = "started"
	Finished Stage = "finished"
	Canceled Stage = "canceled"
)

var activities = map[Kind]string{
	CreateUsers:   "Bulk create users",
	DeleteUsers:   "Bulk delete users",
	RestoreUsers:  "Bulk restore deleted users",
	ExportUsers:   "Download users",
	ImportMembers: "Bulk import group members",
	RemoveMembers: "Bulk remove group members",
}

// Activity is how the audit log names a stage of an operation, with its
// category.
func (k Kind) Activity(s Stage) (activity, category string) {
	category = "UserManagement"
	if k.OfGroup() {
		category = "GroupManagement"
	}
	return activities[k] + " - " + string(s) + " (bulk)", category
}
