package cli

import (
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"entente.dev/deploy/entente/internal/keys"
	"entente.dev/deploy/entente/internal/state"
)

// run carries out a command line and answers what it printed.
func run(t *testing.T, args ...string) (status int, out, errs string) {
	t.Helper()
	return feed(t, "", args...)
}

// feed is run with something at the standard input.
func feed(t *testing.T, in string, args ...string) (status int, out, errs string) {
	t.Helper()
	dir := t.TempDir()
	open := func(name string) *os.File {
		f, err := os.Create(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	streams := Streams{In: strings.NewReader(in), Out: open("out"), Err: open("err")}
	status = Run(t.Context(), args, streams)
	read := func(f *os.File) string {
		defer f.Close()
		data, err := os.ReadFile(f.Name())
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	return status, read(streams.Out), read(streams.Err)
}

// installationFor makes a data folder whose suite is the handler.
func installationFor(t *testing.T, handler http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewTLSServer(handler)
	t.Cleanup(server.Close)
	root := t.TempDir()
	folder, err := state.Open(root)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { folder.Close() })
	if _, err := keys.Open(folder.Keys()); err != nil {
		t.Fatal(err)
	}
	ca := filepath.Join(root, "ca.pem")
	if err := os.WriteFile(ca, certificatePEM(server), 0o600); err != nil {
		t.Fatal(err)
	}
	tenants := []state.Tenant{
		{Name: "contoso", Domain: "contoso.example", TenantID: "t1", ClientID: "c1", ClientSecret: "s1"},
		{Name: "fabrikam", Domain: "fabrikam.example", TenantID: "t2", ClientID: "c2", ClientSecret: "s2"},
	}
	if err := folder.WriteConnection(state.Connection{GraphURL: server.URL, LoginURL: server.URL, CAFile: ca, Tenants: tenants}); err != nil {
		t.Fatal(err)
	}
	return root
}

func certificatePEM(server *httptest.Server) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
}

func TestTenantCommandsCallTheOperatorsAPI(t *testing.T) {
	t.Parallel()
	const id = "6f1d2c3b-0000-4000-8000-000000000001"
	var calls []string
	root := installationFor(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		calls = append(calls, r.Method+" "+r.URL.RequestURI()+" "+string(body))
		switch {
		case r.Method == http.MethodPost && r.URL.Path == "/admin/v1/tenants":
			w.WriteHeader(http.StatusCreated)
			io.WriteString(w, `{"tenantId":"`+id+`","initialDomain":"contoso.example","administrator":{"userPrincipalName":"admin@contoso.example","temporaryPassword":"once"}}`)
		case strings.HasSuffix(r.URL.Path, "/administratorApplication"):
			w.WriteHeader(http.StatusCreated)
			io.WriteString(w, `{"appId":"a","clientSecret":"made-once"}`)
		case r.Method == http.MethodGet && r.URL.Path == "/admin/v1/tenants":
			io.WriteString(w, `{"value":[{"tenantId":"`+id+`","displayName":"Contoso","tenantType":"workforce","initialDomain":"contoso.example","state":"active"}]}`)
		case r.Method == http.MethodGet:
			io.WriteString(w, `{"tenantId":"`+id+`","userCount":201}`)
		case r.Method == http.MethodDelete:
			w.WriteHeader(http.StatusBadRequest)
			io.WriteString(w, `{"error":{"code":"Request_BadRequest","message":"Deletion is scheduled already."}}`)
		default:
			w.WriteHeader(http.StatusNoContent)
		}
	})
	for _, c := range []struct {
		args   string
		status int
		wants  string // in what is printed
		call   string
	}{
		{"create --name Contoso --prefix contoso --type external", 0, "once", `POST /admin/v1/tenants {"displayName":"Contoso","tenantType":"external"`},
		{"list", 0, "contoso.example  workforce  active", "GET /admin/v1/tenants "},
		{"list --json --prefix con", 0, `"tenantId": "` + id, "GET /admin/v1/tenants?prefix=con "},
		{"show " + id, 0, `"userCount": 201`, "GET /admin/v1/tenants/" + id},
		{"suspend " + id, 0, "suspended", "PATCH /admin/v1/tenants/" + id + ` {"state":"suspended"}`},
		{"activate " + id, 0, "active", "PATCH /admin/v1/tenants/" + id + ` {"state":"active"}`},
		{"restore " + id, 0, "restored", "POST /admin/v1/tenants/" + id + "/restore {}"},
		{"application " + id + " --name Ops", 0, "made-once   (shown once)", "POST /admin/v1/tenants/" + id + `/administratorApplication {"displayName":"Ops"}`},
		{"application " + id + " --client-secret-file cli_test.go", 2, "exists already", ""},
		{"delete " + id, 1, "Deletion is scheduled already.", "DELETE /admin/v1/tenants/" + id},
		{"create --name Contoso", 2, "--prefix", ""},
		{"show", 2, "tenant-id", ""},
		{"show a b", 2, "tenant-id", ""},
		{"list --unheard-of", 2, "unheard-of", ""},
		{"rename " + id, 2, "rename", ""},
	} {
		calls = nil
		status, out, errs := run(t, append([]string{"tenant"}, append(strings.Fields(c.args), "--data-dir", root)...)...)
		if status != c.status || !strings.Contains(out+errs, c.wants) {
			t.Errorf("tenant %s: status %d, printed %q and %q", c.args, status, out, errs)
		}
		if c.call == "" && len(calls) > 0 || c.call != "" && (len(calls) != 1 || !strings.HasPrefix(calls[0], c.call)) {
			t.Errorf("tenant %s called %q, want %q", c.args, calls, c.call)
		}
	}
}

func TestTokenIsPrintedAloneOnItsLine(t *testing.T) {
	t.Parallel()
	root := installationFor(t, nil)
	status, out, errs := run(t, "token", "--data-dir", root, "--life", "10m")
	if status != 0 || strings.Count(out, ".") != 2 || strings.Count(out, "\n") != 1 || errs != "" {
		t.Errorf("status %d, %q, %q", status, out, errs)
	}
	if status, _, errs := run(t, "token", "--data-dir", root, "--life", "48h"); status != 2 || !strings.Contains(errs, "24h") {
		t.Errorf("status %d, %q", status, errs)
	}
	if status, _, errs := run(t, "token", "--data-dir", t.TempDir()); status != 1 || !strings.Contains(errs, "entente up") {
		t.Errorf("status %d, %q", status, errs)
	}
}

func TestHelpAndMistakesOfUse(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args   []string
		status int
		wants  string
	}{
		{nil, 2, "Commands:"},
		{[]string{"help"}, 0, "tenant"},
		{[]string{"down"}, 2, `"down"`},
		{[]string{"version"}, 0, "go1."},
		{[]string{"version", "extra"}, 2, "extra"},
		{[]string{"tenant"}, 2, "create"},
		{[]string{"tenant", "help"}, 0, "suspend"},
		{[]string{"up", "--listen", "0.0.0.0:0"}, 2, "loopback"},
		{[]string{"up", "--unheard-of"}, 2, "unheard-of"},
	} {
		status, out, errs := run(t, c.args...)
		if status != c.status || !strings.Contains(out+errs, c.wants) {
			t.Errorf("%q: status %d, printed %q and %q", c.args, status, out, errs)
		}
	}
}

func TestAStoppedSuiteIsNamed(t *testing.T) {
	t.Parallel()
	root := installationFor(t, nil)
	status, _, errs := run(t, "tenant", "list", "--data-dir", root, "--url", "https://127.0.0.1:1")
	if status != 1 || !strings.Contains(errs, "https://127.0.0.1:1") {
		t.Errorf("status %d, %q", status, errs)
	}
}

// TestTheDataFolderOfTheEnvironmentCounts: what starts a suite by the variable
// reaches it by the variable. (No parallel test: it sets the environment.)
func TestTheDataFolderOfTheEnvironmentCounts(t *testing.T) {
	root := installationFor(t, nil)
	t.Setenv("ENTENTE_DATA_DIR", root)
	if status, out, errs := run(t, "token"); status != 0 || strings.Count(out, ".") != 2 {
		t.Errorf("status %d, %q, %q", status, out, errs)
	}
	if status, _, errs := run(t, "token", "--data-dir", t.TempDir()); status != 1 || !strings.Contains(errs, "entente up") {
		t.Errorf("the flag goes first: status %d, %q", status, errs)
	}
}
