package evaluator

import (
	"iter"
	"maps"
	"slices"

	"entente.dev/directory-svc/internal/dynamic"
	"entente.dev/directory-svc/internal/store"
	"github.com/google/uuid"
)

func keys[K comparable, V any](m map[K]V) iter.Seq[K] { return maps.Keys(m) }

// scan looks at one page of users for the rules that are being evaluated over
// all of them. It answers whether there was any.
func (s *step) scan() (bool, error) {
	pending, err := s.tx.PendingEvaluations(rulesAtOnce)
	if err != nil || len(pending) == 0 {
		return false, err
	}
	list := make([]uuid.UUID, len(pending))
	for i, p := range pending {
		list[i] = p.ID
	}
	kept, err := s.tx.KeepDynamicObjects(list)
	if err != nil {
		return false, err
	}
	objects := make(map[uuid.UUID]store.DynamicObject, len(kept))
	for _, o := range kept {
		objects[o.ID] = o
	}
	var properties []string
	var stopped []uuid.UUID
	holders := make(map[uuid.UUID]*dynamic.Holder, len(pending))
	for _, p := range pending {
		o, ok := objects[p.ID]
		h, err := dynamic.NewHolder(p.ID, p.Type, p.Rule)
		if !ok || !o.On || o.Rule != p.Rule || err != nil {
			stopped = append(stopped, p.ID) // the feed will tell what it is now
			continue
		}
		holders[p.ID] = h
		properties = append(properties, h.Properties()...)
	}
	s.tx.StopEvaluations(stopped)
	if len(holders) == 0 {
		return true, nil
	}
	after := *pending[0].After
	users, err := s.tx.UsersPage(after, userPage, properties)
	if err != nil {
		return false, err
	}
	subjects, err := s.subjects(users)
	if err != nil {
		return false, err
	}
	// The last page reaches to the end, beyond the last user: whatever is a
	// member there is none by the rule.
	last, next := uuid.Max, (*uuid.UUID)(nil)
	if len(users) == userPage {
		last = users[len(users)-1].ID
		next = &last
	}
	for _, id := range slices.Collect(keys(holders)) {
		keep := make([]uuid.UUID, 0, len(users))
		for _, u := range users {
			if holders[id].Holds(subjects[u.ID], s.now) {
				keep = append(keep, u.ID)
			}
		}
		o := objects[id]
		gone, err := s.tx.KeepRuleMembers(o.Type, id, after, last, keep)
		if err != nil {
			return false, err
		}
		come, err := s.tx.AddRuleMembers(o.Type, id, keep, s.now)
		if err != nil {
			return false, err
		}
		if err := s.record(o, come, gone); err != nil {
			return false, err
		}
		s.tx.AdvanceEvaluation(id, next, len(users), s.now)
	}
	return true, nil
}
