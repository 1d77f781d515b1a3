package limits

import (
	"sync"
	"time"

	"entente.dev/servicekit/clock"
)

// maxBuckets bounds memory: beyond it buckets that are full again are dropped,
// and if those are few, all are. Dropping forgives; it never refuses.
const maxBuckets = 20_000

// Limiter keeps buckets by key. A nil one never limits.
type Limiter struct {
	clock clock.Clock
	rate  Rate

	mu      sync.Mutex
	buckets map[string]*bucket
}

// New makes a limiter; a zero rate never limits.
func New(c clock.Clock, r Rate) *Limiter {
	if r.limited() && r.Burst < 1 {
		r.Burst = max(1, 2*r.PerSecond)
	}
	return &Limiter{clock: c, rate: r, buckets: map[string]*bucket{}}
}

func (l *Limiter) limited() bool { return l != nil && l.rate.limited() }

// Wait is how long the holder of key must wait; 0 admits. Nothing is taken.
func (l *Limiter) Wait(key string) time.Duration {
	if !l.limited() {
		return 0
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.buckets[key]
	if b == nil {
		return 0
	}
	b.fill(l.rate, l.clock.Now())
	return b.wait(l.rate)
}

// Take uses one token up, below zero if need be: requests that were admitted
// side by side all count.
func (l *Limiter) Take(key string) {
	if !l.limited() {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.bucket(key).level--
}

// Admit takes a token if there is one and answers 0; else it is how long the
// holder of key must wait.
func (l *Limiter) Admit(key string) time.Duration {
	if !l.limited() {
		return 0
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.bucket(key)
	wait := b.wait(l.rate)
	if wait == 0 {
		b.level--
	}
	return wait
}

// bucket finds or makes the bucket of key, filled up to now.
func (l *Limiter) bucket(key string) *bucket {
	now := l.clock.Now()
	b := l.buckets[key]
	if b == nil {
		l.makeRoom(now)
		b = &bucket{level: l.rate.Burst, at: now}
		l.buckets[key] = b
	}
	b.fill(l.rate, now)
	return b
}

func (l *Limiter) makeRoom(now time.Time) {
	if len(l.buckets) < maxBuckets {
		return
	}
	for k, b := range l.buckets {
		if b.fill(l.rate, now); b.level >= l.rate.Burst {
			delete(l.buckets, k)
		}
	}
	// Room for a few would have the next few look through all of them again.
	if len(l.buckets) > maxBuckets/2 {
		clear(l.buckets)
	}
}
