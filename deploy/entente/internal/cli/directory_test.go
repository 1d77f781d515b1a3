package cli

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// facade is a Graph facade that remembers what it was asked and answers by a
// table from method and path to body.
type facade struct {
	mu      sync.Mutex
	calls   []string
	answers map[string]string
}

func (f *facade) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasSuffix(r.URL.Path, "/oauth2/v2.0/token") {
		r.ParseForm()
		tenant := strings.Split(r.URL.Path, "/")[1]
		json.NewEncoder(w).Encode(map[string]any{"expires_in": 3600, "access_token": tenant + "." + r.PostForm.Get("client_id") + "." + r.PostForm.Get("client_secret")})
		return
	}
	body, _ := io.ReadAll(r.Body)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, strings.TrimSpace(r.Method+" "+r.RequestURI+" "+string(body)))
	key := r.Method + " " + r.URL.Path
	if r.Header.Get("Content-Type") == "text/csv" {
		key += " csv"
	}
	answer, ok := f.answers[key]
	switch {
	case !ok:
		w.WriteHeader(http.StatusNotFound)
		io.WriteString(w, `{"error":{"code":"Request_ResourceNotFound","message":"Resource does not exist."}}`)
	case answer == "":
		w.Header().Set("Location", "https://graph.example/job")
		w.WriteHeader(http.StatusAccepted)
	case strings.HasPrefix(answer, "{"):
		w.Header().Set("Content-Type", "application/json;odata.metadata=minimal")
		io.WriteString(w, strings.ReplaceAll(answer, "TOKEN", r.Header.Get("Authorization")))
	default:
		w.Header().Set("Content-Type", "text/plain")
		io.WriteString(w, answer)
	}
}

func (f *facade) asked() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	asked := strings.Join(f.calls, "\n")
	f.calls = nil
	return asked
}

func TestGraphSendsRequestsAsTheyAre(t *testing.T) {
	t.Parallel()
	f := &facade{answers: map[string]string{
		"GET /v1.0/users":            `{"@odata.nextLink":"https://x.example/v1.0/more?$skiptoken=a&b","value":[{"id":"1"}]}`,
		"GET /v1.0/more":             `{"value":[{"id":"2"}]}`,
		"GET /v1.0/users/$count":     "2",
		"GET /v1.0/me":               `{"token":"TOKEN"}`,
		"POST /v1.0/users":           `{"id":"3"}`,
		"POST /v1.0/jobs":            "",
		"POST /entente/v1/rows csv":  `{"id":"4"}`,
		"GET /v1.0/users/a b#EXT#@c": `{"id":"5"}`,
	}}
	root := installationFor(t, f.ServeHTTP)
	file := filepath.Join(t.TempDir(), "rows.csv")
	secret := filepath.Join(t.TempDir(), "secret")
	for name, text := range map[string]string{file: "a,b\n", secret: "s3\n"} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		args   []string
		in     string
		status int
		wants  string // all of what is printed on the one stream, or a part of the other
		asked  string
	}{
		{[]string{"get", "users"}, "", 0, "{\n  \"@odata.nextLink\": \"https://x.example/v1.0/more?$skiptoken=a&b\",\n  \"value\": [\n    {\n      \"id\": \"1\"\n    }\n  ]\n}\n", "GET /v1.0/users"},
		{[]string{"GET", "/users", "--all"}, "", 0, "{\n  \"value\": [\n    {\n      \"id\": \"1\"\n    },\n    {\n      \"id\": \"2\"\n    }\n  ]\n}\n", "GET /v1.0/users\nGET /v1.0/more?$skiptoken=a&b"},
		{[]string{"GET", "/users/$count", "--header", "ConsistencyLevel=eventual"}, "", 0, "2\n", "GET /v1.0/users/$count"},
		{[]string{"GET", "/v1.0/users/a b#EXT#@c"}, "", 0, "{\n  \"id\": \"5\"\n}\n", "GET /v1.0/users/a%20b%23EXT%23@c"},
		{[]string{"POST", "/users", "--body", `{"a":1}`}, "", 0, "{\n  \"id\": \"3\"\n}\n", `POST /v1.0/users {"a":1}`},
		{[]string{"POST", "/users", "--body", "-"}, `{"b":2}`, 0, "{\n  \"id\": \"3\"\n}\n", `POST /v1.0/users {"b":2}`},
		{[]string{"POST", "/entente/v1/rows", "--body", file}, "", 0, "{\n  \"id\": \"4\"\n}\n", "POST /entente/v1/rows a,b"},
		{[]string{"POST", "/jobs"}, "", 0, "location: https://graph.example/job", "POST /v1.0/jobs"},
		{[]string{"GET", "/me"}, "", 0, "{\n  \"token\": \"Bearer t1.c1.s1\"\n}\n", "GET /v1.0/me"},
		{[]string{"GET", "/me", "--tenant", "Fabrikam.example"}, "", 0, "{\n  \"token\": \"Bearer t2.c2.s2\"\n}\n", "GET /v1.0/me"},
		{[]string{"GET", "/me", "--tenant-id", "t3", "--client-id", "c3", "--client-secret-file", secret}, "", 0, "{\n  \"token\": \"Bearer t3.c3.s3\"\n}\n", "GET /v1.0/me"},
		{[]string{"GET", "/nobody"}, "", 1, "GET /v1.0/nobody: Resource does not exist. (Request_ResourceNotFound, status 404)", "GET /v1.0/nobody"},
		{[]string{"POST", "/users", "--all"}, "", 2, "--all goes with GET", ""},
		{[]string{"GET"}, "", 2, "method path", ""},
		{[]string{"GET", "/me", "--header", "x"}, "", 2, "name=value", ""},
		{[]string{"POST", "/users", "--body", "no-such-file"}, "", 1, "no-such-file", ""},
		{[]string{"GET", "/me", "--tenant", "woodgrove"}, "", 2, "only contoso, fabrikam", ""},
		{[]string{"GET", "/me", "--client-id", "c3"}, "", 2, "go together", ""},
		{[]string{"GET", "/me", "--url", "https://x.example"}, "", 2, "--url needs", ""},
		{[]string{"GET", "/me", "--ca-file", "x"}, "", 2, "goes with --url", ""},
	} {
		status, out, errs := feed(t, c.in, append(append([]string{"graph"}, c.args...), "--data-dir", root)...)
		if status != c.status || out != c.wants && !strings.Contains(errs, c.wants) {
			t.Errorf("graph %q: status %d, printed %q and %q", c.args, status, out, errs)
		}
		if asked := f.asked(); asked != c.asked {
			t.Errorf("graph %q asked %q, want %q", c.args, asked, c.asked)
		}
	}
}

func TestGraphReachesASuiteByItsURL(t *testing.T) {
	t.Parallel()
	f := &facade{answers: map[string]string{"GET /v1.0/me": `{"token":"TOKEN"}`}}
	root := installationFor(t, f.ServeHTTP)
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("s9"), 0o600); err != nil {
		t.Fatal(err)
	}
	d := directory{dataDir: root}
	at, err := d.connection()
	if err != nil {
		t.Fatal(err)
	}
	args := []string{"graph", "GET", "/me", "--url", at.GraphURL + "/", "--ca-file", at.CAFile, "--tenant-id", "t9", "--client-id", "c9", "--client-secret-file", secret}
	if status, out, errs := run(t, args...); status != 0 || !strings.Contains(out, "Bearer t9.c9.s9") {
		t.Errorf("status %d, %q, %q", status, out, errs)
	}
	if status, _, errs := run(t, "graph", "GET", "/me", "--data-dir", t.TempDir()); status != 1 || !strings.Contains(errs, "entente up") {
		t.Errorf("status %d, %q", status, errs)
	}
}

func TestBulkWorkIsStartedAndWaitedFor(t *testing.T) {
	t.Parallel()
	f := &facade{answers: map[string]string{
		"POST /entente/v1/bulkOperations/createUsers csv":     `{"id":"b1","status":"queued"}`,
		"GET /entente/v1/bulkOperations/b1":                   `{"id":"b1","status":"completed","totalCount":2,"successCount":2}`,
		"POST /entente/v1/bulkOperations/importMembers csv":   `{"id":"b2","status":"completedWithErrors","totalCount":2,"successCount":1,"failureCount":1}`,
		"POST /entente/v1/bulkOperations/exportUsers csv":     `{"id":"b3","status":"completed"}`,
		"GET /entente/v1/bulkOperations/b3/results":           "id,name\n",
		"GET /entente/v1/bulkOperations/b2/results":           "row,status\n",
		"GET /entente/v1/bulkOperations/createUsers/template": "version:v1.0\n",
		"POST /entente/v1/bulkOperations/b1/cancel":           "",
	}}
	root := installationFor(t, f.ServeHTTP)
	for _, c := range []struct {
		args   string
		status int
		wants  string
		asked  string
	}{
		{"start createUsers -", 0, "b1\n", "POST /entente/v1/bulkOperations/createUsers a,b"},
		{"start createUsers - --wait", 0, "b1 is completed: 2 rows", "POST /entente/v1/bulkOperations/createUsers a,b\nGET /entente/v1/bulkOperations/b1"},
		{"start importMembers - --group g --wait", 1, "b2 is completedWithErrors: 1 of 2 rows failed", "POST /entente/v1/bulkOperations/importMembers?groupId=g a,b"},
		{"export", 0, "id,name\n", "POST /entente/v1/bulkOperations/exportUsers\nGET /entente/v1/bulkOperations/b3/results"},
		{"status b1", 0, `"successCount": 2`, "GET /entente/v1/bulkOperations/b1"},
		{"results b2", 0, "row,status\n", "GET /entente/v1/bulkOperations/b2/results"},
		{"template createUsers", 0, "version:v1.0\n", "GET /entente/v1/bulkOperations/createUsers/template"},
		{"cancel b1", 0, "canceled", "POST /entente/v1/bulkOperations/b1/cancel {}"},
		{"start createUsers", 2, "kind file", ""},
		{"", 2, "name an action", ""},
		{"help", 0, "results <id>", ""},
		{"pause b1", 2, `"pause"`, ""},
	} {
		args := append([]string{"bulk"}, strings.Fields(c.args)...)
		if c.args != "" {
			args = append(args, "--data-dir", root)
		}
		status, out, errs := feed(t, "a,b\n", args...)
		if status != c.status || !strings.Contains(out+errs, c.wants) {
			t.Errorf("bulk %s: status %d, printed %q and %q", c.args, status, out, errs)
		}
		if asked := f.asked(); asked != c.asked {
			t.Errorf("bulk %s asked %q, want %q", c.args, asked, c.asked)
		}
	}
}

func TestEveryCommandTellsItsActionsAndOptions(t *testing.T) {
	t.Parallel()
	for _, c := range commands() {
		if c.name == "up" {
			continue // writes to the program's own stream
		}
		if status, _, errs := run(t, c.name, "-h"); status != 0 {
			t.Errorf("%s -h: status %d, %q", c.name, status, errs)
		}
	}
	for noun, actions := range map[string][]action{
		"users": userActions, "groups": groupActions, "domains": domainActions, "roles": roleActions, "bulk": bulkActions,
	} {
		for _, a := range actions {
			word, takes, _ := strings.Cut(a.usage, " ")
			status, _, errs := run(t, noun, word, "-h")
			if status != 0 || !strings.HasPrefix(errs, strings.TrimSpace("usage: entente "+noun+" "+word+" "+takes)+" [options]") {
				t.Errorf("%s %s -h: status %d, %q", noun, word, status, errs)
			}
		}
	}
}

func TestValuesOfPropertiesAreTextUnlessTheyAreJSON(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"Sales": `"Sales"`, "1012": `"1012"`, "": `""`, "true": "true", "null": "null", `["a"]`: `["a"]`, `{"a":1}`: `{"a":1}`, `"true"`: `"true"`, "nullable": `"nullable"`,
	} {
		value, err := parseValue(text)
		got, _ := json.Marshal(value)
		if err != nil || string(got) != want {
			t.Errorf("%s is %s, %v; want %s", text, got, err, want)
		}
	}
	if _, err := parseValue("[half"); err == nil {
		t.Error("broken JSON is taken")
	}
}

func TestCellsShowValuesOnOneLine(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]string{
		"": "", "null": "", `"a\tb\nc"`: "a b c", "true": "true", "1000000": "1000000", `["a","b"]`: "a,b", `{"a": 1}`: `{"a":1}`, `"#microsoft.graph.user"`: "user",
	} {
		if got := cell(json.RawMessage(value)); got != want {
			t.Errorf("%s is shown as %q, want %q", value, got, want)
		}
	}
}
