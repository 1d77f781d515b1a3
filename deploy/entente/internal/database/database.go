package database

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"

	"entente.dev/servicekit/pg/cluster"
	"github.com/jackc/pgx/v5"
)

// name of the database on a private server.
const name = "entente"

// Schemas of the services, in the order in which they are made.
var Schemas = []string{"directory", "invitation", "policy", "sync"}

// Config says where the database comes from.
type Config struct {
	// DSN names a database of a running server, with a role that may create
	// roles and schemas there; empty runs a private server in Dir.
	DSN string
	// Dir is the folder of the private server.
	Dir string
	// Binaries is the folder of initdb and postgres; empty searches.
	Binaries string
	// Key decides the passwords of the roles.
	Key []byte
	// InstallationFile remembers whose database this is.
	InstallationFile string
	// Say prints a line: what is installed on the machine.
	Say func(format string, args ...any)
}

// Database is a ready database.
type Database struct {
	private  *cluster.Cluster // nil with a DSN
	adminDSN string
	services map[string]cluster.Service
	id       string
}

// Open starts or reaches the server and makes what is missing. Stop must be
// called when it succeeded.
func Open(ctx context.Context, cfg Config) (*Database, error) {
	d := &Database{services: make(map[string]cluster.Service, len(Schemas)), adminDSN: cfg.DSN}
	if cfg.DSN == "" {
		private, err := startPrivate(ctx, cfg)
		if err != nil {
			return nil, err
		}
		d.private = private
		d.adminDSN = private.AdminDSN(name)
		if err := private.EnsureDatabase(ctx, name); err != nil {
			return nil, errors.Join(fmt.Errorf("make database: %w", err), d.Stop())
		}
	}
	if err := d.provide(ctx, cfg); err != nil {
		return nil, errors.Join(err, d.Stop())
	}
	return d, nil
}

// provide claims the database for this installation, then makes roles and
// schemas, all at once: each waits mostly for the server.
func (d *Database) provide(ctx context.Context, cfg Config) error {
	conn, err := pgx.Connect(ctx, d.adminDSN)
	if err != nil {
		return fmt.Errorf("reach the database: %w", err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	id, prefix, err := claim(ctx, conn, cfg.InstallationFile)
	if err != nil {
		return err
	}
	d.id = id
	var (
		wait sync.WaitGroup
		mu   sync.Mutex
		errs []error
	)
	for _, schema := range Schemas {
		wait.Go(func() {
			s, err := cluster.ProvideAs(ctx, d.adminDSN, prefix, schema, cfg.Key)
			mu.Lock()
			defer mu.Unlock()
			d.services[schema] = s
			errs = append(errs, err)
		})
	}
	wait.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	return markRoles(ctx, conn, prefix, id)
}

// Service is how the service with this schema logs in.
func (d *Database) Service(schema string) cluster.Service { return d.services[schema] }

// PID is the process of the private server, 0 with a given one.
func (d *Database) PID() int {
	if d.private == nil {
		return 0
	}
	return d.private.PID()
}

// Exited is closed when a private server ended by itself; nil with a given one.
func (d *Database) Exited() <-chan struct{} {
	if d.private == nil {
		return nil
	}
	return d.private.Exited()
}

// Stop ends a private server and waits for it; a given one goes on.
func (d *Database) Stop() error {
	if d.private == nil {
		return nil
	}
	if err := d.private.Stop(); err != nil {
		return fmt.Errorf("stop database: %w", err)
	}
	return nil
}

func startPrivate(ctx context.Context, cfg Config) (*cluster.Cluster, error) {
	private := cluster.Config{Dir: cfg.Dir, Binaries: cfg.Binaries}
	c, err := cluster.Start(ctx, private)
	if !errors.Is(err, cluster.ErrNoBinaries) || cfg.Binaries != "" || !mayInstall() {
		return c, err
	}
	if err := install(ctx, cfg.Say); err != nil {
		return nil, err
	}
	return cluster.Start(ctx, private)
}

// mayInstall says whether the server's programs can be had without asking:
// on Debian and its relatives, as root.
func mayInstall() bool {
	_, err := exec.LookPath("apt-get")
	return err == nil && os.Geteuid() == 0
}

func install(ctx context.Context, say func(string, ...any)) error {
	for _, args := range [][]string{{"update"}, {"install", "--yes", "--no-install-recommends", "postgresql"}} {
		say("  PostgreSQL is missing: apt-get %s", strings.Join(args, " "))
		cmd := exec.CommandContext(ctx, "apt-get", args...)
		// RUNLEVEL keeps the package from starting a server of its own where
		// init scripts decide by it.
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive", "RUNLEVEL=1")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("install PostgreSQL: apt-get %s: %w\n%s", args[0], err, out[max(0, len(out)-2000):])
		}
	}
	return nil
}
