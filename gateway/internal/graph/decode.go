package graph

import (
	"errors"
	"slices"
	"strings"

	errorspb "entente.dev/proto/gen/entente/errors/v1"
	optionspb "entente.dev/proto/gen/entente/options/v1"
	"entente.dev/servicekit/fault"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Body says how a JSON body is read.
type Body struct {
	// Patch keeps track of the members: null clears and is no absence.
	Patch bool
	// Beta admits the properties that only /beta has.
	Beta bool
	// Lenient ignores unknown and read-only members, as the invitations of
	// Graph do (INV-9, INV-12).
	Lenient bool
	// BadRequest says errors with the code `BadRequest` rather than
	// `Request_BadRequest`, as Graph does outside of the directory.
	BadRequest bool
	// Hidden are proto names of fields that a body cannot set, for instance
	// those bound to the path.
	Hidden []protoreflect.Name
	// Keys are values that the path has named already, by name on the wire: a
	// member that repeats one is no attempt to write it.
	Keys map[string]string
}

// Unmarshal reads Graph JSON into m. The mask names every member of the body
// by proto path, `a.b` for members of a complex value; a path whose field is
// unset was null, and that of an empty object asks to clear the value. Without
// Patch null is the same as absent and the mask is nil.
func Unmarshal(data []byte, m proto.Message, b Body) (mask []string, err error) {
	d := &decoder{scanner: scanner{data: data}, body: b}
	if err := d.whole(m.ProtoReflect()); err != nil {
		return nil, b.Family(err)
	}
	slices.Sort(d.mask)
	return d.mask, nil
}

// Family gives a BAD_REQUEST about a body the code of its part of the API.
func (b Body) Family(err error) error {
	var f *fault.Error
	if b.BadRequest || !errors.As(err, &f) || f.Reason != errorspb.Reason_BAD_REQUEST {
		return err
	}
	g := *f
	g.Reason = errorspb.Reason_INVALID_REQUEST
	return &g
}

func (d *decoder) whole(m protoreflect.Message) error {
	if d.peek() != '{' {
		return badJSON()
	}
	if err := d.message(m, "", "", true); err != nil {
		return err
	}
	return d.end()
}

type decoder struct {
	scanner
	body Body
	mask []string
}

// message reads an object. path is the proto path of the object for the mask,
// shown the wire's for messages; merge is false inside lists, which are
// replaced as a whole.
func (d *decoder) message(m protoreflect.Message, path, shown string, merge bool) error {
	p := planOf(m.Descriptor())
	if p.union {
		return d.unionMember(m, p, shown)
	}
	members := 0
	err := d.object(func(name string) error {
		f := p.byName[name]
		where := join(shown, name)
		if f == nil {
			if p.extensions != nil && isExtension(name) {
				members++
				return d.extension(m, p.extensions, name, path, merge)
			}
			return d.undeclared(p, name, where)
		}
		members++
		if skip, err := d.guard(f, where, shown == "", merge); err != nil || skip {
			if err == nil {
				err = d.skip()
			}
			return err
		}
		return d.field(m, f, join(path, string(f.fd.Name())), where, merge)
	})
	if err == nil && members == 0 && path != "" && merge {
		d.note(path)
	}
	return err
}

// note adds a path to the mask.
func (d *decoder) note(path string) {
	if d.body.Patch {
		d.mask = append(d.mask, path)
	}
}

// undeclared handles a member that the type does not have.
func (d *decoder) undeclared(p *plan, name, where string) error {
	if name == "@odata.type" {
		return d.typeName(p, where)
	}
	_, annotation, found := strings.Cut(name, "@odata.")
	switch {
	case found && annotation != "bind" && (annotation != "id" || strings.HasPrefix(name, "@")):
		// Annotations describe; they carry no value to store.
		return d.skip()
	case d.body.Lenient && !strings.HasPrefix(name, "@"):
		return d.skip()
	case p.notHeld[strings.ToLower(name)]:
		return notHeld(name)
	}
	return d.refuse(errorspb.Reason_PROPERTY_UNKNOWN, where, "Invalid property '%s'.", clip(where))
}

// notHeld says that a property is one of Graph's and none of ours (DIR-36).
func notHeld(name string) error {
	return fault.Unimplemented(errorspb.Reason_NOT_IMPLEMENTED, "The property '%s' is not held by this product.", name).WithMeta("property", name)
}

// typeName checks @odata.type against the declared type, where there is one.
func (d *decoder) typeName(p *plan, where string) error {
	if d.peek() != '"' {
		return d.wrongType(where, "a string")
	}
	name, err := d.string()
	if err != nil {
		return err
	}
	name = strings.TrimPrefix(strings.TrimPrefix(name, "#"), "microsoft.graph.")
	if p.typeName != "" && !strings.EqualFold(name, p.typeName) {
		return d.refuse(errorspb.Reason_PROPERTY_INVALID, where, "The type '%s' does not fit here; expected '#microsoft.graph.%s'.", clip(name), p.typeName)
	}
	return nil
}

// guard refuses members that a client cannot write. skip asks to ignore one.
// The service knows the present value: in a PATCH it compares and refuses
// (WIRE-49). Members of lists have no path in the mask, and relations are not
// written like this at all.
func (d *decoder) guard(f *field, where string, outermost, merge bool) (skip bool, err error) {
	if f.prop.GetBeta() && !d.body.Beta || outermost && slices.Contains(d.body.Hidden, f.fd.Name()) {
		if d.body.Lenient || d.isKey(f) {
			return true, nil
		}
		return false, d.refuse(errorspb.Reason_PROPERTY_UNKNOWN, where, "Invalid property '%s'.", clip(where))
	}
	if !f.prop.GetReadOnly() {
		return false, nil
	}
	if d.body.Lenient || d.peek() == 'n' || outermost && d.isKey(f) {
		return true, nil
	}
	if d.body.Patch && merge && f.prop.GetSelect() != optionspb.Property_selectExpanded {
		return false, nil
	}
	return false, d.refuse(errorspb.Reason_PROPERTY_READ_ONLY, where, "Property '%s' is read-only and cannot be set.", where)
}

// isKey reports whether the next value is the identifier that the path has
// named already.
func (d *decoder) isKey(f *field) bool {
	key, ok := d.body.Keys[f.name]
	if !ok || d.peek() != '"' {
		return false
	}
	at := d.pos
	v, err := d.string()
	d.pos = at
	return err == nil && strings.EqualFold(v, key)
}

// extension stores one member of the open part.
func (d *decoder) extension(m protoreflect.Message, f *field, name, path string, merge bool) error {
	st := structOf(m.Mutable(f.fd).Message())
	v, err := d.dynamic()
	if err != nil {
		return err
	}
	if isNull(v) && !d.body.Patch {
		return nil
	}
	if st.Fields == nil {
		st.Fields = map[string]*structValue{}
	}
	st.Fields[name] = v
	if merge {
		d.note(join(join(path, string(f.fd.Name())), name))
	}
	return nil
}

// field reads the value of a declared member.
func (d *decoder) field(m protoreflect.Message, f *field, path, where string, merge bool) error {
	// Clients write "" for what they leave empty (WIRE-48); for text that is
	// the service's to read, other kinds have no such value.
	empty := !f.repeated && !f.mapped && (f.kind == kindEnum || f.kind == kindTime || f.kind == kindDuration) && d.word(`""`)
	if empty || d.word("null") {
		if merge {
			d.note(path)
		}
		if f.kind == kindValue && !f.repeated {
			m.Set(f.fd, protoreflect.ValueOfMessage(nullValue().ProtoReflect()))
		}
		return nil
	}
	switch {
	case f.mapped:
		if merge {
			d.note(path)
		}
		return d.mapping(m.Mutable(f.fd).Map(), f, where)
	case f.repeated:
		if merge {
			d.note(path)
		}
		return d.list(m.Mutable(f.fd).List(), f, where)
	case f.kind == kindMessage:
		before := len(d.mask)
		sub := m.NewField(f.fd).Message()
		if err := d.message(sub, path, where, merge); err != nil {
			return err
		}
		// `{}` clears in a PATCH: the path is in the mask, the field unset.
		if d.body.Patch && merge && len(d.mask) == before+1 && d.mask[before] == path {
			return nil
		}
		m.Set(f.fd, protoreflect.ValueOfMessage(sub))
		return nil
	}
	if merge {
		d.note(path)
	}
	v, err := d.scalar(f, where)
	if err != nil {
		return err
	}
	m.Set(f.fd, v)
	return nil
}

func (d *decoder) list(l protoreflect.List, f *field, where string) error {
	if d.peek() != '[' {
		return d.wrongType(where, "a collection")
	}
	return d.array(func(int) error {
		if d.peek() == 'n' && f.kind != kindValue {
			return d.refuse(errorspb.Reason_PROPERTY_INVALID, where, "The collection '%s' cannot hold null.", where)
		}
		if f.kind == kindMessage {
			item := l.NewElement().Message()
			if err := d.message(item, "", where, false); err != nil {
				return err
			}
			l.Append(protoreflect.ValueOfMessage(item))
			return nil
		}
		v, err := d.scalar(f, where)
		if err == nil {
			l.Append(v)
		}
		return err
	})
}

func (d *decoder) mapping(mp protoreflect.Map, f *field, where string) error {
	if d.peek() != '{' {
		return d.wrongType(where, "an object")
	}
	return d.object(func(name string) error {
		key := protoreflect.ValueOfString(name).MapKey()
		if f.kind == kindMessage {
			item := mp.NewValue().Message()
			if err := d.message(item, "", join(where, name), false); err != nil {
				return err
			}
			mp.Set(key, protoreflect.ValueOfMessage(item))
			return nil
		}
		v, err := d.scalar(f, join(where, name))
		if err == nil {
			mp.Set(key, v)
		}
		return err
	})
}

// unionMember reads an object whose @odata.type chooses the member.
func (d *decoder) unionMember(m protoreflect.Message, p *plan, shown string) error {
	at, depth, elements := d.pos, d.depth, d.elements
	typeName := ""
	err := d.object(func(name string) error {
		if name == "@odata.type" && d.peek() == '"' {
			var err error
			typeName, err = d.string()
			return err
		}
		return d.skip()
	})
	if err != nil {
		return err
	}
	typeName = strings.TrimPrefix(strings.TrimPrefix(typeName, "#"), "microsoft.graph.")
	for _, f := range p.fields {
		if strings.EqualFold(f.elem.typeName, typeName) && typeName != "" {
			d.pos, d.depth, d.elements = at, depth, elements
			sub := m.NewField(f.fd).Message()
			if err := d.message(sub, "", shown, false); err != nil {
				return err
			}
			m.Set(f.fd, protoreflect.ValueOfMessage(sub))
			return nil
		}
	}
	return d.refuse(errorspb.Reason_PROPERTY_INVALID, join(shown, "@odata.type"), "The type of the object must be named by '@odata.type'.")
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// refuse builds an error about one member. The family of the path decides
// which of Graph's two codes it gets.
func (d *decoder) refuse(r errorspb.Reason, where, format string, args ...any) error {
	if d.body.BadRequest {
		r = errorspb.Reason_BAD_REQUEST
	}
	return fault.Invalid(r, format, args...).WithMeta("property", clip(where))
}

func (d *decoder) wrongType(where, expected string) error {
	found := "a number"
	switch d.peek() {
	case '{':
		found = "an object"
	case '[':
		found = "a collection"
	case '"':
		found = "a string"
	case 't', 'f':
		found = "a boolean"
	case 'n':
		found = "null"
	case 0:
		return badJSON()
	}
	return d.refuse(errorspb.Reason_PROPERTY_INVALID, where, "Property '%s' must be %s, not %s.", clip(where), expected, found)
}
