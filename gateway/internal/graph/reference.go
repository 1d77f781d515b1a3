package graph

import (
	"net/url"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// AppendReferences writes an answer as references: of a page every element, of
// an object the one. Objects of a mixed type are found under
// directoryObjects, others under path, which is the relation itself.
func AppendReferences(dst []byte, m proto.Message, v View, path string) []byte {
	r := m.ProtoReflect()
	p := planOf(r.Descriptor())
	e := &encoder{buf: append(dst, '{'), view: v, first: true}
	if p.value == nil {
		e.annotate(v.Base + "/$metadata#$ref")
		e.reference(r, p, path)
		e.buf = append(e.buf, '}')
		return e.buf
	}
	e.annotate(v.Base + "/$metadata#Collection($ref)")
	e.pageLinks(r, p)
	e.key(`"value":`)
	e.buf = append(e.buf, '[')
	list := r.Get(p.value.fd).List()
	for i := range list.Len() {
		if i > 0 {
			e.buf = append(e.buf, ',')
		}
		e.buf = append(e.buf, '{')
		e.first = true
		e.reference(list.Get(i).Message(), p.value.elem, path)
		e.buf = append(e.buf, '}')
	}
	e.buf = append(e.buf, ']', '}')
	return e.buf
}

func (e *encoder) annotate(context string) {
	if e.view.Base != "" && e.view.Metadata != MetadataNone {
		e.key(`"@odata.context":`)
		e.buf = appendString(e.buf, context)
	}
}

func (e *encoder) reference(m protoreflect.Message, p *plan, path string) {
	if p.union {
		path = "directoryObjects"
	}
	if m, p = content(m, p); p == nil {
		return
	}
	e.key(`"@odata.id":`)
	e.buf = appendString(e.buf, e.view.Base+"/"+path+"/"+url.PathEscape(idOf(m, p)))
}

// Metadata is how many annotations an answer carries.
type Metadata int

// Levels of annotations; the zero level is what Graph answers unasked.
const (
	MetadataMinimal Metadata = iota
	MetadataFull
	MetadataNone
)

// ContentType is the media type of an answer of this level.
func (l Metadata) ContentType() string {
	switch l {
	case MetadataFull:
		return strings.Replace(ContentType, "=minimal", "=full", 1)
	case MetadataNone:
		return strings.Replace(ContentType, "=minimal", "=none", 1)
	}
	return ContentType
}

// ParseMetadata finds the level that an Accept header or $format names.
// Whatever names none means the usual one.
func ParseMetadata(mediaType string) Metadata {
	if mediaType == "" {
		return MetadataMinimal
	}
	const parameter = "odata.metadata="
	lower := strings.ToLower(mediaType)
	at := strings.Index(lower, parameter)
	if at < 0 {
		return MetadataMinimal
	}
	value := strings.TrimLeft(lower[at+len(parameter):], `"`)
	switch {
	case strings.HasPrefix(value, "full"):
		return MetadataFull
	case strings.HasPrefix(value, "none"):
		return MetadataNone
	}
	return MetadataMinimal
}
