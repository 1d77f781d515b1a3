package group

import (
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/fault"
)

// CheckGuestMember decides whether somebody who is no administrator may add a
// guest to a Microsoft 365 group (DIR-134): the tenant's setting overrides the
// group's own.
func CheckGuestMember(tenant, own bool) error {
	if tenant && own {
		return nil
	}
	return fault.Invalid(errorspb.Reason_REFERENCE_INVALID, "Guests are not allowed in this group.")
}

// CheckGuestOwner decides whether a guest may own a Microsoft 365 group
// (DIR-134); it binds administrators too.
func CheckGuestOwner(allowed bool) error {
	if allowed {
		return nil
	}
	return fault.Invalid(errorspb.Reason_REFERENCE_INVALID, "Guests are not allowed to own groups in this tenant.")
}
