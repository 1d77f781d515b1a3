package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/fault"
	"entente.dev/servicekit/pg"
	"entente.dev/servicekit/tenant"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Channel carries the id of a tenant whose policies changed, and beats.
const Channel = "policy_changed"

// Store reads and writes the policy schema.
type Store struct {
	db *pg.DB
	// beat begins the payload of this store's beats.
	beat string
}

// New is a store on an open database.
func New(db *pg.DB) *Store { return &Store{db: db, beat: "beat " + uuid.NewString() + " "} }

// Tx is a transaction of one tenant.
type Tx struct{ *pg.Tx }

// Read runs fn in a read-only transaction of tenant t.
func (s *Store) Read(ctx context.Context, t tenant.ID, fn func(*Tx) error) error {
	return conflict(s.db.Read(ctx, t, func(tx *pg.Tx) error { return fn(&Tx{tx}) }))
}

// Write runs fn in a transaction of tenant t; fn may run more than once.
func (s *Store) Write(ctx context.Context, t tenant.ID, fn func(*Tx) error) error {
	return conflict(s.db.Write(ctx, t, func(tx *pg.Tx) error { return fn(&Tx{tx}) }))
}

// Listen calls changed with every tenant whose policies changed, in this or
// another process, until ctx ends. A zero id means that any tenant may have.
// heard is called with the times of this store's beats: every change that was
// committed before them has been told by then.
func (s *Store) Listen(ctx context.Context, changed func(tenant.ID), heard func(sent time.Time)) error {
	return s.db.Listen(ctx, Channel, func(payload string) {
		if strings.HasPrefix(payload, "beat ") {
			// Those of other processes say nothing about what arrives here.
			text, own := strings.CutPrefix(payload, s.beat)
			if sent, err := strconv.ParseInt(text, 10, 64); own && err == nil {
				heard(time.Unix(0, sent))
			}
			return
		}
		t, err := tenant.Parse(payload)
		if err != nil {
			t = tenant.ID{}
		}
		changed(t)
	})
}

// Beat sends a notification that comes back to Listen. The server delivers
// notifications in the order of their commits, so it comes after those of all
// earlier changes.
func (s *Store) Beat(ctx context.Context, sent time.Time) error {
	return s.db.Global(ctx, func(tx *pg.Tx) error {
		tx.Queue(notify, Channel, s.beat+strconv.FormatInt(sent.UnixNano(), 10))
		return nil
	})
}

const notify = "select pg_notify($1, $2)"

// Root is what LockRoot and Root answer.
type Root struct {
	ID uuid.UUID
	// Version is raised by every write of the tenant's policies.
	Version int64
	// Revision is the version that last changed the root itself.
	Revision                 int64
	DisplayName, Description *string
	Clouds                   []string
}

// window is the time over which writes are counted (POL-139).
const window = 10 * time.Second

// LockRoot takes the write lock of the tenant's policies until the transaction
// ends, makes the root if it is missing, and raises its version. It refuses
// with THROTTLED over limit writes in ten seconds; limit 0 counts nothing.
func (tx *Tx) LockRoot(now time.Time, limit int) (Root, error) {
	var r Root
	var clouds []byte
	var writes int
	var started time.Time
	err := tx.Pgx().QueryRow(tx.Context(), `
		insert into roots as r (tenant_id, id, version, window_started, window_writes, created_at)
		values ($1, $2, 2, $3, 1, $3)
		on conflict (tenant_id) do update set version = r.version + 1,
			window_writes = case when r.window_started > $4 then r.window_writes + 1 else 1 end,
			window_started = case when r.window_started > $4 then r.window_started else $3 end
		returning id, version, revision, display_name, description, cloud_endpoints, window_started, window_writes`,
		tx.Tenant.UUID(), uuid.New(), now, now.Add(-window)).
		Scan(&r.ID, &r.Version, &r.Revision, &r.DisplayName, &r.Description, &clouds, &started, &writes)
	if err != nil {
		return Root{}, fmt.Errorf("lock policy root: %w", err)
	}
	if limit > 0 && writes > limit {
		return Root{}, fault.Exhausted(errorspb.Reason_THROTTLED, "Too many policy changes; try again later.").
			WithRetryAfter(started.Add(window).Sub(now))
	}
	return r, decode(clouds, &r.Clouds)
}

// Root answers false when the tenant has none yet.
func (tx *Tx) Root() (Root, bool, error) {
	var r Root
	var clouds []byte
	err := tx.Pgx().QueryRow(tx.Context(), `
		select id, version, revision, display_name, description, cloud_endpoints from roots where tenant_id = $1`,
		tx.Tenant.UUID()).Scan(&r.ID, &r.Version, &r.Revision, &r.DisplayName, &r.Description, &clouds)
	if errors.Is(err, pgx.ErrNoRows) {
		return Root{Version: FirstVersion}, false, nil
	}
	if err != nil {
		return Root{}, false, fmt.Errorf("read policy root: %w", err)
	}
	return r, true, decode(clouds, &r.Clouds)
}

// FirstVersion is the version of a tenant that never wrote a policy, whether
// its root was read before or not.
const FirstVersion = 1

// MakeRoot gives the tenant its root without changing any policy.
func (tx *Tx) MakeRoot(now time.Time) error {
	_, err := tx.Pgx().Exec(tx.Context(), `
		insert into roots (tenant_id, id, version, window_started, window_writes, created_at)
		values ($1, $2, $4, $3, 0, $3) on conflict (tenant_id) do nothing`, tx.Tenant.UUID(), uuid.New(), now, FirstVersion)
	if err != nil {
		return fmt.Errorf("make policy root: %w", err)
	}
	return nil
}

// SaveRoot writes names and clouds of a locked root.
func (tx *Tx) SaveRoot(r Root) error {
	clouds, err := json.Marshal(r.Clouds)
	if err != nil {
		return err
	}
	tx.Queue(`update roots set display_name = $2, description = $3, cloud_endpoints = $4, revision = version where tenant_id = $1`,
		tx.Tenant.UUID(), r.DisplayName, r.Description, clouds)
	return nil
}

// Changed tells listeners that the tenant's policies changed, as a part of the
// transaction: a change that is committed is told, even by a process that ends
// then and there. local is called after the commit.
func (s *Store) Changed(tx *Tx, local func(tenant.ID)) {
	t := tx.Tenant
	tx.Queue(notify, Channel, t.String())
	tx.AfterCommit(func() { local(t) })
}

// decode reads a JSON column; an absent one leaves to as it is.
func decode(column []byte, to any) error {
	if len(column) == 0 {
		return nil
	}
	if err := json.Unmarshal(column, to); err != nil {
		return fmt.Errorf("decode stored policy: %w", err)
	}
	return nil
}

// conflict turns broken unique indexes into faults; handlers look before they
// write, so this is for rows that the lock cannot guard.
func conflict(err error) error {
	switch pg.Constraint(err) {
	case "partners_live":
		return PartnerExists().WithCause(err)
	case "domain_lists_one":
		return DomainListExists().WithCause(err)
	default:
		return err
	}
}

// PartnerExists is the refusal of a second row for one tenant (POL-39).
func PartnerExists() *fault.Error {
	return fault.Exists(errorspb.Reason_PARTNER_EXISTS, "A partner configuration for that tenant already exists.")
}

// DomainListExists is the refusal of a second domain list (POL-76).
func DomainListExists() *fault.Error {
	return fault.Exists(errorspb.Reason_DOMAIN_LIST_EXISTS, "The organization already has a B2B management policy.")
}
