package rpc

import (
	"context"
	"net"
	"net/netip"
	"strings"

	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/caller"
	"entente.dev/servicekit/fault"
	"github.com/google/uuid"
	"google.golang.org/grpc/metadata"
)

// Keys of the metadata between the parts of the suite. Those that begin with
// `entente-` are believed from the suite's own parts alone.
const (
	MDAuthorization   = "authorization"
	MDRequestID       = "entente-request-id"
	MDClientRequestID = "entente-client-request-id"
	MDClientIP        = "entente-client-ip"
	MDPathTenant      = "entente-path-tenant"
	MDAPIVersion      = "entente-api-version"
	MDUserAgent       = "entente-user-agent"
	MDConsistency     = "consistencylevel"
)

// facts are what a call says about itself beside its credential.
type facts struct {
	caller        caller.Caller // Anonymous, or Service where the peer is one
	authorization string
	pathTenant    string
}

// readFacts takes the facts of an incoming call. From outside the suite only
// the token, the client's request id and the consistency level are taken.
func readFacts(ctx context.Context) facts {
	// One value at a time: all of the metadata would be copied.
	get := func(key string) string {
		if v := metadata.ValueFromIncomingContext(ctx, key); len(v) > 0 {
			return v[0]
		}
		return ""
	}
	service, addr := peerService(ctx)
	f := facts{authorization: get(MDAuthorization)}
	c := &f.caller
	c.Service = service
	c.Advanced = strings.EqualFold(get(MDConsistency), "eventual")
	c.ClientRequestID = clean(get(MDClientRequestID))
	c.IP = addrOf(addr)
	if service == "" {
		c.UserAgent = clean(get("user-agent"))
		c.RequestID = uuid.NewString()
		return f
	}
	c.Kind = caller.Service
	if service == gateway {
		c.Kind = caller.Anonymous // it acts for others, never for itself
	}
	c.RequestID = clean(get(MDRequestID))
	if c.RequestID == "" {
		c.RequestID = uuid.NewString()
	}
	c.UserAgent = clean(get(MDUserAgent))
	c.APIVersion = clean(get(MDAPIVersion))
	f.pathTenant = get(MDPathTenant)
	c.IP, _ = netip.ParseAddr(get(MDClientIP))
	return f
}

// checkPathTenant refuses a URL that names another tenant than the token
// (WIRE-4).
func (f facts) checkPathTenant(c caller.Caller) error {
	if f.pathTenant == "" || strings.EqualFold(f.pathTenant, "myorganization") || c.Tenant.IsZero() {
		return nil
	}
	if !strings.EqualFold(f.pathTenant, c.Tenant.String()) {
		return fault.Denied(errorspb.Reason_ACCESS_DENIED, "The tenant in the request URL is not the tenant of the access token.")
	}
	return nil
}

type tokenKey struct{}

// withToken keeps the originating caller's credential for calls onwards.
func withToken(ctx context.Context, authorization string) context.Context {
	return context.WithValue(ctx, tokenKey{}, authorization)
}

// AsService is the context for calls that the service makes on its own
// account: the originating caller's token stays behind, request ids go along.
func AsService(ctx context.Context) context.Context {
	if md, ok := metadata.FromOutgoingContext(ctx); ok && len(md.Get(MDAuthorization)) > 0 {
		md = md.Copy()
		md.Delete(MDAuthorization)
		ctx = metadata.NewOutgoingContext(ctx, md)
	}
	return withToken(ctx, "")
}

// forward adds to the outgoing metadata what the context knows about the
// originating call; what is there already stays.
func forward(ctx context.Context) context.Context {
	md, _ := metadata.FromOutgoingContext(ctx)
	c := caller.From(ctx)
	token, _ := ctx.Value(tokenKey{}).(string)
	var pairs []string
	add := func(key, value string) {
		if value != "" && len(md.Get(key)) == 0 {
			pairs = append(pairs, key, value)
		}
	}
	add(MDAuthorization, token)
	add(MDRequestID, c.RequestID)
	add(MDClientRequestID, c.ClientRequestID)
	add(MDAPIVersion, c.APIVersion)
	add(MDUserAgent, c.UserAgent)
	if c.IP.IsValid() {
		add(MDClientIP, c.IP.String())
	}
	if c.Advanced {
		add(MDConsistency, "eventual")
	}
	if len(pairs) == 0 {
		return ctx
	}
	return metadata.AppendToOutgoingContext(ctx, pairs...)
}

// clean bounds text that goes to logs and rows, and refuses control
// characters by dropping it.
func clean(s string) string {
	if len(s) > 256 {
		s = s[:256]
	}
	for i := range len(s) {
		if s[i] < 0x20 || s[i] > 0x7e {
			return ""
		}
	}
	return s
}

func addrOf(a net.Addr) netip.Addr {
	if t, ok := a.(*net.TCPAddr); ok {
		return t.AddrPort().Addr().Unmap()
	}
	return netip.Addr{}
}
