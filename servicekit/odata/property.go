package odata

import (
	"strings"

	optionspb "entente.dev/proto/gen/entente/options/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
)

// property is a property of a resource that a client named: what it supports
// and where it is stored.
type property struct {
	name    string // spelled as on the wire
	field   protoreflect.FieldDescriptor
	support *optionspb.Property
	column  Column
	stored  bool
}

// resolve finds the property that path names. Names match in any case, as
// Graph's do.
func resolve(md protoreflect.MessageDescriptor, columns Columns, path Path) (property, error) {
	p := property{name: path.String()}
	if c, ok := columns[p.name]; ok && c.Support != nil {
		p.column, p.support, p.stored = c, c.Support, true
		if md != nil && len(path) == 1 {
			p.field = fieldOf(md, path[0])
		}
		return p, nil
	}
	segments := make(Path, 0, len(path))
	message := md
	for _, segment := range path {
		if message == nil {
			return p, unknown(md, p.name)
		}
		if p.field = fieldOf(message, segment); p.field == nil {
			return p, unknown(md, p.name)
		}
		segments = append(segments, p.field.JSONName())
		message = p.field.Message()
	}
	p.name = segments.String()
	p.column, p.stored = columns[p.name]
	p.support = p.column.Support
	if p.support == nil && p.field != nil {
		p.support = supportOf(p.field)
	}
	if p.support == nil {
		p.support = &optionspb.Property{}
	}
	return p, nil
}

func fieldOf(md protoreflect.MessageDescriptor, name string) protoreflect.FieldDescriptor {
	if fd := md.Fields().ByJSONName(name); fd != nil {
		return fd
	}
	for i := range md.Fields().Len() {
		if fd := md.Fields().Get(i); strings.EqualFold(fd.JSONName(), name) {
			return fd
		}
	}
	return nil
}

func supportOf(fd protoreflect.FieldDescriptor) *optionspb.Property {
	opts, ok := fd.Options().(*descriptorpb.FieldOptions)
	if !ok || opts == nil || !proto.HasExtension(opts, optionspb.E_Property) {
		return nil
	}
	p, _ := proto.GetExtension(opts, optionspb.E_Property).(*optionspb.Property)
	return p
}

// typ is the type of the property, or of an item for collections.
func (p property) typ() Type {
	if p.column.Type != TypeInferred {
		return p.column.Type
	}
	if p.field == nil {
		return TypeText
	}
	switch p.field.Kind() {
	case protoreflect.BoolKind:
		return TypeBool
	case protoreflect.EnumKind:
		return TypeEnum
	case protoreflect.MessageKind:
		if p.field.Message().FullName() == "google.protobuf.Timestamp" {
			return TypeTime
		}
		return TypeInferred
	case protoreflect.StringKind, protoreflect.BytesKind:
		return TypeText
	}
	return TypeNumber
}

// resourceName is how errors name the resource: `User`.
func resourceName(md protoreflect.MessageDescriptor) string { return string(md.Name()) }

func unknown(md protoreflect.MessageDescriptor, name string) error {
	typ := resourceName(md)
	if opts, ok := md.Options().(*descriptorpb.MessageOptions); ok && opts != nil {
		if r, _ := proto.GetExtension(opts, optionspb.E_Resource).(*optionspb.Resource); r != nil && r.Type != "" {
			typ = "microsoft.graph." + r.Type
		}
	}
	return badFilter("Could not find a property named '%s' on type '%s'.", name, typ)
}

func unsupportedClause(md protoreflect.MessageDescriptor, name string) error {
	return unsupported("Unsupported or invalid query filter clause specified for property '%s' of resource '%s'.", name, resourceName(md))
}

func needsAdvanced(operator string) error {
	return unsupported("Operator '%s' is not supported because the required parameters might be missing. "+
		"Try adding $count=true query parameter and ConsistencyLevel:eventual header.", operator)
}

func invalidValue(md protoreflect.MessageDescriptor, name string) error {
	return badFilter("Invalid value specified for property '%s' of resource '%s'.", name, resourceName(md))
}
