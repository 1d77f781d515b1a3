package oauth

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"entente.dev/gateway/internal/graph"
	directorypb "entente.dev/proto/gen/entente/directory/v1"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/clock/clocktest"
	"entente.dev/servicekit/fault"
	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/testing/protocmp"
)

const tenantID = "7a1b0c00-0000-4000-8000-000000000001"

type fakeTokens struct {
	got  *directorypb.IssueTokenRequest
	err  error
	keys []*directorypb.SigningKey
}

func (f *fakeTokens) IssueToken(_ context.Context, in *directorypb.IssueTokenRequest, _ ...grpc.CallOption) (*directorypb.IssueTokenResponse, error) {
	f.got = in
	return &directorypb.IssueTokenResponse{TokenType: "Bearer", ExpiresIn: 3599, ExtExpiresIn: 3599, AccessToken: "a.b.c"}, f.err
}

func (f *fakeTokens) ListSigningKeys(context.Context, *directorypb.ListSigningKeysRequest, ...grpc.CallOption) (*directorypb.ListSigningKeysResponse, error) {
	return &directorypb.ListSigningKeysResponse{Keys: f.keys}, f.err
}

func (f *fakeTokens) ResolveAuthority(context.Context, *directorypb.ResolveAuthorityRequest, ...grpc.CallOption) (*directorypb.ResolveAuthorityResponse, error) {
	return &directorypb.ResolveAuthorityResponse{TenantId: tenantID}, f.err
}

func send(f *fakeTokens, method, target, body string, headers ...string) *httptest.ResponseRecorder {
	h := &Handler{Tokens: f, Clock: clocktest.New(time.Date(2026, 11, 21, 7, 10, 38, 0, time.UTC)), LoginOrigin: "https://login.example:8443", Name: "Entente"}
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded;charset=utf-8")
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	r = r.WithContext(graph.WithCall(r.Context(), &graph.Call{RequestID: "trace", ClientRequestID: "corr", Origin: "https://login.example:8443", IP: "192.0.2.1"}))
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, r)
	return rec
}

func TestToken(t *testing.T) {
	t.Parallel()
	f := &fakeTokens{}
	rec := send(f, "POST", "/contoso.example/oauth2/v2.0/token?client-request-id=x", "grant_type=client_credentials&client_id=c&client_secret=s%2Bx&scope=https%3A%2F%2Fh%3A8443%2F.default")
	want := &directorypb.IssueTokenRequest{
		Authority: "contoso.example", GrantType: "client_credentials", ClientId: "c", ClientSecret: "s+x", Scope: "https://h:8443/.default",
		TokenEndpoint: "https://login.example:8443/contoso.example/oauth2/v2.0/token", IpAddress: "192.0.2.1",
	}
	if diff := cmp.Diff(want, f.got, protocmp.Transform()); diff != "" {
		t.Error(diff)
	}
	if rec.Code != 200 || rec.Header().Get("Cache-Control") != "no-store" ||
		rec.Body.String() != `{"access_token":"a.b.c","expires_in":3599,"ext_expires_in":3599,"token_type":"Bearer"}` {
		t.Errorf("%d %v %s", rec.Code, rec.Header(), rec.Body)
	}
	r := httptest.NewRequest("POST", "/", nil)
	r.SetBasicAuth("c%3A1", "s%2Bx")
	send(f, "POST", "/common/oauth2/v2.0/token", "grant_type=client_credentials", "Authorization", r.Header.Get("Authorization"))
	if f.got.GetClientId() != "c:1" || f.got.GetClientSecret() != "s+x" {
		t.Errorf("basic: %v", f.got)
	}
}

func TestTokenErrors(t *testing.T) {
	t.Parallel()
	const form = "grant_type=client_credentials&client_id=c&client_secret=s"
	basicHeader := []string{"Authorization", "Basic Yzpz"}
	for _, c := range []struct {
		name    string
		err     error
		body    string
		headers []string
		status  int
		code    string
		prefix  string
	}{
		{"wrong secret", fault.Unauthenticated(errorspb.Reason_OAUTH_INVALID_CLIENT, "Invalid client secret provided."), form, nil, 401, "invalid_client", "AADSTS7000215: Invalid client secret"},
		{"unknown application", fault.Invalid(errorspb.Reason_OAUTH_UNKNOWN_APPLICATION, "Application with identifier 'c' was not found."), form, nil, 400, "unauthorized_client", "AADSTS700016: "},
		{"unknown tenant", fault.Invalid(errorspb.Reason_OAUTH_UNKNOWN_TENANT, "Tenant 'x' not found."), form, nil, 400, "invalid_request", "AADSTS90002: "},
		{"down", fault.Unavailable(errorspb.Reason_UNAVAILABLE, "x"), form, nil, 503, "temporarily_unavailable", "AADSTS90033: "},
		{"ours", fault.Internal(errorspb.Reason_INTERNAL, "pq: secret"), form, nil, 500, "server_error", "AADSTS90014: An internal error occurred."},
		{"no grant", nil, "client_id=c", nil, 400, "invalid_request", "AADSTS900144: "},
		{"twice", nil, form + "&client_id=d", nil, 400, "invalid_request", "AADSTS900144: "},
		{"no form", nil, form, []string{"Content-Type", "application/json"}, 400, "invalid_request", "AADSTS900144: "},
		{"two ways", nil, form, basicHeader, 400, "invalid_request", "AADSTS900144: "},
		{"too large", nil, form + "&x=" + strings.Repeat("a", maxForm), nil, 400, "invalid_request", "AADSTS900144: "},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			rec := send(&fakeTokens{err: c.err}, "POST", "/x/oauth2/v2.0/token", c.body, c.headers...)
			var e errorBody
			if err := json.Unmarshal(rec.Body.Bytes(), &e); err != nil {
				t.Fatal(err)
			}
			if rec.Code != c.status || e.Error != c.code || !strings.HasPrefix(e.Description, c.prefix) || len(e.Codes) != 1 ||
				e.TraceID != "trace" || e.CorrelationID != "corr" || e.Timestamp != "2026-11-21 07:10:38Z" {
				t.Errorf("%d %+v", rec.Code, e)
			}
			if strings.Contains(rec.Body.String(), "secret\"") || strings.Contains(rec.Body.String(), "pq:") {
				t.Errorf("detail leaked: %s", rec.Body)
			}
		})
	}
	if rec := send(&fakeTokens{}, "GET", "/x/oauth2/v2.0/token", ""); rec.Code != 405 {
		t.Errorf("GET: %d", rec.Code)
	}
}

func document(t *testing.T, f *fakeTokens, target string) map[string]any {
	t.Helper()
	rec := send(f, "GET", target, "")
	var v map[string]any
	if err := json.Unmarshal(rec.Body.Bytes(), &v); err != nil || rec.Code != 200 {
		t.Fatalf("%s: %d %v %s", target, rec.Code, err, rec.Body)
	}
	return v
}

func TestDocuments(t *testing.T) {
	t.Parallel()
	for _, target := range []string{"/contoso.example/v2.0/.well-known/openid-configuration", "/" + tenantID + "/.well-known/openid-configuration"} {
		v := document(t, &fakeTokens{}, target)
		base := "https://login.example:8443/" + tenantID
		if v["issuer"] != base+"/v2.0" || v["token_endpoint"] != base+"/oauth2/v2.0/token" || v["jwks_uri"] != base+"/discovery/v2.0/keys" || v["authorization_endpoint"] == nil {
			t.Errorf("%s: %v", target, v)
		}
	}
	if v := document(t, &fakeTokens{}, "/common/v2.0/.well-known/openid-configuration"); v["issuer"] != "https://login.example:8443/{tenantid}/v2.0" {
		t.Errorf("common: %v", v)
	}
	v := document(t, &fakeTokens{}, "/common/discovery/instance?api-version=1.1&authorization_endpoint=https://x/contoso.example/oauth2/v2.0/authorize")
	if v["tenant_discovery_endpoint"] != "https://login.example:8443/contoso.example/v2.0/.well-known/openid-configuration" {
		t.Errorf("instance: %v", v)
	}
	v = document(t, &fakeTokens{}, "/metadata/endpoints?api-version=2022-09-01")
	auth, _ := v["authentication"].(map[string]any)
	if v["name"] != "Entente" || v["microsoftGraphResourceId"] != "https://login.example:8443" || auth["loginEndpoint"] != "https://login.example:8443" {
		t.Errorf("metadata: %v", v)
	}
	rec := send(&fakeTokens{err: fault.Invalid(errorspb.Reason_OAUTH_UNKNOWN_TENANT, "Tenant 'x' not found.")}, "GET", "/x/v2.0/.well-known/openid-configuration", "")
	if rec.Code != http.StatusBadRequest || !strings.Contains(rec.Body.String(), "AADSTS90002") {
		t.Errorf("unknown tenant: %d %s", rec.Code, rec.Body)
	}
}

// The published keys verify what the private ones sign.
func TestKeys(t *testing.T) {
	t.Parallel()
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(&private.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	rec := send(&fakeTokens{keys: []*directorypb.SigningKey{{Kid: "k1", Alg: "RS256", PublicKey: der}, {Kid: "broken"}}}, "GET", "/x/discovery/v2.0/keys", "")
	var set jose.JSONWebKeySet
	if err := json.Unmarshal(rec.Body.Bytes(), &set); err != nil {
		t.Fatal(err)
	}
	if len(set.Keys) != 1 || set.Keys[0].KeyID != "k1" || !private.PublicKey.Equal(set.Keys[0].Key) {
		t.Errorf("%s", rec.Body)
	}
}

func TestHandles(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]bool{
		"/x/oauth2/v2.0/token": true, "/X/OAuth2/V2.0/Token": true, "/common/discovery/instance": true, "/x/discovery/instance": false,
		"/metadata/endpoints": true, "/x/endpoints": false, "/v1.0/users": false, "/": false, "/redeem": false,
	} {
		if Handles(path) != want {
			t.Errorf("%s: %v", path, !want)
		}
	}
}
