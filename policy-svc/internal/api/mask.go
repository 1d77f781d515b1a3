package api

import (
	"strings"

	"entente.dev/policy-svc/internal/patch"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
)

// mask tells which properties a request names.
type mask []string

// maskOf reads an update mask; without one the populated fields are named
// (AIP-134).
func maskOf(m *fieldmaskpb.FieldMask, resource proto.Message) mask {
	if len(m.GetPaths()) > 0 || resource == nil {
		return m.GetPaths()
	}
	var out mask
	resource.ProtoReflect().Range(func(f protoreflect.FieldDescriptor, _ protoreflect.Value) bool {
		out = append(out, string(f.Name()))
		return true
	})
	return out
}

// names reports whether the request holds the property or a part of it.
func (m mask) names(path string) bool {
	for _, p := range m {
		if p == "*" || p == path || strings.HasPrefix(p, path+".") || strings.HasPrefix(path, p+".") {
			return true
		}
	}
	return false
}

// exactly reports whether the request names the property itself, which is how
// null arrives.
func (m mask) exactly(path string) bool {
	for _, p := range m {
		if p == path {
			return true
		}
	}
	return false
}

// changeOf is what a request says about one nullable property.
func changeOf[T any](m mask, path string, value *T) patch.Change[T] {
	if !m.names(path) {
		return patch.Change[T]{}
	}
	return patch.Change[T]{Named: true, To: value}
}

// partOf is changeOf for a part of an object that is present: it is named when
// it has a value, or null by itself. A path that names the whole object leaves
// absent parts alone (POL-22).
func partOf[T any](m mask, path string, value *T) patch.Change[T] {
	if value == nil && !m.exactly(path) {
		return patch.Change[T]{}
	}
	return patch.Change[T]{Named: true, To: value}
}
