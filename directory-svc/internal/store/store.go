package store

import (
	"context"
	"slices"

	"entente.dev/directory-svc/internal/object"
	"entente.dev/servicekit/clock"
	"entente.dev/servicekit/pg"
	"entente.dev/servicekit/tenant"
	"github.com/google/uuid"
)

// ChangesChannel is the channel of hints that a tenant, the payload, has new
// changes.
const ChangesChannel = "directory_changes"

// tenantsChannel is the channel of hints that a tenant's own row or domains
// changed.
const tenantsChannel = "directory_tenants"

// Store is the directory in the database, safe for concurrent use.
type Store struct {
	db         *pg.DB
	clock      clock.Clock
	tenants    *tenants
	unhardened unhardened
	counts     objectCounts
}

// New serves the schema that db is opened on.
func New(db *pg.DB, c clock.Clock) *Store {
	s := &Store{db: db, clock: c}
	s.tenants = &tenants{store: s}
	return s
}

// DB is the database underneath, for what servicekit keeps in it.
func (s *Store) DB() *pg.DB { return s.db }

// Tx is one transaction of one tenant.
type Tx struct {
	*pg.Tx
	store *Store
	// made is how many objects the transaction has created, counted how many
	// others the tenant had when they were counted exactly.
	made, counted int
}

// Read runs fn in a read-only transaction of t.
func (s *Store) Read(ctx context.Context, t tenant.ID, fn func(*Tx) error) error {
	return translate(s.db.Read(ctx, t, func(tx *pg.Tx) error { return fn(&Tx{Tx: tx, store: s}) }))
}

// Write runs fn in a transaction of t and commits it; fn may run twice. What
// it creates must fit into the quota of the tenant.
func (s *Store) Write(ctx context.Context, t tenant.ID, fn func(*Tx) error) error {
	return translate(s.db.Write(ctx, t, func(inner *pg.Tx) error {
		tx := &Tx{Tx: inner, store: s}
		if err := fn(tx); err != nil || tx.made == 0 {
			return err
		}
		tx.AfterCommit(func() { s.counts.add(t, tx.made) })
		return tx.Room(0)
	}))
}

// ChangeKind is what happened to an object. The numbers are stored and are
// those of the feed's messages.
type ChangeKind int16

// The kinds of change.
const (
	Created  ChangeKind = 1
	Updated  ChangeKind = 2
	Deleted  ChangeKind = 3
	Restored ChangeKind = 4
	Purged   ChangeKind = 5
	Linked   ChangeKind = 6
	Unlinked ChangeKind = 7
)

// Change is one row of the change feed.
type Change struct {
	Type       object.Type
	ID         uuid.UUID
	Kind       ChangeKind
	Properties []string   // names in Graph's spelling
	Related    *uuid.UUID // the other end of a link
}

// changeColumns are those of insertChange behind the tenant, in its order.
var changeColumns = []pg.Column{{Name: "object_type", Type: "smallint"}, {Name: "object_id", Type: "uuid"}, {Name: "kind", Type: "smallint"},
	{Name: "properties", Type: "text[]"}, {Name: "related_id", Type: "uuid"}, {Name: "changed_at", Type: "timestamptz"}}

// few is how many rows are cheaper one by one than together.
const few = 4

const insertChange = `insert into change_log (tenant_id, object_type, object_id, kind, properties, related_id, changed_at) values ($1, $2, $3, $4, $5, $6, $7)`

// Change queues rows of the change feed and, after the commit, a hint to its
// readers.
func (tx *Tx) Change(changes ...Change) {
	now := tx.store.clock.Now()
	rows := make([][]any, len(changes))
	for i, c := range changes {
		var properties any
		if len(c.Properties) > 0 {
			properties = c.Properties
		}
		var related any
		if c.Related != nil {
			related = [16]byte(*c.Related)
		}
		rows[i] = []any{int16(c.Type), [16]byte(c.ID), int16(c.Kind), properties, related, now}
	}
	if len(rows) > few {
		tx.QueueRows("change_log", changeColumns, rows)
	} else {
		for _, row := range rows {
			tx.Queue(insertChange, append([]any{[16]byte(tx.Tenant)}, row...)...)
		}
	}
	t := tx.Tenant.String()
	tx.AfterCommit(func() { tx.store.db.Notify(ChangesChannel, t) })
}

// ids makes a query argument of object ids.
func ids(list []uuid.UUID) [][16]byte {
	out := make([][16]byte, len(list))
	for i, id := range list {
		out[i] = id
	}
	return out
}

// idOf makes a query argument of an optional id.
func idOf(id *uuid.UUID) any {
	if id == nil {
		return nil
	}
	return [16]byte(*id)
}

func sorted(names []string) []string {
	slices.Sort(names)
	return slices.Compact(names)
}
