package store

import (
	"time"

	"github.com/google/uuid"
)

// MailKind says which mail is to be composed.
type MailKind int8

// The kinds; the numbers are stored.
const (
	InvitationMail MailKind = 1
	CopyMail       MailKind = 2
	NoticeMail     MailKind = 3
	PasscodeMail   MailKind = 4
)

// MailState says how far delivery is.
type MailState int8

// The states; the numbers are stored.
const (
	Queued      MailState = 1
	Sent        MailState = 2
	Undelivered MailState = 3
	Withheld    MailState = 4 // the holder of the address has blocked the organization
)

// String is the delivery state of the native API.
func (s MailState) String() string {
	switch s {
	case Queued:
		return "queued"
	case Sent:
		return "sent"
	case Undelivered:
		return "failed"
	default:
		return "none"
	}
}

// Mail is a mail that is owed. It has no body: what it says is composed when
// it is sent, so that no secret waits in a table.
type Mail struct {
	ID         uuid.UUID
	Kind       MailKind
	Invitation uuid.UUID
	Passcode   uuid.UUID // uuid.Nil for none
	State      MailState
	Attempts   int
	CreatedAt  time.Time
}

// AddMail queues the row of a mail that is owed.
func (tx Tx) AddMail(m Mail) {
	tx.Queue(`insert into mails (tenant_id, id, kind, invitation_id, passcode_id, state, created_at) values ($1, $2, $3, $4, $5, $6, $7)`,
		tx.Tenant, m.ID, int8(m.Kind), m.Invitation, nullID(m.Passcode), int8(m.State), m.CreatedAt)
}

// ClaimMail counts an attempt at a queued mail and answers it, locked until
// the transaction ends; ErrNone when nothing is owed any more.
func (tx Tx) ClaimMail(id uuid.UUID) (Mail, error) {
	var m Mail
	var kind, state int8
	var code *uuid.UUID
	err := tx.Pgx().QueryRow(tx.Context(), `update mails set attempts = attempts + 1 where tenant_id = $1 and id = $2 and state = $3
		returning id, kind, invitation_id, passcode_id, state, attempts, created_at`, tx.Tenant, id, int8(Queued)).
		Scan(&m.ID, &kind, &m.Invitation, &code, &state, &m.Attempts, &m.CreatedAt)
	m.Kind, m.State, m.Passcode = MailKind(kind), MailState(state), plain(code)
	return m, none(err)
}

// SettleMail ends a mail that is owed; ErrStale when it was settled before.
func (tx Tx) SettleMail(id uuid.UUID, s MailState, now time.Time) error {
	return tx.changed(`update mails set state = $3, settled_at = $4 where tenant_id = $1 and id = $2 and state = $5`,
		tx.Tenant, id, int8(s), now, int8(Queued))
}

// Block records that the holder of an address wants no invitations of the
// tenant, and reports whether that is new.
func (tx Tx) Block(address string, now time.Time) (bool, error) {
	tag, err := tx.Pgx().Exec(tx.Context(), `insert into blocked_addresses (tenant_id, address_key, blocked_at) values ($1, $2, $3)
		on conflict do nothing`, tx.Tenant, address, now)
	return tag.RowsAffected() == 1, err
}

// Blocked reports whether the holder of an address wants no invitations.
func (tx Tx) Blocked(address string) (bool, error) {
	var blocked bool
	err := tx.Pgx().QueryRow(tx.Context(), `select exists (select from blocked_addresses where tenant_id = $1 and address_key = $2)`, tx.Tenant, address).Scan(&blocked)
	return blocked, err
}
