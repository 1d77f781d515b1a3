package route

import (
	"context"
	"errors"
	"slices"
	"strings"

	"entente.dev/gateway/internal/graph"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	odatapb "entente.dev/proto/gen/entente/odata/v1"
	"entente.dev/servicekit/fault"
	"golang.org/x/sync/errgroup"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

// Bounds of $expand (DIR-204, WIRE-33): objects of one relation, RPCs under
// way at a time, objects of a page that each need one, managers above one user.
const (
	maxExpanded    = 20
	expandAtOnce   = 4
	maxExpandPage  = 100
	maxChain       = 100
	managerChain   = "manager"
	expandLevels   = "$levels"
	expandedSelect = "$select"
)

// expansion is one $expand of a relation that has a path of its own: the
// gateway asks for it there, with the caller's rights.
type expansion struct {
	name string
	rel  *Operation
	// key is the property that names the other object, empty where the path
	// of the relation begins with the object's own id.
	key string
	// field holds what the service has expanded itself.
	field protoreflect.FieldDescriptor
	// chain follows the relation until it ends: manager($levels=max).
	chain    bool
	selected string
}

// references are relations without a path: a property names the object.
var references = map[string]map[string]struct{ key, template string }{
	"/v1.0/roleManagement/directory/roleAssignments": {
		"principal":      {"principalId", "/v1.0/directoryObjects/{}"},
		"roledefinition": {"roleDefinitionId", "/v1.0/roleManagement/directory/roleDefinitions/{}"},
	},
}

// collection is the path of an operation without the names of variables, and
// without the last one: of a list and of its elements it is the same.
func (o *Operation) collection() string { return strings.TrimSuffix(o.normal(), "/{}") }

func (o *Operation) normal() string {
	var b strings.Builder
	for _, s := range o.steps {
		b.WriteByte('/')
		if s.variable != "" {
			b.WriteString("{}" + s.verb)
		} else {
			b.WriteString(s.literal)
		}
	}
	return b.String()
}

// variableNames are the fields that the path fills.
func (o *Operation) variableNames() []protoreflect.Name {
	var names []protoreflect.Name
	for _, s := range o.steps {
		if s.variable != "" {
			names = append(names, protoreflect.Name(s.variable))
		}
	}
	return names
}

// index remembers the relations of every type of object by the path of its
// collection, for $expand.
func (rt *Router) index() {
	rt.gets = map[string]*Operation{}
	for _, op := range rt.all {
		if op.Method == "GET" && op.serve == nil && op.form == formPlain && op.conn != nil {
			rt.gets[strings.ToLower(op.normal())] = op
		}
	}
}

// relation finds the operation behind a navigation property of the objects
// that op answers.
func (rt *Router) relation(op *Operation, name string) *expansion {
	of, lower := op.collection(), strings.ToLower(name)
	if r, ok := references[of][lower]; ok {
		if rel := rt.gets[strings.ToLower(r.template)]; rel != nil {
			return &expansion{name: strings.TrimSuffix(r.key, "Id"), rel: rel, key: r.key}
		}
		return nil
	}
	rel := rt.gets[strings.ToLower(of+"/{}/"+name)]
	if rel == nil || rel.count || rel.delta || rel.castValue != "" || len(rel.variableNames()) != 1 {
		return nil
	}
	if page, mixed := shape(rel.out); !mixed && (!page || rel.out.FullName() != "entente.directory.v1.ListDirectoryObjectsResponse") {
		return nil
	}
	return &expansion{name: rel.steps[len(rel.steps)-1].literal, rel: rel}
}

// expand reads $expand (DIR-204): one relation, with $select inside, and for
// the manager of one user $levels.
func (x *exchange) expand(value string) error {
	name, inner, err := splitExpand(value)
	if err != nil {
		return err
	}
	canonical, unknown := graph.CheckExpand(x.op.out, name)
	if unknown == nil && (!x.op.directory() || inner == "") {
		x.expanded = canonical
	}
	if !x.op.directory() || !x.path.Graph() {
		return unknown
	}
	ex := x.rt.relation(x.op, name)
	if ex == nil {
		return unknown
	}
	page, _ := shape(x.op.out)
	for option := range strings.SplitSeq(inner, ";") {
		key, v, _ := strings.Cut(strings.TrimSpace(option), "=")
		switch key = strings.ToLower(strings.TrimSpace(key)); {
		case key == "" && inner == "":
		case key == expandedSelect || key == "select":
			names, err := graph.CheckSelect(ex.rel.out, strings.Split(v, ","), x.beta())
			if err != nil {
				return err
			}
			ex.selected = strings.Join(names, ",")
		case key == expandLevels && ex.name == managerChain && !page && x.advanced():
			ex.chain = true
		default:
			return fault.Invalid(errorspb.Reason_BAD_REQUEST, "The option '%s' is not supported within $expand.", clip(key))
		}
	}
	if x.options.Query.GetSearch() != "" || x.advanced() && x.options.Query.GetCount() && !ex.chain {
		return fault.Invalid(errorspb.Reason_BAD_REQUEST, "$expand cannot be combined with advanced queries.")
	}
	if unknown == nil && !ex.chain {
		// The service reads this relation together with the objects.
		ex.field = elementOf(x.op.out).Fields().ByJSONName(canonical)
	}
	x.expanded, x.expansion = "", ex
	return nil
}

// splitExpand takes the only relation of $expand apart.
func splitExpand(value string) (name, inner string, err error) {
	name, inner, options := strings.Cut(strings.TrimSpace(value), "(")
	if options {
		var ok bool
		if inner, ok = strings.CutSuffix(inner, ")"); !ok || strings.ContainsAny(inner, "()") {
			return "", "", fault.Invalid(errorspb.Reason_BAD_REQUEST, "The value of query option '$expand' is not valid: one relation can be expanded, with $select inside.")
		}
	}
	if strings.Contains(name, ",") {
		return "", "", fault.Invalid(errorspb.Reason_BAD_REQUEST, "Only one relation can be expanded in a request.")
	}
	return strings.TrimSpace(name), inner, nil
}

// elementOf is the type of the objects that an answer holds.
func elementOf(md protoreflect.MessageDescriptor) protoreflect.MessageDescriptor {
	if page, _ := shape(md); page {
		return md.Fields().ByName("value").Message()
	}
	return md
}

// adjust changes the query to the service to what expanding needs.
func (ex *expansion) adjust(q *odatapb.Query, out protoreflect.MessageDescriptor) {
	if ex.field == nil {
		q.Expand = ""
		if page, _ := shape(out); page && (q.Top == nil || q.GetTop() > maxExpandPage) {
			q.Top = proto.Int32(maxExpandPage)
		}
	} else {
		q.Expand = ex.name
	}
	if q.Select == "" {
		return
	}
	for _, need := range []string{"id", ex.key} {
		if need != "" && !slices.Contains(strings.Split(q.Select, ","), need) {
			q.Select += "," + need
		}
	}
}

// resolve finds what the objects of the answer are related to.
func (x *exchange) resolve(ctx context.Context, reply proto.Message) error {
	ex := x.expansion
	many, _ := shape(ex.rel.out)
	x.related = &graph.Relation{Name: ex.name, Select: ex.selected, Many: many, Objects: map[string][]proto.Message{}}
	var owners []protoreflect.Message
	r := reply.ProtoReflect()
	if page, _ := shape(r.Descriptor()); page {
		list := r.Get(r.Descriptor().Fields().ByName("value")).List()
		for i := range list.Len() {
			owners = append(owners, list.Get(i).Message())
		}
	} else {
		owners = append(owners, r)
	}
	if ex.field != nil {
		for _, o := range owners {
			if o.Has(ex.field) {
				x.related.Objects[textOf(o, "id")] = []proto.Message{o.Get(ex.field).Message().Interface()}
			}
		}
		return nil
	}
	return x.ask(ctx, owners)
}

// ask calls the relation for each object, a few at a time and once for each
// other end.
func (x *exchange) ask(ctx context.Context, owners []protoreflect.Message) error {
	ex := x.expansion
	found := map[string]*[]proto.Message{}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(expandAtOnce)
	of := func(o protoreflect.Message) string {
		if ex.key != "" {
			return textOf(o, ex.key)
		}
		return textOf(o, "id")
	}
	for _, o := range owners {
		id := of(o)
		if id == "" || found[id] != nil {
			continue
		}
		objects := new([]proto.Message)
		found[id] = objects
		group.Go(func() (err error) {
			*objects, err = ex.follow(ctx, id)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	for _, o := range owners {
		if objects := found[of(o)]; objects != nil {
			x.related.Objects[textOf(o, "id")] = *objects
		}
	}
	return nil
}

// follow reads what one object is related to; nothing where there is nothing,
// or nothing any more.
func (ex *expansion) follow(ctx context.Context, id string) ([]proto.Message, error) {
	var objects []proto.Message
	for seen := map[string]bool{id: true}; len(objects) < maxChain; {
		reply, err := ex.call(ctx, id)
		if f := (*fault.Error)(nil); errors.As(err, &f) && f.Kind == fault.KindNotFound {
			return objects, nil
		}
		if err != nil {
			return nil, err
		}
		r := reply.ProtoReflect()
		if page, _ := shape(r.Descriptor()); page {
			list := r.Get(r.Descriptor().Fields().ByName("value")).List()
			for i := range min(list.Len(), maxExpanded) {
				objects = append(objects, list.Get(i).Message().Interface())
			}
			return objects, nil
		}
		objects = append(objects, reply)
		if id = textOf(inside(r), "id"); !ex.chain || id == "" || seen[id] {
			return objects, nil
		}
		seen[id] = true
	}
	return objects, nil
}

func (ex *expansion) call(ctx context.Context, id string) (proto.Message, error) {
	in, err := newMessage(ex.rel.in)
	if err != nil {
		return nil, err
	}
	out, err := newMessage(ex.rel.out)
	if err != nil {
		return nil, err
	}
	m := in.ProtoReflect()
	for _, name := range ex.rel.variableNames() {
		m.Set(ex.rel.in.Fields().ByName(name), protoreflect.ValueOfString(id))
	}
	if ex.rel.query != nil {
		q := &odatapb.Query{Select: ex.selected}
		if page, _ := shape(ex.rel.out); page {
			q.Top = proto.Int32(maxExpanded)
		} else if ex.chain && ex.selected != "" && !slices.Contains(strings.Split(ex.selected, ","), "id") {
			q.Select += ",id"
		}
		m.Set(ex.rel.query, protoreflect.ValueOfMessage(q.ProtoReflect()))
	}
	return out, ex.rel.conn.Invoke(ctx, ex.rel.RPC, in, out)
}

// newMessage makes a message of the generated type.
func newMessage(md protoreflect.MessageDescriptor) (proto.Message, error) {
	mt, err := protoregistry.GlobalTypes.FindMessageByName(md.FullName())
	if err != nil {
		return nil, fault.Internal(errorspb.Reason_INTERNAL, "").WithCause(err)
	}
	return mt.New().Interface(), nil
}

// inside is the object in a mixed type.
func inside(m protoreflect.Message) protoreflect.Message {
	if _, mixed := shape(m.Descriptor()); !mixed {
		return m
	}
	if fd := m.WhichOneof(m.Descriptor().Oneofs().Get(0)); fd != nil {
		return m.Get(fd).Message()
	}
	return m
}

// textOf is the text of a property, empty where there is none of that name.
func textOf(m protoreflect.Message, name string) string {
	fd := m.Descriptor().Fields().ByJSONName(name)
	if fd == nil || fd.Kind() != protoreflect.StringKind || fd.IsList() {
		return ""
	}
	return m.Get(fd).String()
}

// clip shortens text of a client before it is repeated.
func clip(s string) string {
	const limit = 128
	return strings.ToValidUTF8(s[:min(len(s), limit)], "")
}
