package service

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	auditpb "entente.dev/proto/gen/entente/audit/v1"
	directorypb "entente.dev/proto/gen/entente/directory/v1"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	invitationpb "entente.dev/proto/gen/entente/invitation/v1"
	"entente.dev/servicekit/caller"
	"entente.dev/servicekit/fault"
	"entente.dev/servicekit/rpc"
	"entente.dev/servicekit/tenant"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"
)

const tenantID = "7a1b0c00-0000-4000-8000-0000000000aa"

// tokenOf makes a token with that signature and no claims.
func tokenOf(signature string) string { return "e30.e30." + signature }

// verifier takes the token signed `good` for an application with every
// permission the tests need, and refuses all others.
type verifier struct{}

func (verifier) Verify(_ context.Context, bearer string) (caller.Caller, error) {
	if !strings.HasSuffix(bearer, ".good") {
		return caller.Caller{}, fault.Unauthenticated(errorspb.Reason_UNAUTHENTICATED, "Access token validation failure.")
	}
	return caller.Caller{
		Kind: caller.Application, Tenant: tenant.MustParse(tenantID),
		Permissions: []string{"User.ReadWrite.All", "Directory.ReadWrite.All", "AuditLog.Read.All"},
	}, nil
}

// users is directory-svc for these tests.
type users struct {
	directorypb.UnimplementedUserServiceServer
	auditpb.UnimplementedAuditServiceServer
	directorypb.UnimplementedTokenServiceServer
	invitationpb.UnimplementedFlowServiceServer
}

func (*users) GetUser(ctx context.Context, in *directorypb.GetUserRequest) (*directorypb.User, error) {
	if in.GetId() == "none" {
		return nil, fault.NotFound(errorspb.Reason_NOT_FOUND, "Resource '%s' does not exist or one of its queried reference-property objects are not present.", in.GetId())
	}
	name := caller.From(ctx).APIVersion
	return &directorypb.User{Id: in.GetId(), DisplayName: &name}, nil
}

func (*users) UpdateUser(_ context.Context, in *directorypb.UpdateUserRequest) (*emptypb.Empty, error) {
	if len(in.GetUpdateMask().GetPaths()) != 1 {
		return nil, fault.Invalid(errorspb.Reason_INVALID_REQUEST, "mask %v", in.GetUpdateMask().GetPaths())
	}
	return &emptypb.Empty{}, nil
}

func (*users) ListUsers(context.Context, *directorypb.ListUsersRequest) (*directorypb.ListUsersResponse, error) {
	page := &directorypb.ListUsersResponse{}
	for i := range 100 {
		page.Value = append(page.Value, &directorypb.User{
			Id: fmt.Sprintf("7a1b0c00-0000-4000-8000-%012d", i), DisplayName: proto.String("Ada Lovelace"), GivenName: proto.String("Ada"), Surname: proto.String("Lovelace"),
			Mail: proto.String("ada@contoso.example"), UserPrincipalName: proto.String("ada@contoso.example"), JobTitle: proto.String("Countess"),
		})
	}
	return page, nil
}

func (*users) ListAuditEvents(context.Context, *auditpb.ListAuditEventsRequest) (*auditpb.ListAuditEventsResponse, error) {
	return &auditpb.ListAuditEventsResponse{}, nil
}

func (*users) IssueToken(context.Context, *directorypb.IssueTokenRequest) (*directorypb.IssueTokenResponse, error) {
	return nil, fault.Unauthenticated(errorspb.Reason_OAUTH_INVALID_CLIENT, "Invalid client secret provided.")
}

func (*users) OpenLink(_ context.Context, in *invitationpb.OpenLinkRequest) (*invitationpb.OpenLinkResponse, error) {
	if in.GetTicket() == "good" {
		return &invitationpb.OpenLinkResponse{FlowId: "flow", Verifier: "v"}, nil
	}
	return nil, fault.NotFound(errorspb.Reason_TICKET_INVALID, "")
}

// dialUsers serves the fake behind the interceptors of the suite.
func dialUsers(t testing.TB) *rpc.Conn {
	t.Helper()
	l, dial := rpc.Local("directory-svc")
	srv := rpc.NewServer(rpc.ServerConfig{Service: "directory-svc", Verifier: verifier{}})
	u := &users{}
	directorypb.RegisterUserServiceServer(srv, u)
	auditpb.RegisterAuditServiceServer(srv, u)
	directorypb.RegisterTokenServiceServer(srv, u)
	invitationpb.RegisterFlowServiceServer(srv, u)
	done := make(chan error, 1)
	go func() { done <- srv.Serve(l) }()
	conn, err := dial("gateway", rpc.ClientConfig{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = conn.Close()
		srv.Stop()
		<-done
	})
	return conn
}

func newService(t testing.TB, conn grpc.ClientConnInterface, change func(*Config)) *Service {
	t.Helper()
	cfg := Config{Origins: []string{"https://entente.example"}}
	if change != nil {
		change(&cfg)
	}
	s, err := New(t.Context(), cfg, Deps{Directory: conn, Invitation: conn, Policy: conn, Sync: conn})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func send(h http.Handler, method, target, body, token string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	if token != "" {
		if !strings.Contains(token, ".") {
			token = tokenOf(token)
		}
		r.Header.Set("Authorization", "Bearer "+token)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, r)
	return rec
}

// Requests pass the real interceptors on both sides.
func TestThroughTheInterceptors(t *testing.T) {
	t.Parallel()
	h := newService(t, dialUsers(t), nil).Handler()
	for _, c := range []struct {
		name, method, target, body, token string
		status                            int
		part                              string
	}{
		{"get", "GET", "/beta/users/x", "", "good", 200, `"displayName":"beta"`},
		{"patch", "PATCH", "/v1.0/users/x", `{"mail":null}`, "good", 204, ""},
		{"not found", "GET", "/v1.0/users/none", "", "good", 404, `"code":"Request_ResourceNotFound","message":"Resource 'none' does not exist or one of its queried reference-property objects are not present."`},
		{"no token", "GET", "/v1.0/users/x", "", "", 401, `"code":"InvalidAuthenticationToken"`},
		{"bad token", "GET", "/v1.0/users/x", "", "bad", 401, `"code":"InvalidAuthenticationToken"`},
		{"no permission", "POST", "/v1.0/users/x/revokeSignInSessions", "{}", "good", 501, ""},
		{"operator only", "GET", "/admin/v1/tenants", "", "good", 0, ""},
		{"other tenant in the path", "GET", "/v1.0/7a1b0c00-0000-4000-8000-0000000000bb/users/x", "", "good", 403, `"code":"Authorization_RequestDenied"`},
		{"own tenant in the path", "GET", "/v1.0/" + strings.ToUpper(tenantID) + "/users/x", "", "good", 200, ""},
		{"audits", "GET", "/v1.0/auditLogs/directoryAudits", "", "good", 200, `"value":[]`},
		{"audits without token", "GET", "/v1.0/auditLogs/directoryAudits", "", "", 401, ""},
		{"ready", "GET", "/readyz", "", "", 200, "ok"},
		{"link", "GET", "/redeem?ticket=x", "", "", 410, "no longer valid"},
		{"openapi", "GET", "/openapi.json", "", "", 200, `"title":"Entente"`},
		{"debug", "GET", "/debug/pprof/", "", "good", 404, `"code":"ResourceNotFound"`},
		{"metrics", "GET", "/metrics", "", "good", 404, `"code":"ResourceNotFound"`},
		{"root", "GET", "/", "", "good", 404, `"code":"ResourceNotFound"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			rec := send(h, c.method, c.target, c.body, c.token)
			if c.status != 0 && rec.Code != c.status || c.status == 0 && rec.Code < 400 || !strings.Contains(rec.Body.String(), c.part) {
				t.Errorf("%d %s", rec.Code, rec.Body)
			}
			if rec.Header().Get("request-id") == "" || rec.Header().Get("client-request-id") == "" {
				t.Error("request ids are missing")
			}
			// The OpenAPI document describes google.protobuf.Any, which is no answer.
			if c.name != "openapi" && strings.Contains(rec.Body.String(), "type.googleapis.com") || rec.Header().Get("Grpc-Metadata-Content-Type") != "" {
				t.Errorf("gRPC shows: %v", rec.Header())
			}
		})
	}
	r := httptest.NewRequest("POST", "/x/oauth2/v2.0/token", strings.NewReader("grant_type=client_credentials&client_id=a&client_secret=b"))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, r)
	if rec.Code != 401 || !strings.Contains(rec.Body.String(), `"error":"invalid_client"`) {
		t.Errorf("token: %d %s", rec.Code, rec.Body)
	}
}

// The cookie of a flow goes over encrypted connections only, also where a proxy
// has ended the encryption; on loopback there may be none.
func TestCookieOfAFlow(t *testing.T) {
	t.Parallel()
	h := newService(t, dialUsers(t), func(c *Config) { c.Origins = append(c.Origins, "http://127.0.0.1:8080") }).Handler()
	for target, want := range map[string]struct {
		name   string
		secure bool
	}{
		"http://entente.example":  {"__Host-entente-flow-flow", true},
		"https://entente.example": {"__Host-entente-flow-flow", true},
		"http://127.0.0.1:8080":   {"entente-flow-flow", false},
	} {
		rec := send(h, "GET", target+"/redeem?ticket=good", "", "")
		cookies := rec.Result().Cookies() //nolint:bodyclose // there is none
		if rec.Code != 303 || len(cookies) != 1 || cookies[0].Name != want.name || cookies[0].Secure != want.secure || !cookies[0].HttpOnly || cookies[0].Path != "/" {
			t.Errorf("%s: %d %v", target, rec.Code, rec.Header())
		}
	}
}

func TestBatchThroughEverything(t *testing.T) {
	t.Parallel()
	h := newService(t, dialUsers(t), nil).Handler()
	rec := send(h, "POST", "/v1.0/$batch", `{"requests":[
		{"id":"a","method":"GET","url":"/users/none"},{"id":"b","method":"GET","url":"/users/x","dependsOn":["a"]},
		{"id":"c","method":"PATCH","url":"/users/x","headers":{"Content-Type":"application/json"},"body":{"mail":null}},
		{"id":"d","method":"GET","url":"/users?$select=id"}]}`, "good")
	var out struct {
		Responses []struct {
			ID      string
			Status  int
			Headers map[string]string
			Body    json.RawMessage
		}
	}
	if err := json.Unmarshal(rec.Body.Bytes(), &out); err != nil {
		t.Fatalf("%v %s", err, rec.Body)
	}
	want := map[string]int{"a": 404, "b": 424, "c": 204, "d": 200}
	ids := map[string]bool{rec.Header().Get("request-id"): true}
	for _, r := range out.Responses {
		if r.Status != want[r.ID] || (r.Status == 204) != (r.Body == nil) {
			t.Errorf("%s: %d %s", r.ID, r.Status, r.Body)
		}
		if r.ID != "b" && ids[r.Headers["Request-Id"]] {
			t.Errorf("%s shares its request id: %v", r.ID, r.Headers)
		}
		ids[r.Headers["Request-Id"]] = true
	}
	const one = `{"requests":[{"id":"a","method":"GET","url":"/users/x"}]}`
	if rec := send(h, "POST", "/beta/$batch", one, ""); rec.Code != 401 {
		t.Errorf("without token: %d %s", rec.Code, rec.Body)
	}
	if rec := send(h, "POST", "/beta/$batch", one, "bad"); rec.Code != 200 || !strings.Contains(rec.Body.String(), `"status":401`) {
		t.Errorf("bad token: %d %s", rec.Code, rec.Body)
	}
}

// claiming makes a token that names tenant and application, signed so.
func claiming(tenant, signature string) string {
	return "e30." + base64.RawURLEncoding.EncodeToString([]byte(`{"tid":"`+tenant+`","appid":"a"}`)) + "." + signature
}

// from sends a request with a token from an address.
func from(h http.Handler, address, method, target, body, token string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	r.RemoteAddr = address + ":4711"
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	r.Header.Set("Content-Type", "application/json")
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, r)
	return rec
}

// Nobody can use up the share of a tenant with tokens that name it: neither
// where a service refuses them nor where the gateway answers by itself.
func TestRateLimit(t *testing.T) {
	t.Parallel()
	h := newService(t, dialUsers(t), func(c *Config) { c.TenantRate, c.TenantBurst = 0.001, 2 }).Handler()
	forged := claiming(tenantID, "forged")
	for _, c := range []struct {
		method, target, body string
		status               int
	}{
		{"GET", "/v1.0/users/x", "", 401}, {"GET", "/v1.0/colours", "", 404}, {"PUT", "/v1.0/users", "{}", 405}, {"GET", "/v1.0/users?$colour=1", "", 400}, {"POST", "/v1.0/users", "{", 400},
		{"POST", "/v1.0/$batch", `{"requests":[{"id":"a","method":"GET","url":"/colours"},{"id":"b","method":"PUT","url":"/users"},{"id":"c","method":"GET","url":"/users/x"}]}`, 200},
	} {
		for range 3 {
			if rec := from(h, "192.0.2.1", c.method, c.target, c.body, forged); rec.Code != c.status || strings.Contains(rec.Body.String(), "TooManyRequests") {
				t.Fatalf("%s %s: %d %s", c.method, c.target, rec.Code, rec.Body)
			}
		}
	}
	for i, want := range []int{200, 404, 429, 429} {
		target := "/v1.0/users/x"
		if i == 1 {
			target = "/v1.0/users/none" // a service said so
		}
		if rec := from(h, "192.0.2.2", "GET", target, "", claiming(tenantID, "good")); rec.Code != want {
			t.Errorf("request %d of the tenant: %d %s", i, rec.Code, rec.Body)
		}
	}
	if rec := from(h, "192.0.2.2", "GET", "/v1.0/users/x", "", claiming("7a1b0c00-0000-4000-8000-0000000000bb", "good")); rec.Code != 200 {
		t.Errorf("another tenant: %d", rec.Code)
	}
}

// What no service has accepted counts against the address, in a batch each
// step for itself.
func TestRateLimitOfAddresses(t *testing.T) {
	t.Parallel()
	h := newService(t, dialUsers(t), func(c *Config) {
		c.AddressRate, c.AddressBurst, c.TrustedProxies = 0.001, 4, []string{"10.0.0.0/8"}
	}).Handler()
	good := claiming(tenantID, "good")
	for range 10 {
		if rec := from(h, "192.0.2.1", "GET", "/v1.0/users/x", "", good); rec.Code != 200 {
			t.Fatalf("accepted: %d", rec.Code)
		}
	}
	batch := func(url string) string {
		return fmt.Sprintf(`{"requests":[{"id":"a","method":"GET","url":"%[1]s"},{"id":"b","method":"GET","url":"%[1]s","dependsOn":["d"]},{"id":"d","method":"GET","url":"/users/x"}]}`, url)
	}
	if rec := from(h, "192.0.2.1", "POST", "/v1.0/$batch", batch("/colours"), good); rec.Code != 200 || strings.Contains(rec.Body.String(), `"status":429`) {
		t.Errorf("batch: %d %s", rec.Code, rec.Body)
	}
	for i, want := range []int{401, 401, 429} { // two steps were charged, the batch was not
		if rec := from(h, "192.0.2.1", "GET", "/v1.0/users/x", "", ""); rec.Code != want || want == 429 && rec.Header().Get("Retry-After") == "" {
			t.Errorf("%d: %d %s", i, rec.Code, rec.Body)
		}
	}
	for _, c := range []struct {
		method, target, token string
		status                int
	}{
		{"POST", "/v1.0/$batch", "", 401}, {"GET", "/v1.0/$batch", good, 405}, {"GET", "/colours", "", 404}, {"GET", "/metadata/endpoints", "", 200}, {"GET", "/metadata/endpoints", "", 429},
	} {
		if rec := from(h, "192.0.2.3", c.method, c.target, "", c.token); rec.Code != c.status {
			t.Errorf("%s %s: %d %s", c.method, c.target, rec.Code, rec.Body)
		}
	}
	// Behind a proxy the address is the one that it names.
	for i := range 6 {
		r := httptest.NewRequest("GET", "/v1.0/users/x", nil)
		r.RemoteAddr = "10.0.0.1:4711"
		r.Header.Set("X-Forwarded-For", fmt.Sprintf("192.0.2.%d", 100+i))
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, r)
		if rec.Code != 401 {
			t.Errorf("behind the proxy: %d", rec.Code)
		}
	}
}

// The token endpoint and the pages have a limit per address of their own, and
// say so in their own ways (DIR-15).
func TestRateLimitOfSignIns(t *testing.T) {
	t.Parallel()
	h := newService(t, dialUsers(t), func(c *Config) { c.SignInRate, c.SignInBurst = 0.001, 3 }).Handler()
	token := func(address string) *httptest.ResponseRecorder {
		r := httptest.NewRequest("POST", "/x/oauth2/v2.0/token", strings.NewReader("grant_type=client_credentials&client_id=a&client_secret=b"))
		r.RemoteAddr = address
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, r)
		return rec
	}
	for i := range 2 {
		if rec := token(fmt.Sprintf("[2001:db8::%d]:1", i)); rec.Code != 401 {
			t.Fatalf("%d %s", rec.Code, rec.Body)
		}
	}
	if rec := from(h, "[2001:db8::9]", "GET", "/redeem?ticket=x", "", ""); rec.Code != 410 {
		t.Errorf("page: %d", rec.Code)
	}
	rec := token("[2001:db8::ffff]:1")
	if rec.Code != 429 || rec.Header().Get("Retry-After") == "" || rec.Header().Get("Cache-Control") != "no-store" || !strings.Contains(rec.Body.String(), `"error":"temporarily_unavailable"`) {
		t.Errorf("token: %d %v %s", rec.Code, rec.Header(), rec.Body)
	}
	rec = from(h, "[2001:db8::9]", "GET", "/redeem/t/x", "", "")
	if rec.Code != 429 || rec.Header().Get("Retry-After") == "" || !strings.Contains(rec.Header().Get("Content-Type"), "text/html") || !strings.Contains(rec.Body.String(), "Too many attempts") {
		t.Errorf("page: %d %v %s", rec.Code, rec.Header(), rec.Body)
	}
	if rec := from(h, "[2001:db8::9]", "GET", "/assets/page.css", "", ""); rec.Code == 429 {
		t.Error("files of pages are limited")
	}
	if rec := token("[2001:db8:0:1::1]:1"); rec.Code != 401 {
		t.Errorf("another network: %d", rec.Code)
	}
}

// pair writes a self-signed certificate for 127.0.0.1.
func pair(t *testing.T) (certFile, keyFile string, pool *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for file, block := range map[string]*pem.Block{certFile: {Type: "CERTIFICATE", Bytes: der}, keyFile: {Type: "EC PRIVATE KEY", Bytes: keyDER}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	pool = x509.NewCertPool()
	pool.AppendCertsFromPEM(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	return certFile, keyFile, pool
}

func TestServe(t *testing.T) {
	t.Parallel()
	certFile, keyFile, pool := pair(t)
	s := newService(t, dialUsers(t), nil)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	cert := &certificate{certFile: certFile, keyFile: keyFile}
	go func() {
		done <- s.Serve(ctx, l, &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: cert.get})
	}()
	url := "https://" + l.Addr().String() + "/v1.0/users/x"
	for _, want := range []int{1, 2} {
		client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, ForceAttemptHTTP2: want == 2}}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+tokenOf("good"))
		res, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(res.Body)
		res.Body.Close()
		client.CloseIdleConnections()
		if res.StatusCode != 200 || res.ProtoMajor != want || res.Header.Get("Strict-Transport-Security") == "" {
			t.Errorf("%s %d %s", res.Proto, res.StatusCode, body)
		}
	}
	old := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}}}
	if res, err := old.Get(url); err == nil {
		res.Body.Close()
		t.Error("TLS 1.1 is served")
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("serve: %v", err)
	}
	if conn, err := net.Dial("tcp", l.Addr().String()); err == nil {
		conn.Close()
		t.Error("the listener is still open")
	}
}

func TestConfigIsChecked(t *testing.T) {
	t.Parallel()
	for name, cfg := range map[string]Config{
		"no origin":           {},
		"HTTPS without files": {Origins: []string{"https://a.example"}, HTTPSListen: ":8443"},
		"HTTP on all":         {Origins: []string{"https://a.example"}, HTTPListen: ":8080"},
		"short key":           {Origins: []string{"https://a.example"}, PageKey: "short"},
		"bad proxy":           {Origins: []string{"https://a.example"}, TrustedProxies: []string{"10.0.0.1"}},
		"negative rate":       {Origins: []string{"https://a.example"}, TenantRate: -1},
		"negative burst":      {Origins: []string{"https://a.example"}, SignInBurst: -1},
		"http origin":         {Origins: []string{"http://a.example"}},
	} {
		if _, err := New(t.Context(), cfg, Deps{}); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
