package delta

import (
	"slices"
	"strings"
	"time"

	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/fault"
	"entente.dev/servicekit/odata"
	"github.com/google/uuid"
)

// Limits of DIR-208, DIR-209 and DIR-212.
const (
	DefaultPage = 200
	MaxPage     = 999
	MaxIDs      = 50
	Life        = 7 * 24 * time.Hour
	// LinksPerPage bounds the members that one page of full state carries.
	LinksPerPage = 5000
)

// State is what a token remembers.
type State struct {
	Select []string    `json:"s,omitempty"`
	IDs    []uuid.UUID `json:"i,omitempty"`
	// Since is the position in the feed behind which changes are to come.
	Since string `json:"p,omitempty"`
	// Full tells that the full state is still being listed, behind After. Inside
	// is set while the links of the object After are listed, behind Link.
	Full   bool      `json:"f,omitempty"`
	After  uuid.UUID `json:"a"`
	Inside string    `json:"r,omitempty"`
	Link   uuid.UUID `json:"l"`
	Made   time.Time `json:"t"`
	Size   int       `json:"n,omitempty"`
}

// Start is the state of a first request.
func Start(names []string, ids []uuid.UUID) State { return State{Select: names, IDs: ids, Full: true} }

// Fresh is where to begin again when s is too old.
func (s State) Fresh() State { return State{Select: s.Select, IDs: s.IDs, Full: true, Size: s.Size} }

// Stale reports whether a token made at s.Made is too old.
func (s State) Stale(now time.Time) bool { return now.Sub(s.Made) > Life }

// Wants reports whether a name is selected. Without a selection, what stands
// in usual is.
func (s State) Wants(name string, usual bool) bool {
	if len(s.Select) == 0 {
		return usual
	}
	return slices.ContainsFunc(s.Select, func(n string) bool { return strings.EqualFold(n, name) })
}

// Includes reports whether the filter lets an object through.
func (s State) Includes(id uuid.UUID) bool { return len(s.IDs) == 0 || slices.Contains(s.IDs, id) }

// ParseIDs reads the one filter there is: `id eq '…'`, joined by `or`.
func ParseIDs(filter string) ([]uuid.UUID, error) {
	e, err := odata.ParseFilter(filter)
	if err != nil || e == nil {
		return nil, err
	}
	var out []uuid.UUID
	refused := fault.Invalid(errorspb.Reason_UNSUPPORTED_QUERY, "The only supported filter of change tracking is 'id eq' joined by 'or'.")
	var walk func(odata.Expr) error
	walk = func(e odata.Expr) error {
		switch e := e.(type) {
		case odata.Or:
			if err := walk(e.X); err != nil {
				return err
			}
			return walk(e.Y)
		case odata.Compare:
			id, err := uuid.Parse(e.Value.Text)
			if err != nil || e.Op != odata.Eq || !strings.EqualFold(e.Path.String(), "id") {
				return refused
			}
			out = append(out, id)
			return nil
		}
		return refused
	}
	if err := walk(e); err != nil {
		return nil, err
	}
	if len(out) > MaxIDs {
		return nil, fault.Invalid(errorspb.Reason_UNSUPPORTED_QUERY, "At most %d ids can be tracked.", MaxIDs)
	}
	return out, nil
}

// Kind is what happened to an object, by the numbers of the feed.
type Kind int16

// The kinds.
const (
	Created  Kind = 1
	Updated  Kind = 2
	Deleted  Kind = 3
	Restored Kind = 4
	Purged   Kind = 5
	Linked   Kind = 6
	Unlinked Kind = 7
)

// Event is one row of the feed.
type Event struct {
	ID         uuid.UUID
	Kind       Kind
	Properties []string
	Related    *uuid.UUID
}

// Link is a link that came or went.
type Link struct {
	Other   uuid.UUID
	Removed bool
}

// Change is what a page of the feed says about one object.
type Change struct {
	ID uuid.UUID
	// Whole tells that the object came into being, or back.
	Whole bool
	// Removed tells that a row said so; what is true now is for the database.
	Removed    bool
	Properties []string
	// Links are the last word on each, by relation.
	Links map[string][]Link
}

// also are properties that change with another one.
var also = map[string][]string{
	"userPrincipalName": {"identities"},
	"ageGroup":          {"legalAgeGroupClassification"}, "consentProvidedForMinor": {"legalAgeGroupClassification"},
	"signInSessionsValidFromDateTime": {"refreshTokensValidFromDateTime"},
}

// Collect folds a page of the feed into one change per object, in the order of
// their last rows. relations are the names of properties that are links.
func Collect(events []Event, relations ...string) []*Change {
	found := make(map[uuid.UUID]*Change)
	var order []uuid.UUID
	for i := len(events) - 1; i >= 0; i-- {
		if id := events[i].ID; found[id] == nil {
			found[id] = &Change{ID: id, Links: make(map[string][]Link)}
			order = append(order, id)
		}
	}
	slices.Reverse(order)
	for _, e := range events {
		c := found[e.ID]
		switch e.Kind {
		case Created, Restored:
			c.Whole = true
		case Deleted, Purged:
			c.Removed = true
		}
		for _, p := range e.Properties {
			if slices.Contains(relations, p) {
				if e.Related != nil {
					c.link(p, Link{*e.Related, e.Kind == Unlinked})
				} else {
					c.Links[p] = append(c.Links[p], Link{})
				}
				continue
			}
			for _, name := range append(also[p], p) {
				if !slices.Contains(c.Properties, name) {
					c.Properties = append(c.Properties, name)
				}
			}
		}
	}
	out := make([]*Change, len(order))
	for i, id := range order {
		out[i] = found[id]
		slices.Sort(out[i].Properties)
	}
	return out
}

func (c *Change) link(relation string, l Link) {
	list := slices.DeleteFunc(c.Links[relation], func(known Link) bool { return known.Other == l.Other })
	c.Links[relation] = append(list, l)
}
