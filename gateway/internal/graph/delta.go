package graph

import (
	"strings"

	directorypb "entente.dev/proto/gen/entente/directory/v1"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/structpb"
)

// AppendDelta writes a page of changes (DIR-208 to DIR-211): objects with the
// properties that the service names, removals, and the links that came and
// went. A property is not null for being unset; the service names those that
// are to be shown.
func AppendDelta(dst []byte, m *directorypb.ListDeltaResponse, v View) []byte {
	e := &encoder{buf: dst, view: v}
	e.buf = append(e.buf, '{')
	e.context(planOf(m.ProtoReflect().Descriptor()), false)
	if token := m.GetNextPageToken(); token != "" {
		e.key(`"@odata.nextLink":`)
		e.buf = appendString(e.buf, v.Link(token, false))
	} else if token := m.GetDeltaToken(); token != "" {
		e.key(`"@odata.deltaLink":`)
		e.buf = appendString(e.buf, v.Link(token, true))
	}
	e.key(`"value":`)
	e.buf = append(e.buf, '[')
	for i, c := range m.GetValue() {
		if i > 0 {
			e.buf = append(e.buf, ',')
		}
		e.change(c)
	}
	e.buf = append(e.buf, ']', '}')
	return e.buf
}

// change writes one entry.
func (e *encoder) change(c *directorypb.ChangedObject) {
	e.buf = append(e.buf, '{')
	e.first = true
	if content, p := unwrap(c.GetObject()); p != nil {
		e.tags(content, p, e.view.Typed)
		e.key(`"id":`)
		e.buf = appendString(e.buf, c.GetId())
		for _, name := range c.GetProperties() {
			e.changed(content, p, name)
		}
	} else {
		e.key(`"id":`)
		e.buf = appendString(e.buf, c.GetId())
	}
	if c.GetRemovedReason() != "" {
		e.key(`"@removed":{"reason":`)
		e.buf = append(appendString(e.buf, c.GetRemovedReason()), '}')
	}
	e.links(`"members@delta":[`, c.GetMembers())
	e.links(`"owners@delta":[`, c.GetOwners())
	e.links(`"manager@delta":[`, c.GetManager())
	e.buf = append(e.buf, '}')
	e.first = false
}

// changed writes one property that the service names.
func (e *encoder) changed(m protoreflect.Message, p *plan, name string) {
	if isExtension(name) && p.extensions != nil {
		st, _ := m.Get(p.extensions.fd).Message().Interface().(*structpb.Struct)
		e.key(string(appendString(nil, name)) + ":")
		e.dynamic(st.GetFields()[name])
		return
	}
	f := p.byName[name]
	if f == nil || name == "id" || f == p.extensions || f.hidden || f.prop.GetBeta() && !e.view.Beta || strings.HasPrefix(name, "@") {
		return
	}
	e.member(m, f)
}

func (e *encoder) links(key string, links []*directorypb.ChangedObject_Link) {
	if len(links) == 0 {
		return
	}
	e.key(key)
	for i, l := range links {
		if i > 0 {
			e.buf = append(e.buf, ',')
		}
		e.buf = append(e.buf, '{')
		e.first = true
		if content, p := unwrap(l.GetObject()); p != nil {
			e.typeTag(p)
			e.key(`"id":`)
			e.buf = appendString(e.buf, idOf(content, p))
		}
		if l.GetRemoved() {
			e.key(`"@removed":{"reason":"deleted"}`)
		}
		e.buf = append(e.buf, '}')
	}
	e.buf = append(e.buf, ']')
	e.first = false
}

// unwrap answers the member of a mixed type that is set, with its plan; nil if
// there is none.
func unwrap(o *directorypb.DirectoryObject) (protoreflect.Message, *plan) {
	if o == nil {
		return nil, nil
	}
	return content(o.ProtoReflect(), planOf(o.ProtoReflect().Descriptor()))
}

// content goes through unions to the resource inside, whose plan is nil if
// there is none.
func content(m protoreflect.Message, p *plan) (protoreflect.Message, *plan) {
	for p.union {
		fd := m.WhichOneof(p.md.Oneofs().Get(0))
		if fd == nil {
			return m, nil
		}
		m, p = m.Get(fd).Message(), p.byName[fd.JSONName()].elem
	}
	return m, p
}

// idOf is the id of a resource, empty where its type has none.
func idOf(m protoreflect.Message, p *plan) string {
	if f := p.byName["id"]; f != nil && f.kind == kindString && !f.repeated {
		return m.Get(f.fd).String()
	}
	return ""
}
