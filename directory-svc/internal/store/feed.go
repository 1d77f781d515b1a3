package store

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"entente.dev/directory-svc/internal/object"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/fault"
	"entente.dev/servicekit/tenant"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Position is a place in the change feed of a tenant: behind the row of a
// transaction. The zero position is the beginning of what is kept.
type Position struct {
	Generation uuid.UUID
	XID        string // decimal; transaction numbers have 64 bits
	Seq        int64
}

// String is the opaque form.
func (p Position) String() string {
	if p.XID == "" {
		return ""
	}
	return p.Generation.String() + "." + p.XID + "." + strconv.FormatInt(p.Seq, 10)
}

// ParsePosition reads the opaque form; empty is the beginning.
func ParsePosition(s string) (Position, error) {
	if s == "" {
		return Position{XID: "0"}, nil
	}
	bad := fault.Invalid(errorspb.Reason_INVALID_REQUEST, "The position in the change feed is not valid.")
	parts := strings.Split(s, ".")
	if len(parts) != 3 {
		return Position{}, bad
	}
	generation, err := uuid.Parse(parts[0])
	if err != nil {
		return Position{}, bad
	}
	if _, err := strconv.ParseUint(parts[1], 10, 64); err != nil {
		return Position{}, bad
	}
	seq, err := strconv.ParseInt(parts[2], 10, 64)
	if err != nil || seq < 0 {
		return Position{}, bad
	}
	return Position{generation, parts[1], seq}, nil
}

// Entry is a row of the change feed as it is read.
type Entry struct {
	Change
	Time time.Time
	At   Position
}

// The feed is read up to the oldest transaction that is still running: rows
// of later ones may yet appear between those that are visible. This is what
// makes it gap-free without a lock. The order is by number, not by its text.
const feedQuery = `select xid::text as number, seq, object_type, object_id, kind, properties, related_id, changed_at from change_log
	where tenant_id = $1 and (xid, seq) > ($2::text::xid8, $3) and xid < pg_snapshot_xmin(pg_current_snapshot())`

// Changes reads up to limit changes behind a position, of the types or of
// all. more tells that others follow now. A position of an earlier generation
// is SYNC_STATE_NOT_FOUND.
func (s *Store) Changes(ctx context.Context, t tenant.ID, from Position, types []object.Type, limit int) (entries []Entry, at Position, more bool, err error) {
	query, args := feedQuery, []any{[16]byte(t), from.XID, from.Seq, limit + 1}
	if len(types) > 0 {
		query, args = query+" and object_type = any($5)", append(args, numbersOf(types))
	}
	batch := &pgx.Batch{}
	var generation uuid.UUID
	batch.Queue("select generation from feed_generation").QueryRow(func(row pgx.Row) error { return row.Scan((*[16]byte)(&generation)) })
	batch.Queue(inOrder)
	batch.Queue(query+" order by change_log.xid, change_log.seq limit $4", args...).Query(func(rows pgx.Rows) error {
		var e Entry
		var id [16]byte
		_, err := pgx.ForEachRow(rows, []any{&e.At.XID, &e.At.Seq, (*int16)(&e.Type), &id, (*int16)(&e.Kind), &e.Properties, &e.Related, &e.Time}, func() error {
			e.ID = id
			entries = append(entries, e)
			e.Properties, e.Related = nil, nil
			return nil
		})
		return err
	})
	if err := s.db.ReadBatch(ctx, t, batch); err != nil {
		return nil, from, false, fmt.Errorf("read change feed: %w", err)
	}
	if from.Generation != uuid.Nil && from.Generation != generation {
		return nil, from, false, fault.Precondition(errorspb.Reason_SYNC_STATE_NOT_FOUND, "The position is of an earlier change feed; start over.")
	}
	if len(entries) > limit {
		entries, more = entries[:limit], true
	}
	at = from
	if n := len(entries); n > 0 {
		at = entries[n-1].At
	}
	at.Generation = generation
	return entries, at, more, nil
}

// FeedEnd is the present end of the feed: whatever commits from now on lies
// behind it.
func (s *Store) FeedEnd(ctx context.Context, t tenant.ID) (Position, error) {
	var p Position
	batch := &pgx.Batch{}
	batch.Queue("select generation, pg_snapshot_xmin(pg_current_snapshot())::text from feed_generation").QueryRow(func(row pgx.Row) error {
		return row.Scan((*[16]byte)(&p.Generation), &p.XID)
	})
	return p, s.db.ReadBatch(ctx, t, batch)
}

// WatchChanges calls fn for every tenant with new changes, until ctx ends. A
// hint may be lost and may come twice.
func (s *Store) WatchChanges(ctx context.Context, fn func(tenant.ID)) error {
	return s.db.Listen(ctx, ChangesChannel, func(payload string) {
		if id, err := tenant.Parse(payload); err == nil {
			fn(id)
		}
	})
}
