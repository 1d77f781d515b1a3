package graph

import (
	"encoding/base64"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// View is how one answer is shown.
type View struct {
	// Base is origin and version, `https://host/v1.0`. Empty writes no
	// @odata.context.
	Base string
	// Context replaces the name of the entity set in @odata.context.
	Context string
	// Select are the canonical names of $select joined by commas.
	Select string
	// Expand are the canonical names of $expand joined by commas.
	Expand string
	// Created is the answer of a create, which shows secrets that the service
	// made.
	Created bool
	// Beta shows the properties that only /beta has.
	Beta bool
	// Link makes the link to the next page of a token, or with delta the link
	// to what changes later.
	Link func(token string, delta bool) string
	// Typed writes @odata.type on the object itself.
	Typed bool
	// Metadata is how many annotations are written.
	Metadata Metadata
	// Relation is what $expand added, nil without it.
	Relation *Relation
}

// Relation is one navigation property and what it leads to.
type Relation struct {
	// Name is the property.
	Name string
	// Select are the canonical names of the $select inside of $expand.
	Select string
	// Many is true for a list. Else the objects are a chain: each is the
	// relation of the one before it.
	Many bool
	// Objects are found by the id of the object that they belong to.
	Objects map[string][]proto.Message
}

// Append writes m as Graph JSON to dst: a page when m has `value`, else one
// object. Unset properties are null, lists without members are [].
func Append(dst []byte, m proto.Message, v View) []byte {
	p := planOf(m.ProtoReflect().Descriptor())
	e := &encoder{buf: dst, view: v}
	if p.value != nil {
		e.page(m.ProtoReflect(), p)
		return e.buf
	}
	e.buf = append(e.buf, '{')
	e.context(p, true)
	e.object(m.ProtoReflect(), p, true, v.Typed || p.typed)
	e.buf = append(e.buf, '}')
	return e.buf
}

type encoder struct {
	buf  []byte
	view View
	// first is true until the current object has a member.
	first bool
}

func (e *encoder) key(key string) {
	if !e.first {
		e.buf = append(e.buf, ',')
	}
	e.first = false
	e.buf = append(e.buf, key...)
}

// context opens the outermost object with its @odata.context.
func (e *encoder) context(p *plan, single bool) {
	e.first = true
	if e.view.Base == "" || e.view.Metadata == MetadataNone {
		return
	}
	fragment, suffix := e.view.Context, ""
	if fragment == "" {
		switch {
		case p.set != "":
			fragment = p.set
			if single {
				suffix = "/$entity"
			}
		case p.union:
			fragment = "directoryObjects"
			suffix = "/$entity"
		case p.typeName != "" && single:
			fragment = "microsoft.graph." + p.typeName
		default:
			return
		}
	}
	if e.view.Select != "" {
		fragment += "(" + e.view.Select + ")"
	}
	e.key(`"@odata.context":`)
	e.buf = appendString(e.buf, e.view.Base+"/$metadata#"+fragment+suffix)
}

// page writes a collection with its links.
func (e *encoder) page(m protoreflect.Message, p *plan) {
	e.buf = append(e.buf, '{')
	e.context(p, false)
	e.pageLinks(m, p)
	e.key(p.value.key)
	list := m.Get(p.value.fd).List()
	if p.value.kind != kindMessage {
		e.list(list, p.value)
		e.buf = append(e.buf, '}')
		return
	}
	elem := p.value.elem
	pr := elem.projection(e.view.Select, e.view.Expand, e.view.Beta, false)
	e.buf = append(e.buf, '[')
	for i := range list.Len() {
		if i > 0 {
			e.buf = append(e.buf, ',')
		}
		e.buf = append(e.buf, '{')
		e.first = true
		if elem.union {
			e.object(list.Get(i).Message(), elem, false, true)
		} else {
			e.outer(list.Get(i).Message(), elem, pr, elem.typed)
		}
		e.buf = append(e.buf, '}')
	}
	e.buf = append(e.buf, ']', '}')
}

// pageLinks writes what a page has beside its elements.
func (e *encoder) pageLinks(m protoreflect.Message, p *plan) {
	for _, f := range p.fields {
		switch f {
		case p.value:
		case p.count:
			if m.Has(f.fd) {
				e.key(f.key)
				e.buf = strconv.AppendInt(e.buf, m.Get(f.fd).Int(), 10)
			}
		case p.next, p.delta:
			if token := m.Get(f.fd).String(); token != "" && e.view.Link != nil {
				e.key(f.key)
				e.buf = appendString(e.buf, e.view.Link(token, f == p.delta))
			}
		default:
			e.member(m, f)
		}
	}
}

// object writes the members of a resource, of a union those of its content.
func (e *encoder) object(m protoreflect.Message, p *plan, single, typed bool) {
	for p.union {
		fd := m.WhichOneof(p.md.Oneofs().Get(0))
		if fd == nil {
			return
		}
		m, p, typed = m.Get(fd).Message(), p.byName[fd.JSONName()].elem, true
	}
	e.outer(m, p, p.projection(e.view.Select, e.view.Expand, e.view.Beta, single), typed)
}

// outer writes a resource that is no part of another one: with the annotations
// of the whole and what $expand added.
func (e *encoder) outer(m protoreflect.Message, p *plan, pr *projection, typed bool) {
	if e.view.Metadata == MetadataFull {
		e.tags(m, p, typed)
		typed = false
	}
	e.projected(m, p, pr, typed)
	if e.view.Created {
		e.secrets(m, p)
	}
	if e.view.Relation != nil {
		e.relation(idOf(m, p))
	}
}

// secrets writes what a create shows once: an object with its secret, when the
// service set it.
func (e *encoder) secrets(m protoreflect.Message, p *plan) {
	for _, f := range p.once {
		if !m.Has(f.fd) {
			continue
		}
		e.key(f.key)
		e.buf = append(e.buf, '{')
		e.first = true
		secret := m.Get(f.fd).Message()
		for _, member := range f.elem.fields {
			e.key(member.key)
			if secret.Has(member.fd) {
				e.value(secret.Get(member.fd), member)
			} else {
				e.buf = append(e.buf, "null"...)
			}
			e.first = false
		}
		e.buf = append(e.buf, '}')
		e.first = false
	}
}

// tags writes @odata.type where it is wanted, and with full annotations where
// the object is found.
func (e *encoder) tags(m protoreflect.Message, p *plan, typed bool) {
	full := e.view.Metadata == MetadataFull
	if typed || full {
		e.typeTag(p)
	}
	id := idOf(m, p)
	if !full || p.set == "" || id == "" || e.view.Base == "" {
		return
	}
	path := p.set + "/" + url.PathEscape(id)
	e.key(`"@odata.id":`)
	e.buf = appendString(e.buf, e.view.Base+"/"+path)
	e.key(`"@odata.editLink":`)
	e.buf = appendString(e.buf, path)
}

// typeTag writes @odata.type of a Graph type.
func (e *encoder) typeTag(p *plan) {
	if p.typeName == "" || p.byName["@odata.type"] != nil || e.view.Metadata == MetadataNone {
		return
	}
	e.key(`"@odata.type":"#microsoft.graph.`)
	e.buf = append(append(e.buf, p.typeName...), '"')
}

// relation writes what $expand asked for about the object with that id. A
// relation to one that leads nowhere is absent.
func (e *encoder) relation(id string) {
	r := e.view.Relation
	objects, ok := r.Objects[id]
	if !ok || !r.Many && len(objects) == 0 {
		return
	}
	e.key(string(appendString(nil, r.Name)) + ":")
	if !r.Many {
		e.related(objects[0], objects[1:])
		e.first = false
		return
	}
	e.buf = append(e.buf, '[')
	for i, o := range objects {
		if i > 0 {
			e.buf = append(e.buf, ',')
		}
		e.related(o, nil)
	}
	e.buf = append(e.buf, ']')
	e.first = false
}

// related writes one object of a relation, and inside of it the rest of the
// chain.
func (e *encoder) related(o proto.Message, chain []proto.Message) {
	r := e.view.Relation
	e.buf = append(e.buf, '{')
	e.first = true
	if m, p := content(o.ProtoReflect(), planOf(o.ProtoReflect().Descriptor())); p != nil {
		e.tags(m, p, true)
		e.projected(m, p, p.projection(r.Select, "", e.view.Beta, false), false)
		if len(chain) > 0 {
			e.key(string(appendString(nil, r.Name)) + ":")
			e.related(chain[0], chain[1:])
		}
	}
	e.buf = append(e.buf, '}')
	e.first = false
}

func (e *encoder) projected(m protoreflect.Message, p *plan, pr *projection, typed bool) {
	if typed {
		e.typeTag(p)
	}
	for _, f := range pr.fields {
		if e.view.Metadata == MetadataNone && strings.HasPrefix(f.name, "@odata.") {
			continue
		}
		e.member(m, f)
	}
	if p.extensions != nil && (pr.all || len(pr.extensions) > 0) {
		e.extensions(m.Get(p.extensions.fd).Message(), pr)
	}
}

// extensions writes members of the open part beside the declared ones.
func (e *encoder) extensions(m protoreflect.Message, pr *projection) {
	st, _ := m.Interface().(*structpb.Struct)
	names := pr.extensions
	if pr.all {
		names = sortedKeys(st.GetFields())
	}
	for _, n := range names {
		e.key(string(appendString(nil, n)) + ":")
		e.dynamic(st.GetFields()[n])
	}
}

func (e *encoder) member(m protoreflect.Message, f *field) {
	has := m.Has(f.fd)
	if !has && f.prop.GetOmitEmpty() {
		return
	}
	e.key(f.key)
	switch {
	case f.hidden:
		// Named in $select: the property exists, its value never leaves.
		e.buf = append(e.buf, "null"...)
	case f.mapped:
		e.mapping(m.Get(f.fd).Map(), f)
	case f.repeated:
		if !has && f.prop.GetNullableList() {
			e.buf = append(e.buf, "null"...)
			return
		}
		e.list(m.Get(f.fd).List(), f)
	case !has && f.presence:
		e.buf = append(e.buf, "null"...)
	default:
		e.value(m.Get(f.fd), f)
	}
	e.first = false
}

func (e *encoder) list(l protoreflect.List, f *field) {
	e.buf = append(e.buf, '[')
	for i := range l.Len() {
		if i > 0 {
			e.buf = append(e.buf, ',')
		}
		e.value(l.Get(i), f)
	}
	e.buf = append(e.buf, ']')
}

func (e *encoder) mapping(mp protoreflect.Map, f *field) {
	keys := make([]string, 0, mp.Len())
	values := make(map[string]protoreflect.Value, mp.Len())
	mp.Range(func(k protoreflect.MapKey, v protoreflect.Value) bool {
		keys = append(keys, k.String())
		values[k.String()] = v
		return true
	})
	slices.Sort(keys)
	e.buf = append(e.buf, '{')
	for i, k := range keys {
		if i > 0 {
			e.buf = append(e.buf, ',')
		}
		e.buf = append(appendString(e.buf, k), ':')
		e.value(values[k], f)
	}
	e.buf = append(e.buf, '}')
}

func (e *encoder) value(v protoreflect.Value, f *field) {
	switch f.kind {
	case kindString:
		e.buf = appendString(e.buf, v.String())
	case kindBool:
		e.buf = strconv.AppendBool(e.buf, v.Bool())
	case kindInt:
		e.buf = strconv.AppendInt(e.buf, v.Int(), 10)
	case kindUint:
		e.buf = strconv.AppendUint(e.buf, v.Uint(), 10)
	case kindFloat:
		e.buf = appendFloat(e.buf, v.Float())
	case kindBytes:
		e.buf = append(e.buf, '"')
		e.buf = base64.StdEncoding.AppendEncode(e.buf, v.Bytes())
		e.buf = append(e.buf, '"')
	case kindEnum:
		if name, ok := f.enumNames[v.Enum()]; ok {
			e.buf = append(append(append(e.buf, '"'), name...), '"')
		} else {
			e.buf = append(e.buf, "null"...)
		}
	case kindTime:
		e.buf = appendTime(e.buf, v.Message().Interface().(*timestamppb.Timestamp))
	case kindDuration:
		e.buf = append(e.buf, '"')
		e.buf = append(e.buf, formatDuration(v.Message().Interface().(*durationpb.Duration).AsDuration())...)
		e.buf = append(e.buf, '"')
	case kindStruct:
		e.dynamic(structpb.NewStructValue(v.Message().Interface().(*structpb.Struct)))
	case kindListValue:
		e.dynamic(structpb.NewListValue(v.Message().Interface().(*structpb.ListValue)))
	case kindValue:
		e.dynamic(v.Message().Interface().(*structpb.Value))
	case kindMessage:
		e.nested(v.Message(), f.elem)
	}
}

// nested writes a value inside an object; $select does not reach it.
func (e *encoder) nested(m protoreflect.Message, p *plan) {
	outer := e.first
	e.buf = append(e.buf, '{')
	e.first = true
	typed := p.typed
	for p.union {
		fd := m.WhichOneof(p.md.Oneofs().Get(0))
		if fd == nil {
			break
		}
		m, p, typed = m.Get(fd).Message(), p.byName[fd.JSONName()].elem, true
	}
	e.projected(m, p, p.projection("", "", e.view.Beta, true), typed)
	e.buf = append(e.buf, '}')
	e.first = outer
}

// dynamic writes a value whose shape no message declares. Numbers without a
// fraction are integers.
func (e *encoder) dynamic(v *structpb.Value) {
	switch k := v.GetKind().(type) {
	case *structpb.Value_StringValue:
		e.buf = appendString(e.buf, k.StringValue)
	case *structpb.Value_BoolValue:
		e.buf = strconv.AppendBool(e.buf, k.BoolValue)
	case *structpb.Value_NumberValue:
		e.buf = appendFloat(e.buf, k.NumberValue)
	case *structpb.Value_StructValue:
		e.buf = append(e.buf, '{')
		for i, name := range sortedKeys(k.StructValue.GetFields()) {
			if i > 0 {
				e.buf = append(e.buf, ',')
			}
			e.buf = append(appendString(e.buf, name), ':')
			e.dynamic(k.StructValue.GetFields()[name])
		}
		e.buf = append(e.buf, '}')
	case *structpb.Value_ListValue:
		e.buf = append(e.buf, '[')
		for i, item := range k.ListValue.GetValues() {
			if i > 0 {
				e.buf = append(e.buf, ',')
			}
			e.dynamic(item)
		}
		e.buf = append(e.buf, ']')
	default:
		e.buf = append(e.buf, "null"...)
	}
}

// sortedKeys orders members; @odata.type first, as clients that read a stream
// expect the type before what it types.
func sortedKeys(m map[string]*structpb.Value) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b string) int {
		if at, bt := a == "@odata.type", b == "@odata.type"; at != bt {
			if at {
				return -1
			}
			return 1
		}
		return strings.Compare(a, b)
	})
	return keys
}

func appendFloat(dst []byte, f float64) []byte {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return append(dst, "null"...)
	}
	if f == math.Trunc(f) && math.Abs(f) < 1<<53 {
		return strconv.AppendInt(dst, int64(f), 10)
	}
	return strconv.AppendFloat(dst, f, 'g', -1, 64)
}

// appendTime writes UTC with Z; a whole second has no fraction, since a client
// that wrote one without must read the same text back (WIRE-27).
func appendTime(dst []byte, ts *timestamppb.Timestamp) []byte {
	dst = append(dst, '"')
	dst = time.Unix(ts.GetSeconds(), int64(ts.GetNanos())).UTC().AppendFormat(dst, time.RFC3339Nano)
	return append(dst, '"')
}

const hexDigits = "0123456789abcdef"

// appendString writes s as a JSON string; bytes that are no UTF-8 become
// U+FFFD.
func appendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' && c < utf8.RuneSelf {
			i++
			continue
		}
		if c >= utf8.RuneSelf {
			r, size := utf8.DecodeRuneInString(s[i:])
			if r != utf8.RuneError || size > 1 {
				i += size
				continue
			}
			dst = append(dst, s[start:i]...)
			dst = append(dst, "\uFFFD"...)
			i++
			start = i
			continue
		}
		dst = append(dst, s[start:i]...)
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\r':
			dst = append(dst, '\\', 'r')
		case '\t':
			dst = append(dst, '\\', 't')
		default:
			dst = append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		}
		i++
		start = i
	}
	return append(append(dst, s[start:]...), '"')
}
