package plan

import "entente.dev/sync-svc/internal/scope"

// Action is what to do with one object.
type Action uint8

// The actions.
const (
	// Skip does nothing; the decision has the reason.
	Skip Action = iota
	// Create makes a new external user.
	Create
	// Adopt binds a pending invited user to its home account.
	Adopt
	// Update writes the differences, if any.
	Update
	// Delete soft-deletes the target user.
	Delete
	// Restore brings back what synchronization soft-deleted.
	Restore
	// Release ends the management of a target user that stays as it is.
	Release
	// Fail records a failure.
	Fail
)

// Reasons beyond those of package scope.
const (
	RedundantExport           = "RedundantExport"
	TargetSoftDeleted         = "TargetSoftDeleted"
	AddressNotVerified        = "AddressNotVerifiedAtSource"
	OutOfScopeDeletionSkipped = "OutOfScopeDeletionSkipped"
	FlowTypeExcluded          = "FlowTypeExcluded"
	EntityTypeNotSupported    = "EntityTypeNotSupported"
)

// Failure codes of matching.
const (
	DuplicateTargetEntries = "DuplicateTargetEntries"
	InvalidAnchor          = "InvalidAnchor"
)

// Source is the state of the source object.
type Source struct {
	// Gone is whether it does not exist any more, not even soft-deleted.
	Gone bool
	// Deleted is whether it is soft-deleted.
	Deleted bool
	// Enabled is accountEnabled.
	Enabled bool
	// Scope is the outcome of entitlement.
	Scope scope.Decision
}

// TargetState is how the target holds the object.
type TargetState uint8

// The states.
const (
	// Absent: no object with the home key and none to adopt.
	Absent TargetState = iota
	// Live: a live external user with the home key.
	Live
	// SoftDeleted: one in the recycle bin.
	SoftDeleted
	// Pending: one pending invited user with an address of the source user.
	Pending
	// PendingSeveral: more than one of those.
	PendingSeveral
)

// Target is what was found in the target tenant.
type Target struct {
	State TargetState
	// Linked is whether the job holds a connection to it.
	Linked bool
	// DeletedBySync is whether synchronization itself soft-deleted it.
	DeletedBySync bool
	// AddressVerified is whether the source tenant verified the domain of the
	// address by which a pending user was found.
	AddressVerified bool
}

// Settings are the choices of the administrator.
type Settings struct {
	// Add, Update and Delete are the flow types of the object mapping.
	Add, Update, Delete bool
	// SkipOutOfScopeDeletions keeps users that leave the scope.
	SkipOutOfScopeDeletions bool
	// DeprovisionDisabled removes disabled users that leave the scope.
	DeprovisionDisabled bool
	// AdoptPending binds pending invited users.
	AdoptPending bool
}

// Decision is what to do and why.
type Decision struct {
	Action Action
	// Reason is a skip reason or the code of a failure.
	Reason string
	// Unlink says that the connection ends with the action.
	Unlink bool
}

// Decide applies the table of sync.md §10.
func Decide(s Source, t Target, c Settings) Decision {
	if s.Gone || !s.Scope.Entitled {
		return leave(s, t, c)
	}
	switch t.State {
	case Live:
		if !t.Linked && !s.Scope.Active {
			return Decision{Action: Skip, Reason: scope.NotActiveInSource}
		}
		if !c.Update {
			return Decision{Action: Skip, Reason: FlowTypeExcluded}
		}
		return Decision{Action: Update}
	case SoftDeleted:
		switch {
		case !s.Scope.Active:
			return Decision{Action: Skip, Reason: scope.NotActiveInSource}
		case !t.DeletedBySync:
			return Decision{Action: Skip, Reason: TargetSoftDeleted}
		case !c.Add:
			return Decision{Action: Skip, Reason: FlowTypeExcluded}
		}
		return Decision{Action: Restore}
	}
	if t.Linked {
		return Decision{Action: Fail, Reason: InvalidAnchor, Unlink: true}
	}
	if !s.Scope.Active {
		return Decision{Action: Skip, Reason: scope.NotActiveInSource}
	}
	switch {
	case t.State == PendingSeveral:
		return Decision{Action: Fail, Reason: DuplicateTargetEntries}
	case t.State == Pending && !t.AddressVerified:
		return Decision{Action: Skip, Reason: AddressNotVerified}
	case t.State == Pending && c.AdoptPending:
		return Decision{Action: Adopt}
	case !c.Add:
		return Decision{Action: Skip, Reason: FlowTypeExcluded}
	}
	return Decision{Action: Create}
}

// leave decides about an object that does not belong to the target.
func leave(s Source, t Target, c Settings) Decision {
	reason := s.Scope.Reason
	if reason == "" {
		reason = scope.NotEffectivelyEntitled
	}
	if !t.Linked {
		return Decision{Action: Skip, Reason: reason}
	}
	if t.State != Live {
		// Already deleted there: the connection is kept for a return within the
		// recycle bin's time, and ends when either side is gone.
		return Decision{Action: Skip, Reason: reason, Unlink: s.Gone || t.State == Absent}
	}
	stays := !s.Gone && !s.Deleted && (c.SkipOutOfScopeDeletions || !s.Enabled && !c.DeprovisionDisabled)
	if stays || !c.Delete {
		return Decision{Action: Release, Reason: OutOfScopeDeletionSkipped}
	}
	return Decision{Action: Delete, Unlink: s.Gone}
}
