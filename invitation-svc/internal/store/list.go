package store

import (
	"fmt"
	"time"

	"entente.dev/invitation-svc/internal/invitation"
	invitationpb "entente.dev/proto/gen/entente/invitation/v1"
	"entente.dev/servicekit/odata"
	"github.com/google/uuid"
)

// Listed is an invitation as an administrator follows it.
type Listed struct {
	ID, User, By                      uuid.UUID
	Address, Redirect                 string
	State                             invitation.State
	Delivery                          MailState
	CreatedAt, ExpiresAt, CompletedAt time.Time
}

var listColumns = odata.Columns{
	"id":                      {SQL: "i.id", Type: odata.TypeUUID, NotNull: true},
	"invitedUserId":           {SQL: "i.user_id", Type: odata.TypeUUID},
	"invitedUserEmailAddress": {SQL: "i.address", Key: "i.address_key", NotNull: true},
	"state": {SQL: "i.state", Type: odata.TypeEnum, NotNull: true, Values: map[string]int32{
		"Creating": 1, "Pending": 2, "Redeeming": 3, "Completed": 4, "Superseded": 5, "Expired": 6, "Revoked": 7, "Error": 8}},
}

var listOrder = odata.DefaultOrder("i.created_at", "i.id", true)

const listed = `select i.id, i.user_id, i.address, i.state, i.created_at, i.expires_at, i.completed_at, i.redirect_url, i.inviter_id,
	coalesce((select m.state from mails m where m.tenant_id = i.tenant_id and m.invitation_id = i.id and m.kind in (1, 3) order by m.created_at desc limit 1), 0), `

// ListInvitations is one page of a tenant's invitations, the youngest first,
// with the position of its last row.
func (tx Tx) ListInvitations(filter odata.Expr, p odata.Page) ([]Listed, odata.Position, error) {
	var last odata.Position
	where := odata.SQL{Text: "i.tenant_id = ?", Args: []any{tx.Tenant}}
	if filter != nil {
		f, err := odata.Compile((&invitationpb.InvitationState{}).ProtoReflect().Descriptor(), listColumns, filter, p.Advanced)
		if err != nil {
			return nil, last, err
		}
		where.Text, where.Args = where.Text+" and ("+f.Text+")", append(where.Args, f.Args...)
	}
	if p.After != nil {
		after := listOrder.After(*p.After)
		where.Text, where.Args = where.Text+" and "+after.Text, append(where.Args, after.Args...)
	}
	rows, err := tx.Pgx().Query(tx.Context(), listed+listOrder.Key()+" from invitations i where "+where.Numbered(1)+
		fmt.Sprintf(" order by %s limit %d", listOrder.By(), p.Size), where.Args...)
	if err != nil {
		return nil, last, err
	}
	defer rows.Close()
	var all []Listed
	for rows.Next() {
		l, err := scanListed(rows, &last.Value)
		if err != nil {
			return nil, last, err
		}
		all = append(all, l)
		last.ID = l.ID.String()
	}
	return all, last, rows.Err()
}

// CountInvitations is how many a filter matches.
func (tx Tx) CountInvitations(filter odata.Expr) (n int32, err error) {
	where := odata.SQL{Text: "i.tenant_id = ?", Args: []any{tx.Tenant}}
	if filter != nil {
		f, err := odata.Compile((&invitationpb.InvitationState{}).ProtoReflect().Descriptor(), listColumns, filter, true)
		if err != nil {
			return 0, err
		}
		where.Text, where.Args = where.Text+" and ("+f.Text+")", append(where.Args, f.Args...)
	}
	err = tx.Pgx().QueryRow(tx.Context(), "select count(*) from invitations i where "+where.Numbered(1), where.Args...).Scan(&n)
	return n, err
}

// ListedInvitation is one of them by its id.
func (tx Tx) ListedInvitation(id uuid.UUID) (Listed, error) {
	rows, err := tx.Pgx().Query(tx.Context(), listed+"null::text from invitations i where i.tenant_id = $1 and i.id = $2", tx.Tenant, id)
	if err != nil {
		return Listed{}, err
	}
	defer rows.Close()
	if !rows.Next() {
		if err := rows.Err(); err != nil {
			return Listed{}, err
		}
		return Listed{}, ErrNone
	}
	var key *string
	return scanListed(rows, &key)
}

func scanListed(rows interface{ Scan(...any) error }, key **string) (Listed, error) {
	var l Listed
	var user, by *uuid.UUID
	var state, delivery int8
	var completed *time.Time
	err := rows.Scan(&l.ID, &user, &l.Address, &state, &l.CreatedAt, &l.ExpiresAt, &completed, &l.Redirect, &by, &delivery, key)
	l.User, l.By, l.CompletedAt = plain(user), plain(by), plain(completed)
	l.State, l.Delivery = invitation.State(state), MailState(delivery)
	return l, err
}
