package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"slices"
	"time"

	"entente.dev/invitation-svc/internal/invitation"
	"entente.dev/invitation-svc/internal/throttle"
	"entente.dev/servicekit/tenant"
	"github.com/jackc/pgx/v5"
)

// Counted is a limit with the subject it is counted for.
type Counted struct {
	Limit   throttle.Limit
	Subject [sha256.Size]byte
}

const usedSQL = `select coalesce(sum(events), 0), min(bucket) from counters where subject = $1 and bucket >= $2`

// usedAllSQL is usedSQL for many subjects, each with the start of its window.
const usedAllSQL = `select u.events, u.oldest from unnest($1::bytea[], $2::timestamptz[]) with ordinality w (subject, since, place),
	lateral (select coalesce(sum(events), 0) as events, min(bucket) as oldest from counters c where c.subject = w.subject and c.bucket >= w.since) u
	order by w.place`

// Ahead is what an invitation is checked against before it is made.
type Ahead struct {
	Settings invitation.Settings
	Used     []throttle.Used // of each limit asked for
	Blocked  Blocked
}

// Before reads all of Ahead in one round trip.
func (s *Store) Before(ctx context.Context, t tenant.ID, addresses []string, all []Counted, now time.Time) (Ahead, error) {
	a := Ahead{Used: make([]throttle.Used, 0, len(all)), Blocked: Blocked{}}
	batch := &pgx.Batch{}
	batch.Queue(settingsSQL, t).QueryRow(func(row pgx.Row) (err error) {
		a.Settings, err = scanSettings(row)
		return err
	})
	if len(addresses) > 0 {
		batch.Queue(blockedSQL, t, addresses).Query(func(rows pgx.Rows) error { return a.Blocked.scan(rows) })
	}
	if len(all) > 0 {
		subjects, since := make([][]byte, len(all)), make([]time.Time, len(all))
		for i, c := range all {
			subjects[i], since[i] = c.Subject[:], c.Limit.Since(now)
		}
		batch.Queue(usedAllSQL, subjects, since).Query(func(rows pgx.Rows) error {
			for rows.Next() {
				u, err := scanUsed(rows)
				if err != nil {
					return err
				}
				a.Used = append(a.Used, u)
			}
			return rows.Err()
		})
	}
	return a, s.db.ReadBatch(ctx, t, batch)
}

func scanUsed(row pgx.Row) (throttle.Used, error) {
	var u throttle.Used
	var oldest *time.Time
	err := row.Scan(&u.Events, &oldest)
	u.Oldest = plain(oldest)
	return u, err
}

// Used is what was counted for a subject in the window of a limit.
func (tx Tx) Used(subject [sha256.Size]byte, l throttle.Limit, now time.Time) (throttle.Used, error) {
	return scanUsed(tx.Pgx().QueryRow(tx.Context(), usedSQL, subject[:], l.Since(now)))
}

// Count queues one more event. The row is locked for the rest of the
// transaction, so it is queued last and sent with the commit.
func (tx Tx) Count(subject [sha256.Size]byte, l throttle.Limit, now time.Time) {
	tx.Queue(`insert into counters as c (subject, bucket, events, gone_at) values ($1, $2, 1, $3)
		on conflict (subject, bucket) do update set events = c.events + 1`, subject[:], l.Bucket(now), now.Add(2*l.Per))
}

// ErrSpent says that a subject has had all the events that its limit admits.
var ErrSpent = errors.New("the limit is reached")

// negativeRoot is how a queued event fails that is one too many; nothing else
// takes roots.
const negativeRoot = "2201F"

// spendSQL counts an event and takes the root of how many the limit still
// admits.
const spendSQL = `with spent as (
		insert into counters as c (subject, bucket, events, gone_at) values ($1, $2, 1, $3)
		on conflict (subject, bucket) do update set events = c.events + 1 returning c.events)
	select sqrt($5::bigint - (select events from spent) -
		(select coalesce(sum(events), 0) from counters where subject = $1 and bucket >= $4 and bucket <> $2))`

// Spend queues one event of each subject, to be sent with the commit. The
// subjects are locked first, in an order that is the same for everybody, so
// that parallel events are counted one after the other; when one of the
// subjects has had its events, the transaction ends, and Write answers
// ErrSpent.
func (tx Tx) Spend(all []Counted, now time.Time) {
	if len(all) == 0 {
		return
	}
	all = slices.SortedFunc(slices.Values(all), func(a, b Counted) int { return bytes.Compare(a.Subject[:], b.Subject[:]) })
	subjects := make([][]byte, len(all))
	for i, c := range all {
		subjects[i] = c.Subject[:]
	}
	tx.Queue(`select pg_advisory_xact_lock(hashtextextended(encode(s, 'hex'), 7)) from unnest($1::bytea[]) s`, subjects)
	for _, c := range all {
		tx.Queue(spendSQL, c.Subject[:], c.Limit.Bucket(now), now.Add(2*c.Limit.Per), c.Limit.Since(now), c.Limit.Most)
	}
}

// SpendCounter serializes one event of a subject: it locks the subject for the
// transaction, so that parallel events are counted one after the other.
func (tx Tx) SpendCounter(subject [sha256.Size]byte, l throttle.Limit, now time.Time) (admitted bool, wait time.Duration, err error) {
	if l.Off() {
		return true, 0, nil
	}
	if _, err := tx.Pgx().Exec(tx.Context(), `select pg_advisory_xact_lock(hashtextextended(encode($1, 'hex'), 7))`, subject[:]); err != nil {
		return false, 0, err
	}
	u, err := tx.Used(subject, l, now)
	if err != nil {
		return false, 0, err
	}
	if admitted, wait = l.Check(u, now); admitted {
		tx.Count(subject, l, now)
	}
	return admitted, wait, nil
}

// DropCounters deletes what no window reaches any more.
func (tx Tx) DropCounters(now time.Time) error {
	_, err := tx.Pgx().Exec(tx.Context(), `delete from counters where gone_at < $1`, now)
	return err
}
