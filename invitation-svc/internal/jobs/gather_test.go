package jobs

import (
	"errors"
	"sync"
	"testing"

	"entente.dev/servicekit/tenant"
)

// TestWhoComesMeanwhileSharesTheNextRun and an item that fails is alone with it.
func TestWhoComesMeanwhileSharesTheNextRun(t *testing.T) {
	t.Parallel()
	var g gather[int]
	id, bad := tenant.New(), errors.New("bad")
	began, goOn := make(chan struct{}), make(chan struct{})
	var mu sync.Mutex
	var sizes []int
	run := func(items []int) error {
		if items[0] == 0 {
			close(began)
			<-goOn
		}
		mu.Lock()
		sizes = append(sizes, len(items))
		mu.Unlock()
		for _, i := range items {
			if i == 3 {
				return bad
			}
		}
		return nil
	}
	errs := make([]error, 6)
	var wg sync.WaitGroup
	wg.Go(func() { errs[0] = g.do(id, 0, run) })
	<-began
	if err := g.do(tenant.New(), 9, run); err != nil { // another tenant waits for nobody
		t.Error(err)
	}
	for i := 1; i < 6; i++ {
		wg.Go(func() { errs[i] = g.do(id, i, run) })
	}
	for waiting := 0; waiting < 5; { // the five are in line
		g.mu.Lock()
		waiting = len(g.queues[id])
		g.mu.Unlock()
	}
	close(goOn)
	wg.Wait()
	for i, err := range errs {
		if (i == 3) != errors.Is(err, bad) || i != 3 && err != nil {
			t.Errorf("item %d: %v", i, err)
		}
	}
	if len(sizes) != 8 || sizes[2] != 5 { // the other tenant, the first, all five, each alone
		t.Errorf("runs of %v", sizes)
	}
	if len(g.queues) != 0 {
		t.Error("a line stays open")
	}
}

// TestARunThatPanicsLeavesNobodyWaiting.
func TestARunThatPanicsLeavesNobodyWaiting(t *testing.T) {
	t.Parallel()
	var g gather[int]
	id := tenant.New()
	func() {
		defer func() { _ = recover() }()
		_ = g.do(id, 1, func([]int) error { panic("no") })
	}()
	if err := g.do(id, 2, func([]int) error { return nil }); err != nil {
		t.Error(err)
	}
}
