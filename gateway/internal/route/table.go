package route

import (
	"fmt"
	"strings"
	"sync/atomic"

	"entente.dev/gateway/internal/graph"
	optionspb "entente.dev/proto/gen/entente/options/v1"
	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Operation is one method on one path.
type Operation struct {
	// Method is the HTTP method, Template the path as the proto has it.
	Method, Template string
	// RPC is the full name of the RPC, `/package.Service/Method`; empty for
	// operations that the gateway composes itself.
	RPC string

	steps   []step              // of Template
	target  []step              // what the proto calls the path
	handler runtime.HandlerFunc // as generated
	serve   func(*exchange)     // of composed operations
	conn    grpc.ClientConnInterface

	in, out protoreflect.MessageDescriptor
	answer  *optionspb.Answer
	// body is the field that the HTTP body fills; whole says it is the request
	// itself.
	body                           protoreflect.FieldDescriptor
	whole                          bool
	mask, query, cast, idempotency protoreflect.FieldDescriptor
	hidden                         []protoreflect.Name
	castValue                      string
	count                          bool // ends in $count: text/plain
	form                           form
	delta                          bool // change tracking
	stream                         bool // the service answers in parts
	upload                         bool // the body is a file and not read beforehand
	units                          int  // cost, see unitsOf

	size atomic.Int64 // of the last answer
}

// step is one segment of a template.
type step struct {
	literal  string
	variable string
	verb     string // after the variable, with its colon
	function bool   // written with ()
}

func parseTemplate(template string) ([]step, error) {
	var steps []step
	for part := range strings.SplitSeq(strings.TrimPrefix(template, "/"), "/") {
		switch {
		case part == "":
			return nil, fmt.Errorf("template %s has an empty segment", template)
		case strings.HasPrefix(part, "{") && strings.HasSuffix(part, "}"):
			name := part[1 : len(part)-1]
			if strings.ContainsAny(name, "={}*.") {
				return nil, fmt.Errorf("template %s: only plain variables are supported", template)
			}
			steps = append(steps, step{variable: name})
		case strings.HasPrefix(part, "{") && strings.Contains(part, "}:"):
			// An action of a native path, such as {id}:restore.
			name, verb, _ := strings.Cut(part[1:], "}")
			steps = append(steps, step{variable: name, verb: verb})
		case strings.HasSuffix(part, "()"):
			steps = append(steps, step{literal: part, function: true})
		case part == "delta":
			// A function of Graph that is called with and without parentheses,
			// with and without its namespace (WIRE-42).
			steps = append(steps, step{literal: part, function: true})
		default:
			steps = append(steps, step{literal: part})
		}
	}
	return steps, nil
}

// operations reads the paths of a service from its descriptor.
func operations(sd protoreflect.ServiceDescriptor) ([]*Operation, error) {
	var ops []*Operation
	for i := range sd.Methods().Len() {
		md := sd.Methods().Get(i)
		rule, ok := proto.GetExtension(md.Options(), annotations.E_Http).(*annotations.HttpRule)
		if !ok || rule == nil {
			continue
		}
		for _, r := range append([]*annotations.HttpRule{rule}, rule.GetAdditionalBindings()...) {
			op, err := newOperation(md, r)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", md.FullName(), err)
			}
			ops = append(ops, op)
		}
	}
	return ops, nil
}

// casts are the forms of a list of mixed types that end in a type, where the
// request has a field for it: /groups/{id}/members/microsoft.graph.user
// (WIRE-42).
func (o *Operation) casts() []*Operation {
	if o.cast == nil || o.castValue != "" || o.Method != "GET" {
		return nil
	}
	var ops []*Operation
	for _, name := range graph.MemberTypes(o.out) {
		c := o.variant("microsoft.graph."+name, formPlain)
		c.castValue = "microsoft.graph." + name
		ops = append(ops, c)
	}
	return ops
}

func newOperation(md protoreflect.MethodDescriptor, r *annotations.HttpRule) (*Operation, error) {
	op := &Operation{
		RPC: "/" + string(md.Parent().FullName()) + "/" + string(md.Name()),
		in:  md.Input(), out: md.Output(),
	}
	op.answer = answerOf(md)
	op.delta = op.out.FullName() == "entente.directory.v1.ListDeltaResponse"
	op.stream = md.IsStreamingServer()
	switch p := r.GetPattern().(type) {
	case *annotations.HttpRule_Get:
		op.Method, op.Template = "GET", p.Get
	case *annotations.HttpRule_Put:
		op.Method, op.Template = "PUT", p.Put
	case *annotations.HttpRule_Post:
		op.Method, op.Template = "POST", p.Post
	case *annotations.HttpRule_Delete:
		op.Method, op.Template = "DELETE", p.Delete
	case *annotations.HttpRule_Patch:
		op.Method, op.Template = "PATCH", p.Patch
	default:
		return nil, fmt.Errorf("a pattern of this kind is not supported")
	}
	var err error
	if op.steps, err = parseTemplate(op.Template); err != nil {
		return nil, err
	}
	op.target = op.steps
	fields := op.in.Fields()
	for i := range fields.Len() {
		fd := fields.Get(i)
		if fd.Message() != nil {
			switch fd.Message().FullName() {
			case "google.protobuf.FieldMask":
				op.mask = fd
			case "entente.odata.v1.Query":
				op.query = fd
			}
		}
		switch fd.Name() {
		case "cast":
			op.cast = fd
		case "idempotency_key":
			op.idempotency = fd
		}
	}
	switch r.GetBody() {
	case "":
	case "*":
		op.whole = true
		for _, fd := range []protoreflect.FieldDescriptor{op.mask, op.query, op.idempotency} {
			if fd != nil {
				op.hidden = append(op.hidden, fd.Name())
			}
		}
	default:
		if op.body = fields.ByName(protoreflect.Name(r.GetBody())); op.body == nil || op.body.Message() == nil {
			return nil, fmt.Errorf("body %q is no message field", r.GetBody())
		}
	}
	for _, s := range op.steps {
		if s.variable != "" {
			op.hidden = append(op.hidden, protoreflect.Name(s.variable))
		}
		if strings.HasPrefix(s.literal, "microsoft.graph.") {
			op.castValue = s.literal
		}
	}
	op.count = op.steps[len(op.steps)-1].literal == "$count"
	return op, nil
}

func answerOf(md protoreflect.MethodDescriptor) *optionspb.Answer {
	answer, _ := proto.GetExtension(md.Options(), optionspb.E_Answer).(*optionspb.Answer)
	return answer
}

// path writes the template with values, for the pattern of the generated
// handler.
func (o *Operation) path(values []string) string {
	var b strings.Builder
	for _, s := range o.target {
		b.WriteByte('/')
		if s.variable == "" {
			b.WriteString(s.literal)
			continue
		}
		b.WriteString(values[0])
		b.WriteString(s.verb)
		values = values[1:]
	}
	return b.String()
}
