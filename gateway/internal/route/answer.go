package route

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"

	"entente.dev/gateway/internal/graph"
	directorypb "entente.dev/proto/gen/entente/directory/v1"
	"entente.dev/servicekit/fault"
	"entente.dev/servicekit/rpc"
	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"github.com/grpc-ecosystem/grpc-gateway/v2/utilities"
	"google.golang.org/genproto/googleapis/api/httpbody"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/emptypb"
)

// noQuery keeps the generated handlers from setting request fields out of the
// URL: with the default parser a client could name any field, the update mask
// among them.
type noQuery struct{}

func (noQuery) Parse(proto.Message, url.Values, *utilities.DoubleArray) error { return nil }

var setNoQuery sync.Once

// newMux makes the mux for the generated handlers of one service.
func (rt *Router) newMux(more ...runtime.ServeMuxOption) *runtime.ServeMux {
	options := []runtime.ServeMuxOption{
		runtime.WithDisablePathLengthFallback(),
		runtime.WithDisableHTTPMethodOverride(),
		runtime.WithIncomingHeaderMatcher(func(string) (string, bool) { return "", false }),
		runtime.WithOutgoingHeaderMatcher(func(string) (string, bool) { return "", false }),
		runtime.WithOutgoingTrailerMatcher(func(string) (string, bool) { return "", false }),
		runtime.WithMarshalerOption(runtime.MIMEWildcard, marshaler{}),
		runtime.WithForwardResponseRewriter(func(ctx context.Context, m proto.Message) (any, error) { return answer{m, exchangeFrom(ctx)}, nil }),
		runtime.WithForwardResponseOption(writeStatus),
		runtime.WithErrorHandler(rt.handleError),
		runtime.WithRoutingErrorHandler(rt.handleRouting),
	}
	// The parser is a variable of that package, the same for every mux.
	setNoQuery.Do(func() { options = append(options, runtime.SetQueryParameterParser(noQuery{})) })
	return runtime.NewServeMux(append(options, more...)...)
}

// answer is a response message with the exchange that shows it.
type answer struct {
	m proto.Message
	x *exchange
}

// marshaler writes answers as Graph JSON. It decodes nothing: bodies are read
// where the operation is known, by conn.
type marshaler struct{}

var errNoExchange = errors.New("an answer without its request")

func (marshaler) Marshal(v any) ([]byte, error) {
	a, ok := v.(answer)
	if !ok || a.x == nil {
		return nil, errNoExchange
	}
	return a.x.encode(a.m), nil
}

func (marshaler) Unmarshal([]byte, any) error { return io.EOF }

func (marshaler) NewDecoder(io.Reader) runtime.Decoder {
	return runtime.DecoderFunc(func(any) error { return io.EOF })
}

func (m marshaler) NewEncoder(w io.Writer) runtime.Encoder {
	return runtime.EncoderFunc(func(v any) error {
		data, err := m.Marshal(v)
		if err == nil {
			_, err = w.Write(data)
		}
		return err
	})
}

func (marshaler) ContentType(any) string { return graph.ContentType }

// encode writes the body of an answer, nothing for empty ones.
func (x *exchange) encode(m proto.Message) []byte {
	if _, ok := m.(*emptypb.Empty); ok {
		return nil
	}
	if x.op.count {
		return strconv.AppendInt(nil, countOf(m.ProtoReflect()), 10)
	}
	if file, ok := m.(*httpbody.HttpBody); ok {
		return file.GetData()
	}
	// Answers of one operation are much alike: the size of the last one spares
	// the copies of growing.
	body := make([]byte, 0, max(512, x.op.size.Load()*9/8))
	delta, isDelta := m.(*directorypb.ListDeltaResponse)
	switch {
	case x.op.form == formReferences:
		body = graph.AppendReferences(body, m, x.view(), x.op.relationPath(x.values))
	case isDelta:
		body = graph.AppendDelta(body, delta, x.view())
	default:
		body = graph.Append(body, m, x.view())
	}
	x.op.size.Store(int64(len(body)))
	return body
}

// countOf is the number in the answer of an RPC that counts, or of a list that
// was asked for its count.
func countOf(m protoreflect.Message) int64 {
	fields := m.Descriptor().Fields()
	if fd := fields.ByName("odata_count"); fd != nil && m.Has(fd) {
		return m.Get(fd).Int()
	}
	switch fd := fields.ByName("value"); {
	case fd == nil:
		return 0
	case fd.IsList():
		return int64(m.Get(fd).List().Len())
	default:
		return m.Get(fd).Int()
	}
}

// relationPath is the path of the relation whose references are answered,
// beneath the version.
func (o *Operation) relationPath(values []string) string {
	return strings.TrimPrefix(o.path(values), "/v1.0/")
}

func (x *exchange) view() graph.View {
	v := graph.View{Select: x.selected, Expand: x.expanded, Beta: x.beta() || !x.path.Graph(), Link: x.next, Relation: x.related,
		Created: x.op.answer.GetStatus() == http.StatusCreated}
	if !x.op.answer.GetPlain() && x.path.Graph() {
		v.Base, v.Context, v.Metadata = x.base(), x.op.answer.GetContext(), x.metadataLevel()
	}
	if x.op.delta {
		v.Context = x.op.deltaContext()
	}
	return v
}

// metadataLevel is how many annotations the client wants: by $format, else by
// Accept.
func (x *exchange) metadataLevel() graph.Metadata {
	if x.options.Format != "" {
		return graph.ParseMetadata(x.options.Format)
	}
	return graph.ParseMetadata(x.r.Header.Get("Accept"))
}

// contentType is the media type of an answer in JSON.
func (x *exchange) contentType() string {
	if !x.path.Graph() {
		return graph.ContentType
	}
	return x.metadataLevel().ContentType()
}

// answerHeaders are what a service may say beside its message: the version of
// a policy object for If-Match (POL-118), and a warning about what a write
// opened (POL-21). Nothing else of its metadata leaves.
var answerHeaders = map[string]string{"etag": "ETag", "entente-policy-warning": "Entente-Policy-Warning"}

// writeStatus writes status and headers of success before the body.
func writeStatus(ctx context.Context, w http.ResponseWriter, m proto.Message) error {
	x := exchangeFrom(ctx)
	if x == nil {
		return errNoExchange
	}
	if md, ok := runtime.ServerMetadataFromContext(ctx); ok {
		for key, header := range answerHeaders {
			if v := md.HeaderMD.Get(key); len(v) == 1 {
				w.Header().Set(header, v[0])
			}
		}
	}
	if x.path.Graph() {
		w.Header()["X-Ms-Resource-Unit"] = x.units()
	}
	status := int(x.op.answer.GetStatus())
	if fd := m.ProtoReflect().Descriptor().Fields().ByName(protoreflect.Name(x.op.answer.GetPartial())); fd != nil && m.ProtoReflect().Has(fd) {
		status = http.StatusMultiStatus
	}
	if _, ok := m.(*emptypb.Empty); ok {
		if status == 0 {
			status = http.StatusNoContent
		}
		w.Header().Del("Content-Type")
	} else if x.op.count {
		w.Header().Set("Content-Type", "text/plain")
	} else if file, ok := m.(*httpbody.HttpBody); ok {
		writeFile(w.Header(), file)
	} else if level := x.contentType(); level != graph.ContentType {
		w.Header().Set("Content-Type", level)
	}
	if t := x.op.answer.GetLocation(); t != "" {
		w.Header().Set("Location", x.location(t, m.ProtoReflect()))
	}
	if status != 0 && status != http.StatusOK {
		w.WriteHeader(status)
	}
	return nil
}

// location fills a template such as `users/{id}` from the answer, or from the
// path of the request where the answer has no such field. A template that
// begins with a slash leaves the version of the request.
func (x *exchange) location(template string, m protoreflect.Message) string {
	var b strings.Builder
	template, whole := strings.CutPrefix(template, "/")
	if b.WriteString(x.call.Origin); !whole {
		b.WriteString("/" + x.path.Family)
	}
	for part := range strings.SplitSeq(template, "/") {
		b.WriteByte('/')
		if name, ok := strings.CutPrefix(part, "{"); ok {
			name = strings.TrimSuffix(name, "}")
			value := x.value(name)
			if fd := m.Descriptor().Fields().ByName(protoreflect.Name(name)); fd != nil && fd.Kind() == protoreflect.StringKind && m.Get(fd).String() != "" {
				value = m.Get(fd).String()
			}
			part = url.PathEscape(value)
		}
		b.WriteString(part)
	}
	return b.String()
}

// fail answers an error in Graph's envelope.
func (rt *Router) fail(w http.ResponseWriter, call *graph.Call, err error) {
	graph.WriteError(w, rpc.FromStatus(err), rt.clock.Now(), call.RequestID, call.ClientRequestID)
}

func (rt *Router) handleError(ctx context.Context, _ *runtime.ServeMux, _ runtime.Marshaler, w http.ResponseWriter, _ *http.Request, err error) {
	rt.fail(w, graph.CallFrom(ctx), exchangeFrom(ctx).restart(fault.From(rpc.FromStatus(err))))
}

// handleRouting is reached only if a generated pattern disagrees with the
// tree, which a test excludes.
func (rt *Router) handleRouting(ctx context.Context, _ *runtime.ServeMux, _ runtime.Marshaler, w http.ResponseWriter, r *http.Request, _ int) {
	rt.fail(w, graph.CallFrom(ctx), unknownSegment(r.URL.Path))
}
