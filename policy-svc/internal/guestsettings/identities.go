package guestsettings

import "entente.dev/policy-svc/internal/patch"

// ExternalIdentities is a tenant's externalIdentitiesPolicy (POL-78).
type ExternalIdentities struct {
	// MayLeave lets external users leave the tenant by themselves.
	MayLeave bool
}

// DefaultExternalIdentities is the policy of a tenant that changed nothing.
func DefaultExternalIdentities() ExternalIdentities { return ExternalIdentities{MayLeave: true} }

// DataRemoval is allowDeletedIdentitiesDataRemoval, which is reserved: false
// everywhere, and nothing else is accepted.
const DataRemoval = false

// Update applies a PATCH. Who keeps people in has to tell them whom to turn
// to: explained says that the tenant has a privacy contact or statement.
func (e ExternalIdentities) Update(leave, removal patch.Change[bool], explained bool) (ExternalIdentities, error) {
	const property = "allowExternalIdentitiesToLeave"
	switch {
	case leave.Clears():
		return e, notNull(property)
	case removal.Named && (removal.To == nil || *removal.To):
		return e, invalid("allowDeletedIdentitiesDataRemoval is reserved and cannot be changed.")
	case !leave.Named:
		return e, nil
	case !*leave.To && !explained:
		return e, invalid("%s can be false only in an organization with a privacy contact or a privacy statement.", property)
	}
	e.MayLeave = *leave.To
	return e, nil
}

// ExternalIdentitiesChanges are the modified properties of a changed policy;
// none means that no event is due.
func ExternalIdentitiesChanges(old, cur ExternalIdentities) []patch.Modified {
	return patch.Changed([]patch.Modified{
		patch.Modify("allowExternalIdentitiesToLeave", patch.Text(old.MayLeave), patch.Text(cur.MayLeave)),
	})
}
