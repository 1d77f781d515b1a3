package lifecycle

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"time"
)

// maxBackoff bounds the pause after repeated failures, as a multiple of the
// rhythm and in total.
const maxBackoff = 5 * time.Minute

// Loop calls fn at once and then every so often until ctx ends, whose error
// it answers. Each pause is lengthened by up to jitter; while fn fails the
// pauses double, up to five minutes. Failures are logged, never returned. A
// call that is over late moves the next one; calls do not overlap.
func Loop(ctx context.Context, log *slog.Logger, name string, every, jitter time.Duration, fn func(context.Context) error) error {
	pause := every
	for {
		err := fn(ctx)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err == nil:
			pause = every
		default:
			if !errors.Is(err, context.Canceled) {
				log.WarnContext(ctx, "background work failed", "work", name, "error", err)
			}
			pause = min(2*max(pause, 10*time.Millisecond), max(maxBackoff, every))
		}
		wait := pause
		if jitter > 0 {
			wait += time.Duration(rand.Int64N(int64(jitter)))
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-timer.C:
		}
	}
}
