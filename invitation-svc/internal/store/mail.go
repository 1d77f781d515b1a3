package store

import (
	"fmt"
	"time"

	"entente.dev/invitation-svc/internal/invitation"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
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
	// Language is what the guest preferred when the mail became owed; Asked
	// says that this is known, if only that there is no preference.
	Language string
	Asked    bool
}

// Claimed is a Mail with what else is read when it is claimed.
type Claimed struct {
	Mail
	Invited invitation.Invitation
	Blocked bool // the one it goes to has blocked the organization
}

// AddMail queues the row of a mail that is owed.
func (tx Tx) AddMail(m Mail) {
	tx.Queue(`insert into mails (tenant_id, id, kind, invitation_id, passcode_id, state, created_at, language) values ($1, $2, $3, $4, $5, $6, $7, $8)`,
		tx.Tenant, m.ID, int8(m.Kind), m.Invitation, nullID(m.Passcode), int8(m.State), m.CreatedAt, nullText(m.Language, m.Asked))
}

func nullText(s string, known bool) *string {
	if !known {
		return nil
	}
	return &s
}

// ClaimMails counts an attempt at each of the mails that are still queued and
// answers those, locked until the transaction ends, in the order of their ids.
func (tx Tx) ClaimMails(ids []uuid.UUID) ([]Claimed, error) {
	rows, err := tx.Pgx().Query(tx.Context(), `update mails m set attempts = attempts + 1
		from (select id from mails where tenant_id = $1 and id = any ($2) and state = $3 order by id for update) owed
		where m.tenant_id = $1 and m.id = owed.id
		returning m.id, m.kind, m.invitation_id, m.passcode_id, m.state, m.attempts, m.created_at, m.language`, tx.Tenant, ids, int8(Queued))
	if err != nil {
		return nil, err
	}
	var all []Claimed
	var invited []uuid.UUID
	var m Mail
	var kind, state int8
	var code *uuid.UUID
	var language *string
	_, err = pgx.ForEachRow(rows, []any{&m.ID, &kind, &m.Invitation, &code, &state, &m.Attempts, &m.CreatedAt, &language}, func() error {
		m.Kind, m.State, m.Passcode, m.Language, m.Asked = MailKind(kind), MailState(state), plain(code), plain(language), language != nil
		all, invited = append(all, Claimed{Mail: m}), append(invited, m.Invitation)
		return nil
	})
	if err != nil || len(all) == 0 {
		return nil, err
	}
	var found []invitationRow
	if err := tx.invitations().Where("id in ?", invited).Find(&found).Error; err != nil {
		return nil, fmt.Errorf("read invitations of mails: %w", err)
	}
	readers := make([]string, len(all))
	for i := range all {
		for _, row := range found {
			if row.ID == all[i].Invitation {
				all[i].Invited = invitationFromRow(row)
			}
		}
		readers[i] = all[i].Reader().Key()
	}
	blocked, err := tx.Blocked(readers...)
	for i := range all {
		all[i].Blocked = blocked[readers[i]]
	}
	return all, err
}

// Reader is the address that the mail goes to.
func (c Claimed) Reader() invitation.Address {
	if c.Kind == CopyMail {
		return c.Invited.CC
	}
	return c.Invited.Address
}

// SettleMails ends mails that are owed and answers which of them were; the
// others had been settled before.
func (tx Tx) SettleMails(ids []uuid.UUID, s MailState, now time.Time) (map[uuid.UUID]bool, error) {
	rows, err := tx.Pgx().Query(tx.Context(), `update mails set state = $3, settled_at = $4 where tenant_id = $1 and id = any ($2) and state = $5 returning id`,
		tx.Tenant, ids, int8(s), now, int8(Queued))
	if err != nil {
		return nil, err
	}
	settled := make(map[uuid.UUID]bool)
	var id uuid.UUID
	_, err = pgx.ForEachRow(rows, []any{&id}, func() error {
		settled[id] = true
		return nil
	})
	return settled, err
}

// QueueSettle queues the end of a mail that the transaction has claimed.
func (tx Tx) QueueSettle(id uuid.UUID, s MailState, now time.Time) {
	tx.Queue(`update mails set state = $3, settled_at = $4 where tenant_id = $1 and id = $2`, tx.Tenant, id, int8(s), now)
}

// Block records that the holder of an address wants no invitations of the
// tenant, and reports whether that is new.
func (tx Tx) Block(address string, now time.Time) (bool, error) {
	tag, err := tx.Pgx().Exec(tx.Context(), `insert into blocked_addresses (tenant_id, address_key, blocked_at) values ($1, $2, $3)
		on conflict do nothing`, tx.Tenant, address, now)
	return tag.RowsAffected() == 1, err
}

// Blocked are the keys of addresses whose holders want no invitations of the
// tenant, of those that were asked about.
type Blocked map[string]bool

const blockedSQL = `select address_key from blocked_addresses where tenant_id = $1 and address_key = any ($2)`

// Blocked finds those of some addresses whose holders want no invitations.
func (tx Tx) Blocked(addresses ...string) (Blocked, error) {
	rows, err := tx.Pgx().Query(tx.Context(), blockedSQL, tx.Tenant, addresses)
	if err != nil {
		return nil, err
	}
	b := Blocked{}
	return b, b.scan(rows)
}

func (b Blocked) scan(rows pgx.Rows) error {
	var key string
	_, err := pgx.ForEachRow(rows, []any{&key}, func() error {
		b[key] = true
		return nil
	})
	return err
}
