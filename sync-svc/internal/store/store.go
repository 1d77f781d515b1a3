package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/fault"
	"entente.dev/servicekit/pg"
	"entente.dev/servicekit/tenant"
	"gorm.io/gorm"
)

// JobsChannel is notified when a runner should look for work.
const JobsChannel = "entente_sync_jobs"

// Store keeps everything of the service in PostgreSQL.
type Store struct {
	db    *pg.DB
	vault *Vault
}

// New builds a store over an open database.
func New(db *pg.DB, vault *Vault) *Store { return &Store{db: db, vault: vault} }

// Tx is a transaction of one tenant.
type Tx struct {
	*pg.Tx
	store *Store
}

// Read runs fn in a transaction that cannot write.
func (s *Store) Read(ctx context.Context, t tenant.ID, fn func(*Tx) error) error {
	return translate(s.db.Read(ctx, t, func(tx *pg.Tx) error { return fn(&Tx{tx, s}) }))
}

// Write runs fn in a transaction; fn may run twice.
func (s *Store) Write(ctx context.Context, t tenant.ID, fn func(*Tx) error) error {
	return translate(s.db.Write(ctx, t, func(tx *pg.Tx) error { return fn(&Tx{tx, s}) }))
}

// Wake tells runners, here and elsewhere, to look for work.
func (s *Store) Wake() { s.db.Notify(JobsChannel, "") }

// RefreshStatistics tells the planner about a bulk of new rows.
func (s *Store) RefreshStatistics(ctx context.Context) error {
	return s.db.Global(ctx, func(tx *pg.Tx) error {
		tx.Queue("select refresh_statistics()")
		return nil
	})
}

// Listen calls fn whenever a runner should look for work, until ctx ends.
func (s *Store) Listen(ctx context.Context, fn func()) error {
	return s.db.Listen(ctx, JobsChannel, func(string) { fn() })
}

// translate makes faults of the failures that mean something here.
func translate(err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return fault.NotFound(errorspb.Reason_NOT_FOUND, "Resource does not exist or one of its queried reference-property objects are not present.").WithCause(err)
	}
	switch pg.Constraint(err) {
	case "jobs_target":
		return fault.Invalid(errorspb.Reason_TARGET_ALREADY_CONFIGURED, "Another synchronization job of this tenant has the same target tenant.").WithCause(err)
	case "jobs_configuration":
		return fault.Invalid(errorspb.Reason_INVALID_REQUEST, "The service principal already has a synchronization job.").WithCause(err)
	}
	return err
}

func toJSON(v any) (string, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return "", fmt.Errorf("encode column: %w", err)
	}
	return string(b), nil
}

// optionalJSON encodes a column that is NULL for nil.
func optionalJSON[T any](v *T) (*string, error) {
	if v == nil {
		return nil, nil
	}
	s, err := toJSON(v)
	return &s, err
}

func fromJSON[T any](column *string) (*T, error) {
	if column == nil {
		return nil, nil
	}
	var v T
	if err := json.Unmarshal([]byte(*column), &v); err != nil {
		return nil, fmt.Errorf("decode column: %w", err)
	}
	return &v, nil
}
