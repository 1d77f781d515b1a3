package store

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"

	"entente.dev/servicekit/tenant"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Password is a credential to keep.
type Password struct {
	Scheme        int16
	Verifier      []byte
	MustChange    bool
	MustChangeMFA bool
}

// keyedScheme is the scheme that is to be hardened; the partial index says
// the same number.
const keyedScheme = 1

// unhardened remembers the tenants with verifiers to harden.
type unhardened struct {
	mu      sync.Mutex
	tenants map[tenant.ID]struct{}
}

func (h *unhardened) add(t tenant.ID) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.tenants == nil {
		h.tenants = make(map[tenant.ID]struct{})
	}
	h.tenants[t] = struct{}{}
}

// TakeUnhardened answers the tenants that got verifiers to harden since the
// last call.
func (s *Store) TakeUnhardened() []tenant.ID {
	s.unhardened.mu.Lock()
	defer s.unhardened.mu.Unlock()
	out := slices.Collect(maps.Keys(s.unhardened.tenants))
	clear(s.unhardened.tenants)
	return out
}

func (tx *Tx) passwordSet(p *Password) {
	if t := tx.Tenant; p.Scheme == keyedScheme {
		tx.AfterCommit(func() { tx.store.unhardened.add(t) })
	}
}

// SetPassword queues the credential of a user, in place of a former one.
func (tx *Tx) SetPassword(id uuid.UUID, p *Password) {
	tx.Queue(`update users set password_scheme = $3, password_verifier = $4, password_must_change = $5, password_must_change_mfa = $6 where tenant_id = $1 and id = $2`,
		[16]byte(tx.Tenant), [16]byte(id), p.Scheme, p.Verifier, p.MustChange, p.MustChangeMFA)
	tx.passwordSet(p)
}

// Password reads the credential of a user; nil when there is none.
func (tx *Tx) Password(id uuid.UUID) (*Password, error) {
	var p Password
	err := tx.Pgx().QueryRow(tx.Context(), `select password_scheme, password_verifier, password_must_change, password_must_change_mfa from users
		where tenant_id = $1 and id = $2 and password_verifier is not null`,
		[16]byte(tx.Tenant), [16]byte(id)).Scan(&p.Scheme, &p.Verifier, &p.MustChange, &p.MustChangeMFA)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	return &p, err
}

// UnhardenedPassword is a verifier to harden.
type UnhardenedPassword struct {
	User     uuid.UUID
	Verifier []byte
}

// Unhardened reads keyed verifiers of a tenant.
func (s *Store) Unhardened(ctx context.Context, t tenant.ID, limit int) ([]UnhardenedPassword, error) {
	var out []UnhardenedPassword
	batch := &pgx.Batch{}
	batch.Queue("select id, password_verifier from users where tenant_id = $1 and password_scheme = 1 limit $2", [16]byte(t), limit).Query(func(rows pgx.Rows) error {
		var p UnhardenedPassword
		_, err := pgx.ForEachRow(rows, []any{(*[16]byte)(&p.User), &p.Verifier}, func() error {
			out = append(out, p)
			p.Verifier = nil
			return nil
		})
		return err
	})
	return out, s.db.ReadBatch(ctx, t, batch)
}

// Harden replaces a verifier, unless it was set anew meanwhile.
func (s *Store) Harden(ctx context.Context, t tenant.ID, p UnhardenedPassword, scheme int16, verifier []byte) error {
	return s.Write(ctx, t, func(tx *Tx) error {
		tx.Queue("update users set password_scheme = $4, password_verifier = $5 where tenant_id = $1 and id = $2 and password_verifier = $3 and password_scheme = 1",
			[16]byte(t), [16]byte(p.User), p.Verifier, scheme, verifier)
		return nil
	})
}
