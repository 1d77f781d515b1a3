package passcode_test

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
	"time"

	"entente.dev/invitation-svc/internal/passcode"
)

var start = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func TestCodesAreEightDigitsAndUniform(t *testing.T) {
	t.Parallel()
	const draws = 100_000
	var first, last [10]int
	for range draws {
		c, err := passcode.New(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		text := c.Text()
		if len(text) != 8 || strings.Trim(text, "0123456789") != "" {
			t.Fatalf("code %q", text)
		}
		first[text[0]-'0']++
		last[text[7]-'0']++
	}
	for _, counts := range [][10]int{first, last} {
		chi := 0.0
		for _, n := range counts {
			d := float64(n) - draws/10
			chi += d * d / (draws / 10)
		}
		if chi > 40 { // nine degrees of freedom: one in 100 000
			t.Fatalf("digits are not uniform: %v (chi² %.1f)", counts, chi)
		}
	}
}

func TestValuesAboveTheLastFullRoundAreDrawnAgain(t *testing.T) {
	t.Parallel()
	source := binary.BigEndian.AppendUint32(nil, 4_200_000_000)
	source = binary.BigEndian.AppendUint32(source, 4_100_000_042)
	c, err := passcode.New(bytes.NewReader(source))
	if err != nil || c.Text() != "00000042" {
		t.Fatalf("got %q, %v", c.Text(), err)
	}
	if _, err := passcode.New(bytes.NewReader(source[:4])); err == nil {
		t.Fatal("an exhausted source gave a code")
	}
}

func TestWhatIsReadOfWhatIsTyped(t *testing.T) {
	t.Parallel()
	for typed, want := range map[string]string{
		"01234567": "01234567", "0123 4567": "01234567", " 0123-4567 ": "01234567", "0 1 2 3 4 5 6 7": "01234567",
	} {
		if c, ok := passcode.Parse(typed); !ok || c.Text() != want {
			t.Errorf("Parse(%q) = %q, %v", typed, c.Text(), ok)
		}
	}
	for _, typed := range []string{"", "1234567", "123456789", "1234567a", "１２３４５６７８", "0x123456", "12345678\n", "+12345678", strings.Repeat(" ", 60) + "12345678"} {
		if _, ok := passcode.Parse(typed); ok {
			t.Errorf("Parse(%q) accepted", typed)
		}
	}
}

func TestACodeIsBoundToEveryPartOfItsScope(t *testing.T) {
	t.Parallel()
	key := []byte("0123456789abcdef0123456789abcdef")
	c, _ := passcode.Parse("12345678")
	other, _ := passcode.Parse("12345679")
	scope := passcode.Scope{Flow: [16]byte{1}, Address: "a@b.example", Purpose: passcode.SignIn}
	s := passcode.Stored{MAC: passcode.MAC(key, c, scope), ExpiresAt: start.Add(time.Minute)}
	if !s.Right(key, c, scope) {
		t.Fatal("the right code is wrong")
	}
	for name, hit := range map[string]bool{
		"code":    s.Right(key, other, scope),
		"flow":    s.Right(key, c, passcode.Scope{Flow: [16]byte{2}, Address: scope.Address, Purpose: scope.Purpose}),
		"address": s.Right(key, c, passcode.Scope{Flow: scope.Flow, Address: "b@b.example", Purpose: scope.Purpose}),
		"purpose": s.Right(key, c, passcode.Scope{Flow: scope.Flow, Address: scope.Address, Purpose: passcode.Proof}),
		"key":     s.Right([]byte("another key of thirty-two bytes!"), c, scope),
	} {
		if hit {
			t.Errorf("a code with another %s is right", name)
		}
	}
}

func TestACodeClosesByTimeTriesAndUse(t *testing.T) {
	t.Parallel()
	s := passcode.Stored{ExpiresAt: start.Add(passcode.DefaultValidity)}
	if !s.Open(start.Add(9*time.Minute+59*time.Second)) || s.Open(start.Add(10*time.Minute)) {
		t.Fatal("validity is not exact")
	}
	s.Tries = 4
	if !s.Open(start) {
		t.Fatal("the fifth try is not looked at")
	}
	if s.Tries = 5; s.Open(start) {
		t.Fatal("a sixth try is looked at")
	}
	s.Tries, s.UsedAt = 0, start
	if s.Open(start) {
		t.Fatal("a used code is open")
	}
}

func TestValidityIsClamped(t *testing.T) {
	t.Parallel()
	for set, want := range map[time.Duration]time.Duration{0: 10 * time.Minute, -1: 10 * time.Minute, time.Minute: time.Minute, time.Hour: 30 * time.Minute} {
		if got := passcode.Validity(set); got != want {
			t.Errorf("Validity(%v) = %v, want %v", set, got, want)
		}
	}
}

func TestTenFailuresInAnHourLockAndLocksDouble(t *testing.T) {
	t.Parallel()
	var l passcode.Lock
	now := start
	for round, want := range []time.Duration{15 * time.Minute, 30 * time.Minute, time.Hour, 2 * time.Hour, 4 * time.Hour, 8 * time.Hour, 16 * time.Hour, 24 * time.Hour, 24 * time.Hour} {
		for i := range passcode.LockFailures {
			if l.Locked(now) {
				t.Fatalf("round %d: locked after %d failures", round, i)
			}
			l = l.Fail(now)
			now = now.Add(time.Second)
		}
		begun := now.Add(-time.Second)
		if !l.Locked(begun.Add(want-time.Nanosecond)) || l.Locked(begun.Add(want)) {
			t.Fatalf("round %d: locked until %v, want %v", round, l.LockedUntil.Sub(begun), want)
		}
		now = l.LockedUntil
	}
}

func TestSlowFailuresNeverLockAndOldLocksAreForgotten(t *testing.T) {
	t.Parallel()
	var l passcode.Lock
	for i := range 100 {
		l = l.Fail(start.Add(time.Duration(i) * 7 * time.Minute))
		if l.Locked(start.Add(time.Duration(i) * 7 * time.Minute)) {
			t.Fatal("nine failures an hour locked")
		}
	}
	l = passcode.Lock{Locks: 5, LockedUntil: start}
	now := start.Add(25 * time.Hour)
	for range passcode.LockFailures {
		l = l.Fail(now)
	}
	if got := l.LockedUntil.Sub(now); got != passcode.FirstLock {
		t.Fatalf("after a quiet day the lock lasts %v", got)
	}
	if (passcode.Lock{Failures: 9, Locks: 3}).Clear() != (passcode.Lock{}) {
		t.Fatal("a right code does not clear")
	}
}

func TestACodeNeverPrints(t *testing.T) {
	t.Parallel()
	c, _ := passcode.Parse("12345678")
	if out := fmt.Sprintf("%v %+v %#v %s %q %v", c, c, c, c, c, struct{ C passcode.Code }{c}); strings.Contains(out, "12345678") {
		t.Fatal(out)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("1234 5678")
	f.Fuzz(func(t *testing.T, typed string) {
		c, ok := passcode.Parse(typed)
		if !ok {
			return
		}
		if again, ok := passcode.Parse(c.Text()); !ok || again != c {
			t.Fatalf("%q does not read back", typed)
		}
	})
}
