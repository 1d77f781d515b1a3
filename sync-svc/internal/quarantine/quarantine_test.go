package quarantine

import (
	"testing"
	"time"
)

func TestWorkedFigures(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name   string
		counts Counts
		want   string
	}{
		{"45 000 failed", Counts{Failures: 45_000}, BaseThreshold},
		{"30 000 failed, 5 000 succeeded", Counts{Failures: 30_000, Succeeded: 5_000}, Proportion},
		{"20 000 failed, 100 000 succeeded", Counts{Failures: 20_000, Succeeded: 100_000}, ""},
		{"4 000 of 4 000", Counts{Failures: 4_000, Attempted: 4_000, CompleteFailures: 1}, ""},
		{"4 000 of 4 000 for the third time", Counts{Failures: 4_000, Attempted: 4_000, CompleteFailures: 3}, Proportion},
		{"A52: 4 999 of 4 999", Counts{Failures: 4_999, Attempted: 4_999, CompleteFailures: 1}, ""},
		{"40 000 and 21 000 references", Counts{Failures: 40_000, References: 21_000, Succeeded: 1_000_000}, TotalThreshold},
		{"19 of 19 three times", Counts{Failures: 19, Attempted: 19, CompleteFailures: 3}, ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if got := Evaluate(c.counts, Limits{}); got != c.want {
				t.Errorf("reason %q, want %q", got, c.want)
			}
		})
	}
}

func TestAttempts(t *testing.T) {
	t.Parallel()
	began := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	now := began
	for i, want := range []int{6, 12, 24, 48, 72} {
		next := NextAttempt(began, now)
		if got := int(next.Sub(began).Hours()); got != want {
			t.Fatalf("attempt %d after %d h, want %d h", i+1, got, want)
		}
		now = next
	}
	if next := NextAttempt(began, began.Add(GivesUpAfter)); !next.IsZero() {
		t.Errorf("after 28 days the next attempt is %s", next)
	}
}

func TestRetries(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for attempts, want := range map[int]time.Duration{1: 0, 2: 80 * time.Minute, 3: 160 * time.Minute, 20: 24 * time.Hour} {
		if got := Retry(attempts, 40*time.Minute, now).Sub(now); got != want {
			t.Errorf("after %d attempts: %s, want %s", attempts, got, want)
		}
	}
}
