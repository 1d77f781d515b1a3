package lockout_test

import (
	"fmt"
	"testing"
	"time"

	"entente.dev/directory-svc/internal/lockout"
)

var (
	now    = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	policy = lockout.Policy{Threshold: 10, Duration: time.Minute}
)

func fail(s lockout.State, at time.Time, text string) lockout.State {
	return s.Fail(policy, at, []byte(text))
}

func TestLocksGrow(t *testing.T) {
	t.Parallel()
	var s lockout.State
	for i := range 9 {
		if s = fail(s, now, fmt.Sprint(i)); s.Locked(now) {
			t.Fatalf("locked after %d", i+1)
		}
	}
	at := now
	for i, want := range []time.Duration{60, 120, 240, 480, 960, 1920, 3840, 7680, 15360, 18000, 18000} {
		s = fail(s, at, fmt.Sprint("x", i))
		if got := s.Until.Sub(at); got != want*time.Second || !s.Locked(at) || s.Locked(s.Until) {
			t.Errorf("lock %d lasts %v", i+1, got)
		}
		at = s.Until
	}
}

func TestRepeatsDoNotCount(t *testing.T) {
	t.Parallel()
	var s lockout.State
	for range 30 {
		s = fail(s, now, "same")
	}
	if s.Failures != 1 || s.Locked(now) {
		t.Errorf("%+v", s)
	}
	for _, text := range []string{"b", "c", "same", "d", "b", "same"} { // "d" pushes "same" out
		s = fail(s, now, text)
	}
	if s.Failures != 5 {
		t.Errorf("%+v", s)
	}
}

func TestLocations(t *testing.T) {
	t.Parallel()
	for ip, want := range map[string]string{"192.0.2.77": "192.0.2.0/24", "::ffff:192.0.2.1": "192.0.2.0/24", "2001:db8:1:2::3": "2001:db8:1::/48", "fe80::1%eth0": "fe80::/48", "": "", "x": ""} {
		if got := lockout.Location(ip); got != want {
			t.Errorf("%s: %s", ip, got)
		}
	}
}
