package dynamic

import (
	"slices"
	"time"

	"entente.dev/directory-svc/internal/object"
	"entente.dev/directory-svc/internal/property"
	"entente.dev/directory-svc/internal/rule"
	"github.com/google/uuid"
)

// Sources is what must be known to decide on a memberOf rule.
type Sources struct {
	// Present is how many other groups and units have such a rule.
	Present int
	// Chained says that a group the rule names has such a rule itself.
	Chained bool
	// Named says that another memberOf rule names the object.
	Named bool
}

// CheckSources decides whether an object may have a memberOf rule (DIR-153).
func CheckSources(s Sources) error {
	if s.Chained || s.Named {
		return property.Refused("membershipRule", "A group whose rule is user.memberOf cannot be named by another such rule.")
	}
	return nil
}

// Holder is a group or administrative unit whose members follow from a rule.
type Holder struct {
	ID   uuid.UUID
	Type object.Type
	Text string // the rule as it was written
	Rule rule.Rule

	asks map[string]bool // the properties of users its answer depends on
}

// NewHolder reads the rule of a group or unit.
func NewHolder(id uuid.UUID, t object.Type, text string) (*Holder, error) {
	r, err := rule.Parse(text)
	if err != nil {
		return nil, err
	}
	h := &Holder{ID: id, Type: t, Text: text, Rule: r, asks: make(map[string]bool)}
	if r.ReportsOf != uuid.Nil {
		h.asks["manager"] = true
	}
	for _, p := range r.Properties {
		h.asks[UserProperty(p)] = true
	}
	return h, nil
}

// Asks reports whether a change of one of the properties can alter who
// belongs to the holder.
func (h *Holder) Asks(properties []string) bool {
	return slices.ContainsFunc(properties, func(p string) bool { return h.asks[fold(p)] })
}

// Properties are the properties of users that the rule reads.
func (h *Holder) Properties() []string {
	out := make([]string, 0, len(h.asks))
	for p := range h.asks {
		out = append(out, p)
	}
	slices.Sort(out)
	return out
}

// Names reports whether the rule is about membership of the group.
func (h *Holder) Names(group uuid.UUID) bool { return slices.Contains(h.Rule.MembersOf, group) }

// Holds says whether a user, nil for one who is gone, is a member.
func (h *Holder) Holds(s Subject, now time.Time) bool {
	return s.User != nil && s.User.Deleted == nil && h.Rule.Match(s, now)
}
