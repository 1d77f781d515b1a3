package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"os/signal"
	"syscall"
)

// Part is one piece of a process.
type Part struct {
	// Name is for errors.
	Name string
	// Run works until its context ends and then returns nil or the context's
	// error. Returning earlier, with an error or without, ends the process.
	Run func(ctx context.Context) error
}

// Run is Group for a whole process: SIGINT and SIGTERM end it as well. A
// second signal kills the process.
func Run(ctx context.Context, parts ...Part) error {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // from then on a signal has its usual effect
	return Group(ctx, parts...)
}

// Group runs all parts until ctx ends or one of them returns. Parts end one
// after the other, the last first, so a part may rely on those before it to
// the end. It answers the first error that was not the end of a context.
// Signals are the business of the process, not of a group in it.
func Group(ctx context.Context, parts ...Part) error {
	type running struct {
		cancel context.CancelFunc
		done   chan error
	}
	ended := make(chan struct{}, len(parts))
	started := make([]running, len(parts))
	for i, p := range parts {
		// Values but not the end of ctx: each part ends when its turn comes.
		own, cancel := context.WithCancel(context.WithoutCancel(ctx))
		started[i] = running{cancel, make(chan error, 1)}
		go func() {
			err := p.Run(own)
			if err != nil && own.Err() == nil || err != nil && !errors.Is(err, own.Err()) {
				err = fmt.Errorf("%s: %w", p.Name, err)
			} else if own.Err() == nil {
				err = fmt.Errorf("%s ended", p.Name)
			} else {
				err = nil
			}
			started[i].done <- err
			ended <- struct{}{}
		}()
	}
	select {
	case <-ctx.Done():
	case <-ended:
	}
	var first error
	for i := len(started) - 1; i >= 0; i-- {
		started[i].cancel()
		if err := <-started[i].done; err != nil && first == nil {
			first = err
		}
	}
	return first
}
