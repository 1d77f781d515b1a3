package cluster

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	superuser     = "entente_admin"
	maxSocketPath = 90 // the system's limit is 104 or 108 bytes
	startLimit    = 60 * time.Second
	stopLimit     = 20 * time.Second
	socketPort    = 5432 // part of the socket's name only
)

// Config says where a private server lives and what it is for.
type Config struct {
	// Dir holds everything: data, socket, log and the administrator's
	// password. It is made if it is missing.
	Dir string
	// Binaries is the directory of initdb and postgres; empty searches.
	Binaries string
	// TCP listens on loopback even where a socket would do.
	TCP bool
	// Disposable trades durability and passwords for speed, for tests.
	Disposable bool
	// Settings are parameters of the server, for instance shared_buffers.
	Settings map[string]string
}

// Cluster is a running private server.
type Cluster struct {
	cfg      Config
	dir      string
	bin      string
	account  *account
	password string
	host     string // socket directory or address
	port     int
	cmd      *exec.Cmd
	exited   chan struct{} // closed when the server has ended
	exitErr  error
	stopOnce sync.Once
}

// Start makes the data directory if there is none, starts the server and
// returns when it accepts connections.
func Start(ctx context.Context, cfg Config) (*Cluster, error) {
	dir, err := filepath.Abs(cfg.Dir)
	if err != nil {
		return nil, err
	}
	c := &Cluster{cfg: cfg, dir: dir, exited: make(chan struct{})}
	if c.bin, err = binaries(cfg.Binaries); err != nil {
		return nil, err
	}
	if c.account, err = serverAccount(); err != nil {
		return nil, err
	}
	for _, d := range []string{dir, c.path("run")} {
		if err := c.account.own(d); err != nil {
			return nil, fmt.Errorf("data folder: %w", err)
		}
	}
	if err := c.account.reachable(dir); err != nil {
		return nil, err
	}
	if _, err := os.Stat(c.path("pgdata", "PG_VERSION")); errors.Is(err, os.ErrNotExist) {
		err = c.initialize(ctx)
		if err != nil {
			return nil, err
		}
	} else if err := checkVersion(ctx, c.bin, c.path("pgdata")); err != nil {
		return nil, err
	}
	secret, err := os.ReadFile(c.path("superuser"))
	if err != nil {
		return nil, fmt.Errorf("read the administrator's password: %w", err)
	}
	c.password = strings.TrimSpace(string(secret))
	if err := c.awaitPredecessor(ctx); err != nil {
		return nil, err
	}
	return c, c.launch(ctx)
}

func (c *Cluster) path(parts ...string) string {
	return filepath.Join(append([]string{c.dir}, parts...)...)
}

// initialize runs initdb beside the final place, so that an interrupted one
// leaves nothing that looks whole.
func (c *Cluster) initialize(ctx context.Context) error {
	if err := os.WriteFile(c.path("superuser"), []byte(randomPassword()+"\n"), 0o600); err != nil {
		return err
	}
	if err := c.account.give(c.path("superuser")); err != nil {
		return err
	}
	fresh := c.path("pgdata.new")
	if err := os.RemoveAll(fresh); err != nil {
		return err
	}
	args := []string{"-D", fresh, "-U", superuser, "-E", "UTF8", "--locale=C.UTF-8", "--pwfile", c.path("superuser")}
	if c.cfg.Disposable {
		args = append(args, "-A", "trust", "--no-sync")
	} else {
		args = append(args, "-A", "scram-sha-256", "--data-checksums")
	}
	cmd := exec.CommandContext(ctx, filepath.Join(c.bin, "initdb"), args...)
	cmd.Dir, cmd.Env, cmd.SysProcAttr = c.dir, c.environ(), c.account.attr()
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w\n%s", err, out)
	}
	return os.Rename(fresh, c.path("pgdata"))
}

// environ leaves out the variables that would steer the server's programs.
func (c *Cluster) environ() []string {
	env := slices.DeleteFunc(os.Environ(), func(v string) bool {
		return strings.HasPrefix(v, "PG") || strings.HasPrefix(v, "ENTENTE_") || strings.HasPrefix(v, "HOME=") || strings.HasPrefix(v, "LC_")
	})
	return append(env, "HOME="+c.dir)
}

// awaitPredecessor waits for a server on the same folder that is about to
// end, as after a kill of its parent.
func (c *Cluster) awaitPredecessor(ctx context.Context) error {
	limit := time.After(stopLimit / 2)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		pid := c.pidFile(0)
		n, err := strconv.Atoi(pid)
		if err != nil || n <= 1 || errors.Is(syscall.Kill(n, 0), syscall.ESRCH) || !isPostgres(n) {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-limit:
			return fmt.Errorf("the data folder %s is in use by the server with process id %d: stop the other instance or choose another folder", c.dir, n)
		case <-tick.C:
		}
	}
}

// isPostgres guards against a process id that was given to another program.
// Where it cannot be told, the server itself decides.
func isPostgres(pid int) bool {
	name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	return err != nil || strings.HasPrefix(string(name), "postgres")
}

func (c *Cluster) launch(ctx context.Context) error {
	args := []string{"-D", c.path("pgdata"), "-c", "unix_socket_permissions=0700", "-c", "max_connections=200",
		// A new installation fills quickly; plans want to know within seconds.
		"-c", "autovacuum_naptime=5s"}
	socket := filepath.Join(c.path("run"), ".s.PGSQL."+strconv.Itoa(socketPort))
	if c.cfg.TCP || len(socket) > maxSocketPath {
		port, err := freePort()
		if err != nil {
			return err
		}
		c.host, c.port = "127.0.0.1", port
		args = append(args, "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=")
	} else {
		c.host, c.port = c.path("run"), socketPort
		args = append(args, "-c", "listen_addresses=", "-c", "unix_socket_directories="+c.host)
	}
	args = append(args, "-c", "port="+strconv.Itoa(c.port))
	if c.cfg.Disposable {
		args = append(args, "-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off", "-c", "autovacuum=off")
	}
	for k, v := range c.cfg.Settings {
		args = append(args, "-c", k+"="+v)
	}
	logFile, err := os.OpenFile(c.path("server.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer logFile.Close()
	c.cmd = exec.Command(filepath.Join(c.bin, "postgres"), args...)
	c.cmd.Dir, c.cmd.Env, c.cmd.Stdout, c.cmd.Stderr = c.dir, c.environ(), logFile, logFile
	c.cmd.SysProcAttr = c.account.attr()
	dieWithParent(c.cmd.SysProcAttr)

	started := make(chan error)
	go func() {
		runtime.LockOSThread() // the death signal follows this thread, which lives as long as the server
		defer runtime.UnlockOSThread()
		err := c.cmd.Start()
		started <- err
		if err == nil {
			c.exitErr = c.cmd.Wait()
			close(c.exited)
		}
	}()
	if err := <-started; err != nil {
		return fmt.Errorf("start postgres: %w", err)
	}
	return c.awaitReady(ctx)
}

// awaitReady reads the pid file instead of trying connections: its eighth
// line says what state the server is in.
func (c *Cluster) awaitReady(ctx context.Context) error {
	limit := time.After(startLimit)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		if c.pidFile(0) == strconv.Itoa(c.cmd.Process.Pid) && c.pidFile(7) == "ready" {
			return nil
		}
		select {
		case <-c.exited:
			return fmt.Errorf("postgres ended while starting: %w\n%s", c.exitErr, c.logTail())
		case <-ctx.Done():
			_ = c.Stop()
			return ctx.Err()
		case <-limit:
			_ = c.Stop()
			return fmt.Errorf("postgres was not ready within %v\n%s", startLimit, c.logTail())
		case <-tick.C:
		}
	}
}

func (c *Cluster) pidFile(line int) string {
	text, err := os.ReadFile(c.path("pgdata", "postmaster.pid"))
	if err != nil {
		return ""
	}
	lines := strings.Split(string(text), "\n")
	if line >= len(lines) {
		return ""
	}
	return strings.TrimSpace(lines[line])
}

func (c *Cluster) logTail() string {
	text, err := os.ReadFile(c.path("server.log"))
	if err != nil {
		return ""
	}
	return string(text[max(0, len(text)-2000):])
}

// Stop ends the server, open sessions included, and waits for it.
func (c *Cluster) Stop() error {
	c.stopOnce.Do(func() { _ = c.cmd.Process.Signal(syscall.SIGINT) })
	select {
	case <-c.exited:
		return nil
	case <-time.After(stopLimit):
	}
	_ = c.cmd.Process.Signal(syscall.SIGQUIT)
	<-c.exited
	return fmt.Errorf("postgres did not stop within %v and was ended at once", stopLimit)
}

// Exited is closed when the server has ended, whoever ended it.
func (c *Cluster) Exited() <-chan struct{} { return c.exited }

// PID is the process id of the server.
func (c *Cluster) PID() int { return c.cmd.Process.Pid }

// Dir is the folder of the cluster.
func (c *Cluster) Dir() string { return c.dir }

// AdminDSN logs in as the administrator of the server, for provisioning.
func (c *Cluster) AdminDSN(database string) string { return c.DSN(database, superuser, c.password) }

// DSN names a database of the server and who logs in.
func (c *Cluster) DSN(database, role, password string) string {
	u := url.URL{Scheme: "postgres", User: url.UserPassword(role, password), Path: "/" + database}
	q := url.Values{"host": {c.host}, "port": {strconv.Itoa(c.port)}, "sslmode": {"disable"}}
	u.RawQuery = q.Encode()
	return u.String()
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}
