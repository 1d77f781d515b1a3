// Entente runs the suite in one process (`entente up`) and speaks to one as its
// operator or as the administrator of a tenant. The command line is package cli; `entente help` lists the commands.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"entente.dev/deploy/entente/internal/cli"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	// The first signal ends everything in order; a second one ends the process.
	context.AfterFunc(ctx, stop)
	status := cli.Run(ctx, os.Args[1:], cli.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr})
	stop()
	os.Exit(status)
}
