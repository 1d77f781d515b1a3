package store

import (
	"context"
	"errors"
	"strconv"
	"strings"

	"entente.dev/directory-svc/internal/address"
	"entente.dev/directory-svc/internal/object"
	"entente.dev/directory-svc/internal/property"
	"entente.dev/directory-svc/internal/user"
	"entente.dev/servicekit/odata"
	"entente.dev/servicekit/tenant"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// UserKey names a user by object id or by userPrincipalName.
type UserKey struct {
	ID   uuid.UUID // nil for a name
	Name string    // folded
	text string
}

// ParseUserKey reads a key of the wire (DIR-2). Anything that is no UUID is a
// name.
func ParseUserKey(s string) UserKey {
	if len(s) == 36 {
		if id, err := uuid.Parse(s); err == nil {
			return UserKey{ID: id, text: s}
		}
	}
	return UserKey{Name: address.Fold(s), text: s}
}

// UserID makes the key of an object id.
func UserID(id uuid.UUID) UserKey { return UserKey{ID: id, text: id.String()} }

// lookup is the text that follows `from users` to find the key, $2, in the
// tenant, $1, under a further condition. Bounds and an order say the same as
// equality to the reader, and more to the planner: see batch.go.
func (k UserKey) lookup(condition string) (text string, arg any) {
	if k.ID != uuid.Nil {
		return userWhereID + " and " + condition + " order by users.id limit 1", [16]byte(k.ID)
	}
	return " where users.tenant_id = $1 and users.user_principal_name_key >= $2 and users.user_principal_name_key <= $2 and " + condition +
		" order by users.user_principal_name_key limit 1", k.Name
}

const userWhereID = " where users.tenant_id = $1 and users.id >= $2 and users.id <= $2"

// GetUser reads one live user in a single round trip. properties limits the
// columns to those behind the named properties; none means all.
func (s *Store) GetUser(ctx context.Context, t tenant.ID, key UserKey, properties []string) (*user.User, error) {
	return s.getUser(ctx, t, key, "deleted_at is null", userProperties(properties))
}

// AnyUser reads one user, soft-deleted or not, in a single round trip.
func (s *Store) AnyUser(ctx context.Context, t tenant.ID, id uuid.UUID) (*user.User, error) {
	return s.getUser(ctx, t, UserID(id), "true", wholeUser)
}

func (s *Store) getUser(ctx context.Context, t tenant.ID, key UserKey, condition string, selection userSelection) (*user.User, error) {
	place, arg := key.lookup(condition)
	batch := &pgx.Batch{}
	var found *user.User
	batch.Queue("select "+selection.sql+" from users"+place, [16]byte(t), arg).
		QueryRow(func(row pgx.Row) error {
			var err error
			found, err = selection.scan(row)
			if errors.Is(err, pgx.ErrNoRows) {
				return nil
			}
			return err
		})
	if err := s.db.ReadBatch(ctx, t, batch); err != nil {
		return nil, err
	}
	if found == nil {
		return nil, property.NotFound(key.text)
	}
	return found, nil
}

// User finds one live user.
func (tx *Tx) User(key UserKey) (*user.User, error) { return tx.user(key, "deleted_at is null", "") }

// LockUser finds one live user for a change.
func (tx *Tx) LockUser(key UserKey) (*user.User, error) {
	return tx.user(key, "deleted_at is null", " for update")
}

// DeletedUser finds one soft-deleted user.
func (tx *Tx) DeletedUser(id uuid.UUID) (*user.User, error) {
	return tx.user(UserID(id), "deleted_at is not null", "")
}

// LockDeletedUser finds one soft-deleted user for a change.
func (tx *Tx) LockDeletedUser(id uuid.UUID) (*user.User, error) {
	return tx.user(UserID(id), "deleted_at is not null", " for update")
}

func (tx *Tx) user(key UserKey, state, lock string) (*user.User, error) {
	place, arg := key.lookup(state)
	row := tx.Pgx().QueryRow(tx.Context(), "select "+wholeUser.sql+" from users"+place+lock, [16]byte(tx.Tenant), arg)
	u, err := wholeUser.scan(row)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, property.NotFound(key.text)
	}
	return u, err
}

// UsersWhere reads users by a condition of this package's own making; $1 is
// the tenant. The order and limit are part of it.
func (tx *Tx) usersWhere(condition string, args ...any) ([]*user.User, error) {
	rows, err := tx.Pgx().Query(tx.Context(), "select "+wholeUser.sql+" from users where tenant_id = $1 and "+condition,
		append([]any{[16]byte(tx.Tenant)}, args...)...)
	if err != nil {
		return nil, err
	}
	return collectUsers(rows, wholeUser)
}

func collectUsers(rows pgx.Rows, selection userSelection) ([]*user.User, error) {
	defer rows.Close()
	var out []*user.User
	for rows.Next() {
		u, err := selection.scan(rows)
		if err != nil {
			return nil, err
		}
		out = append(out, u)
	}
	return out, rows.Err()
}

// UsersByID reads users, live or soft-deleted, in the order of the ids.
func (tx *Tx) UsersByID(list []uuid.UUID) ([]*user.User, error) {
	if len(list) == 0 {
		return nil, nil
	}
	return tx.usersBy(usersByID+" order by wanted.place", ids(list))
}

// usersBy reads users by a look-up of many keys.
func (tx *Tx) usersBy(query string, keys any) ([]*user.User, error) {
	rows, err := tx.Pgx().Query(tx.Context(), query, [16]byte(tx.Tenant), keys)
	if err != nil {
		return nil, err
	}
	return collectUsers(rows, wholeUser)
}

// UsersAfter reads a page of live users ordered by id.
func (tx *Tx) UsersAfter(after uuid.UUID, limit int) ([]*user.User, error) {
	return tx.usersWhere("id > $2 and deleted_at is null order by id limit $3", [16]byte(after), limit)
}

// InsertUser queues a new user with its identities and addresses and, unless
// nil, its credential.
func (tx *Tx) InsertUser(u *user.User, p *Password) {
	tx.made++
	var names, places strings.Builder
	args := make([]any, 1, 24)
	args[0] = [16]byte(tx.Tenant)
	for i := range userColumns {
		c := &userColumns[i]
		v := c.arg(u)
		if v == nil {
			continue
		}
		args = append(args, v)
		names.WriteString(", ")
		names.WriteString(c.name)
		places.WriteString(", $")
		places.WriteString(strconv.Itoa(len(args)))
	}
	if p != nil {
		for i, v := range []any{p.Scheme, p.Verifier, p.MustChange, p.MustChangeMFA} {
			args = append(args, v)
			names.WriteString(passwordColumns[i])
			places.WriteString(", $")
			places.WriteString(strconv.Itoa(len(args)))
		}
		tx.passwordSet(p)
	}
	tx.Queue("insert into users (tenant_id"+names.String()+") values ($1"+places.String()+")", args...)
	tx.insertIdentities(u)
	tx.insertAddresses(object.User, u.ID, u.Proxies, u.Deleted == nil)
	tx.saveMailKeys(nil, u)
	tx.Queue("insert into user_words (tenant_id, user_id, word) select $1, $2, unnest($3::text[])", args[0], [16]byte(u.ID), searchWords(u))
}

// searchWords are the tokens by which a user is found (DIR-206), each once.
func searchWords(u *user.User) []string { return sorted(odata.SearchTokens(u.DisplayName)) }

var passwordColumns = [...]string{", password_scheme", ", password_verifier", ", password_must_change", ", password_must_change_mfa"}

func (tx *Tx) insertIdentities(u *user.User) {
	for _, row := range identityRows(u) {
		tx.Queue(`insert into user_identities (tenant_id, user_id, ordinal, sign_in_type, issuer, issuer_assigned_id, issuer_assigned_id_key, live)
			values ($1, $2, $3, $4, $5, $6, $7, $8)`, append([]any{[16]byte(tx.Tenant)}, row...)...)
	}
}

// identityRows gives the identities of a user in the order of identityColumns.
func identityRows(u *user.User) [][]any {
	rows := make([][]any, len(u.Identities))
	for i, id := range u.Identities {
		var assigned, key any
		if id.AssignedID != "" {
			assigned, key = id.AssignedID, id.Key()
		}
		rows[i] = []any{[16]byte(u.ID), int16(i), int16(id.Type), id.Issuer, assigned, key, u.Deleted == nil}
	}
	return rows
}

func (tx *Tx) insertAddresses(t object.Type, owner uuid.UUID, proxies []address.Proxy, live bool) {
	for i, p := range proxies {
		tx.Queue(`insert into addresses (tenant_id, owner_id, ordinal, owner_type, kind, address, is_primary, live) values ($1, $2, $3, $4, $5, $6, $7, $8)`,
			[16]byte(tx.Tenant), [16]byte(owner), int16(i), int16(t), p.Kind, p.Address, p.Primary, live)
	}
}

// SaveUser queues what distinguishes u from old and raises its version where a
// property changed. The links of a user that is deleted or restored sleep or
// wake with it.
func (tx *Tx) SaveUser(old, u *user.User, d Difference) {
	args := []any{[16]byte(tx.Tenant), [16]byte(u.ID)}
	var set []string
	if len(d.Properties) > 0 { // what nobody sees makes no new version
		set = append(set, "version = version + 1")
	}
	touched := make(map[string]bool, len(d.columns))
	for _, c := range d.columns {
		args = append(args, c.arg(u))
		set = append(set, c.name+" = $"+strconv.Itoa(len(args)))
		touched[c.name] = true
	}
	moved := touched["deleted_at"]
	if moved || touched["identities"] {
		tx.Queue("delete from user_identities where tenant_id = $1 and user_id = $2", args[0], args[1])
	}
	if moved || touched["proxy_addresses"] {
		tx.Queue("delete from addresses where tenant_id = $1 and owner_id = $2", args[0], args[1])
	}
	if old.HasPassword && !u.HasPassword {
		set = append(set, "password_scheme = null, password_verifier = null, password_must_change = null, password_must_change_mfa = null")
	}
	if len(set) > 0 {
		tx.Queue("update users set "+strings.Join(set, ", ")+" where tenant_id = $1 and id = $2", args...)
	}
	if moved || touched["identities"] {
		tx.insertIdentities(u)
	}
	if moved || touched["proxy_addresses"] {
		tx.insertAddresses(object.User, u.ID, u.Proxies, u.Deleted == nil)
	}
	tx.saveMailKeys(old, u)
	if (old.Deleted == nil) != (u.Deleted == nil) {
		tx.sleep(u.ID, u.Deleted != nil)
	}
}

// sleep makes the links towards an object dormant, or wakes them (DIR-95,
// DIR-99).
func (tx *Tx) sleep(id uuid.UUID, dormant bool) {
	for _, link := range []string{"group_members set dormant = $3 where tenant_id = $1 and member_id = $2",
		"unit_members set dormant = $3 where tenant_id = $1 and member_id = $2",
		"object_owners set dormant = $3 where tenant_id = $1 and owner_id = $2",
		"role_assignments set dormant = $3 where tenant_id = $1 and principal_id = $2",
		"app_role_assignments set dormant = $3 where tenant_id = $1 and principal_id = $2"} {
		tx.Queue("update "+link, [16]byte(tx.Tenant), [16]byte(id), dormant)
	}
}

// PurgeUser queues the end of a soft-deleted user and of every link to it
// (DIR-102).
func (tx *Tx) PurgeUser(id uuid.UUID) {
	tx.purgeLinks(id)
	tx.Queue("delete from mail_keys where tenant_id = $1 and user_id = $2", [16]byte(tx.Tenant), [16]byte(id))
	tx.Queue("update users set manager_id = null where tenant_id = $1 and manager_id = $2", [16]byte(tx.Tenant), [16]byte(id))
	tx.Queue("delete from users where tenant_id = $1 and id = $2 and deleted_at is not null", [16]byte(tx.Tenant), [16]byte(id))
}

func (tx *Tx) purgeLinks(id uuid.UUID) {
	for _, link := range []string{"user_identities where tenant_id = $1 and user_id = $2", "group_members where tenant_id = $1 and member_id = $2", "unit_members where tenant_id = $1 and member_id = $2", "object_owners where tenant_id = $1 and (owner_id = $2 or object_id = $2)",
		"role_assignments where tenant_id = $1 and principal_id = $2", "app_role_assignments where tenant_id = $1 and principal_id = $2",
		"addresses where tenant_id = $1 and owner_id = $2", "app_credentials where tenant_id = $1 and owner_id = $2",
		"dynamic_sources where tenant_id = $1 and object_id = $2", "extension_values where tenant_id = $1 and object_id = $2",
		"sign_in_activity where tenant_id = $1 and user_id = $2", "lockouts where tenant_id = $1 and user_id = $2", "familiar_locations where tenant_id = $1 and user_id = $2",
		"created_objects where tenant_id = $1 and (object_id = $2 or creator_id = $2)"} {
		tx.Queue("delete from "+link, [16]byte(tx.Tenant), [16]byte(id))
	}
}

// TakenAddresses lists which of the addresses another live object holds.
func (tx *Tx) TakenAddresses(proxies []address.Proxy, except uuid.UUID) ([]string, error) {
	keys := make([]string, len(proxies))
	for i, p := range proxies {
		keys[i] = p.Key()
	}
	rows, err := tx.Pgx().Query(tx.Context(), "select address_key from ("+addressesByKey+") a where owner_id <> $3",
		[16]byte(tx.Tenant), keys, [16]byte(except))
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}
