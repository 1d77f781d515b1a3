package suitetest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"entente.dev/deploy/e2e/contract"
)

// Object is a JSON object.
type Object = map[string]any

// Graph calls the REST facade as one caller. Each answer is held against the
// contract, and every method fails the test when the answer is not the one it
// names.
type Graph struct {
	// Suite is what it calls.
	Suite *Suite
	// Token authenticates; empty sends no header.
	Token string
	// Header is added to every request.
	Header http.Header

	t      testing.TB
	client *http.Client
}

// Answer is what came back.
type Answer struct {
	Status int
	Header http.Header
	Raw    []byte
	// JSON is the body when it is an object; numbers are json.Number.
	JSON Object
}

// Graph returns a client that signs in as the application of a tenant.
func (s *Suite) Graph(t testing.TB, tenant Tenant) *Graph {
	t.Helper()
	return s.Bearer(t, s.AppToken(t, tenant.ID, tenant.ClientID, tenant.ClientSecret))
}

// Operator returns a client for /admin/v1.
func (s *Suite) Operator(t testing.TB) *Graph {
	t.Helper()
	token, err := s.operator()
	if err != nil {
		t.Fatalf("operator token: %v", err)
	}
	return s.Bearer(t, token)
}

// Bearer returns a client with a given token, which may be empty.
func (s *Suite) Bearer(t testing.TB, token string) *Graph {
	g := &Graph{Suite: s, Token: token, Header: http.Header{}, t: t}
	g.client = &http.Client{
		Timeout:       time.Minute,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &contract.Transport{Base: s.transport, Report: func(request, problem string) {
			t.Errorf("contract: %s: %s", request, problem)
		}},
	}
	return g
}

// With returns the same client with one more header.
func (g *Graph) With(name, value string) *Graph {
	c := *g
	c.Header = g.Header.Clone()
	c.Header.Set(name, value)
	return &c
}

// Covering returns the same client, which tells c what was answered well.
func (g *Graph) Covering(c *contract.Coverage) *Graph {
	other, client := *g, *g.client
	transport := *client.Transport.(*contract.Transport)
	transport.Coverage = c
	client.Transport, other.client = &transport, &client
	return &other
}

// Acting returns the same client with the token of another one.
func (g *Graph) Acting(other *Graph) *Graph {
	c := *g
	c.Token = other.Token
	return &c
}

// Advanced returns the same client with ConsistencyLevel: eventual.
func (g *Graph) Advanced() *Graph { return g.With("ConsistencyLevel", "eventual") }

// AppToken gets an access token by client credentials and keeps it.
func (s *Suite) AppToken(t testing.TB, tenant, clientID, secret string) string {
	t.Helper()
	key := tenant + " " + clientID
	if token, ok := s.tokens.Load(key); ok {
		return token.(string)
	}
	answer := s.TokenRequest(t, tenant, url.Values{
		"grant_type": {"client_credentials"}, "client_id": {clientID}, "client_secret": {secret}, "scope": {s.GraphURL + "/.default"},
	})
	token, _ := answer.JSON["access_token"].(string)
	if answer.Status != http.StatusOK || token == "" {
		t.Fatalf("token for %s in %s: %d %s", clientID, tenant, answer.Status, answer.Raw)
	}
	s.tokens.Store(key, token)
	return token
}

// TokenRequest posts a form to the token endpoint of an authority.
func (s *Suite) TokenRequest(t testing.TB, authority string, form url.Values) Answer {
	t.Helper()
	client := &http.Client{Transport: s.transport, Timeout: time.Minute}
	resp, err := client.PostForm(s.LoginURL+"/"+authority+"/oauth2/v2.0/token", form)
	if err != nil {
		t.Fatalf("token endpoint: %v", err)
	}
	return read(t, resp)
}

// Escape makes a path with a query as people write it fit for a request.
func Escape(path string) string {
	path, query, found := strings.Cut(path, "?")
	if !found {
		return path
	}
	parts := strings.Split(query, "&")
	for i, p := range parts {
		name, value, _ := strings.Cut(p, "=")
		parts[i] = name + "=" + url.QueryEscape(value)
	}
	return path + "?" + strings.Join(parts, "&")
}

// Do sends one request and returns whatever comes. A body that is no []byte
// or string is written as JSON. A path may be a link of an answer.
func (g *Graph) Do(method, path string, body any) Answer {
	g.t.Helper()
	req, err := g.Request(method, path, body)
	if err != nil {
		g.t.Fatalf("%s %s: %v", method, path, err)
	}
	resp, err := g.client.Do(req)
	if err != nil {
		g.t.Fatalf("%s %s: %v", method, path, err)
	}
	return read(g.t, resp)
}

// Try is Do for tests that expect the suite to vanish: it returns the error of
// the connection instead of failing the test.
func (g *Graph) Try(method, path string, body any) (Answer, error) {
	req, err := g.Request(method, path, body)
	if err != nil {
		return Answer{}, err
	}
	resp, err := (&http.Client{Transport: g.Suite.transport, Timeout: 20 * time.Second}).Do(req)
	if err != nil {
		return Answer{}, err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	a := Answer{Status: resp.StatusCode, Header: resp.Header, Raw: raw}
	_ = json.Unmarshal(raw, &a.JSON)
	return a, err
}

// Request builds a request without sending it.
func (g *Graph) Request(method, path string, body any) (*http.Request, error) {
	target := path
	if !strings.HasPrefix(path, "https://") {
		target = g.Suite.GraphURL + Escape(path)
	}
	var payload io.Reader
	switch b := body.(type) {
	case nil:
	case []byte:
		payload = bytes.NewReader(b)
	case string:
		payload = strings.NewReader(b)
	default:
		text, err := json.Marshal(b)
		if err != nil {
			return nil, err
		}
		payload = bytes.NewReader(text)
	}
	req, err := http.NewRequest(method, target, payload)
	if err != nil {
		return nil, err
	}
	for name, values := range g.Header {
		req.Header[name] = values
	}
	if g.Token != "" {
		req.Header.Set("Authorization", "Bearer "+g.Token)
	}
	if payload != nil && req.Header.Get("Content-Type") == "" {
		req.Header.Set("Content-Type", "application/json")
	}
	return req, nil
}

func read(t testing.TB, resp *http.Response) Answer {
	t.Helper()
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("read the answer: %v", err)
	}
	a := Answer{Status: resp.StatusCode, Header: resp.Header, Raw: raw}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	_ = d.Decode(&a.JSON) // no object: the caller looks at Raw
	return a
}

func (g *Graph) want(method, path string, body any, statuses ...int) Answer {
	g.t.Helper()
	a := g.Do(method, path, body)
	for _, s := range statuses {
		if a.Status == s {
			return a
		}
	}
	g.t.Fatalf("%s %s = %d, want %v\n%s", method, path, a.Status, statuses, a.Raw)
	return a
}

// Get reads one object or page, 200.
func (g *Graph) Get(path string) Object {
	g.t.Helper()
	return g.want(http.MethodGet, path, nil, http.StatusOK).JSON
}

// Create posts a new object, 201.
func (g *Graph) Create(path string, body any) Object {
	g.t.Helper()
	return g.want(http.MethodPost, path, body, http.StatusCreated).JSON
}

// Act posts an action that answers a value, 200.
func (g *Graph) Act(path string, body any) Object {
	g.t.Helper()
	return g.want(http.MethodPost, path, body, http.StatusOK).JSON
}

// Send makes a change that answers nothing, 204.
func (g *Graph) Send(method, path string, body any) {
	g.t.Helper()
	g.want(method, path, body, http.StatusNoContent)
}

// Patch changes an object, 204.
func (g *Graph) Patch(path string, body any) {
	g.t.Helper()
	g.Send(http.MethodPatch, path, body)
}

// Delete deletes an object, 204.
func (g *Graph) Delete(path string) {
	g.t.Helper()
	g.Send(http.MethodDelete, path, nil)
}

// Refused sends a request that must fail with a status and a Graph code.
func (g *Graph) Refused(method, path string, body any, status int, code string) Answer {
	g.t.Helper()
	a := g.Do(method, path, body)
	if a.Status != status || Code(a) != code {
		g.t.Errorf("%s %s = %d %s, want %d %s\n%s", method, path, a.Status, Code(a), status, code, a.Raw)
	}
	return a
}

// Code returns error.code of an answer.
func Code(a Answer) string {
	e, _ := a.JSON["error"].(Object)
	code, _ := e["code"].(string)
	return code
}

// Message returns error.message of an answer.
func Message(a Answer) string {
	e, _ := a.JSON["error"].(Object)
	message, _ := e["message"].(string)
	return message
}

// Details returns the codes of error.details of an answer.
func Details(a Answer) []string {
	e, _ := a.JSON["error"].(Object)
	list, _ := e["details"].([]any)
	var codes []string
	for _, d := range list {
		if o, ok := d.(Object); ok {
			codes = append(codes, fmt.Sprint(o["code"]))
		}
	}
	return codes
}

// Values returns the elements of a page.
func Values(page Object) []Object {
	list, _ := page["value"].([]any)
	var objects []Object
	for _, v := range list {
		if o, ok := v.(Object); ok {
			objects = append(objects, o)
		}
	}
	return objects
}

// All reads a list to its end and returns its elements and the number of pages.
func (g *Graph) All(path string) (objects []Object, pages int) {
	g.t.Helper()
	for path != "" {
		page := g.Get(path)
		objects = append(objects, Values(page)...)
		pages++
		path, _ = page["@odata.nextLink"].(string)
		if pages > 10_000 {
			g.t.Fatal("a list without end")
		}
	}
	return objects, pages
}

// ID returns the id of an object.
func ID(o Object) string {
	id, _ := o["id"].(string)
	return id
}
