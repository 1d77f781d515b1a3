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
	"sync/atomic"
	"time"

	"entente.dev/deploy/bench/internal/floor"
	"entente.dev/deploy/bench/internal/load"
	"entente.dev/deploy/bench/internal/suite"
	"entente.dev/servicekit/pg/cluster"
)

// options of one bench.
type options struct {
	binary, only string
	rounds       int
	length       time.Duration
	clients      []int
	syncUsers    int
}

func main() {
	var o options
	var clients string
	flag.StringVar(&o.binary, "entente", "bin/entente", "program to measure")
	flag.StringVar(&o.only, "only", "", "measure only operations whose name contains this")
	flag.IntVar(&o.rounds, "rounds", 3, "turns of suite and floor per line")
	flag.DurationVar(&o.length, "length", 3*time.Second, "length of one turn")
	flag.StringVar(&clients, "clients", "1,8,32", "concurrencies")
	flag.IntVar(&o.syncUsers, "sync-users", 10_000, "users of the synchronization run; 0 leaves it out")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	for c := range strings.SplitSeq(clients, ",") {
		n, err := strconv.Atoi(c)
		if err != nil {
			fmt.Fprintln(os.Stderr, "bench: -clients takes numbers and commas:", err)
			os.Exit(2)
		}
		o.clients = append(o.clients, n)
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
	idle, err := s.Memory()
	if err != nil {
		return err
	}
	fmt.Printf("The suite with its demo was ready after %s; resident memory %d MiB.\n\n", time.Since(began).Round(time.Millisecond), idle)
	f, err := newFixture(ctx, s, strconv.FormatInt(began.Unix(), 36))
	if err != nil {
		return err
	}
	rows, err := measure(ctx, o, f, bottom)
	if err != nil {
		return err
	}
	write(os.Stdout, rows)
	if o.syncUsers > 0 && strings.Contains("synchronization", o.only) {
		if err := measureSync(ctx, f, o.syncUsers); err != nil {
			return err
		}
	}
	peak, err := s.PeakMemory()
	if err != nil {
		return err
	}
	fmt.Printf("\nPeak resident memory of the suite: %d MiB.\n", peak)
	return nil
}

// measure runs suite and floor in turns, so that a busy moment of the machine
// falls on both.
func measure(ctx context.Context, o options, f *fixture, bottom *floor.Bench) ([]row, error) {
	operations, err := f.operations(ctx)
	if err != nil {
		return nil, err
	}
	var sequence atomic.Int64
	var rows []row
	for _, op := range operations {
		if !strings.Contains(op.name, o.only) {
			continue
		}
		for _, c := range o.clients {
			r := row{operation: op.name, target: op.target, concurrency: c}
			for range o.rounds {
				result, err := load.Run(ctx, c, o.length, &sequence, op.op)
				if err != nil {
					return nil, fmt.Errorf("%s with %d clients: %w", op.name, c, err)
				}
				r.rates = append(r.rates, result.Rate)
				r.p50 = append(r.p50, result.P50)
				r.p99 = append(r.p99, result.P99)
				if op.floor == "" {
					continue
				}
				rate, err := bottom.Run(ctx, op.floor, c, o.length)
				if err != nil {
					return nil, err
				}
				r.floors = append(r.floors, rate)
			}
			rows = append(rows, r)
			fmt.Fprintf(os.Stderr, "%s, %d clients: %.0f/s\n", op.name, c, median(r.rates))
		}
	}
	return rows, nil
}
