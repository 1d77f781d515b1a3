package load_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"entente.dev/deploy/bench/internal/load"
)

func TestRunCountsCallsOfAllWorkers(t *testing.T) {
	t.Parallel()
	var sequence, calls atomic.Int64
	got, err := load.Run(t.Context(), 4, 20*time.Millisecond, &sequence, func(context.Context, int64) error { calls.Add(1); return nil })
	if err != nil {
		t.Fatal(err)
	}
	if int64(got.Calls) != calls.Load() || sequence.Load() != calls.Load() || got.Rate <= 0 {
		t.Errorf("%+v after %d calls", got, calls.Load())
	}
}

func TestTheFirstErrorEndsARun(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	fail := func(_ context.Context, n int64) error {
		if n == 3 {
			return broken
		}
		return nil
	}
	fine := func(context.Context, int64) error { return nil }
	for name, run := range map[string]func(*atomic.Int64) error{
		"closed": func(s *atomic.Int64) error { _, err := load.Run(t.Context(), 2, time.Minute, s, fail); return err },
		"open":   func(s *atomic.Int64) error { _, err := load.Open(t.Context(), 1000, time.Minute, s, fail); return err },
		"alternate": func(s *atomic.Int64) error {
			_, _, err := load.Alternate(t.Context(), time.Minute, s, fine, fail)
			return err
		},
	} {
		if err := run(&atomic.Int64{}); !errors.Is(err, broken) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestOpenKeepsItsRateAndChargesAStallToTheCallsBehindIt(t *testing.T) {
	t.Parallel()
	var sequence atomic.Int64
	// The first call holds a lock that all others need.
	gate := make(chan struct{})
	got, err := load.Open(t.Context(), 1000, 100*time.Millisecond, &sequence, func(_ context.Context, n int64) error {
		if n == 100 {
			close(gate)
			return nil
		}
		<-gate
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if got.Calls != 100 {
		t.Errorf("%d calls, want 100", got.Calls)
	}
	// Call 50 should have begun about 50 ms before the gate opened.
	if got.P50 < 40*time.Millisecond || got.P999 < 90*time.Millisecond {
		t.Errorf("the stall is not seen: %+v", got)
	}
}

func TestAlternateTakesTurns(t *testing.T) {
	t.Parallel()
	var sequence atomic.Int64
	var order []byte
	mark := func(b byte) load.Op {
		return func(context.Context, int64) error { order = append(order, b); return nil }
	}
	a, b, err := load.Alternate(t.Context(), time.Millisecond, &sequence, mark('a'), mark('b'))
	if err != nil {
		t.Fatal(err)
	}
	if a.Calls != b.Calls || len(order) != 2*a.Calls {
		t.Fatalf("%d and %d calls", a.Calls, b.Calls)
	}
	for i, c := range order {
		if want := "ab"[i%2]; c != want {
			t.Fatalf("call %d was %c", i, c)
		}
	}
}
