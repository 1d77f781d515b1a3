package throttle

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"net/netip"
	"time"
)

// parts is the number of buckets in a window.
const parts = 60

// Limit admits Most events in any window of length Per. A Limit with no Most
// admits everything.
type Limit struct {
	Most int
	Per  time.Duration
}

// Off reports that the limit admits everything.
func (l Limit) Off() bool { return l.Most <= 0 || l.Per <= 0 }

// Bucket is the start of the bucket that counts an event at now.
func (l Limit) Bucket(now time.Time) time.Time { return now.UTC().Truncate(l.Per / parts) }

// Since is the start of the oldest bucket that still counts at now.
func (l Limit) Since(now time.Time) time.Time { return l.Bucket(now.Add(-l.Per)) }

// Used is what the store counted since Limit.Since.
type Used struct {
	Events int
	Oldest time.Time // start of the oldest bucket that holds any
}

// Check decides about one more event. When it is refused, wait is how long
// until the oldest bucket leaves the window, at least a second.
func (l Limit) Check(u Used, now time.Time) (admitted bool, wait time.Duration) {
	if l.Off() || u.Events < l.Most {
		return true, 0
	}
	wait = u.Oldest.Add(l.Per + l.Per/parts).Sub(now)
	return false, max(wait, time.Second)
}

// Subject is the key under which events are counted: a digest of the limit's
// name, its window and the parts that name who is counted.
func Subject(key []byte, name string, l Limit, who ...string) [sha256.Size]byte {
	h := hmac.New(sha256.New, key)
	part := func(s string) {
		var n [4]byte
		binary.BigEndian.PutUint32(n[:], uint32(len(s)))
		h.Write(n[:])
		h.Write([]byte(s))
	}
	part("entente throttle v1")
	part(name)
	part(l.Per.String())
	for _, w := range who {
		part(w)
	}
	return [sha256.Size]byte(h.Sum(nil))
}

// Network is the part of an address that shares one allowance: /24 of IPv4,
// /48 of IPv6. Mapped addresses count as what they map.
func Network(ip netip.Addr) string {
	if !ip.IsValid() {
		return "unknown"
	}
	ip = ip.Unmap().WithZone("")
	bits := 48
	if ip.Is4() {
		bits = 24
	}
	p, err := ip.Prefix(bits)
	if err != nil {
		return "unknown"
	}
	return p.String()
}
