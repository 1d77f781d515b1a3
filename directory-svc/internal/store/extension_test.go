package store_test

import (
	"testing"

	"entente.dev/directory-svc/internal/store"
	"github.com/google/uuid"
)

// TestPurgeTakesExtensionValues: nothing of an object outlives its purge
// (DIR-102).
func TestPurgeTakesExtensionValues(t *testing.T) {
	t.Parallel()
	s, _ := open(t)
	home := newTenant(t, s, "contoso")
	for what, purge := range map[string]func(*store.Tx, uuid.UUID) error{
		"user":        func(tx *store.Tx, id uuid.UUID) error { tx.PurgeUser(id); return nil },
		"group":       func(tx *store.Tx, id uuid.UUID) error { tx.PurgeGroup(id); return nil },
		"unit":        func(tx *store.Tx, id uuid.UUID) error { tx.PurgeUnit(id); return nil },
		"application": (*store.Tx).PurgeApplication,
	} {
		gone, stays, definition := uuid.New(), uuid.New(), uuid.New()
		err := s.Write(t.Context(), home.ID, func(tx *store.Tx) error {
			for _, id := range []uuid.UUID{gone, stays} {
				tx.SetExtension(id, definition, []any{"x"})
			}
			return purge(tx, gone)
		})
		if err != nil {
			t.Fatal(err)
		}
		err = s.Read(t.Context(), home.ID, func(tx *store.Tx) error {
			held, err := tx.ExtensionValues([]uuid.UUID{gone, stays}, []uuid.UUID{definition})
			if err == nil && (len(held[gone]) > 0 || len(held[stays]) != 1) {
				t.Errorf("%s: %v", what, held)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}
