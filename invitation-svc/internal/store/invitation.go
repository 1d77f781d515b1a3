package store

import (
	"fmt"
	"time"

	"entente.dev/invitation-svc/internal/invitation"
	"entente.dev/invitation-svc/internal/ticket"
	"entente.dev/servicekit/tenant"
	"github.com/google/uuid"
	"gorm.io/gorm"
	"gorm.io/gorm/clause"
)

type invitationRow struct {
	TenantID       tenant.ID
	ID             uuid.UUID
	UserID         *uuid.UUID
	State          int8
	Action         int8
	Address        string
	AddressKey     string
	DisplayName    string
	UserType       int8
	RedirectURL    string
	SendMessage    bool
	Language       string
	Message        string
	Cc             string
	Sponsors       words `gorm:"type:uuid[]"`
	InviterKind    int8
	InviterID      *uuid.UUID
	InviterName    string
	InviterMail    string
	InviterGuest   bool
	HomeTenantID   tenant.ID
	HomeObjectID   *uuid.UUID
	CreatedAt      time.Time `gorm:"autoCreateTime:false"`
	ExpiresAt      time.Time
	CompletedAt    *time.Time
	RedemptionID   *uuid.UUID
	RedeemingSince *time.Time
	Abandoned      bool
	FirstID        *uuid.UUID
}

// TableName is the table of the row.
func (invitationRow) TableName() string { return "invitations" }

func invitationToRow(t tenant.ID, i invitation.Invitation) invitationRow {
	return invitationRow{
		TenantID: t, ID: i.ID, UserID: nullID(i.User), State: int8(i.State), Action: int8(i.Action),
		Address: i.Address.Typed(), AddressKey: i.Address.Key(), DisplayName: i.DisplayName, UserType: int8(i.UserType),
		RedirectURL: i.Redirect.String(), SendMessage: i.SendMessage, Language: i.Language, Message: i.Message,
		Cc: i.CC.Typed(), Sponsors: idWords(i.Sponsors),
		InviterKind: int8(i.Inviter.Kind), InviterID: nullID(i.Inviter.ID), InviterName: i.Inviter.Name,
		InviterMail: i.Inviter.Mail, InviterGuest: i.Inviter.Guest,
		HomeTenantID: i.HomeTenant, HomeObjectID: nullID(i.HomeObject),
		CreatedAt: i.CreatedAt, ExpiresAt: i.ExpiresAt, CompletedAt: nullTime(i.CompletedAt),
		RedemptionID: nullID(i.Redemption), RedeemingSince: nullTime(i.RedeemingSince), Abandoned: i.Abandoned,
		FirstID: nullID(i.First),
	}
}

// invitationFromRow reads addresses and URLs by the parsers that let them in;
// what they refuse today is treated as absent.
func invitationFromRow(r invitationRow) invitation.Invitation {
	address, _ := invitation.ParseAddress(r.Address, false)
	cc, _ := invitation.ParseAddress(r.Cc, false)
	redirect, _ := invitation.ParseRedirect(r.RedirectURL)
	return invitation.Invitation{
		ID: r.ID, User: plain(r.UserID), State: invitation.State(r.State), Action: invitation.Action(r.Action),
		Address: address, DisplayName: r.DisplayName, UserType: invitation.UserType(r.UserType), Redirect: redirect,
		SendMessage: r.SendMessage, Language: r.Language, Message: r.Message, CC: cc, Sponsors: r.Sponsors.ids(),
		Inviter: invitation.Inviter{
			Kind: invitation.InviterKind(r.InviterKind), ID: plain(r.InviterID), Name: r.InviterName,
			Mail: r.InviterMail, Guest: r.InviterGuest,
		},
		HomeTenant: r.HomeTenantID, HomeObject: plain(r.HomeObjectID),
		CreatedAt: r.CreatedAt, ExpiresAt: r.ExpiresAt, CompletedAt: plain(r.CompletedAt),
		Redemption: plain(r.RedemptionID), RedeemingSince: plain(r.RedeemingSince), Abandoned: r.Abandoned,
		First: plain(r.FirstID),
	}
}

func (tx Tx) invitations() *gorm.DB {
	return tx.Gorm().Model(&invitationRow{}).Where("tenant_id = ?", tx.Tenant)
}

// AddInvitation queues a new invitation.
func (tx Tx) AddInvitation(i invitation.Invitation) {
	r := invitationToRow(tx.Tenant, i)
	tx.Queue(`insert into invitations (tenant_id, id, user_id, state, action, address, address_key, display_name, user_type, redirect_url,
		send_message, language, message, cc, sponsors, inviter_kind, inviter_id, inviter_name, inviter_mail, inviter_guest,
		home_tenant_id, home_object_id, created_at, expires_at, completed_at, redemption_id, redeeming_since, abandoned, first_id)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, $27, $28, $29)`,
		r.TenantID, r.ID, r.UserID, r.State, r.Action, r.Address, r.AddressKey, r.DisplayName, r.UserType, r.RedirectURL,
		r.SendMessage, r.Language, r.Message, r.Cc, append([]uuid.UUID{}, i.Sponsors...), r.InviterKind, r.InviterID, r.InviterName, r.InviterMail, r.InviterGuest,
		r.HomeTenantID, r.HomeObjectID, r.CreatedAt, r.ExpiresAt, r.CompletedAt, r.RedemptionID, r.RedeemingSince, r.Abandoned, r.FirstID)
}

// Invitation reads one; ErrNone when the tenant has no such id.
func (tx Tx) Invitation(id uuid.UUID) (invitation.Invitation, error) {
	row, err := take[invitationRow](tx.invitations().Where("id = ?", id), "invitation")
	return invitationFromRow(row), err
}

// LockInvitation is Invitation, locked until the transaction ends.
func (tx Tx) LockInvitation(id uuid.UUID) (invitation.Invitation, error) {
	row, err := take[invitationRow](tx.invitations().Clauses(clause.Locking{Strength: clause.LockingStrengthUpdate}).Where("id = ?", id), "invitation")
	return invitationFromRow(row), err
}

// OpenInvitation is the one live invitation of a user, locked; ErrNone when
// there is none. Whoever asks at the same time waits, so that those who make
// one follow each other.
func (tx Tx) OpenInvitation(user uuid.UUID) (invitation.Invitation, error) {
	if _, err := tx.Pgx().Exec(tx.Context(), `select pg_advisory_xact_lock(hashtextextended($1, 8))`, user.String()); err != nil {
		return invitation.Invitation{}, err
	}
	row, err := take[invitationRow](tx.invitations().Clauses(clause.Locking{Strength: clause.LockingStrengthUpdate}).
		Where("user_id = ? and state in (2, 3)", user), "invitation")
	return invitationFromRow(row), err
}

// LatestInvitation is the youngest invitation of a user in any state.
func (tx Tx) LatestInvitation(user uuid.UUID) (invitation.Invitation, error) {
	row, err := take[invitationRow](tx.invitations().Where("user_id = ?", user).Order("created_at desc, id desc").Limit(1), "invitation")
	return invitationFromRow(row), err
}

// InvitationsOf are all invitations of a user, oldest first.
func (tx Tx) InvitationsOf(user uuid.UUID) ([]invitation.Invitation, error) {
	var rows []invitationRow
	if err := tx.invitations().Where("user_id = ?", user).Order("created_at, id").Find(&rows).Error; err != nil {
		return nil, fmt.Errorf("load invitations of a user: %w", err)
	}
	all := make([]invitation.Invitation, len(rows))
	for n, row := range rows {
		all[n] = invitationFromRow(row)
	}
	return all, nil
}

// Converting reports that a user who was internal when invited has redeemed
// nothing since.
func (tx Tx) Converting(user uuid.UUID) (bool, error) {
	var found, redeemed int64
	if err := tx.invitations().Where("user_id = ? and action = ?", user, int8(invitation.Convert)).Count(&found).Error; err != nil || found == 0 {
		return false, err
	}
	err := tx.invitations().Where("user_id = ? and state = ?", user, int8(invitation.Completed)).Count(&redeemed).Error
	return redeemed == 0, err
}

// SaveInvitation writes what changes in the life of an invitation, if its
// state is still from; ErrStale otherwise.
func (tx Tx) SaveInvitation(i invitation.Invitation, from invitation.State) error {
	return tx.changed(saveSQL, saveArgs(tx.Tenant, i, from)...)
}

const saveSQL = `update invitations set state = $4, user_id = $5, home_tenant_id = $6, home_object_id = $7, completed_at = $8,
	redemption_id = $9, redeeming_since = $10, abandoned = $11
	where tenant_id = $1 and id = $2 and state = $3`

func saveArgs(t tenant.ID, i invitation.Invitation, from invitation.State) []any {
	return []any{t, i.ID, int8(from), int8(i.State), nullID(i.User), i.HomeTenant, nullID(i.HomeObject), nullTime(i.CompletedAt),
		nullID(i.Redemption), nullTime(i.RedeemingSince), i.Abandoned}
}

// QueueSave is SaveInvitation that travels with the next round trip: when the
// state is no longer from, the division by the number of rows ends the
// transaction, and Write answers ErrStale.
func (tx Tx) QueueSave(i invitation.Invitation, from invitation.State) {
	tx.Queue(`with saved as (`+saveSQL+` returning 1) select 1 / count(*) from saved`, saveArgs(tx.Tenant, i, from)...)
}

// Supersede ends every pending invitation of a user but one.
func (tx Tx) Supersede(user, but uuid.UUID) {
	tx.Queue(`update invitations set state = $4 where tenant_id = $1 and user_id = $2 and id <> $3 and state = $5`,
		tx.Tenant, user, but, int8(invitation.Superseded), int8(invitation.Pending))
}

// AddTicket queues the digest of a new ticket.
func (tx Tx) AddTicket(id uuid.UUID, class ticket.Class, sum ticket.Sum, now time.Time) {
	tx.Queue(`insert into tickets (tenant_id, invitation_id, sum, class, created_at) values ($1, $2, $3, $4, $5)`,
		tx.Tenant, id, sum[:], int8(class), now)
}

// Tickets are the digests of an invitation's tickets and their classes.
func (tx Tx) Tickets(id uuid.UUID) ([]ticket.Sum, []ticket.Class, error) {
	rows, err := tx.Pgx().Query(tx.Context(), `select sum, class from tickets where tenant_id = $1 and invitation_id = $2 order by created_at`, tx.Tenant, id)
	if err != nil {
		return nil, nil, err
	}
	defer rows.Close()
	var sums []ticket.Sum
	var classes []ticket.Class
	for rows.Next() {
		var sum []byte
		var class int8
		if err := rows.Scan(&sum, &class); err != nil {
			return nil, nil, err
		}
		sums, classes = append(sums, ticket.Sum(sum)), append(classes, ticket.Class(class))
	}
	return sums, classes, rows.Err()
}

// CountResends is how many invitations replaced an earlier one of the user
// since then, and when the last did.
func (tx Tx) CountResends(user uuid.UUID, since time.Time) (n int, last time.Time, err error) {
	var at *time.Time
	err = tx.Pgx().QueryRow(tx.Context(), `select count(*), max(created_at) from invitations
		where tenant_id = $1 and user_id = $2 and created_at > $3`, tx.Tenant, user, since).Scan(&n, &at)
	return n, plain(at), err
}
