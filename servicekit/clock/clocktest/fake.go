package clocktest

import (
	"sync"
	"time"

	"entente.dev/servicekit/clock"
)

var _ clock.Clock = (*Fake)(nil)

// Fake is a clock under a test's control, safe for concurrent use.
type Fake struct {
	mu  sync.Mutex
	now time.Time
}

// New starts a clock that stands at start.
func New(start time.Time) *Fake { return &Fake{now: norm(start)} }

// Now is where the clock stands.
func (f *Fake) Now() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.now
}

// Advance moves the clock by d, which may be negative.
func (f *Fake) Advance(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.now = norm(f.now.Add(d))
}

// Set moves the clock to t.
func (f *Fake) Set(t time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.now = norm(t)
}

func norm(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }
