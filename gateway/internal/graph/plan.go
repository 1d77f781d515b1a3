package graph

import (
	"strings"
	"sync"

	optionspb "entente.dev/proto/gen/entente/options/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// kind is how the value of a field is written.
type kind int

const (
	kindString kind = iota
	kindBool
	kindInt
	kindUint
	kindFloat
	kindBytes
	kindEnum
	kindMessage
	kindTime
	kindDuration
	kindStruct
	kindValue
	kindListValue
)

// plan is a message type compiled for the codec.
type plan struct {
	md       protoreflect.MessageDescriptor
	typeName string // without `#microsoft.graph.`, empty for no Graph type
	set      string
	typed    bool // carries @odata.type wherever it appears
	union    bool // holds exactly one of several resources
	fields   []*field
	byName   map[string]*field
	notHeld  map[string]bool // known to Graph, not held here; in lower case

	extensions *field // of open types
	// once are what the answer of a create shows of secrets.
	once []*field

	// Parts of a page, nil where the message is none.
	value, next, delta, count *field

	standard     [2]*projection // without $select: v1.0, beta
	unasked      [2]string      // the names of standard, where they are the lesser part
	projections  sync.Map       // projectionKey → *projection
	projectionsN counter
}

// field is one field of a plan.
type field struct {
	fd   protoreflect.FieldDescriptor
	name string
	key  string // `"name":`
	kind kind
	elem *plan // of kindMessage
	prop *optionspb.Property

	repeated, mapped, presence bool
	// hidden values are accepted and never answered: secrets, and objects
	// that carry one.
	hidden bool

	enumNames map[protoreflect.EnumNumber]string
	enumByKey map[string]protoreflect.EnumNumber // lower-case name → number
}

// plans holds the compiled types; they live as long as the process, one per
// message type of the API.
var plans = struct {
	sync.RWMutex
	of map[protoreflect.FullName]*plan
}{of: map[protoreflect.FullName]*plan{}}

// planOf compiles the type, or answers what was compiled before.
func planOf(md protoreflect.MessageDescriptor) *plan {
	plans.RLock()
	p := plans.of[md.FullName()]
	plans.RUnlock()
	if p != nil {
		return p
	}
	plans.Lock()
	defer plans.Unlock()
	// Types refer to each other in circles: collect first, publish together.
	fresh := map[protoreflect.FullName]*plan{}
	p = compile(md, fresh)
	for name, q := range fresh {
		plans.of[name] = q
	}
	return p
}

func compile(md protoreflect.MessageDescriptor, fresh map[protoreflect.FullName]*plan) *plan {
	if p := plans.of[md.FullName()]; p != nil {
		return p
	}
	if p := fresh[md.FullName()]; p != nil {
		return p
	}
	p := &plan{md: md, byName: map[string]*field{}}
	fresh[md.FullName()] = p
	if res, ok := proto.GetExtension(md.Options(), optionspb.E_Resource).(*optionspb.Resource); ok && res != nil {
		p.typeName, p.set, p.typed = res.GetType(), res.GetSet(), res.GetAlwaysTyped()
		for _, name := range res.GetNotHeld() {
			if p.notHeld == nil {
				p.notHeld = map[string]bool{}
			}
			p.notHeld[strings.ToLower(name)] = true
		}
	}
	open := isOpen(md)
	fds := md.Fields()
	for i := range fds.Len() {
		f := compileField(fds.Get(i), fresh)
		p.fields = append(p.fields, f)
		p.byName[f.name] = f
		switch {
		case open && f.kind == kindStruct && f.name == "extensions":
			p.extensions = f
		case f.name == "value" && f.repeated:
			p.value = f
		case f.name == "@odata.nextLink":
			p.next = f
		case f.name == "@odata.deltaLink":
			p.delta = f
		case f.name == "@odata.count":
			p.count = f
		}
	}
	for _, f := range p.fields {
		if f.prop.GetShownOnce() {
			p.once = append(p.once, f)
		}
	}
	p.union = isUnion(md)
	for beta := range p.standard {
		p.standard[beta] = &projection{}
		for _, f := range p.fields {
			if f.unasked(beta == 1) && !f.prop.GetSecret() && (beta == 1 || !f.prop.GetBeta()) && f != p.extensions {
				p.standard[beta].fields = append(p.standard[beta].fields, f)
			}
		}
		p.unasked[beta] = p.lesserPart(beta)
	}
	return p
}

// unasked tells whether an answer without $select has the field.
func (f *field) unasked(beta bool) bool {
	s := f.prop.GetSelect()
	return s == optionspb.Property_selectDefault || beta && s == optionspb.Property_selectDefaultBeta
}

// lesserPart joins the names that are answered unasked, when there are more
// others than these. Annotations have names that nobody selects.
func (p *plan) lesserPart(beta int) string {
	if p.typeName == "" || 2*len(p.standard[beta].fields) > len(p.fields) {
		return ""
	}
	var names []string
	for _, f := range p.standard[beta].fields {
		if !strings.HasPrefix(f.name, "@") {
			names = append(names, f.name)
		}
	}
	return strings.Join(names, ",")
}

func isOpen(md protoreflect.MessageDescriptor) bool {
	res, ok := proto.GetExtension(md.Options(), optionspb.E_Resource).(*optionspb.Resource)
	return ok && res.GetOpen()
}

// isUnion reports whether every field belongs to one oneof named `object` and
// is a message: the value is then the member that is set.
func isUnion(md protoreflect.MessageDescriptor) bool {
	if md.Oneofs().Len() != 1 {
		return false
	}
	one := md.Oneofs().Get(0)
	return one.Name() == "object" && !one.IsSynthetic() && one.Fields().Len() == md.Fields().Len()
}

func compileField(fd protoreflect.FieldDescriptor, fresh map[protoreflect.FullName]*plan) *field {
	f := &field{
		fd: fd, name: fd.JSONName(),
		repeated: fd.IsList(), mapped: fd.IsMap(), presence: fd.HasPresence(),
	}
	f.key = string(appendString(nil, f.name)) + ":"
	f.prop = propertyOf(fd)
	f.hidden = f.prop.GetSecret() || fd.Message() != nil && holdsSecret(fd.Message())
	of := fd
	if f.mapped {
		of = fd.MapValue()
	}
	switch of.Kind() {
	case protoreflect.BoolKind:
		f.kind = kindBool
	case protoreflect.EnumKind:
		f.kind = kindEnum
		f.enumNames, f.enumByKey = enumTables(of.Enum())
	case protoreflect.Int32Kind, protoreflect.Int64Kind, protoreflect.Sint32Kind, protoreflect.Sint64Kind,
		protoreflect.Sfixed32Kind, protoreflect.Sfixed64Kind:
		f.kind = kindInt
	case protoreflect.Uint32Kind, protoreflect.Uint64Kind, protoreflect.Fixed32Kind, protoreflect.Fixed64Kind:
		f.kind = kindUint
	case protoreflect.FloatKind, protoreflect.DoubleKind:
		f.kind = kindFloat
	case protoreflect.BytesKind:
		f.kind = kindBytes
	case protoreflect.MessageKind, protoreflect.GroupKind:
		f.kind = messageKind(of.Message().FullName())
		if f.kind == kindMessage {
			f.elem = compile(of.Message(), fresh)
		}
	}
	return f
}

func propertyOf(fd protoreflect.FieldDescriptor) *optionspb.Property {
	prop, _ := proto.GetExtension(fd.Options(), optionspb.E_Property).(*optionspb.Property)
	return prop
}

func holdsSecret(md protoreflect.MessageDescriptor) bool {
	for i := range md.Fields().Len() {
		if propertyOf(md.Fields().Get(i)).GetSecret() {
			return true
		}
	}
	return false
}

func messageKind(name protoreflect.FullName) kind {
	switch name {
	case "google.protobuf.Timestamp":
		return kindTime
	case "google.protobuf.Duration":
		return kindDuration
	case "google.protobuf.Struct":
		return kindStruct
	case "google.protobuf.Value":
		return kindValue
	case "google.protobuf.ListValue":
		return kindListValue
	}
	return kindMessage
}

// enumTables maps an enum both ways; number 0 is the unset value and has no
// name on the wire.
func enumTables(ed protoreflect.EnumDescriptor) (map[protoreflect.EnumNumber]string, map[string]protoreflect.EnumNumber) {
	names, keys := map[protoreflect.EnumNumber]string{}, map[string]protoreflect.EnumNumber{}
	for i := range ed.Values().Len() {
		v := ed.Values().Get(i)
		if v.Number() == 0 {
			continue
		}
		names[v.Number()] = string(v.Name())
		keys[strings.ToLower(string(v.Name()))] = v.Number()
	}
	return names, keys
}
