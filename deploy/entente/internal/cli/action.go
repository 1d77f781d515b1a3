package cli

import (
	"context"
	"flag"
	"fmt"
	"io"
	"strings"

	"entente.dev/deploy/entente/internal/graph"
)

// action is one thing that a short form does.
type action struct {
	// usage is its word and what it takes, as in "get <user>".
	usage    string
	synopsis string
	run      func(ctx context.Context, args []string, s Streams) error
}

// runActions makes the command that picks one of the actions by its word.
func runActions(noun string, actions []action) func(context.Context, []string, Streams) error {
	return func(ctx context.Context, args []string, s Streams) error {
		if len(args) == 0 {
			printActions(s.Err, noun, actions)
			return usagef("name an action")
		}
		switch args[0] {
		case "help", "-h", "-help", "--help":
			printActions(s.Out, noun, actions)
			return nil
		}
		for _, a := range actions {
			if word, _, _ := strings.Cut(a.usage, " "); word == args[0] {
				return a.run(ctx, args[1:], s)
			}
		}
		return usagef("there is no action %q; `entente %s help` lists them", args[0], noun)
	}
}

func printActions(w io.Writer, noun string, actions []action) {
	width := 0
	for _, a := range actions {
		width = max(width, len(a.usage))
	}
	fmt.Fprintf(w, "usage: entente %s <action> [options]\n\n", noun)
	for _, a := range actions {
		fmt.Fprintf(w, "  %-*s  %s\n", width, a.usage, a.synopsis)
	}
	fmt.Fprintf(w, "\n`entente %s <action> -h` tells an action's options.\n", noun)
}

// form is one short form as it was called.
type form struct {
	fs *flag.FlagSet
	at directory
	s  Streams
	// client is there after open.
	client *graph.Client
}

// newForm begins the action called name, such as "users get"; options are
// added to fs before open.
func newForm(name string, s Streams) *form {
	f := &form{fs: flag.NewFlagSet(name, flag.ContinueOnError), s: s}
	f.at.flags(f.fs)
	return f
}

// open reads the arguments and answers the positional ones.
func (f *form) open(args []string, positional ...string) ([]string, error) {
	values, err := parse(f.fs, args, f.s, positional...)
	if err != nil {
		return nil, err
	}
	f.client, err = f.at.client()
	return values, err
}

// say prints one line of result.
func (f *form) say(format string, args ...any) error {
	_, err := fmt.Fprintf(f.s.Out, format+"\n", args...)
	return err
}

// setting collects the values of an option that may be repeated.
type setting []string

func (v *setting) String() string { return strings.Join(*v, " ") }

// Set takes one more name=value.
func (v *setting) Set(text string) error {
	if name, _, ok := strings.Cut(text, "="); !ok || name == "" {
		return fmt.Errorf("%q is not of the form name=value", text)
	}
	*v = append(*v, text)
	return nil
}
