package pg_test

import (
	"context"
	"fmt"
	"testing"

	"entente.dev/servicekit/pg/pgtest"
	"gorm.io/gorm"
)

type gormDB = gorm.DB

func TestNotifyReachesListeners(t *testing.T) {
	t.Parallel()
	db := pgtest.Open(t, "sample", source)
	ctx, cancel := context.WithCancel(t.Context())
	got := make(chan string, 1000)
	done := make(chan error, 1)
	go func() { done <- db.Listen(ctx, "feed", func(p string) { got <- p }) }()
	if p := <-got; p != "" {
		t.Fatalf("first call: %q", p)
	}
	const n = 100
	for range 3 { // repeated payloads within the gap are sent once
		for i := range n {
			db.Notify("feed", fmt.Sprint(i))
		}
	}
	seen := make(map[string]int)
	for len(seen) < n {
		seen[<-got]++
	}
	cancel()
	if err := <-done; err != context.Canceled {
		t.Errorf("Listen ended with %v", err)
	}
}
