package throttle_test

import (
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"entente.dev/invitation-svc/internal/throttle"
)

var start = time.Date(2026, 1, 2, 3, 4, 5, 678, time.UTC)

// counter plays the store.
type counter map[time.Time]int

func (c counter) used(l throttle.Limit, now time.Time) throttle.Used {
	var u throttle.Used
	for at, n := range c {
		if at.Before(l.Since(now)) {
			continue
		}
		u.Events += n
		if u.Oldest.IsZero() || at.Before(u.Oldest) {
			u.Oldest = at
		}
	}
	return u
}

func TestNoWindowEverHoldsMoreThanTheLimit(t *testing.T) {
	t.Parallel()
	for _, l := range []throttle.Limit{{5, 30 * time.Minute}, {15, 24 * time.Hour}, {150, 5 * time.Second}, {1, time.Minute}} {
		random := rand.New(rand.NewPCG(1, uint64(l.Most)))
		c := counter{}
		var admitted []time.Time
		now := start
		for range 2000 {
			now = now.Add(time.Duration(random.Int64N(int64(l.Per) / int64(l.Most))))
			if ok, wait := l.Check(c.used(l, now), now); ok {
				c[l.Bucket(now)]++
				admitted = append(admitted, now)
			} else if again, _ := l.Check(c.used(l, now.Add(wait)), now.Add(wait)); !again {
				t.Fatalf("%v: still refused after the promised wait of %v", l, wait)
			}
		}
		for i := l.Most; i < len(admitted); i++ {
			if d := admitted[i].Sub(admitted[i-l.Most]); d < l.Per {
				t.Fatalf("%v: %d events within %v", l, l.Most+1, d)
			}
		}
		if len(admitted) < 2*l.Most {
			t.Fatalf("%v: only %d admitted", l, len(admitted))
		}
	}
}

func TestALimitWithoutFigureAdmitsEverything(t *testing.T) {
	t.Parallel()
	if ok, _ := (throttle.Limit{}).Check(throttle.Used{Events: 1 << 30}, start); !ok {
		t.Fatal("refused")
	}
}

func TestSubjectsDoNotCollide(t *testing.T) {
	t.Parallel()
	l := throttle.Limit{Most: 1, Per: time.Hour}
	seen := map[[32]byte]string{}
	for name, s := range map[string][32]byte{
		"a|bc":         throttle.Subject([]byte("k"), "a", l, "bc"),
		"ab|c":         throttle.Subject([]byte("k"), "ab", l, "c"),
		"a|b|c":        throttle.Subject([]byte("k"), "a", l, "b", "c"),
		"other window": throttle.Subject([]byte("k"), "a", throttle.Limit{Most: 1, Per: time.Minute}, "bc"),
		"other key":    throttle.Subject([]byte("l"), "a", l, "bc"),
	} {
		if other, dup := seen[s]; dup {
			t.Errorf("%s and %s share a key", name, other)
		}
		seen[s] = name
	}
}

func TestNetworks(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"203.0.113.77":         "203.0.113.0/24",
		"::ffff:203.0.113.9":   "203.0.113.0/24",
		"2001:db8:1:2::1":      "2001:db8:1::/48",
		"2001:db8:1:ff::%eth0": "2001:db8:1::/48",
	} {
		if got := throttle.Network(netip.MustParseAddr(in)); got != want {
			t.Errorf("Network(%s) = %s, want %s", in, got, want)
		}
	}
	if throttle.Network(netip.Addr{}) != "unknown" {
		t.Error("no address")
	}
}
