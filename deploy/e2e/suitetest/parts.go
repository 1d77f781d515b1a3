package suitetest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"entente.dev/servicekit/pg/cluster"
)

// PartNames are the programs of the suite, in the order in which they start.
var PartNames = []string{"directory-svc", "policy-svc", "invitation-svc", "sync-svc", "gateway"}

// buildParts compiles the five programs once.
var buildParts = sync.OnceValues(func() (string, error) {
	dir, err := scratch("entente-e2e-parts-")
	if err != nil {
		return "", err
	}
	for _, name := range PartNames {
		cmd := exec.Command("go", "build", "-o", filepath.Join(dir, name), ".")
		cmd.Dir = filepath.Join("..", "..", name)
		if out, err := cmd.CombinedOutput(); err != nil {
			return "", fmt.Errorf("go build in %s: %w\n%s", cmd.Dir, err, out)
		}
	}
	return dir, nil
})

// Parts is the suite as five processes with a database of their own. An
// `entente up` beside them lends its authority, its keys and its mail catcher.
type Parts struct {
	// Suite is how they are reached.
	Suite *Suite

	t         testing.TB
	programs  string
	folder    string // of keys and certificates
	settings  map[string][]string
	addresses map[string]string
	mu        sync.Mutex
	running   map[string]*part
}

type part struct {
	cmd  *exec.Cmd
	done chan struct{}
	log  bytes.Buffer // read only after done
}

// StartParts migrates and starts the five programs; they end with the test.
func StartParts(t testing.TB) *Parts {
	t.Helper()
	programs, err := buildParts()
	if err != nil {
		t.Fatal(err)
	}
	dir, remove, err := DataDir()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(remove)
	lender, err := Start(context.Background(), dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := lender.Interrupt(); err != nil {
			t.Errorf("stop: %v", err)
		}
	})
	lent, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	p := &Parts{t: t, programs: programs, folder: dir, addresses: map[string]string{}, running: map[string]*part{}}
	p.pickAddresses()
	origin := "https://" + p.addresses["https"]
	p.configure(origin, p.logins(filepath.Join(filepath.Dir(dir), "postgres")))
	for _, name := range PartNames {
		if name != "gateway" {
			if out, err := p.command(name, "migrate").CombinedOutput(); err != nil {
				t.Fatalf("%s migrate: %v\n%s", name, err, out)
			}
		}
	}
	t.Cleanup(p.stop)
	for _, name := range PartNames {
		p.Serve(name)
	}
	p.Suite = lent
	lent.GraphURL, lent.LoginURL, lent.HTTPURL = origin, origin, ""
	lent.GRPC = map[string]string{}
	for _, name := range PartNames {
		if short, ok := strings.CutSuffix(name, "-svc"); ok {
			lent.GRPC[short] = p.addresses[name]
		}
	}
	return p
}

func (p *Parts) pickAddresses() {
	p.t.Helper()
	for _, use := range append([]string{"https"}, PartNames...) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			p.t.Fatal(err)
		}
		defer l.Close() // only when all are picked, so that they differ
		p.addresses[use] = l.Addr().String()
	}
}

// logins starts a server and makes the roles of the services.
func (p *Parts) logins(dir string) map[string]cluster.Service {
	p.t.Helper()
	server, err := cluster.Start(context.Background(), cluster.Config{Dir: dir})
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() {
		if err := server.Stop(); err != nil {
			p.t.Errorf("stop the database: %v", err)
		}
	})
	if err := server.EnsureDatabase(context.Background(), "parts"); err != nil {
		p.t.Fatal(err)
	}
	logins := map[string]cluster.Service{}
	for _, schema := range []string{"directory", "policy", "invitation", "sync"} {
		if logins[schema], err = server.Provide(context.Background(), "parts", schema); err != nil {
			p.t.Fatal(err)
		}
	}
	return logins
}

// configure writes the settings of each program as an operator would.
func (p *Parts) configure(origin string, logins map[string]cluster.Service) {
	p.t.Helper()
	var ports map[string]string
	text, err := os.ReadFile(filepath.Join(p.folder, "ports.json"))
	if err == nil {
		err = json.Unmarshal(text, &ports)
	}
	if err != nil {
		p.t.Fatalf("ports of the mail catcher: %v", err)
	}
	key := func(name string) string { return filepath.Join(p.folder, "keys", name) }
	common := []string{"LOGIN_ORIGIN=" + origin, "AUDIENCES=" + origin, "PAGE_KEY_FILE=" + key("page.key"), "MASTER_KEY_FILE=" + key("master.key"),
		"DIRECTORY=" + p.addresses["directory-svc"], "POLICY=" + p.addresses["policy-svc"]}
	only := func(names ...string) (some []string) {
		for _, s := range common {
			for _, n := range names {
				if strings.HasPrefix(s, n+"=") {
					some = append(some, s)
				}
			}
		}
		return some
	}
	p.settings = map[string][]string{
		"directory-svc": append(only("LOGIN_ORIGIN", "MASTER_KEY_FILE", "POLICY"), "ORIGINS="+origin, "DOMAIN_SUFFIX=example", "OPERATOR_KEY_FILE="+key("operator.pem")),
		"policy-svc":    only("LOGIN_ORIGIN", "AUDIENCES", "PAGE_KEY_FILE", "DIRECTORY"),
		"invitation-svc": append(only("LOGIN_ORIGIN", "AUDIENCES", "DIRECTORY", "POLICY"), "KEY_FILE="+key("invitation.key"),
			"MAIL_FROM=invitations@entente.example", "SMTP_HOST=127.0.0.1", "SMTP_PORT="+ports["smtp"], "SMTP_TLS=none", "SMTP_HELLO=localhost"),
		"sync-svc": append(only("LOGIN_ORIGIN", "AUDIENCES", "DIRECTORY", "POLICY", "MASTER_KEY_FILE", "PAGE_KEY_FILE"), "LEASE_LIFE=5s"),
		"gateway": append(only("LOGIN_ORIGIN", "PAGE_KEY_FILE"), "ORIGINS="+origin, "HTTPS_LISTEN="+p.addresses["https"],
			"HTTPS_CERT="+p.certificate("web.pem"), "HTTPS_KEY="+p.certificate("web-key.pem"), "TENANT_RATE=0", "APPLICATION_RATE=0", "ADDRESS_RATE=0", "SIGN_IN_RATE=0",
			"DIRECTORY_ADDR="+p.addresses["directory-svc"], "INVITATION_ADDR="+p.addresses["invitation-svc"],
			"POLICY_ADDR="+p.addresses["policy-svc"], "SYNC_ADDR="+p.addresses["sync-svc"]),
	}
	for _, name := range PartNames {
		p.settings[name] = append(p.settings[name], "LISTEN="+p.addresses[name], "LOG_LEVEL=warn", "TLS_CERT="+p.certificate(name+".pem"),
			"TLS_KEY="+p.certificate(name+"-key.pem"), "TLS_CA="+p.certificate("ca.pem"))
		if login, ok := logins[strings.TrimSuffix(name, "-svc")]; ok {
			p.settings[name] = append(p.settings[name], "DSN="+login.DSN, "OWNER_DSN="+login.OwnerDSN)
		}
	}
}

func (p *Parts) certificate(name string) string {
	return filepath.Join(p.folder, "certificates", name)
}

func (p *Parts) command(name, verb string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(p.programs, name), verb)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
	for _, s := range p.settings[name] {
		cmd.Env = append(cmd.Env, "ENTENTE_"+s)
	}
	return cmd
}

// Serve starts a program that is not running and waits until it listens.
func (p *Parts) Serve(name string) {
	p.t.Helper()
	running := &part{cmd: p.command(name, "serve"), done: make(chan struct{})}
	running.cmd.Stdout, running.cmd.Stderr = &running.log, &running.log
	if err := running.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	go func() {
		defer close(running.done)
		_ = running.cmd.Wait()
	}()
	p.mu.Lock()
	p.running[name] = running
	p.mu.Unlock()
	address := p.addresses[name]
	if name == "gateway" {
		address = p.addresses["https"]
	}
	Eventually(p.t, 20*time.Second, name+" listens", func() bool {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	})
}

// Kill ends a program with SIGKILL and waits for it.
func (p *Parts) Kill(name string) {
	p.mu.Lock()
	running := p.running[name]
	delete(p.running, name)
	p.mu.Unlock()
	_ = running.cmd.Process.Kill()
	<-running.done
}

// stop ends the programs as an operator does.
func (p *Parts) stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, running := range p.running {
		_ = running.cmd.Process.Signal(syscall.SIGTERM)
	}
	for name, running := range p.running {
		<-running.done
		if !running.cmd.ProcessState.Success() {
			p.t.Errorf("%s ended with %s\n%s", name, running.cmd.ProcessState, tail(running.log.String(), 4000))
		} else if p.t.Failed() {
			p.t.Logf("log of %s:\n%s", name, tail(running.log.String(), 4000))
		}
	}
}

func tail(text string, n int) string { return text[max(0, len(text)-n):] }
