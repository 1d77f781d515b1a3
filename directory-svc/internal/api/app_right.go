package api

import (
	"entente.dev/directory-svc/internal/access"
	"entente.dev/directory-svc/internal/object"
	"entente.dev/directory-svc/internal/store"
	"entente.dev/servicekit/caller"
	"github.com/google/uuid"
)

// appOf reads what the right of the caller to an application or service
// principal depends on: who owns it, and which application roles over one may
// name.
func (c *Core) appOf(tx *store.Tx, who caller.Caller, kind object.Type, id, appID uuid.UUID) (access.App, error) {
	owners, err := tx.OwnersOf(id)
	if err != nil {
		return access.App{}, err
	}
	app := access.App{Owned: owns(who, owners)}
	switch {
	case kind == object.Application:
		app.Scope = id
	case access.Scoped(who):
		found, err := tx.ApplicationsByAppID([]uuid.UUID{appID})
		if err != nil {
			return app, err
		}
		if a := found[appID]; a != nil {
			app.Scope = a.ID
		}
	}
	return app, nil
}

// actsFor is appOf for what decides who can act as the application: its
// credentials and owners.
func (c *Core) actsFor(tx *store.Tx, who caller.Caller, kind object.Type, id, appID uuid.UUID) (access.App, error) {
	app, err := c.appOf(tx, who, kind, id, appID)
	if err != nil {
		return app, err
	}
	held, permissions, inGroup, err := tx.HeldByApp(appID)
	if err != nil {
		return app, err
	}
	var roles []string
	for _, r := range held {
		roles = append(roles, r.Template.Name)
	}
	app.Privileged = inGroup || access.IsPrivileged(roles, permissions)
	return app, nil
}
