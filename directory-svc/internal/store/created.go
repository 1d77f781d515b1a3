package store

import (
	"time"

	"github.com/google/uuid"
)

// CountCreated counts the objects that a user created and that still are. It
// keeps the user from creating another until the transaction ends.
func (tx *Tx) CountCreated(creator uuid.UUID) (int, error) {
	if _, err := tx.Pgx().Exec(tx.Context(), "select pg_advisory_xact_lock(hashtextextended($1, 126))", tx.Tenant.String()+creator.String()); err != nil {
		return 0, err
	}
	var n int
	err := tx.Pgx().QueryRow(tx.Context(), "select count(*) from created_objects where tenant_id = $1 and creator_id = $2", [16]byte(tx.Tenant), [16]byte(creator)).Scan(&n)
	return n, err
}

// InsertCreated queues that a user created an object.
func (tx *Tx) InsertCreated(creator, id uuid.UUID, at time.Time) {
	tx.Queue("insert into created_objects (tenant_id, creator_id, object_id, created_at) values ($1, $2, $3, $4)", [16]byte(tx.Tenant), [16]byte(creator), [16]byte(id), at)
}
