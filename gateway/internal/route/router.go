package route

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"entente.dev/gateway/internal/graph"
	auditpb "entente.dev/proto/gen/entente/audit/v1"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/clock"
	"entente.dev/servicekit/fault"
	"entente.dev/servicekit/odata"
	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"google.golang.org/grpc"
)

// Limits of bodies (security.md §4.5; INV-12).
const (
	maxBody       = 1 << 20
	maxInvitation = 64 << 10
)

// deadline bounds every call; it travels to the services.
const deadline = 30 * time.Second

// What the generated handlers read and never write.
var (
	noHeader = http.Header{}
	noForm   = url.Values{}
)

// Config is what a Router needs.
type Config struct {
	Conns Conns
	Clock clock.Clock
	// TokenKey seals the positions of the lists that are merged here; at least
	// 32 bytes, the same in every replica.
	TokenKey []byte
}

// Router serves the Graph, native and operator APIs.
type Router struct {
	clock  clock.Clock
	tree   node
	all    []*Operation
	gets   map[string]*Operation // by normal path in lower case, for $expand
	audits audits
}

// New registers the generated handlers of every service and builds the tree
// of their paths.
func New(ctx context.Context, cfg Config) (*Router, error) {
	rt := &Router{clock: cfg.Clock}
	for _, c := range []*grpc.ClientConnInterface{&cfg.Conns.Directory, &cfg.Conns.Invitation, &cfg.Conns.Policy, &cfg.Conns.Sync} {
		*c = watched{*c}
	}
	for _, s := range services(cfg.Conns) {
		ops, err := operations(s.descriptor)
		if err != nil {
			return nil, err
		}
		// The tree knows the operation already: the handlers are called as
		// they come, in the order of the descriptor, and mux searches nothing.
		var handlers []runtime.HandlerFunc
		mux := rt.newMux(runtime.WithMiddlewares(func(h runtime.HandlerFunc) runtime.HandlerFunc {
			handlers = append(handlers, h)
			return h
		}))
		if err := s.register(ctx, mux, conn{s.conn}); err != nil {
			return nil, fmt.Errorf("register %s: %w", s.descriptor.FullName(), err)
		}
		if len(handlers) != len(ops) {
			return nil, fmt.Errorf("%s has %d handlers for %d paths", s.descriptor.FullName(), len(handlers), len(ops))
		}
		for i, op := range ops {
			op.handler, op.conn = handlers[i], s.conn
			if op.stream {
				op.serve = rt.download(op, s.conn)
			}
			rt.add(op)
			for _, c := range op.casts() {
				rt.add(c)
			}
		}
	}
	rt.index()
	rt.derive()
	if err := rt.addUploads(cfg.Conns); err != nil {
		return nil, err
	}
	return rt, rt.addAudits(cfg)
}

// addAudits adds the operations that are made of one RPC per service.
func (rt *Router) addAudits(cfg Config) error {
	var err error
	if rt.audits.tokens, err = odata.NewTokens(cfg.TokenKey, cfg.Clock); err != nil {
		return err
	}
	for _, c := range []grpc.ClientConnInterface{cfg.Conns.Directory, cfg.Conns.Invitation, cfg.Conns.Policy, cfg.Conns.Sync} {
		rt.audits.sources = append(rt.audits.sources, auditpb.NewAuditServiceClient(c))
	}
	for _, op := range []*Operation{
		{Method: "GET", Template: "/v1.0/" + auditRoute, serve: rt.listAudits},
		{Method: "GET", Template: "/v1.0/" + auditRoute + "/{id}", serve: rt.getAudit},
	} {
		if op.steps, err = parseTemplate(op.Template); err != nil {
			return err
		}
		rt.add(op)
	}
	return nil
}

// Operations lists everything that is served, in no order.
func (rt *Router) Operations() []*Operation { return slices.Clone(rt.all) }

// ServeHTTP answers one request. Its context holds the graph.Call of the edge.
func (rt *Router) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	call := graph.CallFrom(r.Context())
	x, err := rt.exchange(w, r, call)
	if err != nil {
		rt.fail(w, call, err)
		return
	}
	ctx, cancel := context.WithTimeout(context.WithValue(r.Context(), exchangeKey{}, x), deadline)
	defer cancel()
	defer func() { call.Accepted = x.accepted.Load() }()
	x.r = r.WithContext(ctx)
	if x.op.serve != nil {
		x.op.serve(x)
		return
	}
	// The handlers see the variables of the path and nothing else: whatever
	// they need beyond, conn fills in.
	inner := *x.r
	inner.Host, inner.RemoteAddr = "", ""
	inner.Header, inner.Body, inner.Form, inner.PostForm = noHeader, http.NoBody, noForm, noForm
	x.op.handler(w, &inner, x.variables())
}

// exchange reads path, query and body of a request.
func (rt *Router) exchange(w http.ResponseWriter, r *http.Request, call *graph.Call) (*exchange, error) {
	path, err := graph.ParsePath(r.URL.EscapedPath())
	if path.Family != "" || graph.IsAPI(r.URL.Path) {
		// Whatever else is wrong, the service would say the same.
		if err := graph.RequireToken(r); err != nil {
			return nil, err
		}
	}
	if err != nil {
		return nil, err
	}
	x := &exchange{rt: rt, w: w, r: r, call: call, path: path}
	if err := x.resolveMe(); err != nil {
		return nil, err
	}
	m, op := rt.operation(x, r.Method)
	if op == nil && path.Graph() && x.first() == "invitations" {
		// Graph knows invitations as something to create only (INV-8).
		return nil, fault.NotFound(errorspb.Reason_NOT_FOUND, "Resource '%s' does not exist or one of its queried reference-property objects are not present.", x.segment(len(x.path.Segments)))
	}
	if m.node == nil {
		return nil, unknownSegment(x.segment(m.depth))
	}
	if op == nil {
		w.Header().Set("Allow", allowed(m.node))
		return nil, fault.Unimplemented(errorspb.Reason_METHOD_NOT_ALLOWED, "Specified HTTP method is not allowed for the request target.")
	}
	x.op, x.values, x.args = op, m.values, m.args
	call.Route = op.Template
	if x.options, err = graph.ParseOptions(r.URL.RawQuery, x.beta()); err != nil {
		return nil, err
	}
	if op.form == formCount && op.directory() && !x.advanced() {
		return nil, fault.Invalid(errorspb.Reason_INVALID_REQUEST, "$count is not currently supported.")
	}
	if op.upload || !op.whole && op.body == nil {
		return x, nil // sent on as it comes, or read by nobody
	}
	x.body, err = readBody(w, r, x.limit())
	return x, err
}

// operation finds what serves the request. A path that /beta has for itself
// goes before the one of /v1.0 (WIRE-90).
func (rt *Router) operation(x *exchange, method string) (match, *Operation) {
	if x.beta() && rt.tree.literal("beta") != nil {
		m := rt.tree.find(append([]graph.Segment{{Name: "beta"}}, x.path.Segments...))
		if m.node != nil && m.node.operations[method] != nil {
			return m, m.node.operations[method]
		}
	}
	m := rt.tree.find(x.lookup())
	if m.node == nil {
		return m, nil
	}
	return m, m.node.operations[method]
}

// lookup is the path in the tree: /beta is an alias of /v1.0 (WIRE-1).
func (x *exchange) lookup() []graph.Segment {
	var head []graph.Segment
	switch x.path.Family {
	case "v1.0", "beta":
		head = []graph.Segment{{Name: "v1.0"}}
	case "":
	default:
		family, version, _ := strings.Cut(x.path.Family, "/")
		head = []graph.Segment{{Name: family}, {Name: version}}
	}
	return append(head, x.path.Segments...)
}

// segment names the segment at a depth of lookup.
func (x *exchange) segment(depth int) string {
	all := x.lookup()
	if depth < len(all) {
		return all[depth].Name
	}
	if len(all) > 0 {
		return all[len(all)-1].Name
	}
	return ""
}

func (x *exchange) limit() int64 {
	if x.first() == "invitations" {
		return maxInvitation
	}
	return maxBody
}

func readBody(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, error) {
	if r.Body == nil || r.Body == http.NoBody || r.ContentLength == 0 {
		return nil, nil
	}
	tooLarge := fault.Invalid(errorspb.Reason_TOO_LARGE, "The request body exceeds the limit of %d bytes.", limit)
	if r.ContentLength > limit {
		w.Header().Set("Connection", "close")
		return nil, tooLarge
	}
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	var over *http.MaxBytesError
	switch {
	case errors.As(err, &over):
		return nil, tooLarge
	case err != nil:
		return nil, fault.Invalid(errorspb.Reason_BAD_REQUEST, "The request body could not be read.").WithCause(err)
	}
	return data, nil
}

func unknownSegment(name string) error {
	if len(name) > 128 {
		name = name[:128]
	}
	return fault.NotFound(errorspb.Reason_SEGMENT_NOT_FOUND, "Resource not found for the segment '%s'.", strings.ToValidUTF8(name, ""))
}

func allowed(n *node) string {
	methods := make([]string, 0, len(n.operations))
	for m := range n.operations {
		methods = append(methods, m)
	}
	slices.Sort(methods)
	return strings.Join(methods, ", ")
}
