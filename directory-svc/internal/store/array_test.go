package store

import (
	"slices"
	"sync"
	"testing"
)

// TestArraysAreWrittenAtOnce: transactions write and read arrays side by side;
// the race detector sees what they share.
func TestArraysAreWrittenAtOnce(t *testing.T) {
	t.Parallel()
	want := textArray{"a", `b"c`, "d,e", "", "{f}", `g\h`, "NULL"}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			literal, err := want.Value()
			if err != nil {
				t.Error(err)
				return
			}
			var got textArray
			if err := got.Scan(literal); err != nil || !slices.Equal(got, want) {
				t.Errorf("%q, %v", got, err)
			}
		})
	}
	wg.Wait()
	if literal, err := textArray(nil).Value(); literal != nil || err != nil {
		t.Errorf("no list is %v, %v", literal, err)
	}
}
