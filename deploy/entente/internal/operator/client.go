package operator

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"entente.dev/deploy/entente/internal/graph"
)

// tokenLife covers one call and the difference between two clocks.
const tokenLife = 5 * time.Minute

// Client calls the operator's API of one installation.
type Client struct {
	base string
	key  *ecdsa.PrivateKey
	http *http.Client
	now  func() time.Time
}

// New answers a client for the origin base (scheme, host and port). caFile is
// trusted in place of the system's authorities; "" keeps those.
func New(base, caFile string, key *ecdsa.PrivateKey) (*Client, error) {
	client, err := graph.Trusting(caFile, 30*time.Second)
	if err != nil {
		return nil, err
	}
	return &Client{base: base, key: key, now: time.Now, http: client}, nil
}

// Error is a refusal of the API.
type Error struct {
	// Status is the HTTP status.
	Status int
	// Code and Message are the API's own.
	Code, Message string
}

// Error reads as one sentence.
func (e *Error) Error() string { return fmt.Sprintf("%s (%s, status %d)", e.Message, e.Code, e.Status) }

// Do sends body (nil for none) as JSON and decodes the answer into out (nil
// for none). idempotencyKey, when not empty, makes a repetition harmless. The
// error is an *Error when the API refused.
func (c *Client) Do(ctx context.Context, method, path, idempotencyKey string, body, out any) error {
	var reader io.Reader
	if body != nil {
		data, err := json.Marshal(body)
		if err != nil {
			return fmt.Errorf("encode request: %w", err)
		}
		reader = bytes.NewReader(data)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, reader)
	if err != nil {
		return fmt.Errorf("make request: %w", err)
	}
	token, err := Token(c.key, "entente", c.now(), tokenLife)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if idempotencyKey != "" {
		req.Header.Set("Idempotency-Key", idempotencyKey)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return fmt.Errorf("reach the installation at %s: %w", c.base, unwrapURL(err))
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(io.LimitReader(resp.Body, 16<<20))
	if err != nil {
		return fmt.Errorf("read answer: %w", err)
	}
	if resp.StatusCode >= 300 {
		return refusal(resp.StatusCode, data)
	}
	if out == nil || len(data) == 0 {
		return nil
	}
	if err := json.Unmarshal(data, out); err != nil {
		return fmt.Errorf("read answer of %s %s: %w", method, path, err)
	}
	return nil
}

// unwrapURL drops the method and address that net/http puts in front: the
// caller names the installation already.
func unwrapURL(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

func refusal(status int, data []byte) error {
	var envelope struct {
		Error struct{ Code, Message string }
	}
	if json.Unmarshal(data, &envelope) != nil || envelope.Error.Code == "" {
		envelope.Error.Code, envelope.Error.Message = strconv.Itoa(status), http.StatusText(status)
	}
	return &Error{Status: status, Code: envelope.Error.Code, Message: envelope.Error.Message}
}
