package store

import (
	"strconv"
	"time"

	"entente.dev/directory-svc/internal/object"
	"github.com/google/uuid"
)

// tracked are the tables of types whose changes can be followed, with the
// condition on live rows.
var tracked = map[object.Type]struct{ table, live, deleted string }{
	object.User:             {"users", "deleted_at is null", "deleted_at > $3"},
	object.Group:            {"groups", "deleted_at is null", "deleted_at > $3"},
	object.ServicePrincipal: {"service_principals", "deleted_at is null", "deleted_at > $3"},
	object.Application:      {"applications", "deleted_at is null", "deleted_at > $3"},
	object.Unit:             {"administrative_units", "deleted_at is null", "deleted_at > $3"},
	object.Contact:          {"contacts", "true", "$3::timestamptz is null"},
}

func liveAfter(t object.Type) string {
	in := tracked[t]
	return "select id from " + in.table + " where tenant_id = $1 and id > $2 and " + in.live + " order by id limit $3"
}

// LiveAfter lists the ids of live objects of a type behind an id, in order.
func (tx *Tx) LiveAfter(t object.Type, after uuid.UUID, limit int) ([]uuid.UUID, error) {
	rows, err := tx.Pgx().Query(tx.Context(), liveAfter(t), [16]byte(tx.Tenant), [16]byte(after), limit)
	if err != nil {
		return nil, err
	}
	return collectIDs(rows)
}

// LiveAmong lists those of the ids that are live objects of a type, in order.
func (tx *Tx) LiveAmong(t object.Type, list []uuid.UUID) ([]uuid.UUID, error) {
	in := tracked[t]
	rows, err := tx.Pgx().Query(tx.Context(), "select found.id from unnest($2::uuid[]) wanted (id) cross join lateral (select id from "+in.table+
		" o where tenant_id = $1 and o.id >= wanted.id and o.id <= wanted.id and "+in.live+" order by o.id limit 1) found order by found.id", [16]byte(tx.Tenant), ids(list))
	if err != nil {
		return nil, err
	}
	return collectIDs(rows)
}

// RestorableAmong lists those of the ids that are objects of a type which were
// soft-deleted after a time.
func (tx *Tx) RestorableAmong(t object.Type, list []uuid.UUID, after time.Time) ([]uuid.UUID, error) {
	in := tracked[t]
	rows, err := tx.Pgx().Query(tx.Context(), "select found.id from unnest($2::uuid[]) wanted (id) cross join lateral (select id from "+in.table+
		" o where tenant_id = $1 and o.id >= wanted.id and o.id <= wanted.id and "+in.deleted+" order by o.id limit 1) found", [16]byte(tx.Tenant), ids(list), after)
	if err != nil {
		return nil, err
	}
	return collectIDs(rows)
}

// LinksAfter lists links of an object behind an id, in order.
func (tx *Tx) LinksAfter(r Relation, from, after uuid.UUID, limit int) ([]Link, error) {
	rows, err := tx.Pgx().Query(tx.Context(), "select link."+r.to+", "+r.kind+" from "+r.table+" link where link.tenant_id = $1 and link."+r.from+" = $2 and "+r.awake+
		" and link."+r.to+" > $3 order by link."+r.to+" limit $4", [16]byte(tx.Tenant), [16]byte(from), [16]byte(after), limit)
	if err != nil {
		return nil, err
	}
	return collectLinks(rows)
}

// leave queues feed rows that say an object leaves the groups and units that
// hold it, for one that ends without having slept before: of objects that do,
// the database tells as they fall asleep.
func (tx *Tx) leave(id uuid.UUID) {
	const told = "insert into change_log (tenant_id, object_type, object_id, kind, properties, related_id, changed_at) select tenant_id, "
	tx.Queue(told+"2, group_id, 7, array['members'], member_id, $3 from group_members where tenant_id = $1 and member_id = $2 and not dormant",
		[16]byte(tx.Tenant), [16]byte(id), tx.store.clock.Now())
	tx.Queue(told+"7, unit_id, 7, array['members'], member_id, $3 from unit_members where tenant_id = $1 and member_id = $2 and not dormant",
		[16]byte(tx.Tenant), [16]byte(id), tx.store.clock.Now())
}

// Later is the later of two positions of the same feed.
func Later(a, b Position) Position {
	x, _ := strconv.ParseUint(a.XID, 10, 64)
	y, _ := strconv.ParseUint(b.XID, 10, 64)
	if y > x || y == x && b.Seq > a.Seq {
		return b
	}
	return a
}
