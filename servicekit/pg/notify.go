package pg

import (
	"context"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// notifyGap is the least time between two notifications of one process:
// commits of notifying transactions queue behind one lock of the server.
const notifyGap = 50 * time.Millisecond

// Notify tells listeners of channel, in this and in other processes, that
// something happened. It returns at once: the first payload goes out
// immediately, those of the following 50 ms together and each once. A
// notification is a hint that may be lost; followers also poll. Call it from
// Tx.AfterCommit.
func (db *DB) Notify(channel, payload string) { db.notes.add(note{channel, payload}) }

type note struct{ channel, payload string }

// notifier collects payloads and sends them from one goroutine, which lives
// only while there is something to send.
type notifier struct {
	db      *DB
	mu      sync.Mutex
	pending map[note]struct{}
	running bool
	closed  bool
	stop    chan struct{}
	wg      sync.WaitGroup
}

func newNotifier(db *DB) *notifier {
	return &notifier{db: db, pending: make(map[note]struct{}), stop: make(chan struct{})}
}

func (n *notifier) add(x note) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return
	}
	n.pending[x] = struct{}{}
	if !n.running {
		n.running = true
		n.wg.Go(n.drain)
	}
}

func (n *notifier) drain() {
	for {
		n.mu.Lock()
		batch := n.pending
		if len(batch) == 0 {
			n.running = false
			n.mu.Unlock()
			return
		}
		n.pending = make(map[note]struct{})
		n.mu.Unlock()
		n.send(batch)
		select {
		case <-n.stop: // send the rest without pauses
		case <-time.After(notifyGap):
		}
	}
}

func (n *notifier) send(batch map[note]struct{}) {
	channels, payloads := make([]string, 0, len(batch)), make([]string, 0, len(batch))
	for x := range batch {
		channels, payloads = append(channels, x.channel), append(payloads, x.payload)
	}
	ctx, cancel := context.WithTimeout(context.Background(), connectTimeout)
	defer cancel()
	_, err := n.db.pool.Exec(ctx,
		"select pg_notify(c, p) from unnest($1::text[], $2::text[]) as t(c, p)", channels, payloads)
	if err != nil {
		n.db.log.WarnContext(ctx, "notification not sent", "error", err)
	}
}

func (n *notifier) close() {
	n.mu.Lock()
	if n.closed {
		n.mu.Unlock()
		return
	}
	n.closed = true
	n.mu.Unlock()
	close(n.stop)
	n.wg.Wait()
}

// Listen calls fn for every notification on channel until ctx ends, on a
// connection of its own. After each (re)connection fn is called once with an
// empty payload, since notifications may have been missed meanwhile. Calls do
// not overlap. It returns the error of ctx.
func (db *DB) Listen(ctx context.Context, channel string, fn func(payload string)) error {
	pause := 100 * time.Millisecond
	for {
		connected, err := db.listen(ctx, channel, fn)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if connected {
			pause = 100 * time.Millisecond
		}
		db.log.WarnContext(ctx, "listener lost its connection", "channel", channel, "error", err)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
		pause = min(2*pause, 5*time.Second)
	}
}

func (db *DB) listen(ctx context.Context, channel string, fn func(string)) (connected bool, err error) {
	conn, err := pgx.ConnectConfig(ctx, db.pool.Config().ConnConfig)
	if err != nil {
		return false, err
	}
	defer func() {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = conn.Close(closing)
	}()
	if _, err := conn.Exec(ctx, "listen "+quoteIdent(channel)); err != nil {
		return false, err
	}
	fn("")
	for {
		n, err := conn.WaitForNotification(ctx)
		if err != nil {
			return true, err
		}
		fn(n.Payload)
	}
}
