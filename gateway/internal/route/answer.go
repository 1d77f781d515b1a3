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
	"entente.dev/servicekit/rpc"
	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"github.com/grpc-ecosystem/grpc-gateway/v2/utilities"
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
func (rt *Router) newMux() *runtime.ServeMux {
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
	return runtime.NewServeMux(options...)
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
		r := m.ProtoReflect()
		if fd := r.Descriptor().Fields().ByName("value"); fd != nil && fd.Kind() == protoreflect.Int32Kind {
			return strconv.AppendInt(nil, r.Get(fd).Int(), 10)
		}
	}
	// Answers of one operation are much alike: the size of the last one spares
	// the copies of growing.
	body := graph.Append(make([]byte, 0, max(512, x.op.size.Load()*9/8)), m, x.view())
	x.op.size.Store(int64(len(body)))
	return body
}

func (x *exchange) view() graph.View {
	v := graph.View{Select: x.selected, Expand: x.expanded, Beta: x.beta() || !x.path.Graph(), Link: x.next}
	if !x.op.answer.GetPlain() && x.path.Graph() {
		v.Base, v.Context = x.base(), x.op.answer.GetContext()
	}
	return v
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
	status := int(x.op.answer.GetStatus())
	if _, ok := m.(*emptypb.Empty); ok {
		if status == 0 {
			status = http.StatusNoContent
		}
		w.Header().Del("Content-Type")
	} else if x.op.count {
		w.Header().Set("Content-Type", "text/plain")
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
// path of the request where the answer has no such field.
func (x *exchange) location(template string, m protoreflect.Message) string {
	var b strings.Builder
	b.WriteString(x.base())
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
	rt.fail(w, graph.CallFrom(ctx), err)
}

// handleRouting is reached only if a generated pattern disagrees with the
// tree, which a test excludes.
func (rt *Router) handleRouting(ctx context.Context, _ *runtime.ServeMux, _ runtime.Marshaler, w http.ResponseWriter, r *http.Request, _ int) {
	rt.fail(w, graph.CallFrom(ctx), unknownSegment(r.URL.Path))
}
