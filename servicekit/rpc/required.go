package rpc

import (
	"sync"

	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/fault"
	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
)

// requiredFields remembers by message type which fields a request must carry.
// Only the request's own fields count: whether a resource inside it is whole
// depends on the act (a PATCH carries parts) and is the service's to say.
type requiredFields struct{ known sync.Map }

func (r *requiredFields) check(req any) error {
	msg, ok := req.(proto.Message)
	if !ok {
		return nil
	}
	m := msg.ProtoReflect()
	name := m.Descriptor().FullName()
	plan, ok := r.known.Load(name)
	if !ok {
		plan, _ = r.known.LoadOrStore(name, required(m.Descriptor()))
	}
	var bad *fault.Error
	for _, fd := range plan.([]protoreflect.FieldDescriptor) {
		if m.Has(fd) {
			continue
		}
		if bad == nil {
			bad = fault.Invalid(errorspb.Reason_INVALID_REQUEST, "Property %s is required.", fd.JSONName())
		}
		bad = bad.WithViolation(fd.JSONName(), "is required", "")
	}
	if bad != nil {
		return bad
	}
	return nil
}

func required(md protoreflect.MessageDescriptor) []protoreflect.FieldDescriptor {
	var out []protoreflect.FieldDescriptor
	for i := range md.Fields().Len() {
		fd := md.Fields().Get(i)
		opts, ok := fd.Options().(*descriptorpb.FieldOptions)
		if !ok || opts == nil {
			continue
		}
		behaviors, _ := proto.GetExtension(opts, annotations.E_FieldBehavior).([]annotations.FieldBehavior)
		for _, b := range behaviors {
			if b == annotations.FieldBehavior_REQUIRED && tellsPresence(fd) {
				out = append(out, fd)
			}
		}
	}
	return out
}

// tellsPresence is false for numbers and booleans without `optional`, whose
// zero is a value like any other.
func tellsPresence(fd protoreflect.FieldDescriptor) bool {
	if fd.HasPresence() || fd.IsList() || fd.IsMap() {
		return true
	}
	switch fd.Kind() {
	case protoreflect.StringKind, protoreflect.BytesKind, protoreflect.EnumKind:
		return true
	}
	return false
}
