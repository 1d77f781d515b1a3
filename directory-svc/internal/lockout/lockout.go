package lockout

import (
	"bytes"
	"net/netip"
	"slices"
	"time"
)

const (
	// longest is how long a lock lasts at most.
	longest = 18_000 * time.Second
	// remembered is how many wrong passwords are known again.
	remembered = 3
	// FamiliarFor is how long a location stays familiar after a success.
	FamiliarFor = 30 * 24 * time.Hour
)

// Policy is when an account locks.
type Policy struct {
	Threshold int
	Duration  time.Duration // of the first lock
}

// State is what happened since the last success, at familiar locations or at
// the others. The zero value is nothing.
type State struct {
	Failures int
	Locks    int // in a row
	Until    time.Time
	Recent   [][]byte // fingerprints of the last wrong passwords
}

// Locked reports whether the account is locked at now.
func (s State) Locked(now time.Time) bool { return now.Before(s.Until) }

// Fail counts a wrong password. One that was tried just before counts once.
// Once an account was locked, each further failure locks it again, for twice
// as long.
func (s State) Fail(p Policy, now time.Time, fingerprint []byte) State {
	if slices.ContainsFunc(s.Recent, func(f []byte) bool { return bytes.Equal(f, fingerprint) }) {
		return s
	}
	s.Recent = append(slices.Clone(s.Recent), fingerprint)
	if n := len(s.Recent) - remembered; n > 0 {
		s.Recent = s.Recent[n:]
	}
	s.Failures++
	if s.Failures >= p.Threshold || s.Locks > 0 {
		s.Locks++
		s.Until = now.Add(p.lock(s.Locks))
	}
	return s
}

// lock is how long the k-th lock in a row lasts.
func (p Policy) lock(k int) time.Duration {
	d := p.Duration
	for range k - 1 {
		if d >= longest {
			break
		}
		d *= 2
	}
	return min(d, longest)
}

// Location names the network of an address: /24 of IPv4, /48 of IPv6. An
// address that cannot be read has no location.
func Location(ip string) string {
	a, err := netip.ParseAddr(ip)
	if err != nil {
		return ""
	}
	a = a.Unmap().WithZone("")
	bits := 48
	if a.Is4() {
		bits = 24
	}
	p, err := a.Prefix(bits)
	if err != nil {
		return ""
	}
	return p.String()
}
