package graph

import (
	"slices"
	"strings"
	"sync/atomic"

	errorspb "entente.dev/proto/gen/entente/errors/v1"
	optionspb "entente.dev/proto/gen/entente/options/v1"
	"entente.dev/servicekit/fault"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// maxProjections and maxProjected bound what is remembered per type: clients
// choose $select, so neither the number of different ones nor their length is
// ours.
const (
	maxProjections = 256
	maxProjected   = 1 << 10
)

type counter struct{ n atomic.Int64 }

// projection is the part of a type that one answer shows.
type projection struct {
	fields []*field
	// extensions are the names of directory extensions asked for.
	extensions []string
	// all shows every extension that is set.
	all bool
}

type projectionKey struct {
	selected, expanded string
	beta, single       bool
}

// projection answers the fields for a canonical $select, the default set when
// it is empty, and those of $expand.
func (p *plan) projection(selected, expanded string, beta, single bool) *projection {
	if selected == "" && expanded == "" {
		return p.standard[index(beta)]
	}
	key := projectionKey{selected, expanded, beta, single}
	if v, ok := p.projections.Load(key); ok {
		return v.(*projection)
	}
	pr := p.project(selected, beta, single)
	for name := range strings.SplitSeq(expanded, ",") {
		if f := p.byName[name]; f != nil && f.prop.GetSelect() == optionspb.Property_selectExpanded {
			pr.fields = append(pr.fields, f)
		}
	}
	if len(selected) <= maxProjected && p.projectionsN.n.Add(1) <= maxProjections {
		p.projections.Store(key, pr)
	}
	return pr
}

func (p *plan) project(selected string, beta, single bool) *projection {
	if selected == "" {
		return &projection{fields: slices.Clone(p.standard[index(beta)].fields)}
	}
	names := strings.Split(selected, ",")
	want := make(map[string]bool, len(names))
	pr := &projection{}
	for _, n := range names {
		if n == "*" {
			pr.all = true
		}
		if isExtension(n) {
			pr.extensions = append(pr.extensions, n)
		}
		want[n] = true
	}
	for _, f := range p.fields {
		if f == p.extensions || f.prop.GetBeta() && !beta {
			continue
		}
		annotation := strings.HasPrefix(f.name, "@odata.")
		switch f.prop.GetSelect() {
		case optionspb.Property_selectNever, optionspb.Property_selectExpanded:
			continue
		case optionspb.Property_selectNamedSingle:
			if !single {
				continue
			}
		}
		if want[f.name] || pr.all || annotation {
			pr.fields = append(pr.fields, f)
		}
	}
	return pr
}

func index(beta bool) int {
	if beta {
		return 1
	}
	return 0
}

// isExtension reports whether the name is that of a directory extension:
// `extension_{appId}_{name}`.
func isExtension(name string) bool { return strings.HasPrefix(name, "extension_") }

// CheckSelect turns the names of $select into their canonical spelling for an
// answer of type md, each once, or refuses the first that is no property of it.
// A name of a mixed collection must belong to one of its types.
func CheckSelect(md protoreflect.MessageDescriptor, names []string, beta bool) ([]string, error) {
	types := resourcePlans(planOf(md))
	out := make([]string, 0, len(names))
	seen := make(map[string]bool, len(names))
	for _, n := range names {
		n, _, _ = strings.Cut(strings.TrimSpace(n), "/")
		canonical := ""
		for _, p := range types {
			if canonical = p.selectable(n, beta); canonical != "" {
				break
			}
		}
		if canonical == "" {
			for _, p := range types {
				if p.notHeld[strings.ToLower(n)] {
					return nil, notHeld(n)
				}
			}
			typeName := types[0].typeName
			if len(types) > 1 {
				typeName = "directoryObject"
			}
			return nil, fault.Invalid(errorspb.Reason_BAD_REQUEST, "Could not find a property named '%s' on type 'microsoft.graph.%s'.", clip(n), typeName)
		}
		if !seen[canonical] {
			seen[canonical] = true
			out = append(out, canonical)
		}
	}
	return out, nil
}

// Unasked answers the $select that asks for no more than what an object of
// type md shows without one; "" where that is most of it, as with all types
// but users (DIR-34): a service need not look for a part.
func Unasked(md protoreflect.MessageDescriptor, beta bool) string {
	return planOf(md).unasked[index(beta)]
}

// CheckExpand turns the value of $expand into the names of navigation
// properties joined by commas, or refuses the first that the answer's type has
// not. Options in parentheses are the service's to read.
func CheckExpand(md protoreflect.MessageDescriptor, expand string) (string, error) {
	types := resourcePlans(planOf(md))
	var out []string
	depth, start := 0, 0
	for i := 0; i <= len(expand); i++ {
		switch {
		case i < len(expand) && expand[i] == '(':
			depth++
		case i < len(expand) && expand[i] == ')':
			depth--
		case i == len(expand) || expand[i] == ',' && depth == 0:
			name, _, _ := strings.Cut(expand[start:i], "(")
			name, start = strings.TrimSpace(name), i+1
			canonical := ""
			for _, p := range types {
				for _, f := range p.fields {
					if strings.EqualFold(f.name, name) && f.prop.GetSelect() == optionspb.Property_selectExpanded {
						canonical = f.name
					}
				}
			}
			if canonical == "" {
				return "", fault.Invalid(errorspb.Reason_BAD_REQUEST, "Could not find a navigation property named '%s' on type 'microsoft.graph.%s'.", clip(name), types[0].typeName)
			}
			out = append(out, canonical)
		}
	}
	return strings.Join(out, ","), nil
}

// selectable answers the canonical spelling of a property, empty if the type
// has none of that name that may be selected.
func (p *plan) selectable(name string, beta bool) string {
	if name == "*" {
		return name
	}
	if p.extensions != nil && isExtension(name) {
		return name
	}
	f := p.byName[name]
	if f == nil {
		for _, g := range p.fields {
			if strings.EqualFold(g.name, name) {
				f = g
				break
			}
		}
	}
	if f == nil || f == p.extensions || strings.HasPrefix(f.name, "@") || strings.Contains(f.name, "@odata.") || f.prop.GetBeta() && !beta {
		return ""
	}
	return f.name
}

// MemberTypes are the names of the types that a list of mixed types may hold,
// nil for a list of one type.
func MemberTypes(md protoreflect.MessageDescriptor) []string {
	p := planOf(md)
	if p.value == nil || p.value.elem == nil || !p.value.elem.union {
		return nil
	}
	var names []string
	for _, q := range resourcePlans(p) {
		names = append(names, q.typeName)
	}
	return names
}

// resourcePlans are the types whose properties an answer of type p shows: of a
// page its elements', of a union its members'.
func resourcePlans(p *plan) []*plan {
	if p.value != nil && p.value.elem != nil {
		p = p.value.elem
	}
	if !p.union {
		return []*plan{p}
	}
	members := make([]*plan, 0, len(p.fields))
	for _, f := range p.fields {
		members = append(members, f.elem)
	}
	return members
}

// clip shortens text of a client before it is repeated in a message.
func clip(s string) string {
	const limit = 128
	if len(s) <= limit {
		return strings.ToValidUTF8(s, "�")
	}
	return strings.ToValidUTF8(s[:limit], "") + "…"
}
