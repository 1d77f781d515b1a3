package route

import (
	"slices"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// form is what an operation answers instead of what its RPC does.
type form int

const (
	formPlain form = iota
	// formReferences answers `@odata.id` of each object: …/members/$ref.
	formReferences
	// formCount answers how many there are: …/members/$count.
	formCount
)

// variant is the same RPC under another path and in another form.
func (o *Operation) variant(literal string, f form) *Operation {
	v := &Operation{
		Method: o.Method, Template: o.Template + "/" + literal, RPC: o.RPC, target: o.target, handler: o.handler, conn: o.conn, in: o.in, out: o.out,
		answer: o.answer, mask: o.mask, query: o.query, cast: o.cast, hidden: o.hidden, castValue: o.castValue,
		form: f, count: f == formCount,
	}
	v.steps = append(slices.Clone(o.steps), step{literal: literal})
	return v
}

// derive adds what every list and every relation of Graph has besides itself:
// references and counts (WIRE-41). Operations that a proto declares go first.
func (rt *Router) derive() {
	for _, op := range slices.Clone(rt.all) {
		if op.Method != "GET" || op.serve != nil || op.count || !strings.HasPrefix(op.Template, "/v1.0/") || op.steps[len(op.steps)-1].variable != "" {
			continue
		}
		page, mixed := shape(op.out)
		relation := slices.ContainsFunc(op.steps, func(s step) bool { return s.variable != "" })
		if op.directory() && relation && (page || mixed) && op.castValue == "" {
			rt.addNew(op.variant("$ref", formReferences))
		}
		if page && !op.delta {
			rt.addNew(op.variant("$count", formCount))
		}
	}
}

// directory reports whether directory-svc answers: its lists have rules that
// those of other parts have not.
func (o *Operation) directory() bool { return strings.HasPrefix(o.RPC, "/entente.directory.") }

// shape tells whether the message is a page, and whether it is an object of a
// mixed type.
func shape(md protoreflect.MessageDescriptor) (page, mixed bool) {
	value := md.Fields().ByName("value")
	page = value != nil && value.IsList() && value.Message() != nil
	return page, md.FullName() == "entente.directory.v1.DirectoryObject"
}

// addNew adds an operation unless the path has one for its method.
func (rt *Router) addNew(op *Operation) {
	if rt.tree.has(op) {
		return
	}
	rt.add(op)
}

func (rt *Router) add(op *Operation) {
	op.units = unitsOf(op)
	rt.tree.add(op)
	rt.all = append(rt.all, op)
}

// unitsOf is what a request costs by Graph's published table, before $select
// and $expand (WIRE-64).
func unitsOf(op *Operation) int {
	if op.serve != nil || !strings.HasPrefix(op.Template, "/v1.0/") {
		return 1
	}
	switch last := op.steps[len(op.steps)-1].literal; {
	case op.Method == "GET" && op.Template == "/v1.0/users":
		return 2
	case op.Method == "GET" && strings.HasPrefix(last, "transitive"):
		return 5
	case op.Method == "GET" && op.Template == "/v1.0/groups/{id}/members", last == "getByIds":
		return 3
	}
	return 1
}

// unitTexts are the values of x-ms-resource-unit; they are shared and never
// written to.
var unitTexts = [...][]string{{"0"}, {"1"}, {"2"}, {"3"}, {"4"}, {"5"}, {"6"}}

// units is what this request costs: $select makes it cheaper, $expand dearer.
func (x *exchange) units() []string {
	n := x.op.units
	if len(x.options.Select) > 0 {
		n--
	}
	if x.expansion != nil || x.expanded != "" {
		n++
	}
	return unitTexts[min(max(n, 1), len(unitTexts)-1)]
}
