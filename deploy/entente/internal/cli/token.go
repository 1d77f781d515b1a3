package cli

import (
	"context"
	"flag"
	"fmt"
	"os/user"
	"time"

	"entente.dev/deploy/entente/internal/operator"
)

func runToken(_ context.Context, args []string, s Streams) error {
	var (
		at      installation
		life    time.Duration
		subject string
	)
	fs := flag.NewFlagSet("token", flag.ContinueOnError)
	at.flags(fs)
	fs.DurationVar(&life, "life", time.Hour, "how long the token holds, at most 24h")
	fs.StringVar(&subject, "subject", userName(), "who acts, for the audit")
	if _, err := parse(fs, args, s); err != nil {
		return err
	}
	key, err := at.operatorKey()
	if err != nil {
		return err
	}
	token, err := operator.Token(key, subject, time.Now(), life)
	if err != nil {
		return &usageError{err.Error()}
	}
	fmt.Fprintln(s.Out, token)
	return nil
}

func userName() string {
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return "operator"
}
