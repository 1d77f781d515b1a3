package edge

import (
	"bytes"
	"compress/gzip"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"entente.dev/gateway/internal/graph"
	"entente.dev/servicekit/clock"
	"github.com/google/uuid"
)

const origin = "https://entente.example:8443"

func newEdge(t *testing.T, api http.HandlerFunc, change func(*Config)) *Edge {
	t.Helper()
	say := func(s string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, s) }
	}
	cfg := Config{
		Origins: []string{origin, "http://127.0.0.1:8080"}, Clock: clock.System(),
		Handlers: Handlers{Graph: api, Batch: say("batch"), OAuth: say("oauth"), Pages: say("pages"), OpenAPI: []byte("{}")},
	}
	if api == nil {
		cfg.Handlers.Graph = say("graph")
	}
	if change != nil {
		change(&cfg)
	}
	e, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func get(e *Edge, target string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("GET", target, nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header[headers[i]] = append(r.Header[headers[i]], headers[i+1])
	}
	rec := httptest.NewRecorder()
	e.ServeHTTP(rec, r)
	return rec
}

func TestDispatch(t *testing.T) {
	t.Parallel()
	e := newEdge(t, nil, nil)
	for path, want := range map[string]string{
		"/v1.0/users": "graph", "/beta/$batch": "batch", "/V1.0/$BATCH": "batch", "/x/$batch": "graph", "/entente/v1/x": "graph", "/admin/v1/tenants": "graph",
		"/contoso.example/oauth2/v2.0/token": "oauth", "/metadata/endpoints": "oauth", "/redeem": "pages", "/redeem/t/x": "pages", "/assets/page.css": "pages",
		"/openapi.json": "{}", "/healthz": "ok\n", "/readyz": "ok\n", "/": "graph", "/v1.0/discovery/v2.0/keys": "graph", "/debug/pprof": "graph", "/metrics": "graph",
	} {
		if got := get(e, path).Body.String(); got != want {
			t.Errorf("%s: %q", path, got)
		}
	}
	down := newEdge(t, nil, func(c *Config) { c.Handlers.Ready = func(*http.Request) error { return errors.New("down") } })
	if rec := get(down, "/readyz"); rec.Code != 503 {
		t.Errorf("ready: %d", rec.Code)
	}
}

func TestRequestIDs(t *testing.T) {
	t.Parallel()
	e := newEdge(t, nil, nil)
	rec := get(e, "/v1.0/users", "Client-Request-Id", "my-id")
	if _, err := uuid.Parse(rec.Header().Get("request-id")); err != nil || rec.Header().Get("client-request-id") != "my-id" {
		t.Errorf("%v", rec.Header())
	}
	for _, id := range []string{"", strings.Repeat("x", 65), "a b", "a\x7f"} {
		rec = get(e, "/v1.0/users", "Client-Request-Id", id)
		if _, err := uuid.Parse(rec.Header().Get("client-request-id")); err != nil {
			t.Errorf("%q: %v", id, rec.Header())
		}
	}
}

// TestResists_20 is row 20 of the security rules: no header of a request
// changes a byte of a link.
func TestResists_20(t *testing.T) {
	t.Parallel()
	var call graph.Call
	e := newEdge(t, func(_ http.ResponseWriter, r *http.Request) { call = *graph.CallFrom(r.Context()) }, nil)
	for _, c := range []struct{ target, want string }{
		{"https://evil.example/v1.0/users", origin}, {"https://entente.example:8443/v1.0/users", origin}, {"https://ENTENTE.example:8443/v1.0/users", origin},
		{"http://127.0.0.1:8080/v1.0/users", "http://127.0.0.1:8080"}, {"http://127.0.0.1:9/v1.0/users", origin}, {"http://entente.example:8443/v1.0/users", origin},
	} {
		get(e, c.target, "Forwarded", "host=evil.example;proto=http", "X-Forwarded-Host", "evil.example", "X-Forwarded-Proto", "gopher", "X-Original-Host", "evil.example")
		if call.Origin != c.want || call.IP != "192.0.2.1" {
			t.Errorf("%s: %+v", c.target, call)
		}
	}
}

// Whether the client's connection is encrypted says the origin it uses: behind
// a proxy that ends TLS that of the request is plain.
func TestSecureBehindAProxy(t *testing.T) {
	t.Parallel()
	var call graph.Call
	pages := func(_ http.ResponseWriter, r *http.Request) { call = *graph.CallFrom(r.Context()) }
	e := newEdge(t, nil, func(c *Config) {
		c.Origins = append(c.Origins, "https://second.example")
		c.Handlers.Pages = http.HandlerFunc(pages)
	})
	for _, c := range []struct {
		target string
		tls    bool
		origin string
		secure bool
	}{
		{"http://entente.example:8443/redeem", false, origin, true},
		{"http://second.example/redeem", false, "https://second.example", true},
		{"http://other.example/redeem", false, origin, true},
		{"http://127.0.0.1:8080/redeem", false, "http://127.0.0.1:8080", false},
		{"https://127.0.0.1:8080/redeem", true, origin, true},
		{"https://second.example/redeem", true, "https://second.example", true},
	} {
		r := httptest.NewRequest("GET", c.target, nil)
		if r.TLS = nil; c.tls {
			r.TLS = &tls.ConnectionState{}
		}
		rec := httptest.NewRecorder()
		e.ServeHTTP(rec, r)
		if call.Origin != c.origin || call.Secure != c.secure || (rec.Header().Get("Strict-Transport-Security") != "") != c.secure {
			t.Errorf("%s: %s, secure %v, %v", c.target, call.Origin, call.Secure, rec.Header())
		}
	}
}

// TestResists_44 is row 44: twins of headers with underscores, and headers of
// proxies and of the suite's own calls, do not arrive.
func TestResists_44(t *testing.T) {
	t.Parallel()
	var got http.Header
	e := newEdge(t, func(_ http.ResponseWriter, r *http.Request) { got = r.Header.Clone() }, nil)
	get(e, "/v1.0/users", "Authorization", "Bearer x", "Client_request_id", "a", "X_forwarded_for", "203.0.113.9", "X-Forwarded-For", "203.0.113.9",
		"Grpc-Metadata-Authorization", "Bearer y", "Grpc-Timeout", "1n", "Entente-Path-Tenant", "z", "X-Original-Uri", "/", "X-User-Id", "1", "X-Tenant-Id", "2", "X-Http-Method-Override", "DELETE")
	if len(got) != 1 || got.Get("Authorization") != "Bearer x" {
		t.Errorf("%v", got)
	}
}

func TestClientIP(t *testing.T) {
	t.Parallel()
	trusted := []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("10.0.0.0/8")}
	for _, c := range []struct {
		forwarded string
		trusted   []netip.Prefix
		want      string
	}{
		{"203.0.113.9", nil, "192.0.2.1"}, {"203.0.113.9", trusted, "203.0.113.9"}, {"198.51.100.1, 203.0.113.9, 10.1.1.1", trusted, "203.0.113.9"},
		{"junk", trusted, "192.0.2.1"}, {"junk, 203.0.113.9", trusted, "203.0.113.9"}, {"", trusted, "192.0.2.1"},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("X-Forwarded-For", c.forwarded)
		if got := clientIP(r, c.trusted); got != c.want {
			t.Errorf("%q: %s", c.forwarded, got)
		}
	}
}

func TestOrigins(t *testing.T) {
	t.Parallel()
	for _, bad := range [][]string{nil, {"https://a/"}, {"https://a/x"}, {"http://a.example"}, {"a.example"}, {"https://A.example"}, {"https://u@a.example"}} {
		if _, err := parseOrigins(bad); err == nil {
			t.Errorf("%v accepted", bad)
		}
	}
}

func TestPanicsEndHere(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	e := newEdge(t, func(http.ResponseWriter, *http.Request) { panic("canary") }, func(c *Config) { c.Log = slog.New(slog.NewJSONHandler(&log, nil)) })
	rec := get(e, "/v1.0/users/canary-path?ticket=canary-query")
	if rec.Code != 500 || strings.Contains(rec.Body.String(), "canary") || !strings.Contains(rec.Body.String(), "InternalServerError") {
		t.Errorf("%d %s", rec.Code, rec.Body)
	}
	if strings.Contains(log.String(), "canary-path") || strings.Contains(log.String(), "canary-query") {
		t.Errorf("the log holds the address: %s", log.String())
	}
}

func TestCompressionAndHeaders(t *testing.T) {
	t.Parallel()
	body := strings.Repeat("x", 10_000)
	e := newEdge(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", graph.ContentType)
		_, _ = io.WriteString(w, body)
	}, nil)
	rec := get(e, "/v1.0/users", "Accept-Encoding", "gzip")
	z, err := gzip.NewReader(rec.Body)
	if err != nil {
		t.Fatalf("%v %v", err, rec.Header())
	}
	if got, err := io.ReadAll(z); err != nil || string(got) != body {
		t.Errorf("%v, %d bytes", err, len(got))
	}
	if rec := get(e, "/v1.0/users"); rec.Body.String() != body {
		t.Error("compressed without being asked")
	}
	r := httptest.NewRequest("GET", origin+"/v1.0/users", nil)
	r.TLS = &tls.ConnectionState{}
	rec = httptest.NewRecorder()
	e.ServeHTTP(rec, r)
	for name, want := range map[string]string{"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store", "Strict-Transport-Security": "max-age=31536000"} {
		if rec.Header().Get(name) != want {
			t.Errorf("%s: %q", name, rec.Header().Get(name))
		}
	}
	if rec := get(e, "/v1.0/users?$filter="+strings.Repeat("a", 9<<10)); rec.Code != 400 {
		t.Errorf("long URL: %d", rec.Code)
	}
}
