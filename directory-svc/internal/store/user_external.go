package store

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"entente.dev/directory-svc/internal/address"
	"entente.dev/directory-svc/internal/identity"
	"entente.dev/directory-svc/internal/object"
	"entente.dev/directory-svc/internal/user"
	"entente.dev/servicekit/tenant"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Queries that start from a mail address or another single value, $2; $1 is
// the tenant. As in batch.go, each is a descent into the one index that has
// the order it asks for, whatever the statistics say.

// most bounds how many users one value may find. Live ones come first, so what
// is cut off are users that were invited and deleted a hundred times over.
const most = " limit 100)"

// usersHaving finds the ids of users by a column that an index of users holds.
func usersHaving(column, condition string) string {
	return "(select id from users where tenant_id = $1 and " + column + " >= $2 and " + column + " <= $2 and " + condition +
		" order by " + column + ", deleted_at desc" + most
}

// byProxy finds the live object that holds an address.
const byProxy = `select owner_type, owner_id from addresses where tenant_id = $1 and address_key >= $2 and address_key <= $2 and live and kind = 'smtp'
	order by address_key limit 1`

// fetched reads the users of a query of `id` and `place`, in that order; more
// is selected besides.
func fetched(from, condition string, more ...string) string {
	return "select " + strings.Join(append([]string{wholeUser.sql}, more...), ", ") + " from (" + from + `) found cross join lateral (select * from users
		where tenant_id = $1 and users.id >= found.id and users.id <= found.id order by users.id limit 1) users
		where ` + condition + " order by found.place, users.id"
}

const liveName = "(select id from users where tenant_id = $1 and user_principal_name_key >= $2 and user_principal_name_key <= $2 and deleted_at is null order by user_principal_name_key limit 1)"

var (
	userByInvitation = fetched("select id, 1 as place from (select id from users where tenant_id = $1 and invitation_id >= $2 and invitation_id <= $2 order by invitation_id limit 1) u", "true")
	userByHome       = fetched("select id, 1 as place from "+usersHaving("alternative_security_id", "deleted_at is null")+" u", "true")
	// userByEmail finds by proxy address, then by invited address, then by name.
	userByEmail = fetched(`select owner_id as id, 1 as place from (`+byProxy+`) a where owner_type = 1
		union all select id, 2 from `+usersHaving("invited_email_key", "deleted_at is null")+` i
		union all select id, 3 from `+liveName+` n`, "users.deleted_at is null") + " limit 1"
	homeAccounts = fetched(`select owner_id as id, 1 as place from (`+byProxy+`) a where owner_type = 1
		union select id, 1 from `+liveName+` n`, "users.deleted_at is null and users.account_enabled and users.external_user_state is null and users.alternative_security_id is null") + " limit 2"
	// conflicting finds everybody that a mail address may mean, live or not.
	conflicting = fetched(`select distinct id, 1 as place from (
			select id from `+liveName+` n
			union all select id from `+usersHaving("mail_key", "true")+` m
			union all select id from `+usersHaving("invited_email_key", "true")+` i
			union all select owner_id from (`+byProxy+`) a where owner_type = 1
			union all select user_id from (select user_id from user_identities where tenant_id = $1 and issuer_assigned_id_key >= $2 and issuer_assigned_id_key <= $2
				order by issuer_assigned_id_key`+most+` d
			union all select user_id from (select user_id from mail_keys where tenant_id = $1 and key >= $2 and key <= $2
				order by key, live desc`+most+` o) anybody`, "true",
		`exists (select from role_assignments r where r.tenant_id = $1 and r.principal_id = users.id)
		or exists (select from group_members gm join groups g on g.tenant_id = gm.tenant_id and g.id = gm.group_id and g.is_assignable_to_role and g.deleted_at is null
			where gm.tenant_id = $1 and gm.member_id = users.id)
		or exists (select from object_owners o join groups g on g.tenant_id = o.tenant_id and g.id = o.object_id and g.is_assignable_to_role and g.deleted_at is null
			where o.tenant_id = $1 and o.owner_id = users.id)`)
)

// oncePlanned begins a batch of queries like the above, which are written so
// that one plan fits all values. Left alone, the server plans them for each
// value anew, which takes longer than running them.
func oncePlanned() *pgx.Batch {
	batch := &pgx.Batch{}
	batch.Queue("select set_config('plan_cache_mode', 'force_generic_plan', true)")
	return batch
}

// readUsers runs a query of whole users in a round trip of its own.
func (s *Store) readUsers(ctx context.Context, t tenant.ID, query, key string) (out []*user.User, err error) {
	batch := oncePlanned()
	batch.Queue(query, [16]byte(t), key).Query(func(rows pgx.Rows) error {
		out, err = collectUsers(rows, wholeUser)
		return err
	})
	return out, s.db.ReadBatch(ctx, t, batch)
}

// UserByEmail finds the live user an address belongs to: by proxy address,
// then by invited address, then by name (DIR-63); nil when there is none.
func (s *Store) UserByEmail(ctx context.Context, t tenant.ID, mail string) (*user.User, error) {
	return first(s.readUsers(ctx, t, userByEmail, address.Fold(mail)))
}

func first(list []*user.User, err error) (*user.User, error) {
	if err != nil || len(list) == 0 {
		return nil, err
	}
	return list[0], nil
}

// Meeting is what a tenant holds that a new external user meets.
type Meeting struct {
	// ByInvitation is the user that the invitation created, soft-deleted or not.
	ByInvitation *user.User
	// ByHome is the live user that is bound to the account.
	ByHome *user.User
	// ByEmail is the live user that the address belongs to, as UserByEmail.
	ByEmail *user.User
	// Holder is the type of the live object that holds the address; zero for none.
	Holder object.Type
	// NameTaken tells that a live user has the name.
	NameTaken bool
}

// Meet reads what a new external user meets, in one round trip. From then on
// transactions about the same mail address wait for this one: what it makes,
// the next finds. home is zero for accounts that are not known yet.
func (tx *Tx) Meet(invitation string, home identity.HomeKey, mail, name string) (Meeting, error) {
	var m Meeting
	t, key := [16]byte(tx.Tenant), address.Fold(mail)
	batch := &pgx.Batch{}
	batch.Queue("select pg_advisory_xact_lock(hashtextextended($1, 19))", tx.Tenant.String()+key)
	take := func(to **user.User) func(pgx.Rows) error {
		return func(rows pgx.Rows) (err error) {
			*to, err = first(collectUsers(rows, wholeUser))
			return err
		}
	}
	batch.Queue(userByInvitation, t, invitation).Query(take(&m.ByInvitation))
	if !home.IsZero() {
		batch.Queue(userByHome, t, home.String()).Query(take(&m.ByHome))
	}
	batch.Queue(userByEmail, t, key).Query(take(&m.ByEmail))
	batch.Queue(byProxy, t, key).QueryRow(func(row pgx.Row) error {
		var id [16]byte
		return orNothing(row.Scan((*int16)(&m.Holder), &id))
	})
	batch.Queue("select exists "+liveName, t, address.Fold(name)).QueryRow(func(row pgx.Row) error { return row.Scan(&m.NameTaken) })
	return m, tx.Pgx().SendBatch(tx.Context(), batch).Close()
}

// Conflict is an object that an invited address meets (DIR-226).
type Conflict struct {
	Type      object.Type
	ID        uuid.UUID
	User      *user.User // for users
	MatchedBy []string
	HoldsRole bool // or is a member or owner of a group that roles are given to
}

// InviteConflicts finds every object that an address meets: users live or
// soft-deleted, and other recipients by their addresses.
func (s *Store) InviteConflicts(ctx context.Context, t tenant.ID, mail string) (out []Conflict, err error) {
	key := address.Fold(mail)
	batch := oncePlanned()
	batch.Queue(conflicting, [16]byte(t), key).Query(func(rows pgx.Rows) error {
		defer rows.Close()
		for rows.Next() {
			c := Conflict{Type: object.User}
			if c.User, err = wholeUser.scan(rows, &c.HoldsRole); err != nil {
				return err
			}
			c.ID, c.MatchedBy = c.User.ID, matches(c.User, key)
			out = append(out, c)
		}
		return rows.Err()
	})
	batch.Queue(byProxy, [16]byte(t), key).QueryRow(func(row pgx.Row) error {
		c := Conflict{MatchedBy: []string{"proxyAddresses"}}
		err := row.Scan((*int16)(&c.Type), (*[16]byte)(&c.ID))
		if err == nil && c.Type != object.User {
			out = append(out, c)
		}
		return orNothing(err)
	})
	return out, s.db.ReadBatch(ctx, t, batch)
}

// matches lists the properties of a user that an address equals.
func matches(u *user.User, key string) []string {
	is := func(s *string) bool { return s != nil && address.Fold(*s) == key }
	var out []string
	for _, m := range []struct {
		property string
		found    bool
	}{
		{"identities", slices.ContainsFunc(u.Identities, func(i identity.Identity) bool { return i.Key() == key })},
		{"invitedEmail", is(u.InvitedEmail)},
		{"mail", is(u.Mail)},
		{"otherMails", slices.ContainsFunc(u.OtherMails, func(m string) bool { return is(&m) })},
		{"proxyAddresses", u.Deleted == nil && slices.ContainsFunc(u.Proxies, func(p address.Proxy) bool { return p.Kind == "smtp" && p.Key() == key })},
		{"userPrincipalName", is(&u.UserPrincipalName)},
	} {
		if m.found {
			out = append(out, m.property)
		}
	}
	return out
}

// mailKeys are the values by which a mail address finds u and that no index of
// users holds.
func mailKeys(u *user.User) []string {
	var keys []string
	for _, m := range u.OtherMails {
		keys = append(keys, address.Fold(m))
	}
	if u.Deleted != nil { // the index of names has live users alone
		keys = append(keys, address.Fold(u.UserPrincipalName))
	}
	held := func(s *string, key string) bool { return s != nil && address.Fold(*s) == key }
	keys = slices.DeleteFunc(keys, func(k string) bool { return held(u.Mail, k) || held(u.InvitedEmail, k) })
	return sorted(keys)
}

// saveMailKeys queues the keys of a user; old is nil for a new one.
func (tx *Tx) saveMailKeys(old, u *user.User) {
	keys := mailKeys(u)
	if old != nil {
		before := mailKeys(old)
		if slices.Equal(before, keys) && (old.Deleted == nil) == (u.Deleted == nil) {
			return
		}
		if len(before) > 0 {
			tx.Queue("delete from mail_keys where tenant_id = $1 and user_id = $2", [16]byte(tx.Tenant), [16]byte(u.ID))
		}
	}
	if len(keys) > 0 {
		tx.Queue("insert into mail_keys (tenant_id, user_id, key, live) select $1, $2, unnest($3::text[]), $4", [16]byte(tx.Tenant), [16]byte(u.ID), keys, u.Deleted == nil)
	}
}

// HomeAccounts finds the enabled internal users of the tenant that own an
// address: by name or by proxy address (INV-63); two at most.
func (s *Store) HomeAccounts(ctx context.Context, t tenant.ID, mail string) ([]*user.User, error) {
	return s.readUsers(ctx, t, homeAccounts, address.Fold(mail))
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
