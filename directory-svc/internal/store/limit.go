package store

import (
	"sync"
	"time"

	"entente.dev/directory-svc/internal/quota"
	"entente.dev/servicekit/tenant"
	"github.com/google/uuid"
)

// Fits decides whether count of an item are within the limit of the tenant.
func (tx *Tx) Fits(i quota.Item, count int) error {
	t, err := tx.limited()
	if err != nil {
		return err
	}
	return t.Limits.Fits(i, count)
}

// CountAssignments counts the application roles that a principal has been
// given. It keeps others from giving it one until the transaction ends.
func (tx *Tx) CountAssignments(principal uuid.UUID) (n int, err error) {
	if _, err := tx.Pgx().Exec(tx.Context(), "select pg_advisory_xact_lock(hashtextextended($1, 184))", tx.Tenant.String()+principal.String()); err != nil {
		return 0, err
	}
	err = tx.Pgx().QueryRow(tx.Context(), "select count(*) from app_role_assignments where tenant_id = $1 and principal_id = $2", [16]byte(tx.Tenant), [16]byte(principal)).Scan(&n)
	return n, err
}

// CountRoleGroups counts the groups that roles can be given to. It keeps others
// from making one until the transaction ends.
func (tx *Tx) CountRoleGroups() (n int, err error) {
	if _, err := tx.Pgx().Exec(tx.Context(), "select pg_advisory_xact_lock(hashtextextended($1, 138))", tx.Tenant.String()); err != nil {
		return 0, err
	}
	err = tx.Pgx().QueryRow(tx.Context(), "select count(*) from groups where tenant_id = $1 and is_assignable_to_role and deleted_at is null", [16]byte(tx.Tenant)).Scan(&n)
	return n, err
}

// objectCounts remembers how many objects tenants have, so that most creations need
// not count them.
//
// A count is exact, and taken one transaction at a time, once it comes near
// the limit. Far from it a count that is some seconds old will do, with what
// this process has made since.
type objectCounts struct {
	mu   sync.Mutex
	byID map[tenant.ID]objectCount
}

type objectCount struct {
	counted, since int
	at             time.Time
}

// nearly is the part of a limit from which on objects are counted exactly.
const nearly = 0.9

// freshFor is how long a count will do: longer while half of the limit is free.
func (u objectCount) freshFor(limit int) time.Duration {
	if u.counted+u.since < limit/2 {
		return time.Minute
	}
	return 10 * time.Second
}

// admits reports whether n more objects fit beyond doubt.
func (u *objectCounts) admits(t tenant.ID, n, limit int) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	have, ok := u.byID[t]
	if !ok || time.Since(have.at) > have.freshFor(limit) || float64(have.counted+have.since+n) > nearly*float64(limit) {
		return false
	}
	return true
}

// add counts objects that were created.
func (u *objectCounts) add(t tenant.ID, n int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if have, ok := u.byID[t]; ok {
		have.since += n
		u.byID[t] = have
	}
}

func (u *objectCounts) keep(t tenant.ID, counted int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.byID == nil || len(u.byID) > maxTenants {
		u.byID = make(map[tenant.ID]objectCount)
	}
	u.byID[t] = objectCount{counted: counted, at: time.Now()}
}

// quarterFor is how long a purged object counts a quarter (DIR-103).
const quarterFor = 30 * 24 * time.Hour

const countObjects = `select (select count(*) from users where tenant_id = $1) + (select count(*) from groups where tenant_id = $1)
	+ (select count(*) from contacts where tenant_id = $1) + (select count(*) from applications where tenant_id = $1)
	+ (select count(*) from service_principals where tenant_id = $1) + (select count(*) from administrative_units where tenant_id = $1)
	+ (select count(*) from change_log where tenant_id = $1 and kind = 5 and changed_at > $2) / 4`

// Room decides whether more objects fit into the tenant, besides those that
// the transaction has made (DIR-235).
func (tx *Tx) Room(more int) error {
	t, err := tx.limited()
	if err != nil {
		return err
	}
	limit := t.MaxObjects()
	switch {
	case tx.counted > 0: // under the lock, which others wait for
		return quota.Check(quota.Objects, tx.counted+tx.made+more, limit)
	case tx.store.counts.admits(tx.Tenant, tx.made+more, limit):
		return nil
	}
	if _, err := tx.Pgx().Exec(tx.Context(), "select pg_advisory_xact_lock(hashtextextended($1, 235))", tx.Tenant.String()); err != nil {
		return err
	}
	var counted int
	if err := tx.Pgx().QueryRow(tx.Context(), countObjects, [16]byte(tx.Tenant), tx.store.clock.Now().Add(-quarterFor)).Scan(&counted); err != nil {
		return err
	}
	tx.store.counts.keep(tx.Tenant, counted)
	tx.counted = counted - tx.made // what is queued has been written by now
	return quota.Check(quota.Objects, counted+more, limit)
}
