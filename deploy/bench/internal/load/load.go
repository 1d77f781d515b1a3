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
	Rate           float64 // successful calls per second
	P50, P99, P999 time.Duration
	Calls          int
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
	return result(slices.Concat(took...), elapsed)
}

// Alternate performs a call of each operation in turn, one at a time, for the
// given time, so that whatever else the machine does falls on both.
func Alternate(ctx context.Context, d time.Duration, sequence *atomic.Int64, a, b Op) (Result, Result, error) {
	var took [2][]time.Duration
	for start := time.Now(); time.Since(start) < d; {
		n := sequence.Add(1)
		for i, op := range []Op{a, b} {
			began := time.Now()
			if err := op(ctx, n); err != nil {
				return Result{}, Result{}, err
			}
			took[i] = append(took[i], time.Since(began))
		}
	}
	first, err := result(took[0], total(took[0]))
	if err != nil {
		return Result{}, Result{}, err
	}
	second, err := result(took[1], total(took[1]))
	return first, second, err
}

func total(took []time.Duration) (sum time.Duration) {
	for _, t := range took {
		sum += t
	}
	return sum
}

func result(all []time.Duration, elapsed time.Duration) (Result, error) {
	if len(all) == 0 {
		return Result{}, fmt.Errorf("no call finished within %s", elapsed)
	}
	slices.Sort(all)
	return Result{
		Rate:  float64(len(all)) / elapsed.Seconds(),
		P50:   quantile(all, 500),
		P99:   quantile(all, 990),
		P999:  quantile(all, 999),
		Calls: len(all),
	}, nil
}

// quantile is the value below which so many of a thousand lie.
func quantile(sorted []time.Duration, thousandths int) time.Duration {
	return sorted[len(sorted)*thousandths/1000]
}
