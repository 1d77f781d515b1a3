package access

import (
	"slices"

	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/caller"
	"entente.dev/servicekit/fault"
)

// writers may change every configuration; readers may look at them (SYN-3).
var (
	writers = []string{"Global Administrator", "Application Administrator", "Cloud Application Administrator", "Hybrid Identity Administrator"}
	readers = append([]string{"Global Reader", "Security Reader"}, writers...)
)

// owned is the one permission that is worth something on owned objects only.
const owned = "Application.ReadWrite.OwnedBy"

var readAll = []string{"Synchronization.Read.All", "Synchronization.ReadWrite.All", "Application.Read.All", "Application.ReadWrite.All", "Directory.Read.All", "Directory.ReadWrite.All"}
var writeAll = []string{"Synchronization.ReadWrite.All", "Application.ReadWrite.All", "Directory.ReadWrite.All"}

// Read decides whether a caller may see a configuration with these owners.
func Read(c caller.Caller, owners []string) error { return decide(c, owners, readAll, readers) }

// Write decides whether a caller may change a configuration with these owners.
func Write(c caller.Caller, owners []string) error { return decide(c, owners, writeAll, writers) }

func decide(c caller.Caller, owners, permissions, roles []string) error {
	owner := slices.Contains(owners, c.ObjectID.String())
	switch c.Kind {
	case caller.Application:
		if c.HasAny(permissions...) || owner && c.Has(owned) || c.HasRole(roles...) { // DIR-10
			return nil
		}
	case caller.User:
		if owner || c.HasRole(roles...) {
			return nil
		}
	}
	return fault.Denied(errorspb.Reason_ACCESS_DENIED, "Insufficient privileges to complete the operation.")
}
