package state_test

import (
	"encoding/json"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"entente.dev/deploy/entente/internal/state"
	"github.com/google/go-cmp/cmp"
)

func open(t *testing.T, root string) *state.Folder {
	t.Helper()
	f, err := state.Open(root)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func TestASecondRunnerIsRefusedUntilTheFirstIsGone(t *testing.T) {
	t.Parallel()
	root := filepath.Join(t.TempDir(), "data")
	first := open(t, root)
	_, err := state.Open(root)
	var inUse *state.InUseError
	if !errors.As(err, &inUse) || inUse.PID != strconv.Itoa(os.Getpid()) {
		t.Fatalf("second opening: %v", err)
	}
	for _, part := range []string{root, "--data-dir", strconv.Itoa(os.Getpid())} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q does not name %q", err, part)
		}
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	open(t, root)
}

func TestAClosedFolderIsOpenedForTheDatabaseUserUnderRootOnly(t *testing.T) {
	t.Parallel()
	root := filepath.Join(t.TempDir(), "data")
	if err := os.Mkdir(root, 0o700); err != nil {
		t.Fatal(err)
	}
	open(t, root)
	stat, err := os.Stat(root)
	if err != nil {
		t.Fatal(err)
	}
	want := os.FileMode(0o700)
	if os.Geteuid() == 0 {
		want = 0o711
	}
	if stat.Mode().Perm() != want {
		t.Errorf("mode %v, want %v", stat.Mode().Perm(), want)
	}
}

func TestTwoFoldersAreIndependent(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	a, b := open(t, filepath.Join(dir, "a")), open(t, filepath.Join(dir, "b"))
	if a.Keys() == b.Keys() || a.Mail() == b.Mail() || a.Postgres() == b.Postgres() || a.Certificates() == b.Certificates() {
		t.Error("two installations share a folder")
	}
}

func TestConnectionFileHasTheAgreedShapeAndIsPrivate(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	f := open(t, root)
	if _, err := state.ReadConnection(root); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("before the first run: %v", err)
	}
	want := state.Connection{
		GraphURL: "https://127.0.0.1:1", LoginURL: "https://127.0.0.1:1", HTTPURL: "http://127.0.0.1:2", CAFile: "ca.pem", MailURL: "http://127.0.0.1:3",
		GRPC: map[string]string{"directory": "127.0.0.1:4"},
		Tenants: []state.Tenant{{
			Name: "contoso", TenantID: "i", Domain: "contoso.example", TenantType: "workforce", ClientID: "c", ClientSecret: "s",
			Admin: state.Administrator{UserPrincipalName: "u", Password: "p"},
		}},
	}
	if err := f.WriteConnection(want); err != nil {
		t.Fatal(err)
	}
	stat, err := os.Stat(state.ConnectionFile(root))
	if err != nil || stat.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", stat.Mode(), err)
	}
	got, err := state.ReadConnection(root)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if err := f.WriteConnection(state.Connection{}); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(state.ConnectionFile(root))
	if err != nil {
		t.Fatal(err)
	}
	var shape map[string]any
	if err := json.Unmarshal(data, &shape); err != nil {
		t.Fatal(err)
	}
	wantShape := map[string]any{
		"graphUrl": "", "loginUrl": "", "httpUrl": "", "caFile": "", "mailUrl": "", "grpc": map[string]any{}, "tenants": []any{},
	}
	if diff := cmp.Diff(wantShape, shape); diff != "" {
		t.Error(diff)
	}
}

func ports(t *testing.T, f *state.Folder) *state.Ports {
	t.Helper()
	p, err := f.Ports()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestAFreePortIsPickedAndKeptOverARestart(t *testing.T) {
	t.Parallel()
	f := open(t, t.TempDir())
	listen := func() string {
		t.Helper()
		p := ports(t, f)
		l, err := p.Listen("http", "127.0.0.1:0", "listen")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		if err := p.Save(); err != nil {
			t.Fatal(err)
		}
		return l.Addr().String()
	}
	first := listen()
	if again := listen(); again != first {
		t.Errorf("first %s, then %s", first, again)
	}
	taken, err := net.Listen("tcp", first)
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	if third := listen(); third == first {
		t.Error("two listeners on one port")
	}
}

func TestATakenPortIsNamedWithItsOption(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	p := ports(t, open(t, t.TempDir()))
	for _, address := range []string{taken.Addr().String(), "127.0.0.1", "127.0.0.1:port"} {
		_, err := p.Listen("tls", address, "tls-listen")
		if err == nil || !strings.Contains(err.Error(), "--tls-listen") {
			t.Errorf("%s: %v", address, err)
		}
	}
}
