package process

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
)

// Exit codes of the suite's programs.
const (
	exitFailure = 1
	exitUsage   = 64
)

// Command is a subcommand; args are what follows its name.
type Command func(ctx context.Context, args []string) error

// Main runs the subcommand that the command line names and ends the process
// with its outcome: 0, 64 for wrong usage, 1 for a failure, which is printed.
func Main(program string, commands map[string]Command) {
	os.Exit(run(program, commands, os.Args[1:]))
}

func run(program string, commands map[string]Command, args []string) int {
	names := make([]string, 0, len(commands))
	for name := range commands {
		names = append(names, name)
	}
	slices.Sort(names)
	if len(args) == 0 || commands[args[0]] == nil {
		fmt.Fprintf(os.Stderr, "usage: %s %s [flags]\n", program, strings.Join(names, "|"))
		return exitUsage
	}
	err := commands[args[0]](context.Background(), args[1:])
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return 0
	default:
		fmt.Fprintf(os.Stderr, "%s %s: %v\n", program, args[0], err)
		return exitFailure
	}
}
