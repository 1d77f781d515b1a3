package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"entente.dev/deploy/bench/internal/fill"
	"entente.dev/deploy/bench/internal/floor"
	"entente.dev/deploy/bench/internal/suite"
	"entente.dev/servicekit/pg/cluster"
)

// options of one bench.
type options struct {
	binary, only, json string
	rounds             int
	length, patience   time.Duration
	clients            []int
	wait               bool
	// Sizes; 0 leaves the part out.
	scale, members, partners, syncUsers int
}

func main() {
	var o options
	var clients string
	flag.StringVar(&o.binary, "entente", "bin/entente", "program to measure")
	flag.StringVar(&o.only, "only", "", "measure only what has this in its name; beside the operations there are: overhead, arrivals, scale, members, synchronization")
	flag.StringVar(&o.json, "json", "", "file for the value of each round, as JSON; through make give the whole path")
	flag.IntVar(&o.rounds, "rounds", 3, "turns of suite and floor per line; of an even number the mean of the middle two is shown")
	flag.DurationVar(&o.length, "length", 3*time.Second, "length of one turn")
	flag.StringVar(&clients, "clients", "1,8,32", "concurrencies")
	flag.IntVar(&o.scale, "scale", 0, "users of a tenant to compare with one of 1 000, such as 1000000")
	flag.IntVar(&o.members, "members", 100_000, "users of the tenant for groups, changes and membership rules")
	flag.IntVar(&o.partners, "partners", 10_000, "partners of the tenant for policy decisions at a fixed rate")
	flag.IntVar(&o.syncUsers, "sync-users", 10_000, "users of the synchronization run")
	flag.DurationVar(&o.patience, "patience", time.Minute, "how long a membership rule may take before it counts as not served")
	flag.BoolVar(&o.wait, "settle", true, "wait about two minutes for the background work that the demo causes before measuring")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	for c := range strings.SplitSeq(clients, ",") {
		n, err := strconv.Atoi(c)
		if err != nil || n < 1 {
			fmt.Fprintf(os.Stderr, "bench: -clients takes positive numbers and commas, not %q\n", c)
			os.Exit(2)
		}
		o.clients = append(o.clients, n)
	}
	if o.rounds < 1 {
		fmt.Fprintln(os.Stderr, "bench: -rounds must be at least 1")
		os.Exit(2)
	}
	if err := bench(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// bench starts a database and the suite on it, and measures.
func bench(ctx context.Context, o options) (err error) {
	dir, err := os.MkdirTemp("", "entente-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	// Root's database runs under another user, who must reach the folder.
	if err := os.Chmod(dir, 0o755); err != nil {
		return err
	}
	db, err := cluster.Start(ctx, cluster.Config{
		Dir:      filepath.Join(dir, "postgres"),
		Settings: map[string]string{"shared_buffers": "512MB", "max_wal_size": "4GB"},
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Stop()) }()
	if err := db.EnsureDatabase(ctx, "floor"); err != nil {
		return err
	}
	bottom, err := floor.Prepare(ctx, db.AdminDSN("floor"), dir)
	if err != nil {
		return err
	}
	log, err := os.Create(filepath.Join(dir, "suite.log"))
	if err != nil {
		return err
	}
	defer log.Close()
	if err := db.EnsureDatabase(ctx, "entente"); err != nil {
		return err
	}
	began := time.Now()
	s, err := suite.Start(ctx, o.binary, filepath.Join(dir, "data"), db.AdminDSN("entente"), log)
	if err != nil {
		text, _ := os.ReadFile(log.Name())
		return fmt.Errorf("%w\n%s", err, text)
	}
	defer func() { err = errors.Join(err, s.Stop()) }()
	ready := time.Since(began).Seconds()
	idle, err := s.Memory()
	if err != nil {
		return err
	}
	f, err := newFixture(ctx, o, s, fill.DB{DSN: db.AdminDSN("entente")}, strconv.FormatInt(began.Unix(), 36))
	if err != nil {
		return err
	}
	f.fact("suite with its demo, on an empty database: ready after", "s", "", ready)
	f.fact("suite with its demo: resident memory", "MiB", "≤ 200", float64(idle))
	// What was measured before something failed is still worth reading.
	return errors.Join(f.measureAll(ctx, bottom), f.write())
}

// measureAll runs every part that was asked for.
func (f *fixture) measureAll(ctx context.Context, bottom *floor.Bench) error {
	if f.wait {
		if err := f.settle(ctx); err != nil {
			return err
		}
	}
	reads, err := f.reads(ctx)
	if err != nil {
		return err
	}
	for _, part := range []struct {
		name string
		size int
		run  func() error
	}{
		{"", 1, func() error { return f.measure(ctx, bottom, f.pick(reads)) }},
		{"overhead", 1, func() error { return f.measureOverhead(ctx) }},
		{"arrivals", 1, func() error { return f.measureArrivals(ctx) }},
		{"members", f.members, func() error { return f.measureMembers(ctx, bottom) }},
		{"synchronization", f.syncUsers, func() error { return f.measureSync(ctx) }},
		{"scale", f.scale, func() error { return f.measureScale(ctx) }},
		{"", 1, func() error { return f.measure(ctx, bottom, f.pick(f.writes())) }},
	} {
		if part.size == 0 || part.name != "" && !f.wanted(part.name) {
			continue
		}
		if err := part.run(); err != nil {
			return err
		}
	}
	return nil
}

// write prints the tables and, where asked for, the file.
func (f *fixture) write() error {
	if err := f.report.Markdown(os.Stdout); err != nil {
		return err
	}
	if f.json == "" {
		return nil
	}
	file, err := os.Create(f.json)
	if err != nil {
		return err
	}
	return errors.Join(f.report.JSON(file), file.Close())
}
