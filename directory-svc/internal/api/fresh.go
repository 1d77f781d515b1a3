package api

import (
	"sync"
	"time"
)

// freshFor is how old an answer may be that rights depend on: a change of a
// policy or setting holds everywhere within a second.
const freshFor = time.Second

// fresh keeps answers for a moment. The zero value is ready; it is safe for
// concurrent use. Errors are not kept.
type fresh[K comparable, V any] struct {
	mu      sync.Mutex
	answers map[K]answer[V]
}

type answer[V any] struct {
	value V
	until time.Time
}

// maxFresh bounds how many answers are kept.
const maxFresh = 4096

// get answers what is known or, where that is old, what load finds. While load
// fails, an answer may be older by stale.
func (f *fresh[K, V]) get(key K, stale time.Duration, load func() (V, error)) (V, error) {
	now := time.Now() // how long an answer is kept is no matter of the service's clock
	f.mu.Lock()
	known, ok := f.answers[key]
	f.mu.Unlock()
	if ok && now.Before(known.until) {
		return known.value, nil
	}
	value, err := load()
	if err != nil {
		if ok && now.Before(known.until.Add(stale)) {
			return known.value, nil
		}
		return value, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.answers == nil || len(f.answers) >= maxFresh {
		f.answers = make(map[K]answer[V])
	}
	f.answers[key] = answer[V]{value, now.Add(freshFor)}
	return value, nil
}
