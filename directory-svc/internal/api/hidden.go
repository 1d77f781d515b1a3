package api

import (
	"entente.dev/directory-svc/internal/access"
	"entente.dev/directory-svc/internal/store"
	"entente.dev/directory-svc/internal/unit"
	"entente.dev/servicekit/caller"
	"github.com/google/uuid"
)

// viewer is the caller as one from whom groups and units may hide their
// members; nil for one who sees them all (DIR-136).
func viewer(who caller.Caller) *store.Viewer {
	if who.Kind != caller.User || access.SeesHidden(who) {
		return nil
	}
	v := &store.Viewer{ID: who.ObjectID, Units: []uuid.UUID{}}
	for _, r := range who.Roles {
		if id, ok := unit.ParseScope(r.Scope); ok {
			v.Units = append(v.Units, id)
		}
	}
	return v
}

// viewerOf is the same for what holds an object: nobody is kept from what
// holds the caller.
func viewerOf(who caller.Caller, id uuid.UUID) *store.Viewer {
	if who.ObjectID == id {
		return nil
	}
	return viewer(who)
}
