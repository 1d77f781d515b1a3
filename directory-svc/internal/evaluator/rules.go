package evaluator

import (
	"slices"
	"strings"

	"entente.dev/directory-svc/internal/dynamic"
	"entente.dev/directory-svc/internal/store"
	"github.com/google/uuid"
)

// rules are the rules of a tenant that are evaluated, as of a position in the
// feed.
type rules struct {
	at      store.Position
	holders map[uuid.UUID]*dynamic.Holder
	// asking finds the rules that ask about a property of users.
	asking map[string]map[uuid.UUID]*dynamic.Holder
	// naming finds the memberOf rules that name a group.
	naming map[uuid.UUID]map[uuid.UUID]*dynamic.Holder
}

func newRules(at store.Position) *rules {
	return &rules{at: at, holders: make(map[uuid.UUID]*dynamic.Holder), asking: make(map[string]map[uuid.UUID]*dynamic.Holder),
		naming: make(map[uuid.UUID]map[uuid.UUID]*dynamic.Holder)}
}

// put takes a rule in, or out when it is paused. A text that does not parse
// was saved by a program that knew more; nobody is a member by it here.
func (r *rules) put(o store.DynamicObject) {
	r.drop(o.ID)
	if !o.On {
		return
	}
	h, err := dynamic.NewHolder(o.ID, o.Type, o.Rule)
	if err != nil {
		return
	}
	r.holders[o.ID] = h
	for _, p := range h.Properties() {
		if r.asking[p] == nil {
			r.asking[p] = make(map[uuid.UUID]*dynamic.Holder)
		}
		r.asking[p][o.ID] = h
	}
	for _, g := range h.Rule.MembersOf {
		if r.naming[g] == nil {
			r.naming[g] = make(map[uuid.UUID]*dynamic.Holder)
		}
		r.naming[g][o.ID] = h
	}
}

func (r *rules) drop(id uuid.UUID) {
	h := r.holders[id]
	if h == nil {
		return
	}
	delete(r.holders, id)
	for _, p := range h.Properties() {
		delete(r.asking[p], id)
	}
	for _, g := range h.Rule.MembersOf {
		if delete(r.naming[g], id); len(r.naming[g]) == 0 {
			delete(r.naming, g)
		}
	}
}

// sources are all groups that memberOf rules name.
func (r *rules) sources() []uuid.UUID {
	out := make([]uuid.UUID, 0, len(r.naming))
	for g := range r.naming {
		out = append(out, g)
	}
	return out
}

// extensions are the names of all directory extensions that rules ask about.
func (r *rules) extensions() []string {
	var out []string
	for name, asking := range r.asking {
		if dynamic.IsExtension(name) && len(asking) > 0 {
			out = append(out, name)
		}
	}
	return out
}

// undefined are the directory extensions that rules ask about and whose values
// a change of an application hid: of one definition that was deleted, or all
// of an application that ended (DIR-192).
func (r *rules) undefined(c store.Entry) []string {
	if c.Kind == store.Purged {
		return r.extensions()
	}
	var out []string
	for _, p := range c.Properties {
		if name := strings.ToLower(p); dynamic.IsExtension(name) && len(r.asking[name]) > 0 {
			out = append(out, name)
		}
	}
	return out
}

// concern is why a user is to be weighed anew.
type concern struct {
	all        bool // everything about the user
	properties []string
	groups     []uuid.UUID
}

func (c *concern) add(properties []string) {
	for _, p := range properties {
		if lower := strings.ToLower(p); dynamic.IsExtension(lower) {
			p = lower
		}
		if !slices.Contains(c.properties, p) {
			c.properties = append(c.properties, p)
		}
	}
}

// concerned finds the rules whose answer for a user may have changed.
func (r *rules) concerned(c *concern) map[uuid.UUID]*dynamic.Holder {
	if c.all {
		return r.holders
	}
	out := make(map[uuid.UUID]*dynamic.Holder)
	for _, p := range c.properties {
		for id, h := range r.asking[p] {
			out[id] = h
		}
	}
	for _, g := range c.groups {
		for id, h := range r.naming[g] {
			out[id] = h
		}
	}
	return out
}
