package jobs

import (
	"errors"
	"sync"

	"entente.dev/servicekit/tenant"
)

// gatherMost bounds how many items share one run.
const gatherMost = 100

// errNotRun is what the items of a run are told that did not come to an end.
var errNotRun = errors.New("the work that was shared did not finish")

// gather has whoever does the same for one tenant at the same time do it
// together: the first runs at once, whoever comes meanwhile waits and shares
// the next run. So mails that come one by one are not delayed, and a burst of
// them costs a few transactions. The zero value is ready.
type gather[A any] struct {
	mu     sync.Mutex
	queues map[tenant.ID][]*turn[A]
}

type turn[A any] struct {
	item A
	lead chan struct{} // closed when it is on the item's goroutine to run
	done chan struct{} // closed when somebody else has run it
	err  error
}

// do has run handle item, alone or with others. When many fail together each
// is run again alone, so that none suffers from another.
func (g *gather[A]) do(t tenant.ID, item A, run func([]A) error) error {
	mine := &turn[A]{item: item, lead: make(chan struct{}), done: make(chan struct{}), err: errNotRun}
	g.mu.Lock()
	if g.queues == nil {
		g.queues = make(map[tenant.ID][]*turn[A])
	}
	if _, busy := g.queues[t]; !busy {
		close(mine.lead)
	}
	g.queues[t] = append(g.queues[t], mine)
	g.mu.Unlock()
	select {
	case <-mine.done:
		return mine.err
	case <-mine.lead:
	}
	g.mu.Lock()
	n := min(len(g.queues[t]), gatherMost)
	batch := g.queues[t][:n:n]
	g.queues[t] = g.queues[t][n:]
	g.mu.Unlock()
	defer g.pass(t, batch[1:]) // also when run panics
	items := make([]A, n)
	for i, b := range batch {
		items[i] = b.item
	}
	err := run(items)
	for _, b := range batch {
		if b.err = err; err != nil && n > 1 {
			b.err = run([]A{b.item})
		}
	}
	return mine.err
}

// pass answers those who waited and leaves the next run to the next in line.
func (g *gather[A]) pass(t tenant.ID, done []*turn[A]) {
	for _, b := range done {
		close(b.done)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.queues[t]) == 0 {
		delete(g.queues, t)
		return
	}
	close(g.queues[t][0].lead)
}
