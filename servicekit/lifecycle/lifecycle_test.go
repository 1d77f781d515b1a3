package lifecycle_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"entente.dev/servicekit/lifecycle"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestPartsEndInReverseOrder(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var order []string
	ctx, cancel := context.WithCancel(t.Context())
	var up sync.WaitGroup
	up.Add(3)
	go func() { up.Wait(); cancel() }()
	part := func(name string) lifecycle.Part {
		return lifecycle.Part{Name: name, Run: func(ctx context.Context) error {
			up.Done()
			<-ctx.Done()
			mu.Lock()
			defer mu.Unlock()
			order = append(order, name)
			return ctx.Err()
		}}
	}
	if err := lifecycle.Run(ctx, part("db"), part("server"), part("listener")); err != nil {
		t.Error(err)
	}
	if want := []string{"listener", "server", "db"}; !slices.Equal(order, want) {
		t.Errorf("ended as %v", order)
	}
}

func TestAFailingPartEndsTheOthers(t *testing.T) {
	t.Parallel()
	boom := errors.New("boom")
	err := lifecycle.Run(t.Context(),
		lifecycle.Part{Name: "waits", Run: func(ctx context.Context) error { <-ctx.Done(); return nil }},
		lifecycle.Part{Name: "fails", Run: func(context.Context) error { return boom }})
	if !errors.Is(err, boom) {
		t.Errorf("Run: %v", err)
	}
	err = lifecycle.Run(t.Context(), lifecycle.Part{Name: "early", Run: func(context.Context) error { return nil }})
	if err == nil {
		t.Error("a part that ended by itself went unnoticed")
	}
}

// Not parallel: the signal goes to the whole test process.
func TestSignalEndsAll(t *testing.T) {
	err := lifecycle.Run(t.Context(), lifecycle.Part{Name: "waits", Run: func(ctx context.Context) error {
		if err := syscall.Kill(syscall.Getpid(), syscall.SIGTERM); err != nil {
			return err
		}
		<-ctx.Done()
		return ctx.Err()
	}})
	if err != nil {
		t.Error(err)
	}
}

func TestLoopGoesOnAfterFailures(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	var log bytes.Buffer
	n := 0
	err := lifecycle.Loop(ctx, slog.New(slog.NewTextHandler(&log, nil)), "count", time.Millisecond, time.Millisecond, func(context.Context) error {
		if n++; n == 3 {
			cancel()
		}
		return errors.New("again")
	})
	if !errors.Is(err, context.Canceled) || n != 3 || bytes.Count(log.Bytes(), []byte("\n")) != 2 {
		t.Errorf("%v after %d calls, log:\n%s", err, n, log.String())
	}
}
