package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"

	"entente.dev/deploy/entente/internal/state"
)

// Graph speaks to the Graph facade as the administrator application of one
// tenant.
type Graph struct {
	at     Address
	tenant state.Tenant

	mu    sync.Mutex
	token string
}

// Address is where a suite is reached.
type Address struct {
	// HTTP is the origin on plain HTTP, on loopback.
	HTTP string
	// Resource is the origin that tokens are for.
	Resource string
	// Mail is the origin of the mail catcher.
	Mail string
	// Client carries the requests; it must trust the suite's authority.
	Client *http.Client
}

// NewGraph answers a client for the tenant. It asks for a token when it first
// needs one.
func NewGraph(at Address, tenant state.Tenant) *Graph { return &Graph{at: at, tenant: tenant} }

// Error is a refusal of Graph.
type Error struct {
	// Status is the HTTP status.
	Status int
	// Request is method and path; Code and Message are Graph's own.
	Request, Code, Message string
}

// Error reads as one line.
func (e *Error) Error() string {
	return fmt.Sprintf("%s: %d %s: %s", e.Request, e.Status, e.Code, e.Message)
}

// Token answers the tenant's access token, the same one for all calls: a demo
// is over long before it ends.
func (g *Graph) Token(ctx context.Context) (string, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.token != "" {
		return g.token, nil
	}
	form := url.Values{
		"grant_type": {"client_credentials"}, "client_id": {g.tenant.ClientID}, "client_secret": {g.tenant.ClientSecret},
		"scope": {strings.TrimSuffix(g.at.Resource, "/") + "/.default"},
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, g.at.HTTP+"/"+g.tenant.TenantID+"/oauth2/v2.0/token", strings.NewReader(form.Encode()))
	if err != nil {
		return "", fmt.Errorf("make request: %w", err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	var answer struct {
		AccessToken      string `json:"access_token"`
		Error            string `json:"error"`
		ErrorDescription string `json:"error_description"`
	}
	status, data, err := g.send(req)
	if err != nil {
		return "", err
	}
	if err := json.Unmarshal(data, &answer); err != nil {
		return "", fmt.Errorf("read token answer: %w", err)
	}
	if status != http.StatusOK || answer.AccessToken == "" {
		return "", &Error{Status: status, Request: "POST token", Code: answer.Error, Message: answer.ErrorDescription}
	}
	g.token = answer.AccessToken
	return g.token, nil
}

// Do sends body (nil for none) as JSON to the path below the origin and
// decodes the answer into out (nil for none).
func (g *Graph) Do(ctx context.Context, method, path string, body, out any) error {
	token, err := g.Token(ctx)
	if err != nil {
		return fmt.Errorf("get token: %w", err)
	}
	var reader io.Reader
	if body != nil {
		data, err := json.Marshal(body)
		if err != nil {
			return fmt.Errorf("encode request: %w", err)
		}
		reader = bytes.NewReader(data)
	}
	req, err := http.NewRequestWithContext(ctx, method, g.at.HTTP+path, reader)
	if err != nil {
		return fmt.Errorf("make request: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	status, data, err := g.send(req)
	if err != nil {
		return err
	}
	if status >= 300 {
		var envelope struct {
			Error struct{ Code, Message string }
		}
		if json.Unmarshal(data, &envelope) != nil {
			envelope.Error.Message = http.StatusText(status)
		}
		return &Error{Status: status, Request: method + " " + req.URL.Path, Code: envelope.Error.Code, Message: envelope.Error.Message}
	}
	if out == nil || len(data) == 0 {
		return nil
	}
	if err := json.Unmarshal(data, out); err != nil {
		return fmt.Errorf("read answer of %s %s: %w", method, req.URL.Path, err)
	}
	return nil
}

func (g *Graph) send(req *http.Request) (int, []byte, error) {
	resp, err := g.at.Client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(io.LimitReader(resp.Body, 32<<20))
	if err != nil {
		return 0, nil, fmt.Errorf("read answer: %w", err)
	}
	return resp.StatusCode, data, nil
}

// list reads every page of a collection.
func list[T any](ctx context.Context, g *Graph, path string) ([]T, error) {
	var all []T
	for path != "" {
		var page struct {
			Value []T    `json:"value"`
			Next  string `json:"@odata.nextLink"`
		}
		if err := g.Do(ctx, http.MethodGet, path, nil, &page); err != nil {
			return nil, err
		}
		all = append(all, page.Value...)
		path = ""
		if page.Next != "" {
			next, err := url.Parse(page.Next)
			if err != nil {
				return nil, fmt.Errorf("follow the next link: %w", err)
			}
			path = next.RequestURI()
		}
	}
	return all, nil
}

// bind is the link that names an object in a request.
func (g *Graph) bind(id string) string { return g.at.Resource + "/v1.0/directoryObjects/" + id }
