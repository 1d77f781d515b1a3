package store

import (
	"context"
	"time"

	"entente.dev/servicekit/pg"
	"entente.dev/servicekit/tenant"
	"github.com/jackc/pgx/v5"
)

// Ended is a tenant that was deleted permanently.
type Ended struct {
	ID tenant.ID
	At time.Time
}

// EndedTenants lists tenants in the order of their end, after one that ended
// at a moment.
func (s *Store) EndedTenants(ctx context.Context, since time.Time, after tenant.ID, limit int) ([]Ended, error) {
	var out []Ended
	err := s.db.GlobalRead(ctx, func(tx *pg.Tx) error {
		rows, err := tx.Pgx().Query(ctx, "select id, deleted_at from deleted_tenants where (deleted_at, id) > ($1, $2) order by deleted_at, id limit $3",
			since, [16]byte(after), limit)
		if err != nil {
			return err
		}
		out, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (Ended, error) {
			var e Ended
			err := row.Scan((*[16]byte)(&e.ID), &e.At)
			return e, err
		})
		return err
	})
	return out, err
}
