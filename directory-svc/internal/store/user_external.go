package store

import (
	"cmp"
	"slices"

	"entente.dev/directory-svc/internal/address"
	"entente.dev/directory-svc/internal/identity"
	"entente.dev/directory-svc/internal/object"
	"entente.dev/directory-svc/internal/user"
	"entente.dev/servicekit/tenant"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// LockAddress makes transactions about one mail address in the tenant wait
// for each other: what one has made, the next finds.
func (tx *Tx) LockAddress(mail string) error {
	_, err := tx.Pgx().Exec(tx.Context(), "select pg_advisory_xact_lock(hashtextextended($1, 19))", tx.Tenant.String()+address.Fold(mail))
	return err
}

// UserByInvitation finds the user that an invitation created, soft-deleted or
// not; nil when there is none.
func (tx *Tx) UserByInvitation(id string) (*user.User, error) {
	return first(tx.usersWhere("invitation_id = $2", id))
}

// UserByHomeKey finds the live user that is bound to an account; nil when
// there is none.
func (tx *Tx) UserByHomeKey(key identity.HomeKey) (*user.User, error) {
	return first(tx.usersWhere("alternative_security_id = $2 and deleted_at is null", key.String()))
}

// UserByEmail finds the live user an address belongs to: by proxy address,
// then by invited address, then by name (DIR-63); nil when there is none.
func (tx *Tx) UserByEmail(mail string) (*user.User, error) {
	key := address.Fold(mail)
	for _, condition := range []string{
		"id in (select owner_id from addresses where tenant_id = $1 and address_key = $2 and live and kind = 'smtp' and owner_type = 1) and deleted_at is null",
		"invited_email_key = $2 and deleted_at is null order by id",
		"user_principal_name_key = $2 and deleted_at is null",
	} {
		u, err := first(tx.usersWhere(condition, key))
		if u != nil || err != nil {
			return u, err
		}
	}
	return nil, nil
}

func first(list []*user.User, err error) (*user.User, error) {
	if err != nil || len(list) == 0 {
		return nil, err
	}
	return list[0], nil
}

// Conflict is an object that an invited address meets (DIR-226).
type Conflict struct {
	Type      object.Type
	ID        uuid.UUID
	User      *user.User // for users
	MatchedBy []string
	HoldsRole bool
}

const conflictQuery = `
	select id, 'userPrincipalName' from users where tenant_id = $1 and user_principal_name_key = $2
	union all select id, 'mail' from users where tenant_id = $1 and mail_key = $2
	union all select id, 'invitedEmail' from users where tenant_id = $1 and invited_email_key = $2
	union all select owner_id, 'proxyAddresses' from addresses where tenant_id = $1 and address_key = $2 and live and owner_type = 1
	union all select user_id, 'identities' from user_identities where tenant_id = $1 and issuer_assigned_id_key = $2
	union all select id, 'otherMails' from users where tenant_id = $1 and $3 = any (other_mails)`

// InviteConflicts finds every object that an address meets: users live or
// soft-deleted, and other recipients by their addresses.
func (tx *Tx) InviteConflicts(mail string) ([]Conflict, error) {
	key := address.Fold(mail)
	rows, err := tx.Pgx().Query(tx.Context(), conflictQuery, [16]byte(tx.Tenant), key, mail)
	if err != nil {
		return nil, err
	}
	matched := make(map[uuid.UUID][]string)
	var order []uuid.UUID
	var id [16]byte
	var by string
	_, err = pgx.ForEachRow(rows, []any{&id, &by}, func() error {
		if _, ok := matched[id]; !ok {
			order = append(order, id)
		}
		matched[id] = append(matched[id], by)
		return nil
	})
	if err != nil {
		return nil, err
	}
	users, err := tx.UsersByID(order)
	if err != nil {
		return nil, err
	}
	roles, err := tx.RolesOf(order)
	if err != nil {
		return nil, err
	}
	var out []Conflict
	for _, u := range users {
		out = append(out, Conflict{Type: object.User, ID: u.ID, User: u, MatchedBy: sorted(matched[u.ID]), HoldsRole: len(roles[u.ID]) > 0})
	}
	rows, err = tx.Pgx().Query(tx.Context(), `select owner_type, owner_id from addresses where tenant_id = $1 and address_key = $2 and live and owner_type <> 1`, [16]byte(tx.Tenant), key)
	if err != nil {
		return nil, err
	}
	var kind int16
	_, err = pgx.ForEachRow(rows, []any{&kind, &id}, func() error {
		out = append(out, Conflict{Type: object.Type(kind), ID: id, MatchedBy: []string{"proxyAddresses"}})
		return nil
	})
	return out, err
}

// HomeAccounts finds the enabled internal users of the tenant that own an
// address: by name or by proxy address (INV-63).
func (tx *Tx) HomeAccounts(mail string) ([]*user.User, error) {
	return tx.usersWhere(`deleted_at is null and account_enabled and external_user_state is null and alternative_security_id is null
		and (user_principal_name_key = $2 or id in (select owner_id from addresses where tenant_id = $1 and address_key = $2 and live and kind = 'smtp' and owner_type = 1))
		order by id limit 2`, address.Fold(mail))
}

// TargetUsers finds the external users of one home tenant by their objects
// there, live or soft-deleted, and pending invited users by address.
func (tx *Tx) TargetUsers(home tenant.ID, objects, addresses []string) ([]*user.User, error) {
	keys := make([]string, len(objects))
	for i, o := range objects {
		keys[i] = identity.HomeKey{Tenant: home, Object: o}.String()
	}
	folded := make([]string, len(addresses))
	for i, a := range addresses {
		folded[i] = address.Fold(a)
	}
	if err := tx.planAfresh(); err != nil {
		return nil, err
	}
	bound, err := tx.usersBy(usersByHome+" order by wanted.place", keys)
	slices.SortStableFunc(bound, func(a, b *user.User) int { return cmp.Compare(dead(a), dead(b)) }) // live ones first
	if err != nil || len(folded) == 0 {
		return bound, err
	}
	pending, err := tx.usersBy(pendingByAddress, folded)
	return append(bound, pending...), err
}

func dead(u *user.User) int {
	if u.Deleted != nil {
		return 1
	}
	return 0
}
