package passcode

import "time"

// Figures of the lock, INV-79 and INV-82.
const (
	LockFailures = 10
	LockWindow   = time.Hour
	FirstLock    = 15 * time.Minute
	LongestLock  = 24 * time.Hour
	// LockMemory is how long a lock that has ended still doubles the next.
	LockMemory = 24 * time.Hour
)

// Lock is the standing of one address in one tenant. The zero value has no
// failures.
type Lock struct {
	Failures    int       // since FirstAt
	FirstAt     time.Time // start of the running window
	LockedUntil time.Time // zero when never locked
	Locks       int       // how many in a row
}

// Locked reports whether codes are refused at now, right ones too.
func (l Lock) Locked(now time.Time) bool { return now.Before(l.LockedUntil) }

// Fail counts one wrong code. The tenth within an hour locks; each further
// lock in a row lasts twice as long as the one before, up to a day.
func (l Lock) Fail(now time.Time) Lock {
	if l.Locks > 0 && now.After(l.LockedUntil.Add(LockMemory)) {
		l.Locks = 0
	}
	if l.Failures == 0 || now.Sub(l.FirstAt) >= LockWindow {
		l.Failures, l.FirstAt = 0, now
	}
	l.Failures++
	if l.Failures < LockFailures {
		return l
	}
	last := FirstLock
	for range l.Locks {
		if last *= 2; last >= LongestLock {
			last = LongestLock
			break
		}
	}
	l.Locks++
	l.LockedUntil = now.Add(last)
	l.Failures, l.FirstAt = 0, time.Time{}
	return l
}

// Clear is the standing after a right code.
func (l Lock) Clear() Lock { return Lock{} }
