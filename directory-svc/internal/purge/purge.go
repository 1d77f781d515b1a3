package purge

import (
	"context"

	"entente.dev/directory-svc/internal/object"
	"entente.dev/directory-svc/internal/store"
	"entente.dev/servicekit/audit"
	"entente.dev/servicekit/caller"
	"entente.dev/servicekit/clock"
)

// Object ends one soft-deleted object, with its rows in the feed and in the
// audit log. name is what the log shows for it; by acts, nil being the
// caller of the context.
func Object(ctx context.Context, tx *store.Tx, c clock.Clock, link store.Link, name string, by *caller.Caller) error {
	activity, category := "", "UserManagement"
	switch link.Type {
	case object.User:
		activity = "Hard Delete user"
		tx.PurgeUser(link.ID)
	case object.Group:
		activity, category = "Hard Delete group", "GroupManagement"
		tx.PurgeGroup(link.ID)
	case object.Unit:
		activity, category = "Hard Delete administrative unit", "AdministrativeUnit"
		tx.PurgeUnit(link.ID)
	case object.Application:
		activity, category = "Hard Delete application", "ApplicationManagement"
		if err := tx.PurgeApplication(link.ID); err != nil {
			return err
		}
	case object.ServicePrincipal:
		activity, category = "Hard Delete service principal", "ApplicationManagement"
		if err := tx.PurgeServicePrincipal(link.ID); err != nil {
			return err
		}
	}
	tx.Change(store.Change{Type: link.Type, ID: link.ID, Kind: store.Purged})
	return audit.Write(ctx, tx.Tx, c, audit.Event{Activity: activity, Category: category, OperationType: "Delete", InitiatedBy: by,
		Targets: []audit.Target{{ID: link.ID.String(), DisplayName: name, Type: link.Type.Title()}}})
}
