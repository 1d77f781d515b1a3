package graph

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// serve answers a client of a facade whose tokens live for the given time, and
// the number of tokens it gave.
func serve(t *testing.T, life time.Duration, facade http.HandlerFunc) (*Client, *atomic.Int32) {
	t.Helper()
	tokens := new(atomic.Int32)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/tenant/oauth2/v2.0/token" {
			facade(w, r)
			return
		}
		if r.FormValue("client_secret") != "secret" {
			w.WriteHeader(http.StatusUnauthorized)
			io.WriteString(w, `{"error":"invalid_client","error_description":"Wrong secret."}`)
			return
		}
		tokens.Add(1)
		json.NewEncoder(w).Encode(map[string]any{"access_token": "a.b.c", "expires_in": life.Seconds()})
	}))
	t.Cleanup(server.Close)
	return New(Config{Origin: server.URL, TenantID: "tenant", ClientID: "client", ClientSecret: "secret", HTTP: server.Client()}), tokens
}

func TestRefusalsCarryCodeAndMessage(t *testing.T) {
	t.Parallel()
	c, _ := serve(t, time.Hour, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("request-id", "r1")
		w.WriteHeader(http.StatusForbidden)
		io.WriteString(w, `{"error":{"code":"Authorization_RequestDenied","message":"Insufficient privileges."}}`)
	})
	var refused *Error
	err := c.Do(t.Context(), http.MethodGet, "/v1.0/users", nil, nil)
	if !errors.As(err, &refused) || refused.Status != 403 || refused.Code != "Authorization_RequestDenied" {
		t.Fatalf("got %v", err)
	}
	if want := "GET /v1.0/users: Insufficient privileges. (Authorization_RequestDenied, status 403, request r1)"; refused.Error() != want {
		t.Errorf("reads %q, want %q", refused, want)
	}
}

func TestRefusalsWithoutAnEnvelopeNameTheStatus(t *testing.T) {
	t.Parallel()
	c, _ := serve(t, time.Hour, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadGateway)
		io.WriteString(w, `<html>`)
	})
	err := c.Do(t.Context(), http.MethodGet, "/users", nil, nil)
	if err == nil || !strings.Contains(err.Error(), "Bad Gateway (no code, status 502)") {
		t.Errorf("got %v", err)
	}
}

func TestAWrongSecretIsNamed(t *testing.T) {
	t.Parallel()
	c, _ := serve(t, time.Hour, nil)
	c.config.ClientSecret = "other"
	err := c.Do(t.Context(), http.MethodGet, "/users", nil, nil)
	if err == nil || !strings.Contains(err.Error(), "Wrong secret. (invalid_client, status 401)") {
		t.Errorf("got %v", err)
	}
}

func TestATokenServesUntilItEnds(t *testing.T) {
	t.Parallel()
	for life, want := range map[time.Duration]int32{time.Hour: 1, time.Minute: 2} {
		c, tokens := serve(t, life, func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Authorization") != "Bearer a.b.c" {
				w.WriteHeader(http.StatusUnauthorized)
			}
		})
		for range 2 {
			if err := c.Do(t.Context(), http.MethodDelete, "/users/x", nil, nil); err != nil {
				t.Fatal(err)
			}
		}
		if got := tokens.Load(); got != want {
			t.Errorf("%d tokens of %s for two calls, want %d", got, life, want)
		}
	}
}

func TestPathsAreReadAsPeopleWriteThem(t *testing.T) {
	t.Parallel()
	c := New(Config{Origin: "https://graph.example"})
	for path, want := range map[string]string{
		"users":                               "/v1.0/users",
		"/users":                              "/v1.0/users",
		"/v1.0/users":                         "/v1.0/users",
		"/beta/users":                         "/beta/users",
		"/v1.0":                               "/v1.0",
		"/entente/v1/":                        "/entente/v1/",
		"/users?$filter=displayName eq 'Ada'": "/v1.0/users?$filter=displayName%20eq%20'Ada'",
		"/users?$filter=a%20eq%20'1'":         "/v1.0/users?$filter=a%20eq%20'1'",
		"/users/ada_x#EXT#@contoso.example":   "/v1.0/users/ada_x%23EXT%23@contoso.example",
		"/users?$search=\"displayName:Zoë\"":  "/v1.0/users?$search=%22displayName:Zo%C3%AB%22",
		"/users/100%":                         "/v1.0/users/100%25",
		"https://other.example/v1.0/users?$skiptoken=x": "/v1.0/users?$skiptoken=x",
	} {
		got, err := c.below(path)
		if err != nil || got != want {
			t.Errorf("%q is %q, %v; want %q", path, got, err, want)
		}
	}
	if got, err := c.below("://x"); err == nil {
		t.Errorf("://x is %q", got)
	}
}

// pages serves three pages of two numbers, then a delta link.
func pages(t *testing.T) *Client {
	c, _ := serve(t, time.Hour, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("ConsistencyLevel") != "eventual" {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		n, _ := strconv.Atoi(r.URL.Query().Get("$skiptoken"))
		page := map[string]any{"value": []int{2 * n, 2*n + 1}, "@odata.context": "c" + strconv.Itoa(n)}
		if n == 0 {
			page["@odata.count"] = 6
		}
		if n < 2 {
			page["@odata.nextLink"] = "https://elsewhere.example/v1.0/numbers?$skiptoken=" + strconv.Itoa(n+1)
		} else {
			page["@odata.deltaLink"] = "delta"
		}
		json.NewEncoder(w).Encode(page)
	})
	return c
}

var eventual = http.Header{"Consistencylevel": {"eventual"}}

func TestListsFollowTheLinksAtTheSameOrigin(t *testing.T) {
	t.Parallel()
	c := pages(t)
	for limit, want := range map[int]int{0: 6, 1: 2, 3: 4, 6: 6} {
		got, err := List[int](t.Context(), c, "/numbers", eventual, limit)
		if err != nil || len(got.Value) != want || (got.Next == "") != (want == 6) || *got.Count != 6 || got.Context != "c0" {
			t.Errorf("limit %d: %+v, %v", limit, got, err)
		}
	}
}

func TestPagesJoinIntoOne(t *testing.T) {
	t.Parallel()
	c := pages(t)
	got, err := Join(t.Context(), c, []byte(`{"@odata.context":"c0","@odata.nextLink":"/numbers?$skiptoken=1","value":[0,1]}`), eventual)
	if want := `{"@odata.context":"c0","@odata.deltaLink":"delta","value":[0,1,2,3,4,5]}`; err != nil || string(got) != want {
		t.Errorf("got %s, %v", got, err)
	}
	for _, alone := range []string{`{"value":[1]}`, `{"id":"x"}`, `[1]`, `7`} {
		if got, err := Join(t.Context(), c, []byte(alone), eventual); err != nil || string(got) != alone {
			t.Errorf("%s became %s, %v", alone, got, err)
		}
	}
}
