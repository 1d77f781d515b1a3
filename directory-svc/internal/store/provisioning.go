package store

import (
	"errors"
	"slices"

	"entente.dev/directory-svc/internal/identity"
	"entente.dev/directory-svc/internal/object"
	"entente.dev/directory-svc/internal/user"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/fault"
	"entente.dev/servicekit/tenant"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Fence is who writes for a synchronization job, and under which policy.
type Fence struct {
	Job    string
	Home   tenant.ID
	Token  int64
	Policy int64
}

// Prior is what a tenant holds that a batch of external users meets.
type Prior struct {
	// ByHome are users by the home key, live ones before soft-deleted ones.
	ByHome map[string]*user.User
	ByID   map[uuid.UUID]*user.User
	// Addresses are the holders of addresses, by key.
	Addresses map[string]Holder
	// Names are the keys of names that live users have.
	Names map[string]uuid.UUID
	// Full are the accounts that are external users in as many tenants as they
	// can be.
	Full map[string]bool
}

// Holder is the live object that has an address.
type Holder struct {
	ID       uuid.UUID
	Type     object.Type
	External bool // of users
}

// Wanted says what to look up for a batch.
type Wanted struct {
	Keys      []string // home keys, of items and of managers
	IDs       []uuid.UUID
	Addresses []string
	Names     []string
	// Most is how many tenants an account may be an external user in.
	Most int
}

// fenceQuery raises the fence and answers it; an older holder or policy
// changes nothing.
const fenceQuery = `insert into sync_fences as f (tenant_id, job_id, home_tenant_id, fencing_token, policy_version) values ($1, $2, $3, $4, $5)
	on conflict (tenant_id, job_id) do update set fencing_token = greatest(f.fencing_token, excluded.fencing_token),
		policy_version = case when excluded.fencing_token >= f.fencing_token then greatest(f.policy_version, excluded.policy_version) else f.policy_version end
	returning fencing_token, policy_version`

// Prior raises the fence of a job and reads what its batch meets, locking the
// users it will change, in one round trip. It refuses a stale fencing token
// (FENCED) and a stale policy version (POLICY_VERSION_STALE).
func (tx *Tx) Prior(f Fence, w Wanted) (*Prior, error) {
	p := &Prior{ByHome: make(map[string]*user.User), ByID: make(map[uuid.UUID]*user.User), Addresses: make(map[string]Holder), Names: make(map[string]uuid.UUID), Full: make(map[string]bool)}
	t := [16]byte(tx.Tenant)
	batch := &pgx.Batch{}
	batch.Queue(freshPlans)
	var token, policy int64
	batch.Queue(fenceQuery, t, f.Job, [16]byte(f.Home), f.Token, f.Policy).QueryRow(func(row pgx.Row) error { return row.Scan(&token, &policy) })
	take := func(rows pgx.Rows) error {
		found, err := collectUsers(rows, wholeUser)
		for _, u := range found {
			p.ByID[u.ID] = u
			if key := u.HomeKey.String(); key != "" && (p.ByHome[key] == nil || u.Deleted == nil) {
				p.ByHome[key] = u
			}
		}
		return err
	}
	// Sorted keys lock in one order, whatever the order of the items.
	slices.Sort(w.Keys)
	batch.Queue(usersByHome+" for update", t, w.Keys).Query(take)
	if len(w.IDs) > 0 {
		batch.Queue(usersByID+" for update", t, ids(w.IDs)).Query(take)
	}
	batch.Queue(`select a.address_key, a.owner_id, a.owner_type, coalesce(u.external_user_state > 0, false) from (`+addressesByKey+`) a
		left join users u on u.tenant_id = $1 and u.id = a.owner_id`, t, w.Addresses).Query(func(rows pgx.Rows) error {
		var key string
		var h Holder
		_, err := pgx.ForEachRow(rows, []any{&key, (*[16]byte)(&h.ID), (*int16)(&h.Type), &h.External}, func() error {
			p.Addresses[key] = h
			return nil
		})
		return err
	})
	batch.Queue(namesByKey, t, w.Names).Query(func(rows pgx.Rows) error {
		var key string
		var id [16]byte
		_, err := pgx.ForEachRow(rows, []any{&key, &id}, func() error {
			p.Names[key] = id
			return nil
		})
		return err
	})
	batch.Queue(accountsIn+" having count(*) >= $2", w.Keys, w.Most).Query(func(rows pgx.Rows) error {
		var key string
		var n int
		_, err := pgx.ForEachRow(rows, []any{&key, &n}, func() error {
			p.Full[key] = true
			return nil
		})
		return err
	})
	if err := tx.Pgx().SendBatch(tx.Context(), batch).Close(); err != nil {
		return nil, err
	}
	switch {
	case token > f.Token:
		return nil, fault.Aborted(errorspb.Reason_FENCED, "A newer holder of the job's lease has written.")
	case policy > f.Policy:
		return nil, fault.Precondition(errorspb.Reason_POLICY_VERSION_STALE, "The policy changed since the decision that allowed the write.")
	}
	return p, nil
}

// accountsIn counts the tenants where accounts ($1) are external users.
const accountsIn = "select key, count(*) from external_accounts where key = any($1) group by key"

// ExternalTenants counts the tenants where an account is an external user.
func (tx *Tx) ExternalTenants(key string) (n int, err error) {
	err = tx.Pgx().QueryRow(tx.Context(), "select count(*) from external_accounts where key = $1", key).Scan(&n)
	return n, err
}

// Key is the stored form of an account of a home tenant.
func Key(home tenant.ID, objectID string) string {
	return identity.HomeKey{Tenant: home, Object: objectID}.String()
}

// Assignees pages through the users that are assigned to a service principal:
// directly, or as direct members of an assigned security group; only the given
// ones where some are given.
func (tx *Tx) Assignees(servicePrincipal, after uuid.UUID, only []uuid.UUID, limit int) ([]uuid.UUID, error) {
	query := `select id from (
			select a.principal_id as id from app_role_assignments a where a.tenant_id = $1 and a.resource_id = $2 and a.principal_type = 1 and not a.dormant
			union
			select m.member_id from app_role_assignments a
				join groups g on g.tenant_id = a.tenant_id and g.id = a.principal_id and g.deleted_at is null and g.security_enabled
				join group_members m on m.tenant_id = a.tenant_id and m.group_id = g.id and m.member_type = 1 and not m.dormant
				where a.tenant_id = $1 and a.resource_id = $2 and a.principal_type = 2 and not a.dormant
		) assigned where id > $3`
	args := []any{[16]byte(tx.Tenant), [16]byte(servicePrincipal), [16]byte(after), limit}
	if len(only) > 0 {
		query, args = query+" and id = any($5)", append(args, ids(only))
	}
	rows, err := tx.Pgx().Query(tx.Context(), query+" order by id limit $4", args...)
	if err != nil {
		return nil, err
	}
	return collectIDs(rows)
}

// SynchronizationApplication finds the service principal behind an object id
// of it or of its application, or behind a client id, and the application.
func (tx *Tx) SynchronizationApplication(id, appID uuid.UUID) (servicePrincipal, app uuid.UUID, err error) {
	err = tx.Pgx().QueryRow(tx.Context(), `select p.id, a.id from service_principals p
		join applications a on a.tenant_id = p.tenant_id and a.app_id = p.app_id and a.deleted_at is null
		where p.tenant_id = $1 and p.deleted_at is null and (p.id = $2 or a.id = $2 or p.app_id = $3)`,
		[16]byte(tx.Tenant), [16]byte(id), [16]byte(appID)).Scan((*[16]byte)(&servicePrincipal), (*[16]byte)(&app))
	if errors.Is(err, pgx.ErrNoRows) {
		return uuid.Nil, uuid.Nil, nil
	}
	return servicePrincipal, app, err
}
