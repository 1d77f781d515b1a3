package store

import (
	"time"

	"entente.dev/invitation-svc/internal/passcode"
	"github.com/google/uuid"
)

// Passcode is a code as it is kept. It has no MAC until its mail is composed:
// the code is drawn then, so that it is nowhere in clear but in the mail.
type Passcode struct {
	passcode.Stored
	ID       uuid.UUID
	Flow     uuid.UUID
	Purpose  passcode.Purpose
	Address  string // comparison key
	Network  string // where it was asked for, coarse
	Language string
	AskedAt  time.Time
	VoidedAt time.Time
	Minted   bool
}

// AskPasscode voids every live code of the address and purpose and queues a
// new one.
func (tx Tx) AskPasscode(p Passcode) {
	tx.Queue(`update passcodes set voided_at = $4 where tenant_id = $1 and address_key = $2 and purpose = $3
		and used_at is null and voided_at is null`, tx.Tenant, p.Address, int8(p.Purpose), p.AskedAt)
	tx.Queue(`insert into passcodes (tenant_id, id, flow_id, purpose, address_key, network, language, asked_at, expires_at)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
		tx.Tenant, p.ID, p.Flow, int8(p.Purpose), p.Address, p.Network, p.Language, p.AskedAt, p.ExpiresAt)
}

const passcodeColumns = `id, flow_id, purpose, address_key, network, language, mac, asked_at, expires_at, tries, used_at, voided_at`

func (tx Tx) passcode(sql string, args ...any) (Passcode, error) {
	var p Passcode
	var purpose int8
	var mac []byte
	var used, voided *time.Time
	err := tx.Pgx().QueryRow(tx.Context(), sql, args...).Scan(&p.ID, &p.Flow, &purpose, &p.Address, &p.Network, &p.Language,
		&mac, &p.AskedAt, &p.ExpiresAt, &p.Tries, &used, &voided)
	if err != nil {
		return Passcode{}, none(err)
	}
	p.Purpose, p.UsedAt, p.VoidedAt, p.Minted = passcode.Purpose(purpose), plain(used), plain(voided), mac != nil
	copy(p.MAC[:], mac)
	return p, nil
}

// Passcode reads one by its id.
func (tx Tx) Passcode(id uuid.UUID) (Passcode, error) {
	return tx.passcode(`select `+passcodeColumns+` from passcodes where tenant_id = $1 and id = $2`, tx.Tenant, id)
}

// LatestPasscode is the youngest of a flow; ErrNone when none was asked for.
func (tx Tx) LatestPasscode(flow uuid.UUID) (Passcode, error) {
	return tx.passcode(`select `+passcodeColumns+` from passcodes where tenant_id = $1 and flow_id = $2 order by asked_at desc, id desc limit 1`, tx.Tenant, flow)
}

// MintPasscode stores the MAC of the code that is about to be mailed and
// starts its validity. ErrStale when the code was voided meanwhile.
func (tx Tx) MintPasscode(id uuid.UUID, mac []byte, expires time.Time) error {
	return tx.changed(`update passcodes set mac = $3, expires_at = $4 where tenant_id = $1 and id = $2 and used_at is null and voided_at is null`,
		tx.Tenant, id, mac, expires)
}

// TryPasscode counts one try on the live code of a flow and purpose and
// returns it for the comparison; ErrNone when there is none that may be
// tried. The row's count makes a sixth try impossible, however many run at
// once.
func (tx Tx) TryPasscode(flow uuid.UUID, purpose passcode.Purpose, now time.Time) (Passcode, error) {
	return tx.passcode(`update passcodes set tries = tries + 1 where tenant_id = $1 and flow_id = $2 and purpose = $3
		and used_at is null and voided_at is null and mac is not null and tries < $4 and expires_at > $5
		returning `+passcodeColumns, tx.Tenant, flow, int8(purpose), passcode.Tries, now)
}

// UsePasscode spends a code; ErrStale when it was spent before.
func (tx Tx) UsePasscode(id uuid.UUID, now time.Time) error {
	return tx.changed(`update passcodes set used_at = $3 where tenant_id = $1 and id = $2 and used_at is null and voided_at is null`, tx.Tenant, id, now)
}

// LockPasscodes reads the standing of an address, locked.
func (tx Tx) LockPasscodes(address string) (passcode.Lock, error) {
	var l passcode.Lock
	var first, until *time.Time
	err := tx.Pgx().QueryRow(tx.Context(), `insert into passcode_locks as l (tenant_id, address_key, failures, locks) values ($1, $2, 0, 0)
		on conflict (tenant_id, address_key) do update set failures = l.failures
		returning failures, first_at, locked_until, locks`, tx.Tenant, address).Scan(&l.Failures, &first, &until, &l.Locks)
	l.FirstAt, l.LockedUntil = plain(first), plain(until)
	return l, err
}

// SavePasscodeLock queues the new standing of an address.
func (tx Tx) SavePasscodeLock(address string, l passcode.Lock) {
	tx.Queue(`update passcode_locks set failures = $3, first_at = $4, locked_until = $5, locks = $6 where tenant_id = $1 and address_key = $2`,
		tx.Tenant, address, l.Failures, nullTime(l.FirstAt), nullTime(l.LockedUntil), l.Locks)
}

// DeletePasscode forgets a code.
func (tx Tx) DeletePasscode(id uuid.UUID) {
	tx.Queue(`delete from passcodes where tenant_id = $1 and id = $2`, tx.Tenant, id)
}
