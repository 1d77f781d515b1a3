package cli

import (
	"context"
	"errors"
	"flag"
	"os"

	"entente.dev/deploy/entente/internal/progress"
	"entente.dev/deploy/entente/internal/suite"
)

func runUp(ctx context.Context, args []string, s Streams) error {
	o, err := suite.ParseOptions(args, os.Environ())
	if errors.Is(err, flag.ErrHelp) {
		return err
	}
	if err != nil {
		return &usageError{err.Error()}
	}
	return suite.Up(ctx, o, progress.New(s.Out, progress.IsTerminal(s.Out)), s.Err)
}
