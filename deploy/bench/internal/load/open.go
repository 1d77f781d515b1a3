package load

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// Open performs op at a fixed rate per second for the given time. A call's
// time counts from the moment at which it should have begun: when the suite
// stalls, the calls that then come late show it, instead of not being made.
func Open(ctx context.Context, rate int, d time.Duration, sequence *atomic.Int64, op Op) (Result, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	interval := time.Second / time.Duration(rate)
	calls := max(1, int(d/interval))
	took := make([]time.Duration, calls)
	// Runtime timers are exact to a millisecond when the process is idle, which
	// is as long as a call may take.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var wg sync.WaitGroup
	start := time.Now()
	for i := range calls {
		intended := start.Add(time.Duration(i) * interval)
		pause(time.Until(intended))
		if ctx.Err() != nil {
			break
		}
		n := sequence.Add(1)
		wg.Go(func() {
			if err := op(ctx, n); err != nil && ctx.Err() == nil {
				cancel(err)
			}
			took[i] = time.Since(intended)
		})
	}
	wg.Wait()
	elapsed := time.Since(start)
	if err := context.Cause(ctx); err != nil {
		return Result{}, err
	}
	return result(took, elapsed)
}
