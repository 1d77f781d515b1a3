package suitetest

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// startLimit is how long a start may take on a busy machine; the seeding of
// the demo is part of it.
const startLimit = 3 * time.Minute

// ProgramVariable names the variable with a built program to test, instead of
// building one from the sources.
const ProgramVariable = "ENTENTE_E2E_PROGRAM"

// build compiles the program once for all tests of a binary.
var build = sync.OnceValues(func() (string, error) {
	if program := os.Getenv(ProgramVariable); program != "" {
		return program, nil
	}
	dir, err := scratch("entente-e2e-bin-")
	if err != nil {
		return "", err
	}
	program := filepath.Join(dir, "entente")
	cmd := exec.Command("go", "build", "-o", program, ".")
	cmd.Dir = filepath.Join("..", "entente")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build in %s: %w\n%s", cmd.Dir, err, out)
	}
	return program, nil
})

// scratches are folders that live as long as the test binary.
var scratches struct {
	mu   sync.Mutex
	dirs []string
}

// scratch makes a folder that Main removes in the end.
func scratch(name string) (string, error) {
	dir, err := os.MkdirTemp("", name)
	scratches.mu.Lock()
	defer scratches.mu.Unlock()
	scratches.dirs = append(scratches.dirs, dir)
	return dir, err
}

func removeScratches() {
	scratches.mu.Lock()
	defer scratches.mu.Unlock()
	for _, dir := range scratches.dirs {
		_ = os.RemoveAll(dir)
	}
}

// Program is one started `entente up`.
type Program struct {
	// Dir is its data folder.
	Dir string

	cmd  *exec.Cmd
	done chan struct{} // closed when the process has been waited for
	err  error         // of Wait; read after done
	mu   sync.Mutex
	log  bytes.Buffer
}

// Start runs `entente up` on a data folder and returns once it says that it is
// ready. The process outlives ctx; ctx bounds the wait. Sign-ins, which all
// come from one address, are not limited unless args say so.
func Start(ctx context.Context, dir string, args ...string) (*Program, error) {
	p, ready, err := launch(dir, args...)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	select {
	case <-ready:
		return p, nil
	case <-p.done:
		return nil, fmt.Errorf("entente up ended before it was ready: %w\n%s", p.err, p.Log())
	case <-ctx.Done():
		_ = p.Kill()
		return nil, fmt.Errorf("entente up was not ready: %w\n%s", ctx.Err(), p.Log())
	}
}

func launch(dir string, args ...string) (*Program, <-chan struct{}, error) {
	program, err := build()
	if err != nil {
		return nil, nil, err
	}
	p := &Program{Dir: dir, done: make(chan struct{})}
	p.cmd = exec.Command(program, append([]string{"up", "--data-dir", dir, "--listen", "127.0.0.1:0", "--tls-listen", "127.0.0.1:0", "--sign-in-rate", "0"}, args...)...)
	p.cmd.Env = environment()
	// An own group, so that an interrupt meant for the tests does not reach it twice.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, nil, err
	}
	p.cmd.Stderr = writerFunc(p.write)
	if err := p.cmd.Start(); err != nil {
		return nil, nil, err
	}
	ready := make(chan struct{})
	go func() {
		defer close(p.done)
		lines, announced := bufio.NewScanner(out), false
		for lines.Scan() {
			_, _ = p.write([]byte(lines.Text() + "\n"))
			if lines.Text() == "ready" && !announced {
				announced = true
				close(ready)
			}
		}
		_, _ = io.Copy(io.Discard, out) // a line too long for the scanner must not block the program
		p.err = p.cmd.Wait()
	}()
	return p, ready, nil
}

// environment is the environment without the variables of these tests, which
// the program refuses as settings that it does not know.
func environment() []string {
	return slices.DeleteFunc(os.Environ(), func(v string) bool {
		return strings.HasPrefix(v, ProgramVariable+"=") || strings.HasPrefix(v, DataDirVariable+"=")
	})
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

func (p *Program) write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log.Write(b)
}

// Log returns what the program has printed so far.
func (p *Program) Log() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log.String()
}

// Interrupt does what Ctrl-C does and waits for the end. It fails when the
// program ends badly, or leaves a process of its own behind.
func (p *Program) Interrupt() error {
	if err := p.cmd.Process.Signal(os.Interrupt); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-p.done:
	case <-time.After(40 * time.Second):
		_ = p.Kill()
		return fmt.Errorf("entente did not end within 40 s of an interrupt\n%s", p.Log())
	}
	if p.err != nil {
		return fmt.Errorf("entente ended with %w\n%s", p.err, p.Log())
	}
	if left := Processes(p.Dir); len(left) > 0 {
		return fmt.Errorf("processes left behind: %s", strings.Join(left, "; "))
	}
	return nil
}

// Kill ends the program with SIGKILL, as a crash would, and waits for it.
func (p *Program) Kill() error {
	err := p.cmd.Process.Kill()
	<-p.done
	if errors.Is(err, os.ErrProcessDone) {
		return nil
	}
	return err
}

// Ended waits for the program to end by itself and returns how it did; nil
// means with success. It fails, too, when the program does not end.
func (p *Program) Ended(limit time.Duration) error {
	select {
	case <-p.done:
		return p.err
	case <-time.After(limit):
		return nil
	}
}

// Database returns the process of the private server of a data folder, and
// the processes of its sessions.
func Database(t testing.TB, dir string) (server int, sessions []int) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "postgres", "pgdata", "postmaster.pid"))
	if err != nil {
		t.Fatal(err)
	}
	line, _, _ := strings.Cut(string(text), "\n")
	if server, err = strconv.Atoi(line); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir("/proc")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		status, err := os.ReadFile(filepath.Join("/proc", e.Name(), "status"))
		if err != nil || !strings.Contains(string(status), fmt.Sprintf("\nPPid:\t%d\n", server)) {
			continue
		}
		line, err := os.ReadFile(filepath.Join("/proc", e.Name(), "cmdline"))
		if err == nil && strings.HasPrefix(string(line), "postgres: entente_") {
			sessions = append(sessions, pid)
		}
	}
	if len(sessions) == 0 {
		t.Fatalf("the server %d has no sessions", server)
	}
	return server, sessions
}

// KillProcess sends SIGKILL.
func KillProcess(t testing.TB, pid int) {
	t.Helper()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatalf("kill %d: %v", pid, err)
	}
}

// Processes lists the running processes whose command line names the folder.
func Processes(dir string) []string {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	var found []string
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		line, err := os.ReadFile(filepath.Join("/proc", e.Name(), "cmdline"))
		if err == nil && bytes.Contains(line, []byte(dir)) {
			found = append(found, fmt.Sprintf("%d %s", pid, bytes.ReplaceAll(line, []byte{0}, []byte{' '})))
		}
	}
	return found
}

// Command runs another command of the program, such as `tenant create`, and
// returns what it printed to its standard output.
func Command(ctx context.Context, args ...string) (string, error) {
	program, err := build()
	if err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = environment()
	out, err := cmd.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return string(out), fmt.Errorf("entente %s: %w: %s", strings.Join(args, " "), err, exit.Stderr)
	}
	return string(out), err
}
