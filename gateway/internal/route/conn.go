package route

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"entente.dev/gateway/internal/graph"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/fault"
	"entente.dev/servicekit/rpc"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
)

// conn is the connection that the generated handlers call. They have filled
// the path variables; conn adds what needs to know Graph: body, mask, query
// and the facts that travel as metadata. Errors of decoding leave here typed.
type conn struct{ grpc.ClientConnInterface }

// Invoke completes the request and calls the service.
func (c conn) Invoke(ctx context.Context, method string, args, reply any, opts ...grpc.CallOption) error {
	x := exchangeFrom(ctx)
	req, ok := args.(proto.Message)
	if x == nil || !ok || x.op.RPC != method {
		return fault.Internal(errorspb.Reason_INTERNAL, "").WithCause(errors.New("handler of " + method + " was reached by another path"))
	}
	if err := x.fill(req); err != nil {
		return err
	}
	ctx = metadata.NewOutgoingContext(ctx, x.metadata())
	if err := c.ClientConnInterface.Invoke(ctx, method, args, reply, opts...); err != nil {
		return err
	}
	m, ok := reply.(proto.Message)
	switch {
	case !ok:
		return nil
	case x.op.form == formCount:
		return x.countable(m.ProtoReflect())
	case x.expansion != nil:
		return x.resolve(ctx, m)
	}
	return nil
}

// countable refuses to count what neither says how many there are nor has come
// whole.
func (x *exchange) countable(m protoreflect.Message) error {
	fields := m.Descriptor().Fields()
	count, next := fields.ByName("odata_count"), fields.ByName("next_page_token")
	if count != nil && m.Has(count) || next == nil || m.Get(next).String() == "" {
		return nil
	}
	return fault.Invalid(errorspb.Reason_UNSUPPORTED_QUERY, "$count is not supported by this relation.")
}

// NewStream refuses: streams are not served over REST.
func (conn) NewStream(context.Context, *grpc.StreamDesc, string, ...grpc.CallOption) (grpc.ClientStream, error) {
	return nil, fault.Unimplemented(errorspb.Reason_NOT_IMPLEMENTED, "Streams are served over gRPC only.")
}

// mdKeys is the most keys that metadata sets.
const mdKeys = 9

// metadata is what goes along with a call. It is built from nothing: headers
// of the client pass only where they are named here.
func (x *exchange) metadata() metadata.MD {
	// The values share one array, and few requests have more than eight: this
	// runs for every one.
	md, values := make(metadata.MD, 8), make([]string, 0, mdKeys)
	set := func(key, value string) {
		if value != "" && printable(value) {
			values = append(values, value)
			md[key] = values[len(values)-1 : len(values) : len(values)]
		}
	}
	set(rpc.MDAuthorization, x.r.Header.Get("Authorization"))
	set(rpc.MDRequestID, x.call.RequestID)
	set(rpc.MDClientRequestID, x.call.ClientRequestID)
	set(rpc.MDClientIP, x.call.IP)
	set(rpc.MDPathTenant, x.path.Tenant)
	set(rpc.MDUserAgent, x.r.UserAgent())
	set("if-match", x.r.Header.Get("If-Match"))
	if x.path.Graph() {
		set(rpc.MDAPIVersion, x.path.Family)
	}
	if x.advanced() {
		set(rpc.MDConsistency, "eventual")
	}
	return md
}

func (x *exchange) advanced() bool {
	return strings.EqualFold(strings.TrimSpace(x.r.Header.Get("Consistencylevel")), "eventual") // the canonical spelling costs nothing to find
}

func printable(s string) bool {
	for i := range len(s) {
		if s[i] < 0x20 || s[i] > 0x7e {
			return false
		}
	}
	return true
}

// fill writes body and query into the request.
func (x *exchange) fill(req proto.Message) error {
	m := req.ProtoReflect()
	if err := x.fillBody(m); err != nil {
		return err
	}
	if err := x.fillQuery(m); err != nil {
		return err
	}
	for _, a := range x.args {
		if err := setByName(m, a.Name, a.Value); err != nil {
			return err
		}
	}
	if x.op.cast != nil && x.op.castValue != "" {
		m.Set(x.op.cast, protoreflect.ValueOfString(x.op.castValue))
	}
	if key := x.r.Header.Get("Idempotency-Key"); key != "" && x.op.idempotency != nil {
		m.Set(x.op.idempotency, protoreflect.ValueOfString(key))
	}
	return nil
}

func (x *exchange) fillBody(m protoreflect.Message) error {
	if !x.op.whole && x.op.body == nil {
		return nil
	}
	rules := x.bodyRules()
	if len(x.body) == 0 {
		if x.op.whole {
			return nil // actions without parameters come with nothing (WIRE-53)
		}
		return rules.Family(fault.Invalid(errorspb.Reason_BAD_REQUEST, "Empty Payload. JSON content expected."))
	}
	if ct := x.r.Header.Get("Content-Type"); ct != "" && !strings.Contains(strings.ToLower(ct), "json") {
		return rules.Family(fault.Invalid(errorspb.Reason_BAD_REQUEST, graph.Malformed))
	}
	target := m
	if x.op.whole {
		rules.Hidden = x.op.hidden
	} else {
		target = m.Mutable(x.op.body).Message()
	}
	mask, err := graph.Unmarshal(x.body, target.Interface(), rules)
	if err != nil {
		return err
	}
	if x.op.mask != nil {
		fm := &fieldmaskpb.FieldMask{Paths: mask}
		m.Set(x.op.mask, protoreflect.ValueOfMessage(fm.ProtoReflect()))
	}
	return nil
}

func (x *exchange) fillQuery(m protoreflect.Message) error {
	if err := x.choose(x.op.out); err != nil {
		return err
	}
	if x.op.query == nil {
		if name := x.options.Beyond(); name != "" {
			return fault.Invalid(errorspb.Reason_UNSUPPORTED_QUERY, "The query option '%s' is not supported by this operation.", name)
		}
	} else {
		q := x.options.Query
		q.Select, q.Advanced = x.selected, x.advanced()
		switch {
		case x.op.form == formReferences:
			q.Select = "id"
		case x.op.form == formCount:
			q.Count, q.Top = proto.Bool(true), proto.Int32(1)
		case x.expansion != nil:
			x.expansion.adjust(q, x.op.out)
		case q.Select == "" && x.op.Method == "GET" && x.path.Graph():
			q.Select = graph.Unasked(x.op.out, x.beta())
		}
		m.Set(x.op.query, protoreflect.ValueOfMessage(q.ProtoReflect()))
	}
	if x.op.delta {
		x.fillDelta(m)
	}
	if x.path.Graph() || x.op.Method != "GET" {
		return nil
	}
	return x.fillPlain(m)
}

// choose checks $select and $expand against the type of the answer.
func (x *exchange) choose(out protoreflect.MessageDescriptor) error {
	switch {
	case x.op.form != formPlain:
		if len(x.options.Select) > 0 && x.op.form == formReferences || x.options.Query.GetExpand() != "" {
			return fault.Invalid(errorspb.Reason_UNSUPPORTED_QUERY, "References and counts have no properties to select or expand.")
		}
		return nil
	case x.op.count || out.FullName() == "google.protobuf.Empty" || out.FullName() == "google.api.HttpBody":
		return nil
	case x.op.delta:
		return x.chooseDelta()
	}
	if len(x.options.Select) > 0 {
		names, err := graph.CheckSelect(out, x.options.Select, x.beta())
		if err != nil {
			return err
		}
		x.selected = strings.Join(names, ",")
	}
	if expand := x.options.Query.GetExpand(); expand != "" {
		return x.expand(expand)
	}
	return nil
}

// fillPlain sets filters of native lists, for instance ?state=active. Fields
// of the path and of the query are not reachable.
func (x *exchange) fillPlain(m protoreflect.Message) error {
	for _, name := range sortedNames(x.options.Plain) {
		fd := m.Descriptor().Fields().ByJSONName(name)
		if fd == nil || fd.Message() != nil || fd.IsList() || slices.Contains(x.op.hidden, fd.Name()) {
			continue // unknown parameters are ignored (WIRE-8)
		}
		if err := setByName(m, name, x.options.Plain.Get(name)); err != nil {
			return err
		}
	}
	return nil
}

func sortedNames(v url.Values) []string {
	names := make([]string, 0, len(v))
	for n := range v {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

// setByName sets a scalar field by its name on the wire.
func setByName(m protoreflect.Message, name, value string) error {
	bad := fault.Invalid(errorspb.Reason_BAD_REQUEST, "The parameter '%s' is not valid.", name)
	fd := m.Descriptor().Fields().ByJSONName(name)
	if fd == nil || fd.IsList() || fd.IsMap() {
		return bad
	}
	switch fd.Kind() {
	case protoreflect.StringKind:
		m.Set(fd, protoreflect.ValueOfString(value))
	case protoreflect.BoolKind:
		b, err := strconv.ParseBool(value)
		if err != nil {
			return bad
		}
		m.Set(fd, protoreflect.ValueOfBool(b))
	case protoreflect.Int32Kind:
		n, err := strconv.ParseInt(value, 10, 32)
		if err != nil {
			return bad
		}
		m.Set(fd, protoreflect.ValueOfInt32(int32(n)))
	case protoreflect.EnumKind:
		values := fd.Enum().Values()
		for i := range values.Len() {
			if v := values.Get(i); v.Number() != 0 && strings.EqualFold(string(v.Name()), value) {
				m.Set(fd, protoreflect.ValueOfEnum(v.Number()))
				return nil
			}
		}
		return bad
	default:
		return bad
	}
	return nil
}
