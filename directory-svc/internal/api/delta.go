package api

import (
	"slices"
	"strings"

	"entente.dev/directory-svc/internal/delta"
	"entente.dev/directory-svc/internal/object"
	"entente.dev/directory-svc/internal/store"
	"entente.dev/directory-svc/internal/user"
	pb "entente.dev/proto/gen/entente/directory/v1"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	optionspb "entente.dev/proto/gen/entente/options/v1"
	"entente.dev/servicekit/fault"
	"github.com/google/uuid"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/structpb"
)

// trackedType is a type of object whose changes can be followed.
type trackedType struct {
	kind      object.Type
	resource  protoreflect.MessageDescriptor
	usual     []string // properties without $select
	relations []trackedRelation
}

type trackedRelation struct {
	name  string
	of    store.Relation
	usual bool
}

// Relations by the name that the feed and $select give them.
const (
	members = "members"
	owners  = "owners"
	manager = "manager"
)

var (
	ownersRelation           = trackedRelation{name: owners, of: store.Owners}
	trackedUsers             = &trackedType{kind: object.User, resource: userDescriptor, usual: defaultProperties, relations: []trackedRelation{{name: manager}}}
	trackedGroups            = track(object.Group, groupDescriptor, trackedRelation{members, store.Members, true}, ownersRelation)
	trackedUnits             = track(object.Unit, unitDescriptor, trackedRelation{members, store.UnitMembers, true})
	trackedContacts          = track(object.Contact, (&pb.OrgContact{}).ProtoReflect().Descriptor())
	trackedApplications      = track(object.Application, (&pb.Application{}).ProtoReflect().Descriptor(), ownersRelation)
	trackedServicePrincipals = track(object.ServicePrincipal, (&pb.ServicePrincipal{}).ProtoReflect().Descriptor(), ownersRelation)
)

func track(kind object.Type, md protoreflect.MessageDescriptor, relations ...trackedRelation) *trackedType {
	t := &trackedType{kind: kind, resource: md, relations: relations}
	for i := range md.Fields().Len() {
		if f := md.Fields().Get(i); propertyOf(f).GetSelect() == optionspb.Property_selectDefault && !strings.HasPrefix(f.JSONName(), "@") {
			t.usual = append(t.usual, f.JSONName())
		}
	}
	return t
}

func (t *trackedType) relationNames() []string {
	out := make([]string, len(t.relations))
	for i, r := range t.relations {
		out[i] = r.name
	}
	return out
}

// names reads $select: properties and relations (DIR-209).
func (t *trackedType) names(text string) ([]string, error) {
	names, err := selected(text)
	if err != nil {
		return nil, err
	}
	for i, name := range names {
		if slices.Contains(t.relationNames(), strings.ToLower(name)) {
			names[i] = strings.ToLower(name)
			continue
		}
		if strings.HasPrefix(strings.ToLower(name), "extension_") {
			continue
		}
		known := false
		for j := range t.resource.Fields().Len() {
			if f := t.resource.Fields().Get(j); strings.EqualFold(f.JSONName(), name) && propertyOf(f).GetSelect() != optionspb.Property_selectNever {
				names[i], known = f.JSONName(), true
			}
		}
		if !known {
			return nil, fault.Invalid(errorspb.Reason_BAD_REQUEST, "Could not find a property named '%s' on type 'microsoft.graph.%s'.", clip(name), t.kind)
		}
	}
	return names, nil
}

// properties are the selected properties, relations apart.
func (w *window) properties() []string {
	if len(w.Select) == 0 {
		return w.of.usual
	}
	return slices.DeleteFunc(slices.Clone(w.Select), func(n string) bool { return slices.Contains(w.of.relationNames(), n) })
}

// set lists the selected properties that have a value; those that were never
// set are not shown (DIR-210).
func (w *window) set(o *pb.DirectoryObject) []string {
	m := resourceOf(o)
	var out []string
	for _, name := range w.properties() {
		if f := m.Descriptor().Fields().ByJSONName(name); name != "id" && f != nil && m.Has(f) {
			out = append(out, name)
		}
	}
	return out
}

// resourceOf is the object inside the union.
func resourceOf(o *pb.DirectoryObject) protoreflect.Message {
	m := o.ProtoReflect()
	return m.Get(m.WhichOneof(m.Descriptor().Oneofs().Get(0))).Message()
}

// load reads live objects as the caller may see them.
func (w *window) load(tx *store.Tx, ids []uuid.UUID) (map[uuid.UUID]*pb.DirectoryObject, error) {
	live, err := tx.LiveAmong(w.of.kind, ids)
	if err != nil {
		return nil, err
	}
	links := make([]store.Link, len(live))
	for i, id := range live {
		links[i] = store.Link{ID: id, Type: w.of.kind}
	}
	found, err := w.objects(tx, w.who, w.t, links)
	if err != nil {
		return nil, err
	}
	out := make(map[uuid.UUID]*pb.DirectoryObject, len(found))
	for _, o := range found {
		m := resourceOf(o)
		id, err := uuid.Parse(m.Get(m.Descriptor().Fields().ByJSONName("id")).String())
		if err != nil {
			return nil, err
		}
		out[id] = o
	}
	return out, nil
}

// links adds the links of an object to its entry, from a relation and an id
// on, as long as there is room. Where it ends, the next page begins.
func (w *window) links(tx *store.Tx, c *pb.ChangedObject, id uuid.UUID, from string, after uuid.UUID, room *int) error {
	for _, r := range w.of.relations {
		if from != "" && from != r.name {
			continue
		}
		from = ""
		if !w.shows(r, id) {
			after = uuid.Nil
			continue
		}
		if r.name == manager {
			users, err := tx.UsersByID([]uuid.UUID{id})
			if err != nil {
				return err
			}
			if len(users) > 0 && users[0].ManagerID != nil {
				if err := w.manager(tx, c, users[0], nil); err != nil {
					return err
				}
			}
			continue
		}
		found, err := tx.LinksAfter(r.of, id, after, *room+1)
		if err != nil {
			return err
		}
		after = uuid.Nil
		more := len(found) > *room
		if more {
			found = found[:*room]
		}
		*room -= len(found)
		for _, l := range found {
			put(c, r.name, bare(l), false)
			w.Link = l.ID
		}
		if more {
			w.Inside, *room = r.name, 0
			return nil
		}
	}
	w.Inside, w.Link = "", uuid.Nil
	return nil
}

// look finds out which of the objects of a page hide their members from the
// caller.
func (w *window) look(tx *store.Tx, ids []uuid.UUID) (err error) {
	w.hiding, err = tx.Hiding(viewer(w.who), w.of.kind, ids)
	return err
}

// shows reports whether the links of an object are to be told.
func (w *window) shows(r trackedRelation, id uuid.UUID) bool {
	return w.Wants(r.name, r.usual) && (r.name != members || !slices.Contains(w.hiding, id))
}

func put(c *pb.ChangedObject, relation string, o *pb.DirectoryObject, removed bool) {
	l := &pb.ChangedObject_Link{Object: o, Removed: removed}
	switch relation {
	case members:
		c.Members = append(c.Members, l)
	case owners:
		c.Owners = append(c.Owners, l)
	case manager:
		c.Manager = append(c.Manager, l)
	}
}

// bare is an object of which only type and id are told.
func bare(l store.Link) *pb.DirectoryObject {
	id := l.ID.String()
	switch l.Type {
	case object.Group:
		return &pb.DirectoryObject{Object: &pb.DirectoryObject_Group{Group: &pb.Group{Id: id}}}
	case object.ServicePrincipal:
		return &pb.DirectoryObject{Object: &pb.DirectoryObject_ServicePrincipal{ServicePrincipal: &pb.ServicePrincipal{Id: id}}}
	case object.Application:
		return &pb.DirectoryObject{Object: &pb.DirectoryObject_Application{Application: &pb.Application{Id: id}}}
	case object.Contact:
		return &pb.DirectoryObject{Object: &pb.DirectoryObject_OrgContact{OrgContact: &pb.OrgContact{Id: id}}}
	case object.Unit:
		return &pb.DirectoryObject{Object: &pb.DirectoryObject_AdministrativeUnit{AdministrativeUnit: &pb.AdministrativeUnit{Id: id}}}
	}
	return &pb.DirectoryObject{Object: &pb.DirectoryObject_User{User: &pb.User{Id: id}}}
}

// manager adds the present manager of a user, or the one that went.
func (w *window) manager(tx *store.Tx, c *pb.ChangedObject, u *user.User, gone []delta.Link) error {
	if u.ManagerID != nil {
		link, ok, err := tx.Resolve(*u.ManagerID)
		if err == nil && ok {
			put(c, manager, bare(link), false)
		}
		return err
	}
	for _, l := range gone {
		if l.Other != uuid.Nil {
			put(c, manager, bare(store.Link{ID: l.Other, Type: object.User}), true)
		}
	}
	return nil
}

// entries tells what a page of the feed means for the caller, and how many of
// its rows that covers: where the links of new objects fill the page, the rest
// waits behind them.
func (w *window) entries(page []store.Entry, room *int) (out []*pb.ChangedObject, used int, err error) {
	var ids []uuid.UUID
	for _, e := range page {
		if w.Includes(e.ID) && !slices.Contains(ids, e.ID) {
			ids = append(ids, e.ID)
		}
	}
	if len(ids) == 0 {
		return nil, len(page), nil
	}
	err = w.Store.Read(w.ctx, w.t.ID, func(tx *store.Tx) error {
		out = nil
		if err := w.look(tx, ids); err != nil {
			return err
		}
		live, err := w.load(tx, ids)
		if err != nil {
			return err
		}
		whole, n, err := w.fill(tx, page, live, room)
		if err != nil {
			return err
		}
		used = n
		var events []delta.Event
		for _, e := range page[:used] {
			if w.Includes(e.ID) {
				events = append(events, delta.Event{ID: e.ID, Kind: delta.Kind(e.Kind), Properties: e.Properties, Related: e.Related})
			}
		}
		changes := delta.Collect(events, w.of.relationNames()...)
		restorable, err := tx.RestorableAmong(w.of.kind, ids, w.now().Add(-user.Retention))
		if err != nil {
			return err
		}
		kinds, err := w.others(tx, changes)
		if err != nil {
			return err
		}
		for _, c := range changes {
			o := live[c.ID]
			switch {
			case o == nil && slices.Contains(restorable, c.ID):
				out = append(out, &pb.ChangedObject{Id: c.ID.String(), RemovedReason: "changed"})
			case o == nil:
				out = append(out, &pb.ChangedObject{Id: c.ID.String(), RemovedReason: "deleted"})
			case whole[c.ID] != nil:
				out = append(out, w.entire(whole[c.ID], c, o, kinds))
			default:
				entry, err := w.entry(tx, c, o, kinds)
				if err != nil {
					return err
				}
				if entry != nil {
					out = append(out, entry)
				}
			}
		}
		return nil
	})
	return out, used, err
}

// fill reads the links of the live objects that the rows tell in full, those
// that came into being, or back, in the order of the rows. It ends with the
// row whose object has more links than there is room for: that object is the
// last of the page, and the next one goes on inside it.
func (w *window) fill(tx *store.Tx, page []store.Entry, live map[uuid.UUID]*pb.DirectoryObject, room *int) (map[uuid.UUID]*pb.ChangedObject, int, error) {
	whole := make(map[uuid.UUID]*pb.ChangedObject)
	for i, e := range page {
		// A row that follows removal is not known to the client, either.
		anew := e.Kind == store.Created || e.Kind == store.Restored || e.Kind == store.Deleted || e.Kind == store.Purged
		if !anew || live[e.ID] == nil || whole[e.ID] != nil {
			continue
		}
		c := &pb.ChangedObject{Id: e.ID.String()}
		whole[e.ID] = c
		if err := w.links(tx, c, e.ID, "", uuid.Nil, room); err != nil {
			return nil, 0, err
		}
		if w.Inside != "" {
			w.After = e.ID
			return whole, i + 1, nil
		}
	}
	return whole, len(page), nil
}

// entire completes the entry of an object that is told in full. A client that
// knew the object before learns what went meanwhile.
func (w *window) entire(out *pb.ChangedObject, c *delta.Change, o *pb.DirectoryObject, kinds map[uuid.UUID]object.Type) *pb.ChangedObject {
	out.Object, out.Properties = o, w.set(o)
	w.whole[out.Id] = true
	for _, r := range w.of.relations {
		for _, l := range c.Links[r.name] {
			if l.Removed && r.name != manager && w.shows(r, c.ID) {
				put(out, r.name, bare(store.Link{ID: l.Other, Type: typeOr(kinds, l.Other, object.User)}), true)
			}
		}
	}
	return out
}

// others finds the types of the objects at the far ends of links.
func (w *window) others(tx *store.Tx, changes []*delta.Change) (map[uuid.UUID]object.Type, error) {
	var wanted []uuid.UUID
	for _, c := range changes {
		for _, links := range c.Links {
			for _, l := range links {
				if !slices.Contains(wanted, l.Other) {
					wanted = append(wanted, l.Other)
				}
			}
		}
	}
	out := make(map[uuid.UUID]object.Type, len(wanted))
	if len(wanted) == 0 {
		return out, nil
	}
	found, err := tx.ResolveAll(wanted)
	for _, l := range found {
		out[l.ID] = l.Type
	}
	return out, err
}

func typeOr(kinds map[uuid.UUID]object.Type, id uuid.UUID, usual object.Type) object.Type {
	if t, ok := kinds[id]; ok {
		return t
	}
	return usual
}

// entry tells a change of a live object that the client knows; nil when
// nothing that was selected changed.
func (w *window) entry(tx *store.Tx, c *delta.Change, o *pb.DirectoryObject, kinds map[uuid.UUID]object.Type) (*pb.ChangedObject, error) {
	out := &pb.ChangedObject{Id: c.ID.String(), Object: o}
	changed := slices.DeleteFunc(slices.Clone(c.Properties), func(p string) bool { return !w.Wants(p, slices.Contains(w.of.usual, p)) })
	for _, r := range w.of.relations {
		links := c.Links[r.name]
		if len(links) == 0 || !w.shows(r, c.ID) {
			continue
		}
		if r.name == manager {
			users, err := tx.UsersByID([]uuid.UUID{c.ID})
			if err != nil || len(users) == 0 {
				return nil, err
			}
			if err := w.manager(tx, out, users[0], links); err != nil {
				return nil, err
			}
			continue
		}
		for _, l := range links {
			if _, ok := kinds[l.Other]; !ok && !l.Removed {
				continue // gone since; a later row says so
			}
			put(out, r.name, bare(store.Link{ID: l.Other, Type: typeOr(kinds, l.Other, object.User)}), l.Removed)
		}
	}
	if len(changed) == 0 && len(out.Members)+len(out.Owners)+len(out.Manager) == 0 {
		return nil, nil
	}
	out.Properties = changed
	if !w.minimal {
		for _, name := range w.set(o) {
			if !slices.Contains(out.Properties, name) {
				out.Properties = append(out.Properties, name)
			}
		}
	}
	return out, nil
}

// extensible are the tracked types that directory extensions are for.
var extensible = []object.Type{object.User, object.Group, object.Application, object.Unit}

// extensions puts the selected directory extensions into the objects of a
// page: into whole objects those that have a value, into others as well unless
// the client wants the least.
func (w *window) extensions(page []*pb.ChangedObject) error {
	var names []string
	for _, n := range w.Select {
		if strings.HasPrefix(strings.ToLower(n), "extension_") {
			names = append(names, n)
		}
	}
	var entries []*pb.ChangedObject
	var ids []uuid.UUID
	for _, c := range page {
		if c.Object == nil || !slices.Contains(extensible, w.of.kind) {
			continue
		}
		id, err := uuid.Parse(c.Id)
		if err != nil {
			return err
		}
		entries, ids = append(entries, c), append(ids, id)
	}
	return w.withExtensions(w.ctx, w.t.ID, names, ids, func(i int, values *structpb.Struct) {
		c := entries[i]
		m := resourceOf(c.Object)
		m.Set(m.Descriptor().Fields().ByName(extensionsField), protoreflect.ValueOfMessage(values.ProtoReflect()))
		if w.minimal && !w.whole[c.Id] {
			return
		}
		for name, v := range values.GetFields() {
			if _, null := v.GetKind().(*structpb.Value_NullValue); !null && !slices.Contains(c.Properties, name) {
				c.Properties = append(c.Properties, name)
			}
		}
	})
}
