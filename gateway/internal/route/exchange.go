package route

import (
	"context"
	"net/http"
	"strings"
	"sync/atomic"

	"entente.dev/gateway/internal/graph"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// exchange is one request on its way through the generated handlers.
type exchange struct {
	rt      *Router
	w       http.ResponseWriter
	r       *http.Request
	call    *graph.Call
	path    graph.Path
	op      *Operation
	values  []string
	args    []graph.Arg
	options graph.Options
	body    []byte
	// selected and expanded are the canonical names of $select and $expand,
	// joined by commas.
	selected, expanded string
	// expansion is what the gateway expands itself, related what it found.
	expansion *expansion
	related   *graph.Relation
	// accepted is set once a service has verified the token.
	accepted atomic.Bool
}

type exchangeKey struct{}

func exchangeFrom(ctx context.Context) *exchange {
	x, _ := ctx.Value(exchangeKey{}).(*exchange)
	return x
}

// beta reports whether the request came by /beta.
func (x *exchange) beta() bool { return x.path.Family == "beta" }

// base is what links begin with: origin and family.
func (x *exchange) base() string { return x.call.Origin + "/" + x.path.Family }

// next is the link to the page at token: the URL of the request with another
// position, on the origin the client used (WIRE-31).
func (x *exchange) next(token string, delta bool) string {
	query := x.options.Next(token)
	if delta {
		query = x.options.Delta(token)
	}
	return x.call.Origin + x.r.URL.EscapedPath() + "?" + query
}

// first is the first fixed segment, in lower case.
func (x *exchange) first() string {
	if len(x.path.Segments) == 0 {
		return ""
	}
	return strings.ToLower(x.path.Segments[0].Name)
}

// bodyRules says how this operation reads its body.
func (x *exchange) bodyRules() graph.Body {
	first := x.first()
	b := graph.Body{
		Patch:   x.op.mask != nil,
		Beta:    x.beta() || !x.path.Graph(),
		Lenient: x.path.Graph() && first == "invitations",
		// Graph has two codes for the same refusal, by the part of the API.
		BadRequest: !x.path.Graph() || first == "identity" || first == "auditlogs" || first == "invitations",
	}
	keys := map[string]string{}
	i := 0
	for _, s := range x.op.steps {
		if s.variable == "" {
			continue
		}
		keys["id"] = x.values[i]
		keys[jsonName(x.op.in, s.variable)] = x.values[i]
		i++
	}
	b.Keys = keys
	return b
}

func jsonName(md protoreflect.MessageDescriptor, name string) string {
	if fd := md.Fields().ByName(protoreflect.Name(name)); fd != nil {
		return fd.JSONName()
	}
	return name
}

// variables are the values in the path by the names in the template.
func (x *exchange) variables() map[string]string {
	if len(x.values) == 0 {
		return nil
	}
	values := make(map[string]string, len(x.values))
	i := 0
	for _, s := range x.op.steps {
		if s.variable != "" {
			values[s.variable] = x.values[i]
			i++
		}
	}
	return values
}

// value is the value of a path variable, empty if the path has none of that
// name.
func (x *exchange) value(name string) string {
	i := 0
	for _, s := range x.op.steps {
		if s.variable == "" {
			continue
		}
		if s.variable == name {
			return x.values[i]
		}
		i++
	}
	return ""
}
