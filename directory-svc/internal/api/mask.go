package api

import (
	"strings"
	"sync"

	optionspb "entente.dev/proto/gen/entente/options/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
)

// merge changes the fields of now that paths name to their values in in
// (WIRE-47): an unset field clears, a list replaces, an object merges by its
// members, an empty object clears, and empty text is no value. Read-only
// properties are refused unless they repeat the present value.
func merge(now, in proto.Message, paths []string) error {
	for _, path := range paths {
		top, rest, nested := strings.Cut(path, ".")
		f := now.ProtoReflect().Descriptor().Fields().ByName(protoreflect.Name(top))
		if f == nil || propertyOf(f).GetReadOnly() {
			if err := sameOrReadOnly(now, in, top); err != nil {
				return err
			}
			continue
		}
		if !nested {
			mergeField(now.ProtoReflect(), in.ProtoReflect(), f)
			continue
		}
		if f.Message() == nil || f.IsList() || f.IsMap() {
			continue
		}
		inner := in.ProtoReflect().Get(f).Message().Interface()
		if err := merge(now.ProtoReflect().Mutable(f).Message().Interface(), inner, []string{rest}); err != nil {
			return err
		}
	}
	return nil
}

func mergeField(now, in protoreflect.Message, f protoreflect.FieldDescriptor) {
	switch {
	case !in.Has(f):
		now.Clear(f)
	case f.Message() != nil && !f.IsList() && !f.IsMap() && f.Message().FullName().Parent() != "google.protobuf":
		from, empty := in.Get(f).Message(), true
		from.Range(func(member protoreflect.FieldDescriptor, _ protoreflect.Value) bool {
			empty = false
			mergeField(now.Mutable(f).Message(), from, member)
			return true
		})
		if empty {
			now.Clear(f)
		}
	case f.Kind() == protoreflect.StringKind && !f.IsList() && f.HasPresence() && in.Get(f).String() == "":
		now.Clear(f)
	default:
		now.Set(f, in.Get(f))
	}
}

// known are the options of the fields that were asked for: reading one
// takes reflection, and every write asks for several.
var known sync.Map // of *optionspb.Property by protoreflect.FieldDescriptor

// propertyOf is the property option of a field, nil where there is none.
func propertyOf(f protoreflect.FieldDescriptor) *optionspb.Property {
	if held, ok := known.Load(f); ok {
		p, _ := held.(*optionspb.Property)
		return p
	}
	options, ok := f.Options().(*descriptorpb.FieldOptions)
	if !ok || options == nil {
		return nil
	}
	p, _ := proto.GetExtension(options, optionspb.E_Property).(*optionspb.Property)
	known.Store(f, p)
	return p
}

// clearFields removes fields that are kept elsewhere.
func clearFields(m proto.Message, names ...string) {
	r := m.ProtoReflect()
	for _, name := range names {
		r.Clear(r.Descriptor().Fields().ByName(protoreflect.Name(name)))
	}
}
