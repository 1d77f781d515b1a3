package suite

import (
	"bytes"
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"entente.dev/deploy/entente/internal/database"
	"entente.dev/deploy/entente/internal/keys"
	"entente.dev/deploy/entente/internal/operator"
	"entente.dev/deploy/entente/internal/pki"
)

// alone is an installation whose parts are processes of their own.
type alone struct {
	t         *testing.T
	dir       string
	ring      *keys.Ring
	authority *pki.Authority
	database  *database.Database
	addresses map[string]string // of the parts and of https
}

// TestEachPartRunsAlone migrates and serves every part as a program of its
// own, connected by mutual TLS, and creates a tenant through all of them.
func TestEachPartRunsAlone(t *testing.T) {
	t.Parallel()
	a := newAlone(t)
	origin := "https://" + a.addresses["https"]
	common := []string{"ENTENTE_LOGIN_ORIGIN=" + origin}
	directory, policy := "ENTENTE_DIRECTORY="+a.addresses["directory-svc"], "ENTENTE_POLICY="+a.addresses["policy-svc"]
	settings := map[string][]string{
		"directory-svc": append(common, policy, "ENTENTE_ORIGINS="+origin, "ENTENTE_DOMAIN_SUFFIX=example",
			"ENTENTE_MASTER_KEY_FILE="+a.ring.MasterKeyFile(), "ENTENTE_OPERATOR_KEY_FILE="+a.ring.OperatorPublicKeyFile()),
		"policy-svc": append(common, "ENTENTE_AUDIENCES="+origin, directory),
		"invitation-svc": append(common, "ENTENTE_AUDIENCES="+origin, directory, policy, "ENTENTE_KEY_FILE="+a.ring.MasterKeyFile(),
			"ENTENTE_MAIL_FROM=invitations@entente.example", "ENTENTE_SMTP_HOST=127.0.0.1", "ENTENTE_SMTP_TLS=none"),
		"sync-svc": append(common, "ENTENTE_AUDIENCES="+origin, directory, policy, "ENTENTE_MASTER_KEY_FILE="+a.ring.MasterKeyFile()),
		"gateway": append(common, "ENTENTE_ORIGINS="+origin, "ENTENTE_HTTPS_LISTEN="+a.addresses["https"],
			"ENTENTE_DIRECTORY_ADDR="+a.addresses["directory-svc"], "ENTENTE_INVITATION_ADDR="+a.addresses["invitation-svc"],
			"ENTENTE_POLICY_ADDR="+a.addresses["policy-svc"], "ENTENTE_SYNC_ADDR="+a.addresses["sync-svc"]),
	}
	a.build()
	for _, short := range services {
		name := identity(short)
		if short == "policy" { // an older schema is not served
			a.refused(name, settings[name])
		}
		a.run(name, "migrate", settings[name])
		a.serve(name, settings[name])
	}
	a.serve(gatewayIdentity, settings[gatewayIdentity])
	op, err := operator.New(origin, a.authority.CAFile(), a.ring.Operator())
	if err != nil {
		t.Fatal(err)
	}
	var created operator.CreatedTenant
	await(t, "the gateway to answer", func() error {
		created, err = op.CreateTenant(t.Context(), "once", operator.NewTenant{
			DisplayName: "Contoso", TenantType: "workforce", InitialDomainPrefix: "contoso", CountryLetterCode: "NL",
			Administrator: &operator.Administrator{DisplayName: "Admin", UserNamePrefix: "admin"},
		})
		return err
	})
	app, err := op.CreateAdministratorApplication(t.Context(), created.TenantID, "admin")
	if err != nil || app.ClientSecret == "" {
		t.Errorf("%+v, %v", app, err)
	}
}

func newAlone(t *testing.T) *alone {
	t.Helper()
	a := &alone{t: t, dir: folder(t), addresses: make(map[string]string)}
	if err := os.MkdirAll(filepath.Join(a.dir, "bin"), 0o711); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(a.dir, 0o711); err != nil {
		t.Fatal(err)
	}
	var err error
	if a.ring, err = keys.Open(filepath.Join(a.dir, "keys")); err != nil {
		t.Fatal(err)
	}
	if a.authority, err = pki.Open(filepath.Join(a.dir, "certificates"), time.Now()); err != nil {
		t.Fatal(err)
	}
	a.database, err = database.Open(t.Context(), database.Config{
		Dir: filepath.Join(a.dir, "postgres"), Key: a.ring.DatabaseKey(), InstallationFile: filepath.Join(a.dir, "installation"), Say: t.Logf,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.database.Stop(); err != nil {
			t.Error(err)
		}
	})
	for _, use := range []string{"directory-svc", "policy-svc", "invitation-svc", "sync-svc", "gateway", "https"} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close() // only when all are picked, so that they differ
		a.addresses[use] = l.Addr().String()
	}
	return a
}

func (a *alone) build() {
	a.t.Helper()
	for _, name := range []string{"directory-svc", "policy-svc", "invitation-svc", "sync-svc", "gateway"} {
		cmd := exec.CommandContext(a.t.Context(), "go", "build", "-o", filepath.Join(a.dir, "bin", name), ".")
		cmd.Dir = filepath.Join("..", "..", "..", "..", name)
		if out, err := cmd.CombinedOutput(); err != nil {
			a.t.Fatalf("build %s: %v\n%s", name, err, out)
		}
	}
}

// command prepares a program with its certificate, its logins and settings.
func (a *alone) command(ctx context.Context, name, verb string, settings []string) *exec.Cmd {
	a.t.Helper()
	cert, err := a.authority.Service(name, time.Now())
	if err != nil {
		a.t.Fatal(err)
	}
	cmd := exec.CommandContext(ctx, filepath.Join(a.dir, "bin", name), verb)
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "ENTENTE_LISTEN=" + a.addresses[name], "ENTENTE_LOG_LEVEL=warn",
		"ENTENTE_TLS_CERT=" + cert.Cert, "ENTENTE_TLS_KEY=" + cert.Key, "ENTENTE_TLS_CA=" + a.authority.CAFile()}, settings...)
	if name == gatewayIdentity {
		web, err := a.authority.Web(nil, time.Now())
		if err != nil {
			a.t.Fatal(err)
		}
		cmd.Env = append(cmd.Env, "ENTENTE_HTTPS_CERT="+web.Cert, "ENTENTE_HTTPS_KEY="+web.Key)
		return cmd
	}
	login := a.database.Service(strings.TrimSuffix(name, "-svc"))
	cmd.Env = append(cmd.Env, "ENTENTE_DSN="+login.DSN, "ENTENTE_OWNER_DSN="+login.OwnerDSN)
	return cmd
}

func (a *alone) run(name, verb string, settings []string) {
	a.t.Helper()
	if out, err := a.command(a.t.Context(), name, verb, settings).CombinedOutput(); err != nil {
		a.t.Fatalf("%s %s: %v\n%s", name, verb, err, out)
	}
}

// refused expects that a program does not serve before its schema is there.
func (a *alone) refused(name string, settings []string) {
	a.t.Helper()
	out, err := a.command(a.t.Context(), name, "serve", settings).CombinedOutput()
	if err == nil || !bytes.Contains(out, []byte("migrate")) {
		a.t.Errorf("%s serve on an empty schema: %v\n%s", name, err, out)
	}
}

// serve starts a program, waits until it listens, and ends it with the test as
// an operator would; it must then exit with 0.
func (a *alone) serve(name string, settings []string) {
	a.t.Helper()
	cmd := a.command(context.WithoutCancel(a.t.Context()), name, "serve", settings)
	var log bytes.Buffer // read only after the process has ended
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		a.t.Fatal(err)
	}
	a.t.Cleanup(func() {
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			a.t.Errorf("%s ended early: %v", name, err)
		}
		if err := cmd.Wait(); err != nil {
			a.t.Errorf("%s ended with %v\n%s", name, err, log.String())
		}
	})
	await(a.t, name+" to listen", func() error {
		conn, err := net.Dial("tcp", a.addresses[name])
		if err == nil {
			conn.Close()
		}
		return err
	})
}

// await tries until fn succeeds, for at most 20 seconds.
func await(t *testing.T, what string, fn func() error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		err := fn()
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("waited for %s: %v", what, err)
		case <-again.C:
		}
	}
}
