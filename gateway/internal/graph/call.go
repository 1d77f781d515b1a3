package graph

import (
	"context"
	"net/http"
)

// Call is what the edge knows of one HTTP request whatever its path. It is in
// the context of every handler.
type Call struct {
	// RequestID is ours, ClientRequestID the client's or ours again.
	RequestID, ClientRequestID string
	// Origin begins every link of an answer. It is one of the configured
	// origins, never text of the request.
	Origin string
	// IP is the address of the client.
	IP string
	// Secure is true when the client's connection is encrypted, which it may be
	// to a proxy only: that is where its origin is https.
	Secure bool
	// Route is the template of the operation, once it is known; it is what
	// logs and spans may say of a path.
	Route string
	// Accepted is true after the answer if a service has accepted the token.
	Accepted bool
}

type callKey struct{}

// WithCall puts c into the context.
func WithCall(ctx context.Context, c *Call) context.Context {
	return context.WithValue(ctx, callKey{}, c)
}

// CallFrom is the call of the request, an empty one outside of the edge.
func CallFrom(ctx context.Context) *Call {
	if c, ok := ctx.Value(callKey{}).(*Call); ok {
		return c
	}
	return &Call{}
}

// IsRequestID reports whether the id of a client is one that can be written to
// logs and headers.
func IsRequestID(id string) bool {
	if id == "" || len(id) > 64 {
		return false
	}
	for i := range len(id) {
		if c := id[i]; c <= ' ' || c > '~' {
			return false
		}
	}
	return true
}

// SetIDs writes the ids that every answer carries (WIRE-58).
func (c *Call) SetIDs(h http.Header) {
	h["Request-Id"], h["Client-Request-Id"] = []string{c.RequestID}, []string{c.ClientRequestID}
}
