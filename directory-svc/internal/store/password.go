package store

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

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
	Set           time.Time
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

// SetPassword queues the credential of a user, in place of a former one.
func (tx *Tx) SetPassword(id uuid.UUID, p Password) {
	tx.Queue(`insert into user_passwords (tenant_id, user_id, scheme, verifier, must_change, must_change_with_mfa, set_at) values ($1, $2, $3, $4, $5, $6, $7)
		on conflict (tenant_id, user_id) do update set scheme = excluded.scheme, verifier = excluded.verifier, must_change = excluded.must_change,
		must_change_with_mfa = excluded.must_change_with_mfa, set_at = excluded.set_at`,
		[16]byte(tx.Tenant), [16]byte(id), p.Scheme, p.Verifier, p.MustChange, p.MustChangeMFA, p.Set)
	if t := tx.Tenant; p.Scheme == keyedScheme {
		tx.AfterCommit(func() { tx.store.unhardened.add(t) })
	}
}

// Password reads the credential of a user; nil when there is none.
func (tx *Tx) Password(id uuid.UUID) (*Password, error) {
	var p Password
	err := tx.Pgx().QueryRow(tx.Context(), "select scheme, verifier, must_change, must_change_with_mfa, set_at from user_passwords where tenant_id = $1 and user_id = $2",
		[16]byte(tx.Tenant), [16]byte(id)).Scan(&p.Scheme, &p.Verifier, &p.MustChange, &p.MustChangeMFA, &p.Set)
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

// Unhardened reads keyed verifiers of a tenant, oldest first.
func (s *Store) Unhardened(ctx context.Context, t tenant.ID, limit int) ([]UnhardenedPassword, error) {
	var out []UnhardenedPassword
	batch := &pgx.Batch{}
	batch.Queue("select user_id, verifier from user_passwords where tenant_id = $1 and scheme = 1 order by set_at limit $2", [16]byte(t), limit).Query(func(rows pgx.Rows) error {
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
		tx.Queue("update user_passwords set scheme = $4, verifier = $5 where tenant_id = $1 and user_id = $2 and verifier = $3 and scheme = 1",
			[16]byte(t), [16]byte(p.User), p.Verifier, scheme, verifier)
		return nil
	})
}
