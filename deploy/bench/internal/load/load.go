package load

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Op performs one call. n is unique over all workers of a run.
type Op func(ctx context.Context, n int64) error

// Result of one run.
type Result struct {
	Rate     float64 // successful calls per second
	P50, P99 time.Duration
	Calls    int
}

// Run performs op with c workers for the given time. The first error ends the
// run: a bench of failing calls measures nothing.
func Run(ctx context.Context, c int, d time.Duration, sequence *atomic.Int64, op Op) (Result, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	took := make([][]time.Duration, c)
	start := time.Now()
	for w := range c {
		wg.Go(func() {
			for ctx.Err() == nil && time.Since(start) < d {
				began := time.Now()
				if err := op(ctx, sequence.Add(1)); err != nil {
					if ctx.Err() == nil {
						cancel(err)
					}
					return
				}
				took[w] = append(took[w], time.Since(began))
			}
		})
	}
	wg.Wait()
	elapsed := time.Since(start)
	if err := context.Cause(ctx); err != nil {
		return Result{}, err
	}
	all := slices.Concat(took...)
	if len(all) == 0 {
		return Result{}, fmt.Errorf("no call finished within %s", d)
	}
	slices.Sort(all)
	return Result{
		Rate:  float64(len(all)) / elapsed.Seconds(),
		P50:   all[len(all)/2],
		P99:   all[len(all)*99/100],
		Calls: len(all),
	}, nil
}
