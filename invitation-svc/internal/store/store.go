package store

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"strings"
	"time"

	"entente.dev/servicekit/pg"
	"entente.dev/servicekit/tenant"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"
)

// ErrStale says that a row was not as the caller had read it, so nothing was
// changed. Whoever sees it reads again.
var ErrStale = errors.New("the row has changed meanwhile")

// ErrNone says that there is no such row in the tenant.
var ErrNone = errors.New("no such row")

// Store is the schema of the service.
type Store struct{ db *pg.DB }

// New works on an open database.
func New(db *pg.DB) *Store { return &Store{db: db} }

// DB is the database underneath, for parts of servicekit that need it.
func (s *Store) DB() *pg.DB { return s.db }

// Tx is a transaction of one tenant.
type Tx struct{ *pg.Tx }

// Read runs fn in a read-only transaction of the tenant.
func (s *Store) Read(ctx context.Context, t tenant.ID, fn func(Tx) error) error {
	return s.db.Read(ctx, t, func(tx *pg.Tx) error { return fn(Tx{tx}) })
}

// Write runs fn in a transaction of the tenant. When it loses a race that a
// repetition settles, fn runs again, so it sends nothing and calls nobody.
func (s *Store) Write(ctx context.Context, t tenant.ID, fn func(Tx) error) error {
	const attempts = 10
	for attempt := 1; ; attempt++ {
		err := s.db.Write(ctx, t, func(tx *pg.Tx) error { return fn(Tx{tx}) })
		switch pg.SQLState(err) {
		case divisionByZero:
			return ErrStale
		case negativeRoot:
			return ErrSpent
		}
		if attempt == attempts || !repeatable(err) {
			return err
		}
	}
}

// divisionByZero is how a queued compare-and-set fails; nothing else divides.
const divisionByZero = "22012"

// Loosely lets the commit return before it is on disk. It is for what a crash
// of the database may take back, because what follows takes it back as well or
// repeats it.
func (tx Tx) Loosely() { tx.Queue("select set_config('synchronous_commit', 'off', true)") }

// repeatable are collisions with a row that the next attempt will see.
func repeatable(err error) bool {
	switch pg.Constraint(err) {
	case "invitations_open", "passcodes_live", "passcode_locks_pkey":
		return true
	default:
		return false
	}
}

// Global runs fn outside of any tenant, for counters and timers.
func (s *Store) Global(ctx context.Context, fn func(Tx) error) error {
	return s.db.Global(ctx, func(tx *pg.Tx) error { return fn(Tx{tx}) })
}

// changed turns the outcome of a compare-and-set into ErrStale.
func (tx Tx) changed(sql string, args ...any) error {
	tag, err := tx.Pgx().Exec(tx.Context(), sql, args...)
	if err != nil {
		return err
	}
	if tag.RowsAffected() == 0 {
		return ErrStale
	}
	return nil
}

// take reads one row by GORM.
func take[R any](db *gorm.DB, what string) (R, error) {
	var row R
	err := db.Take(&row).Error
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return row, ErrNone
	}
	if err != nil {
		return row, fmt.Errorf("read %s: %w", what, err)
	}
	return row, nil
}

func none(err error) error {
	if errors.Is(err, pgx.ErrNoRows) {
		return ErrNone
	}
	return err
}

// optional columns: the zero value is NULL.

func nullID(id uuid.UUID) *uuid.UUID {
	if id == uuid.Nil {
		return nil
	}
	return &id
}

func nullTime(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func plain[T any](p *T) T {
	var zero T
	if p == nil {
		return zero
	}
	return *p
}

// words is a text[] or uuid[] column of plain words: ids, provider names and
// hosts, none of which needs quoting.
type words []string

// Value writes the array literal.
func (w words) Value() (driver.Value, error) {
	for _, word := range w {
		if word == "" || strings.ContainsAny(word, `,{}"\ `) || strings.EqualFold(word, "null") {
			return nil, fmt.Errorf("%q is no plain word", word)
		}
	}
	return "{" + strings.Join(w, ",") + "}", nil
}

// Scan reads the array literal.
func (w *words) Scan(src any) error {
	text, ok := src.(string)
	if !ok {
		return fmt.Errorf("array column is a %T", src)
	}
	*w = nil
	if text = strings.Trim(text, "{}"); text != "" {
		*w = strings.Split(text, ",")
	}
	return nil
}

func idWords(ids []uuid.UUID) words {
	w := words{}
	for _, id := range ids {
		w = append(w, id.String())
	}
	return w
}

func (w words) ids() []uuid.UUID {
	var ids []uuid.UUID
	for _, word := range w {
		if id, err := uuid.Parse(word); err == nil {
			ids = append(ids, id)
		}
	}
	return ids
}
