package graph

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"
)

// resourceID is Graph's own application id: a token for it is good whatever
// the origin is called that the suite was reached at.
const resourceID = "00000003-0000-0000-c000-000000000000"

// maxJSON bounds an answer that is read as a whole.
const maxJSON = 64 << 20

// Config says which suite to reach, and as whom.
type Config struct {
	// Origin is scheme, host and port that requests go to.
	Origin string
	// Login is the origin of the token endpoint; "" means Origin.
	Login string
	// TenantID, ClientID and ClientSecret are the application's.
	TenantID, ClientID, ClientSecret string
	// HTTP carries the requests; it must trust the suite's certificate.
	HTTP *http.Client
}

// Client calls Graph as one application. It is safe for concurrent use.
type Client struct {
	config Config

	mu    sync.Mutex
	token string
	until time.Time
}

// New answers a client. It asks for a token when it first needs one.
func New(c Config) *Client {
	if c.Login == "" {
		c.Login = c.Origin
	}
	return &Client{config: c}
}

// Trusting answers an HTTP client that trusts the authorities of caFile in
// place of the system's; "" keeps those.
func Trusting(caFile string, timeout time.Duration) (*http.Client, error) {
	transport := &http.Transport{MaxIdleConnsPerHost: 16, ForceAttemptHTTP2: true}
	if caFile != "" {
		pem, err := os.ReadFile(caFile)
		if err != nil {
			return nil, fmt.Errorf("read certificate authority: %w", err)
		}
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("read certificate authority: %s holds no certificate", caFile)
		}
		transport.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	}
	return &http.Client{Transport: transport, Timeout: timeout}, nil
}

// renewal is how long before its end a token is replaced.
const renewal = 2 * time.Minute

// Token answers an access token of the application that holds for the next
// call at least.
func (c *Client) Token(ctx context.Context) (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	asked := time.Now()
	if c.token != "" && asked.Before(c.until) {
		return c.token, nil
	}
	form := url.Values{
		"grant_type": {"client_credentials"}, "client_id": {c.config.ClientID}, "client_secret": {c.config.ClientSecret},
		"scope": {resourceID + "/.default"},
	}
	at := c.config.Login + "/" + url.PathEscape(c.config.TenantID) + "/oauth2/v2.0/token"
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, at, strings.NewReader(form.Encode()))
	if err != nil {
		return "", fmt.Errorf("make request: %w", err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := c.config.HTTP.Do(req)
	if err != nil {
		return "", unreachable(c.config.Login, err)
	}
	data, err := read(resp)
	if err != nil {
		return "", err
	}
	var answer struct {
		AccessToken      string `json:"access_token"`
		ExpiresIn        int64  `json:"expires_in"`
		Error            string `json:"error"`
		ErrorDescription string `json:"error_description"`
	}
	if err := json.Unmarshal(data, &answer); err != nil && resp.StatusCode == http.StatusOK {
		return "", fmt.Errorf("read token answer: %w", err)
	}
	if resp.StatusCode != http.StatusOK || answer.AccessToken == "" {
		return "", refusal(req, resp, answer.Error, answer.ErrorDescription)
	}
	c.token = answer.AccessToken
	c.until = asked.Add(time.Duration(answer.ExpiresIn)*time.Second - renewal)
	return c.token, nil
}

// Request is one request to Graph.
type Request struct {
	Method string
	// Path is path and query below the origin, or a link that an earlier
	// answer held.
	Path string
	// Header is sent along; a Content-Type in it replaces JSON's.
	Header http.Header
	// Body is sent unless it is nil.
	Body []byte
}

// Send answers the response to a request, whose body the caller closes. When
// Graph refused, there is none, and the error is an *Error.
func (c *Client) Send(ctx context.Context, r Request) (*http.Response, error) {
	path, err := c.below(r.Path)
	if err != nil {
		return nil, err
	}
	token, err := c.Token(ctx)
	if err != nil {
		return nil, fmt.Errorf("get token: %w", err)
	}
	var body io.Reader
	if r.Body != nil {
		body = bytes.NewReader(r.Body)
	}
	req, err := http.NewRequestWithContext(ctx, r.Method, c.config.Origin+path, body)
	if err != nil {
		return nil, fmt.Errorf("make request: %w", err)
	}
	if r.Body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	for name, values := range r.Header {
		req.Header[name] = values
	}
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := c.config.HTTP.Do(req)
	if err != nil {
		return nil, unreachable(c.config.Origin, err)
	}
	if resp.StatusCode < http.StatusMultipleChoices {
		return resp, nil
	}
	data, err := read(resp)
	if err != nil {
		return nil, err
	}
	var envelope struct {
		Error struct{ Code, Message string }
	}
	// What is no envelope comes from something in between, whose status says all.
	_ = json.Unmarshal(data, &envelope)
	return nil, refusal(req, resp, envelope.Error.Code, envelope.Error.Message)
}

// Do sends body (nil for none) as JSON and decodes the answer into out (nil
// for none).
func (c *Client) Do(ctx context.Context, method, path string, body, out any) error {
	r := Request{Method: method, Path: path}
	if body != nil {
		data, err := json.Marshal(body)
		if err != nil {
			return fmt.Errorf("encode request: %w", err)
		}
		r.Body = data
	}
	return c.DoRequest(ctx, r, out)
}

// DoRequest sends a request as it is and decodes the answer into out (nil for
// none).
func (c *Client) DoRequest(ctx context.Context, r Request, out any) error {
	resp, err := c.Send(ctx, r)
	if err != nil {
		return err
	}
	data, err := read(resp)
	if err != nil || out == nil || len(data) == 0 {
		return err
	}
	if err := json.Unmarshal(data, out); err != nil {
		return fmt.Errorf("read answer of %s %s: %w", r.Method, r.Path, err)
	}
	return nil
}

// Link is the link that names a directory object in a request.
func (c *Client) Link(id string) string {
	return c.config.Origin + "/v1.0/directoryObjects/" + url.PathEscape(id)
}

// Error is a refusal of Graph or of the token endpoint.
type Error struct {
	// Status is the HTTP status.
	Status int
	// Request is method and path; Code and Message are Graph's own.
	Request, Code, Message string
	// RequestID is what the suite's logs know the request by; "" when none came.
	RequestID string
}

// Error reads as one line.
func (e *Error) Error() string {
	line := fmt.Sprintf("%s: %s (%s, status %d", e.Request, e.Message, e.Code, e.Status)
	if e.RequestID != "" {
		line += ", request " + e.RequestID
	}
	return line + ")"
}

func refusal(req *http.Request, resp *http.Response, code, message string) error {
	if code == "" {
		code = "no code"
	}
	if message == "" {
		message = http.StatusText(resp.StatusCode)
	}
	return &Error{
		Status: resp.StatusCode, Request: req.Method + " " + req.URL.Path, Code: code, Message: message,
		RequestID: resp.Header.Get("request-id"),
	}
}

// read takes the whole body in, and closes it.
func read(resp *http.Response) ([]byte, error) {
	defer resp.Body.Close()
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxJSON+1))
	if err != nil {
		return nil, fmt.Errorf("read answer: %w", err)
	}
	if len(data) > maxJSON {
		return nil, fmt.Errorf("read answer: more than %d MiB", maxJSON>>20)
	}
	return data, nil
}

// unreachable drops the method and address that net/http puts in front.
func unreachable(origin string, err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	return fmt.Errorf("reach the suite at %s: %w", origin, err)
}
