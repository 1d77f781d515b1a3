package scope

// Facts are what entitlement looks at, as they are at the time of processing.
type Facts struct {
	// Importable is whether the object has an identity to carry over (a netId).
	Importable bool
	// External is whether the account is external to the source tenant, or has a
	// phone that counts as an alternative identity.
	External bool
	// Member is whether userType is Member.
	Member bool
	// Assigned is whether the user is assigned, directly or by an assigned group.
	Assigned bool
	// RoleDisabled is whether every assignment has an app role that is disabled.
	RoleDisabled bool
	// FilterPassed is the outcome of the scoping filter.
	FilterPassed bool
	// Live is false for soft-deleted objects.
	Live bool
	// Enabled is accountEnabled.
	Enabled bool
	// Linked is whether the user was synchronized before.
	Linked bool
}

// Rules are the settings that change who is entitled.
type Rules struct {
	// SyncAll takes every user, assigned or not.
	SyncAll bool
	// IncludeInternalGuests opens synchronization for internal guests.
	IncludeInternalGuests bool
}

// Reasons for which a user is skipped, as the provisioning log names them.
const (
	ImportSkipped          = "ImportSkipped"
	NotEffectivelyEntitled = "NotEffectivelyEntitled"
	NotActiveInSource      = "NotActiveInSource"
)

// Row is one condition with its outcome.
type Row struct {
	Name string
	OK   bool
}

// Decision is the outcome of all rows.
type Decision struct {
	// Entitled is whether the user belongs to the target, enabled or not.
	Entitled bool
	// Active is whether it may be created there: live and enabled.
	Active bool
	// Reason is why not, one of the skip reasons; empty when all rows hold.
	Reason string
	// Rows are the conditions in the order of the specification.
	Rows [7]Row
}

// Names of the rows (SYN-44 to SYN-50).
const (
	RowImportable = "Importable"
	RowExternal   = "Filter external users.alternativeSecurityIds EQUALS 'None'"
	RowMember     = "User is a member"
	RowAssigned   = "Assigned to the application"
	RowRole       = "User has the required role"
	RowFilter     = "Scoping filter evaluation passed"
	RowActive     = "Active in the source system"
)

// Decide evaluates all rows in their order. A user that is disabled but was
// synchronized stays entitled: it is disabled in the target, not removed.
func Decide(f Facts, r Rules) Decision {
	d := Decision{Rows: [7]Row{
		{RowImportable, f.Importable},
		{RowExternal, !f.External},
		{RowMember, f.Member || r.IncludeInternalGuests},
		{RowAssigned, r.SyncAll || f.Assigned},
		{RowRole, r.SyncAll || !f.RoleDisabled},
		{RowFilter, f.FilterPassed},
		{RowActive, f.Live && (f.Enabled || f.Linked)},
	}}
	d.Entitled, d.Active = f.Live, f.Live && f.Enabled
	for _, row := range d.Rows[:6] {
		d.Entitled = d.Entitled && row.OK
	}
	switch {
	case !f.Importable:
		d.Reason = ImportSkipped
	case !d.Entitled:
		d.Reason = NotEffectivelyEntitled
	case !d.Active && !f.Linked:
		d.Reason = NotActiveInSource
	}
	return d
}
