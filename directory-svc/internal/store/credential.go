package store

import (
	"errors"
	"strings"
	"time"

	"entente.dev/directory-svc/internal/lockout"
	"entente.dev/directory-svc/internal/property"
	"entente.dev/directory-svc/internal/user"
	"entente.dev/servicekit/odata"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

const loginUser = `select id from (
			(select user_id as id, 1 as rank from user_identities where tenant_id = $1 and issuer_key = $3 and issuer_assigned_id_key >= $2 and issuer_assigned_id_key <= $2
				and live and sign_in_type in (3, 4) order by issuer_assigned_id_key limit 1)
			union all (select id, 2 from users where tenant_id = $1 and user_principal_name_key >= $2 and user_principal_name_key <= $2 and deleted_at is null
				order by user_principal_name_key limit 1)) found order by rank limit 1`

// LoginUser finds the live user who signs in by a name: a local identity of
// the tenant, or else the userPrincipalName (DIR-75); nil for nobody.
func (tx *Tx) LoginUser(name, initialDomain string) (*user.User, error) {
	key := odata.Fold(strings.TrimSpace(name))
	var id [16]byte
	err := tx.Pgx().QueryRow(tx.Context(), loginUser,
		[16]byte(tx.Tenant), key, odata.Fold(initialDomain)).Scan(&id)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return tx.User(UserID(id))
}

// TryLockSignIn makes the transaction the only one that checks a password of
// the user; false while another does. It writes nothing, so that the time a
// check takes holds nobody back.
func (tx *Tx) TryLockSignIn(id uuid.UUID) (ok bool, err error) {
	err = tx.Pgx().QueryRow(tx.Context(), "select pg_try_advisory_xact_lock(hashtextextended($1, 91))", tx.Tenant.String()+id.String()).Scan(&ok)
	return ok, err
}

// Lockout reads what was counted of a user, and whether the location is
// familiar.
func (tx *Tx) Lockout(id uuid.UUID, location string, since time.Time) (s lockout.State, familiar bool, err error) {
	err = tx.Pgx().QueryRow(tx.Context(), "select exists (select from familiar_locations where tenant_id = $1 and user_id = $2 and location = $3 and seen_at > $4)",
		[16]byte(tx.Tenant), [16]byte(id), location, since).Scan(&familiar)
	if err != nil {
		return s, false, err
	}
	var until *time.Time
	err = tx.Pgx().QueryRow(tx.Context(), "select failures, locks, locked_until, recent from lockouts where tenant_id = $1 and user_id = $2 and familiar = $3",
		[16]byte(tx.Tenant), [16]byte(id), familiar).Scan(&s.Failures, &s.Locks, &until, &s.Recent)
	if errors.Is(err, pgx.ErrNoRows) {
		err = nil
	}
	if until != nil {
		s.Until = *until
	}
	return s, familiar, err
}

// SaveLockout queues what is counted of a user.
func (tx *Tx) SaveLockout(id uuid.UUID, familiar bool, s lockout.State, now time.Time) {
	var until any
	if !s.Until.IsZero() {
		until = s.Until
	}
	tx.Queue(`insert into lockouts (tenant_id, user_id, familiar, failures, locks, locked_until, recent, changed_at) values ($1, $2, $3, $4, $5, $6, $7, $8)
		on conflict (tenant_id, user_id, familiar) do update set failures = excluded.failures, locks = excluded.locks, locked_until = excluded.locked_until,
			recent = excluded.recent, changed_at = excluded.changed_at`,
		[16]byte(tx.Tenant), [16]byte(id), familiar, s.Failures, s.Locks, until, s.Recent, now)
}

// EndLockout queues that a success ends what was counted for a kind of
// location, and that the location is familiar from now on.
func (tx *Tx) EndLockout(id uuid.UUID, familiar bool, location string, now time.Time) {
	tx.Queue("delete from lockouts where tenant_id = $1 and user_id = $2 and familiar = $3", [16]byte(tx.Tenant), [16]byte(id), familiar)
	if location != "" {
		tx.Queue(`insert into familiar_locations (tenant_id, user_id, location, seen_at) values ($1, $2, $3, $4)
			on conflict (tenant_id, user_id, location) do update set seen_at = excluded.seen_at where familiar_locations.seen_at < excluded.seen_at - interval '1 hour'`,
			[16]byte(tx.Tenant), [16]byte(id), location, now)
	}
}

// ClearLockouts queues that nothing is counted of a user any more (DIR-81).
func (tx *Tx) ClearLockouts(id uuid.UUID) {
	tx.Queue("delete from lockouts where tenant_id = $1 and user_id = $2", [16]byte(tx.Tenant), [16]byte(id))
}

// ForgetSignIns queues the end of counts and locations that are too old to
// matter, at most limit of each.
func (tx *Tx) ForgetSignIns(counted, seen, reset time.Time, limit int) {
	for table, before := range map[string]struct {
		column string
		at     time.Time
	}{"lockouts": {"changed_at", counted}, "familiar_locations": {"seen_at", seen}, "password_resets": {"created_at", reset}} {
		tx.Queue("delete from "+table+" where ctid = any(array(select ctid from "+table+" where tenant_id = $1 and "+before.column+" < $2 order by "+before.column+" limit $3)) and tenant_id = $1",
			[16]byte(tx.Tenant), before.at, limit)
	}
}

// InsertPasswordReset queues the operation that stands for a reset.
func (tx *Tx) InsertPasswordReset(id, userID uuid.UUID, at time.Time) {
	tx.Queue("insert into password_resets (tenant_id, id, user_id, created_at) values ($1, $2, $3, $4)", [16]byte(tx.Tenant), [16]byte(id), [16]byte(userID), at)
}

// PasswordReset finds when a reset of a user was.
func (tx *Tx) PasswordReset(id, userID uuid.UUID) (at time.Time, err error) {
	err = tx.Pgx().QueryRow(tx.Context(), "select created_at from password_resets where tenant_id = $1 and id = $2 and user_id = $3",
		[16]byte(tx.Tenant), [16]byte(id), [16]byte(userID)).Scan(&at)
	if errors.Is(err, pgx.ErrNoRows) {
		err = property.NotFound(id.String())
	}
	return at, err
}
