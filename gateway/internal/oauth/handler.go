package oauth

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"entente.dev/gateway/internal/graph"
	directorypb "entente.dev/proto/gen/entente/directory/v1"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/clock"
	"entente.dev/servicekit/fault"
	"entente.dev/servicekit/rpc"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
)

// tokens is what the endpoints call.
type tokens interface {
	IssueToken(ctx context.Context, in *directorypb.IssueTokenRequest, opts ...grpc.CallOption) (*directorypb.IssueTokenResponse, error)
	ListSigningKeys(ctx context.Context, in *directorypb.ListSigningKeysRequest, opts ...grpc.CallOption) (*directorypb.ListSigningKeysResponse, error)
	ResolveAuthority(ctx context.Context, in *directorypb.ResolveAuthorityRequest, opts ...grpc.CallOption) (*directorypb.ResolveAuthorityResponse, error)
}

// Handler serves the endpoints of the login origin that are for programs.
type Handler struct {
	Tokens tokens
	Clock  clock.Clock
	// LoginOrigin begins the issuer of every token.
	LoginOrigin string
	// Name is the product's in the metadata, never empty.
	Name string
}

// Handles reports whether the path is one of the endpoints. The tenant is the
// first segment of most.
func Handles(path string) bool {
	_, ok := parse(path)
	return ok
}

// SignIn reports whether the path is where a client proves who it is; the
// other endpoints are documents.
func SignIn(path string) bool {
	t, ok := parse(path)
	return ok && t.endpoint == tokenEndpoint
}

// Busy refuses a request that must wait.
func (h *Handler) Busy(w http.ResponseWriter, r *http.Request, wait time.Duration) {
	h.fail(w, r, fault.Exhausted(errorspb.Reason_THROTTLED, "").WithRetryAfter(wait))
}

type endpoint int

const (
	tokenEndpoint endpoint = iota
	discoveryDocument
	keysDocument
	instanceDocument
	metadataDocument
)

type target struct {
	endpoint  endpoint
	authority string
}

func parse(path string) (target, bool) {
	parts := strings.Split(strings.Trim(path, "/"), "/")
	if len(parts) < 2 || len(parts) > 5 {
		return target{}, false
	}
	authority := parts[0]
	switch strings.ToLower(strings.Join(parts[1:], "/")) {
	case "oauth2/v2.0/token":
		return target{tokenEndpoint, authority}, true
	case "v2.0/.well-known/openid-configuration", ".well-known/openid-configuration":
		return target{discoveryDocument, authority}, true
	case "discovery/v2.0/keys":
		return target{keysDocument, authority}, true
	case "discovery/instance":
		return target{instanceDocument, authority}, strings.EqualFold(authority, "common")
	case "endpoints":
		return target{metadataDocument, ""}, strings.EqualFold(authority, "metadata")
	}
	return target{}, false
}

// ServeHTTP answers the endpoint of the path.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	t, ok := parse(r.URL.Path)
	if !ok {
		http.NotFound(w, r)
		return
	}
	if t.endpoint == tokenEndpoint {
		h.token(w, r, t.authority)
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		h.fail(w, r, methodNotAllowed())
		return
	}
	switch t.endpoint {
	case discoveryDocument:
		h.discovery(w, r, t.authority)
	case keysDocument:
		h.keys(w, r)
	case instanceDocument:
		h.instance(w, r)
	case metadataDocument:
		h.metadata(w, r)
	}
}

// outgoing is the context for calls on behalf of a client that is not signed
// in.
func outgoing(r *http.Request) context.Context {
	call := graph.CallFrom(r.Context())
	md := metadata.Pairs(rpc.MDRequestID, call.RequestID, rpc.MDClientRequestID, call.ClientRequestID)
	if call.IP != "" {
		md.Set(rpc.MDClientIP, call.IP)
	}
	return metadata.NewOutgoingContext(r.Context(), md)
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	body, err := json.Marshal(v)
	if err != nil {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	w.WriteHeader(status)
	_, _ = w.Write(body)
}
