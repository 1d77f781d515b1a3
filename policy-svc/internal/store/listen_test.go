package store_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"entente.dev/policy-svc/internal/store"
	"entente.dev/servicekit/tenant"
)

// heard is one call of a listener: a tenant that changed, or a beat.
type heard struct {
	changed tenant.ID
	beat    time.Time
}

func listen(t *testing.T, s *store.Store) <-chan heard {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	calls, done := make(chan heard, 100), make(chan error, 1)
	go func() {
		done <- s.Listen(ctx, func(id tenant.ID) { calls <- heard{changed: id} }, func(at time.Time) { calls <- heard{beat: at} })
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
	if first := <-calls; first != (heard{}) {
		t.Fatalf("after the connection: %v", first)
	}
	return calls
}

// TestABeatComesAfterEarlierChanges is what lets a cache trust its entries.
func TestABeatComesAfterEarlierChanges(t *testing.T) {
	t.Parallel()
	s, db := open(t)
	calls := listen(t, s)
	other := store.New(db) // of another process
	for i := range 20 {
		of := tenant.New()
		write(t, other, of, func(tx *store.Tx, _ store.Root) error {
			other.Changed(tx, func(tenant.ID) {})
			return nil
		})
		if err := other.Beat(t.Context(), now); err != nil {
			t.Fatal(err)
		}
		at := now.Add(time.Duration(i) * time.Second)
		if err := s.Beat(t.Context(), at); err != nil {
			t.Fatal(err)
		}
		if got := <-calls; got.changed != of {
			t.Errorf("first %v", got)
		}
		if got := <-calls; !got.beat.Equal(at) {
			t.Errorf("then %v, want the beat of %v", got, at)
		}
	}
}

func TestAChangeThatIsUndoneIsNotTold(t *testing.T) {
	t.Parallel()
	s, _ := open(t)
	calls := listen(t, s)
	undone := errors.New("undone")
	err := s.Write(t.Context(), tenant.New(), func(tx *store.Tx) error {
		s.Changed(tx, func(tenant.ID) { t.Error("told here") })
		if err := tx.Flush(); err != nil {
			return err
		}
		return undone
	})
	if !errors.Is(err, undone) {
		t.Fatal(err)
	}
	if err := s.Beat(t.Context(), now); err != nil {
		t.Fatal(err)
	}
	if got := <-calls; !got.beat.Equal(now) {
		t.Errorf("heard %v", got)
	}
}
