package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"

	"entente.dev/servicekit/pg/cluster"
)

// Exit statuses.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
	exitConfig = 78 // EX_CONFIG of sysexits.h
)

// Streams are where a command reads and prints: results on Out, all else on Err.
type Streams struct {
	In       io.Reader
	Out, Err *os.File
}

// command is one word of the command line and what it does.
type command struct {
	name     string
	synopsis string
	run      func(ctx context.Context, args []string, s Streams) error
}

func commands() []command {
	return []command{
		{"up", "start the whole suite and serve until Ctrl-C", runUp},
		{"tenant", "create, list, show, suspend, activate, delete or restore tenants; make their administrator applications", runTenant},
		{"users", "list, show, create, change, delete and restore the users of a tenant", runActions("users", userActions)},
		{"groups", "the same for groups, and their members and owners", runActions("groups", groupActions)},
		{"domains", "add, prove and remove domains", runActions("domains", domainActions)},
		{"roles", "say who administers what", runActions("roles", roleActions)},
		{"bulk", "create, invite, delete, restore and export users, and change members, by CSV", runActions("bulk", bulkActions)},
		{"graph", "send any request to a tenant's directory, over REST", runGraph},
		{"token", "print an operator token for /admin/v1", runToken},
		{"version", "print what this program was built from", runVersion},
	}
}

// usageError is a mistake in how the program was called.
type usageError struct{ message string }

func (e *usageError) Error() string { return e.message }

func usagef(format string, args ...any) error {
	return &usageError{fmt.Sprintf(format, args...)}
}

// Run carries out the command in args (without the program's name) and answers
// the exit status.
func Run(ctx context.Context, args []string, s Streams) int {
	err := dispatch(ctx, args, s)
	var usage *usageError
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, flag.ErrHelp):
		return exitOK
	case errors.As(err, &usage):
		fmt.Fprintf(s.Err, "entente: %s\n", usage.message)
		return exitUsage
	case errors.Is(err, cluster.ErrNoBinaries):
		fmt.Fprintf(s.Err, "entente: %v\n", err)
		return exitConfig
	}
	fmt.Fprintf(s.Err, "entente: %v\n", err)
	return exitFailed
}

func dispatch(ctx context.Context, args []string, s Streams) error {
	if len(args) == 0 {
		printUsage(s.Err)
		return usagef("name a command")
	}
	switch args[0] {
	case "help", "-h", "-help", "--help":
		printUsage(s.Out)
		return nil
	}
	for _, c := range commands() {
		if c.name == args[0] {
			return c.run(ctx, args[1:], s)
		}
	}
	return usagef("there is no command %q; `entente help` lists them", args[0])
}

func printUsage(w io.Writer) {
	fmt.Fprint(w, "Entente: a directory, invitations, access policy and synchronization between tenants.\n\nCommands:\n")
	for _, c := range commands() {
		fmt.Fprintf(w, "  %-8s %s\n", c.name, c.synopsis)
	}
	fmt.Fprint(w, "\n`entente <command> -h` tells a command's options.\n")
}

// parse reads the options of a command and refuses other arguments than the
// named positional ones, of which it answers the values.
func parse(fs *flag.FlagSet, args []string, s Streams, positional ...string) ([]string, error) {
	fs.SetOutput(s.Err)
	fs.Usage = func() {
		line := "entente " + fs.Name()
		for _, p := range positional {
			line += " <" + p + ">"
		}
		fmt.Fprintf(s.Err, "usage: %s [options]\n", line)
		fs.PrintDefaults()
	}
	var values []string
	for {
		if err := fs.Parse(args); err != nil {
			if errors.Is(err, flag.ErrHelp) {
				return nil, err
			}
			return nil, &usageError{err.Error()}
		}
		if fs.NArg() == 0 {
			break
		}
		// Options may follow an argument, as people write them.
		values, args = append(values, fs.Arg(0)), fs.Args()[1:]
	}
	if len(values) != len(positional) {
		if len(positional) == 0 {
			return nil, usagef("%s takes no argument, got %s", fs.Name(), strings.Join(values, " "))
		}
		return nil, usagef("%s needs exactly: %s", fs.Name(), strings.Join(positional, " "))
	}
	return values, nil
}
