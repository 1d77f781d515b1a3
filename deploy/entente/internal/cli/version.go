package cli

import (
	"context"
	"flag"
	"fmt"
	"runtime"
	"runtime/debug"
)

// revision is the commit the program was built from, set by the linker.
var revision string

func runVersion(_ context.Context, args []string, s Streams) error {
	fs := flag.NewFlagSet("version", flag.ContinueOnError)
	if _, err := parse(fs, args, s); err != nil {
		return err
	}
	built := revision
	if info, ok := debug.ReadBuildInfo(); ok && built == "" {
		for _, setting := range info.Settings {
			if setting.Key == "vcs.revision" {
				built = setting.Value
			}
		}
	}
	if built == "" {
		built = "(unknown revision)"
	}
	fmt.Fprintf(s.Out, "entente %s %s %s/%s\n", built, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return nil
}
