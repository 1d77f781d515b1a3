package access

import (
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/caller"
	"entente.dev/servicekit/fault"
)

// SetServiceProvider decides who may mark a partner as a service provider:
// Global Administrators (POL-41).
func SetServiceProvider(c caller.Caller) error {
	if c.HasRole("Global Administrator") {
		return nil
	}
	return fault.Denied(errorspb.Reason_ACCESS_DENIED, "Only a Global Administrator may change isServiceProvider.")
}
