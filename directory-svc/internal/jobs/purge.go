package jobs

import (
	"context"
	"time"

	"entente.dev/directory-svc/internal/object"
	"entente.dev/directory-svc/internal/store"
	"entente.dev/directory-svc/internal/user"
	"entente.dev/servicekit/audit"
	"entente.dev/servicekit/caller"
	"entente.dev/servicekit/clock"
	"entente.dev/servicekit/tenant"
)

// Purger ends objects that were soft-deleted thirty days ago (DIR-101).
type Purger struct {
	Store *store.Store
	Clock clock.Clock
}

// purgeBatch is how many objects one transaction ends.
const purgeBatch = 200

// lifecycle is who the audit log names for it.
var lifecycle = &caller.Caller{Kind: caller.Application, AppDisplayName: "Entente Directory Lifecycle"}

// RunOnce purges what is due in every tenant and answers how many objects
// that were.
func (p *Purger) RunOnce(ctx context.Context) (int, error) {
	done := 0
	var after tenant.ID
	for {
		const page = 200
		found, err := p.Store.Tenants(ctx, 0, "", after, page)
		if err != nil {
			return done, err
		}
		for _, t := range found {
			after = t.ID
			for {
				n, err := p.tenant(ctx, t.ID)
				if err != nil {
					return done, err
				}
				if done += n; n < purgeBatch {
					break
				}
			}
		}
		if len(found) < page {
			return done, nil
		}
	}
}

func (p *Purger) tenant(ctx context.Context, t tenant.ID) (int, error) {
	due, err := p.Store.DuePurges(ctx, t, p.Clock.Now().Add(-user.Retention), purgeBatch)
	if err != nil || len(due) == 0 {
		return 0, err
	}
	err = p.Store.Write(ctx, t, func(tx *store.Tx) error {
		for _, link := range due {
			if err := Purge(ctx, tx, p.Clock, link, "", lifecycle); err != nil {
				return err
			}
		}
		return nil
	})
	return len(due), err
}

// Purge ends one soft-deleted object, with its rows in the feed and in the
// audit log. name is what the log shows for it; by acts, nil being the
// caller of the context.
func Purge(ctx context.Context, tx *store.Tx, c clock.Clock, link store.Link, name string, by *caller.Caller) error {
	activity, category := "", "UserManagement"
	switch link.Type {
	case object.User:
		activity = "Hard Delete user"
		tx.PurgeUser(link.ID)
	case object.Group:
		activity, category = "Hard Delete group", "GroupManagement"
		tx.PurgeGroup(link.ID)
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

// Every is how often the purge runs at least (DIR-101).
const Every = time.Hour
