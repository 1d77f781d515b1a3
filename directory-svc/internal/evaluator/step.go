package evaluator

import (
	"context"
	"slices"
	"time"

	"entente.dev/directory-svc/internal/dynamic"
	"entente.dev/directory-svc/internal/object"
	"entente.dev/directory-svc/internal/store"
	"entente.dev/directory-svc/internal/user"
	"entente.dev/servicekit/audit"
	"entente.dev/servicekit/caller"
	"entente.dev/servicekit/tenant"
	"github.com/google/uuid"
)

// State is what a step leaves.
type State int

// The states.
const (
	// Done: memberships are what the rules say.
	Done State = iota
	// More work can be done at once.
	More
	// Behind: changes are there that an open transaction keeps from being read.
	Behind
)

// initiator is who the audit log names for memberships by rule (DIR-141).
var initiator = &caller.Caller{Kind: caller.Application, AppDisplayName: "Entente Dynamic Membership"}

// Step does one transaction's worth of work in a tenant.
func (e *Evaluator) Step(ctx context.Context, t tenant.ID) (State, error) {
	st, err := e.Store.DynamicState(ctx, t)
	if err != nil || !st.Rules && !st.Known {
		return Done, err
	}
	if !st.Known {
		return More, e.begin(ctx, t)
	}
	out := Done
	err = e.Store.Write(ctx, t, func(tx *store.Tx) error {
		out = Done
		st, ok, err := tx.LockDynamicState()
		if err != nil || !ok {
			if !ok {
				out = Behind // another process steps; what it leaves is looked at later
			}
			return err
		}
		s := &step{Evaluator: e, ctx: ctx, tx: tx, tenant: t, now: e.Clock.Now()}
		out, err = s.run(st)
		return err
	})
	if err != nil {
		delete(e.rules, t)
		return Done, err
	}
	return out, nil
}

// begin starts to follow the feed of a tenant that got its first rule.
func (e *Evaluator) begin(ctx context.Context, t tenant.ID) error {
	return e.Store.Write(ctx, t, func(tx *store.Tx) error {
		started, err := tx.StartDynamicState(e.today())
		if err != nil || !started {
			return err
		}
		all, err := tx.DynamicObjects()
		if err != nil {
			return err
		}
		tx.StartEvaluations(slices.DeleteFunc(all, func(o store.DynamicObject) bool { return !o.On }))
		return nil
	})
}

// step is one transaction.
type step struct {
	*Evaluator
	ctx    context.Context
	tx     *store.Tx
	tenant tenant.ID
	now    time.Time
	rules  *rules
}

func (s *step) run(st store.DynamicState) (State, error) {
	if err := s.load(st.At); err != nil {
		return Done, err
	}
	entries, at, behind, err := s.tx.ChangesAfter(st.At, feedPage)
	if err != nil {
		return Done, err
	}
	if err := s.follow(entries); err != nil {
		return Done, err
	}
	if today := dayOf(s.now); st.Evaluated.Before(today) {
		st.Evaluated = today
		s.restart(func(h *dynamic.Holder) bool { return h.Rule.ByTime })
	}
	pending, err := s.scan()
	if err != nil {
		return Done, err
	}
	if len(s.rules.holders) == 0 && !pending && len(entries) == 0 && !behind {
		// Nothing is evaluated here; should that change, the feed's end of then
		// is soon enough a beginning.
		left, err := s.tx.DynamicObjects()
		if err != nil {
			return Done, err
		}
		if len(left) == 0 {
			delete(s.Evaluator.rules, s.tenant)
			s.tx.EndDynamicState()
			return Done, nil
		}
	}
	s.tx.SaveDynamicState(at, st.Evaluated)
	s.rules.at = at
	switch {
	case pending || len(entries) == feedPage:
		return More, nil
	case behind:
		return Behind, nil
	}
	return Done, nil
}

// load takes the rules from memory where they are of the same position, and
// reads them otherwise.
func (s *step) load(at store.Position) error {
	if known := s.Evaluator.rules[s.tenant]; known != nil && known.at == at {
		s.rules = known
		return nil
	}
	all, err := s.tx.DynamicObjects()
	if err != nil {
		return err
	}
	s.rules = newRules(at)
	for _, o := range all {
		s.rules.put(o)
	}
	s.Evaluator.rules[s.tenant] = s.rules
	return nil
}

// aboutRule are the properties whose change has a rule evaluated anew.
var aboutRule = []string{"membershipRule", "membershipRuleProcessingState", "groupTypes", "membershipType"}

// follow applies a page of the feed.
func (s *step) follow(entries []store.Entry) error {
	users := make(map[uuid.UUID]*concern)
	concernOf := func(id uuid.UUID) *concern {
		if users[id] == nil {
			users[id] = &concern{}
		}
		return users[id]
	}
	var holders, lost []uuid.UUID
	var undefined []string
	for _, c := range entries {
		link := c.Kind == store.Linked || c.Kind == store.Unlinked
		switch {
		case c.Type == object.User && (c.Kind == store.Updated || link): // a manager is a link
			concernOf(c.ID).add(c.Properties)
		case c.Type == object.User:
			concernOf(c.ID).all = true
			if c.Kind == store.Purged { // whoever it managed is managed no more, without a change of its own
				lost = append(lost, c.ID)
			}
		case c.Type == object.Group && link:
			if c.Related != nil && len(s.rules.naming[c.ID]) > 0 {
				of := concernOf(*c.Related)
				of.groups = append(of.groups, c.ID)
			}
		case c.Type == object.Application && (c.Kind == store.Updated || c.Kind == store.Purged):
			undefined = append(undefined, s.rules.undefined(c)...)
		case c.Type != object.Group && c.Type != object.Unit || link:
		default:
			if c.Kind != store.Updated {
				lost = append(lost, c.ID)
			}
			if c.Kind != store.Updated || slices.ContainsFunc(c.Properties, func(p string) bool { return slices.Contains(aboutRule, p) }) {
				holders = append(holders, c.ID)
			}
		}
	}
	if err := s.reload(holders); err != nil {
		return err
	}
	if len(lost) > 0 {
		s.restart(func(h *dynamic.Holder) bool {
			return slices.Contains(lost, h.Rule.ReportsOf) || slices.ContainsFunc(h.Rule.MembersOf, func(g uuid.UUID) bool { return slices.Contains(lost, g) })
		})
	}
	if len(undefined) > 0 {
		s.restart(func(h *dynamic.Holder) bool {
			return slices.ContainsFunc(undefined, func(name string) bool { return s.rules.asking[name][h.ID] != nil })
		})
	}
	return s.weigh(users)
}

// reload reads rules anew and has them evaluated over all users.
func (s *step) reload(list []uuid.UUID) error {
	if len(list) == 0 {
		return nil
	}
	found, err := s.tx.KeepDynamicObjects(list)
	if err != nil {
		return err
	}
	stopped := make(map[uuid.UUID]bool, len(list))
	for _, id := range list {
		stopped[id] = true
		s.rules.drop(id)
	}
	for _, o := range found {
		if s.rules.put(o); o.On {
			delete(stopped, o.ID)
		}
	}
	s.tx.StopEvaluations(slices.Collect(keys(stopped)))
	s.tx.StartEvaluations(slices.DeleteFunc(found, func(o store.DynamicObject) bool { return !o.On }))
	return nil
}

// restart has the rules that which selects evaluated over all users.
func (s *step) restart(which func(*dynamic.Holder) bool) {
	var list []store.DynamicObject
	for id, h := range s.rules.holders {
		if which(h) {
			list = append(list, store.DynamicObject{ID: id, Type: h.Type, Rule: h.Text, On: true})
		}
	}
	s.tx.StartEvaluations(list)
}

// weigh decides anew about users.
func (s *step) weigh(users map[uuid.UUID]*concern) error {
	concerned := make(map[uuid.UUID]map[uuid.UUID]*dynamic.Holder, len(users))
	var list []uuid.UUID
	for id, c := range users {
		if which := s.rules.concerned(c); len(which) > 0 {
			concerned[id] = which
			list = append(list, id)
		}
	}
	if len(list) == 0 {
		return nil
	}
	found, err := s.tx.UsersByID(list)
	if err != nil {
		return err
	}
	present, err := s.tx.RuleLinks(list)
	if err != nil {
		return err
	}
	subjects, err := s.subjects(found)
	if err != nil {
		return err
	}
	moves := make(map[uuid.UUID]*move)
	for id, which := range concerned {
		for holder, h := range which {
			holds := h.Holds(subjects[id], s.now)
			if holds == present[store.RuleLink{Holder: holder, Member: id}] {
				continue
			}
			m := moves[holder]
			if m == nil {
				m = &move{}
				moves[holder] = m
			}
			if holds {
				m.in = append(m.in, id)
			} else {
				m.out = append(m.out, id)
			}
		}
	}
	return s.apply(moves)
}

// subjects makes of users what rules look at.
func (s *step) subjects(users []*user.User) (map[uuid.UUID]dynamic.Subject, error) {
	list := make([]uuid.UUID, len(users))
	for i, u := range users {
		list[i] = u.ID
	}
	groups, err := s.tx.GroupsHolding(list, s.rules.sources())
	if err != nil {
		return nil, err
	}
	extensions, err := s.tx.ExtensionTexts(list, s.rules.extensions())
	if err != nil {
		return nil, err
	}
	out := make(map[uuid.UUID]dynamic.Subject, len(users))
	for _, u := range users {
		out[u.ID] = dynamic.Subject{User: u, Groups: groups[u.ID], Extensions: extensions[u.ID]}
	}
	return out, nil
}

// move is who comes into a group or unit and who goes.
type move struct{ in, out []uuid.UUID }

// apply writes moves into those holders whose rule is still the one that was
// asked. Of others the feed will tell.
func (s *step) apply(moves map[uuid.UUID]*move) error {
	if len(moves) == 0 {
		return nil
	}
	kept, err := s.tx.KeepDynamicObjects(slices.Collect(keys(moves)))
	if err != nil {
		return err
	}
	var touched []uuid.UUID
	for _, o := range kept {
		if h := s.rules.holders[o.ID]; !o.On || h == nil || h.Text != o.Rule {
			continue
		}
		gone, err := s.tx.RemoveRuleMembers(o.Type, o.ID, moves[o.ID].out)
		if err != nil {
			return err
		}
		come, err := s.tx.AddRuleMembers(o.Type, o.ID, moves[o.ID].in, s.now)
		if err != nil {
			return err
		}
		if err := s.record(o, come, links(gone)); err != nil {
			return err
		}
		touched = append(touched, o.ID)
	}
	s.tx.TouchEvaluations(touched, s.now)
	return nil
}

func links(users []uuid.UUID) []store.Link {
	out := make([]store.Link, len(users))
	for i, id := range users {
		out[i] = store.Link{ID: id, Type: object.User}
	}
	return out
}

// record writes who came and who went into the feed and the audit log.
func (s *step) record(o store.DynamicObject, come []uuid.UUID, gone []store.Link) error {
	ids := make([]uuid.UUID, len(gone))
	for i, l := range gone {
		ids[i] = l.ID
	}
	s.tx.ChangeLinks(o.Type, o.ID, store.Unlinked, ids)
	s.tx.ChangeLinks(o.Type, o.ID, store.Linked, come)
	holder, category, name := audit.Target{ID: o.ID.String(), DisplayName: o.Name, Type: o.Type.Title()}, "GroupManagement", "group"
	switch {
	case o.Type == object.Unit && o.Restricted:
		category, name = "AdministrativeUnit", "restricted management administrative unit"
	case o.Type == object.Unit:
		category, name = "AdministrativeUnit", "administrative unit"
	case o.Unified:
		holder.GroupType = "unifiedGroups"
	default:
		holder.GroupType = "azureAD"
	}
	write := func(activity, operation string, l store.Link) error {
		return audit.Write(s.ctx, s.tx.Tx, s.Clock, audit.Event{Activity: activity + name, Category: category, OperationType: operation, InitiatedBy: initiator,
			Targets: []audit.Target{holder, {ID: l.ID.String(), Type: l.Type.Title()}}})
	}
	for _, l := range gone {
		if err := write("Remove member from ", "Unassign", l); err != nil {
			return err
		}
	}
	for _, l := range links(come) {
		if err := write("Add member to ", "Assign", l); err != nil {
			return err
		}
	}
	return nil
}
