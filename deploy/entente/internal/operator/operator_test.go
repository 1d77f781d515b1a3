package operator

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/google/go-cmp/cmp"
)

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestTokenNamesIssuerAudienceAndEnd(t *testing.T) {
	t.Parallel()
	key, now := newKey(t), time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	text, err := Token(key, "anna", now, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	token, err := jwt.ParseSigned(text, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		t.Fatal(err)
	}
	var claims jwt.Claims
	if err := token.Claims(key.Public(), &claims); err != nil {
		t.Fatal(err)
	}
	expected := jwt.Expected{Issuer: "entente-operator", AnyAudience: jwt.Audience{"entente-admin"}, Subject: "anna", Time: now.Add(59 * time.Minute)}
	if err := claims.ValidateWithLeeway(expected, 0); err != nil {
		t.Error(err)
	}
	expected.Time = now.Add(61 * time.Minute)
	if err := claims.ValidateWithLeeway(expected, 0); !errors.Is(err, jwt.ErrExpired) {
		t.Errorf("an hour later: %v", err)
	}
	if claims.ID == "" {
		t.Error("the token has no id")
	}
	for _, life := range []time.Duration{0, -time.Second, 25 * time.Hour} {
		if _, err := Token(key, "anna", now, life); err == nil {
			t.Errorf("a life of %s was accepted", life)
		}
	}
}

// recorded is what the server in a test saw.
type recorded struct{ Method, Path, Key, Body string }

func serve(t *testing.T, answers ...func(http.ResponseWriter)) (*Client, *[]recorded) {
	t.Helper()
	var seen []recorded
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.Header.Get("Authorization"), "Bearer ey") {
			t.Error("a request without a token")
		}
		body, _ := io.ReadAll(r.Body)
		seen = append(seen, recorded{r.Method, r.URL.RequestURI(), r.Header.Get("Idempotency-Key"), string(body)})
		answers[len(seen)-1](w)
	}))
	t.Cleanup(server.Close)
	c, err := New(server.URL, "", newKey(t))
	if err != nil {
		t.Fatal(err)
	}
	return c, &seen
}

func answer(status int, body string) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		w.WriteHeader(status)
		io.WriteString(w, body)
	}
}

func TestTenantIsCreatedWithItsIdempotencyKey(t *testing.T) {
	t.Parallel()
	c, seen := serve(t, answer(201, `{"tenantId":"t","initialDomain":"contoso.example","state":"active","administrator":{"id":"a","userPrincipalName":"u","temporaryPassword":"p"}}`))
	got, err := c.CreateTenant(t.Context(), "key-1", NewTenant{DisplayName: "Contoso", TenantType: "workforce", InitialDomainPrefix: "contoso", CountryLetterCode: "NL"})
	if err != nil || got.TenantID != "t" || got.Administrator.TemporaryPassword != "p" {
		t.Fatalf("%+v, %v", got, err)
	}
	want := []recorded{{"POST", "/admin/v1/tenants", "key-1", `{"displayName":"Contoso","tenantType":"workforce","initialDomainPrefix":"contoso","countryLetterCode":"NL"}`}}
	if diff := cmp.Diff(want, *seen); diff != "" {
		t.Error(diff)
	}
}

func TestListingFollowsEveryPage(t *testing.T) {
	t.Parallel()
	c, seen := serve(t,
		answer(200, `{"value":[{"tenantId":"1"}],"@odata.nextLink":"https://elsewhere.example/admin/v1/tenants?prefix=co&$skiptoken=x"}`),
		answer(200, `{"value":[{"tenantId":"2"}]}`))
	got, err := c.Tenants(t.Context(), "co")
	if err != nil || len(got) != 2 {
		t.Fatalf("%v, %v", got, err)
	}
	if second := (*seen)[1].Path; second != "/admin/v1/tenants?%24skiptoken=x&prefix=co" {
		t.Errorf("second page from %s", second)
	}
}

func TestARefusalCarriesTheAPIsWords(t *testing.T) {
	t.Parallel()
	c, _ := serve(t,
		answer(400, `{"error":{"code":"ObjectConflict","message":"The prefix is taken."}}`),
		answer(502, `<html>`))
	err := c.SetState(t.Context(), "a/b", "suspended")
	var refused *Error
	if !errors.As(err, &refused) || refused.Status != 400 || refused.Code != "ObjectConflict" || refused.Message != "The prefix is taken." {
		t.Errorf("got %v", err)
	}
	err = c.DeleteTenant(t.Context(), "t")
	if !errors.As(err, &refused) || refused.Status != 502 {
		t.Errorf("got %v", err)
	}
}

func TestAnUnreachableInstallationIsNamed(t *testing.T) {
	t.Parallel()
	c, err := New("http://127.0.0.1:1", "", newKey(t))
	if err != nil {
		t.Fatal(err)
	}
	var out json.RawMessage
	if err := c.Do(t.Context(), "GET", "/", "", nil, &out); err == nil || !strings.Contains(err.Error(), "http://127.0.0.1:1") {
		t.Errorf("got %v", err)
	}
}
