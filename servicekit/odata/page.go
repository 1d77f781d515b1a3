package odata

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"time"

	errorspb "entente.dev/proto/gen/entente/errors/v1"
	odatapb "entente.dev/proto/gen/entente/odata/v1"
	"entente.dev/servicekit/caller"
	"entente.dev/servicekit/fault"
)

// PageLife is how long the link to a next page works.
const PageLife = 24 * time.Hour

const (
	defaultTop = 100
	maxTop     = 999
)

// Page is the part of a list that a request asks for.
type Page struct {
	Size int
	// After is where the page begins; nil on the first.
	After *Position
	// Eventual says that the client sent ConsistencyLevel: eventual.
	Eventual bool
	// Advanced says that it also asked for $count: advanced queries work.
	Advanced bool
	// Count says that the answer carries the number of all that match.
	Count bool
}

// pageState is what a token remembers: clients follow the link without their
// own headers (WIRE-40).
type pageState struct {
	Position
	Eventual bool `json:"e,omitempty"`
	Advanced bool `json:"a,omitempty"`
}

// Page reads the paging options of a query. route names the list. A nil query
// asks for the first page.
func (t *Tokens) Page(c caller.Caller, route string, q *odatapb.Query) (Page, error) {
	p := Page{Size: defaultTop, Eventual: c.Advanced || q.GetAdvanced()}
	p.Advanced = p.Eventual && q.GetCount()
	if q == nil {
		return p, nil
	}
	if q.Skip != nil {
		return p, fault.Invalid(errorspb.Reason_INVALID_REQUEST, "'$skip' is not supported by the service.")
	}
	if q.Top != nil {
		if *q.Top < 1 || *q.Top > maxTop {
			return p, fault.Invalid(errorspb.Reason_INVALID_REQUEST,
				"Invalid page size specified: '%d'. Must be between 1 and %d inclusive.", *q.Top, maxTop)
		}
		p.Size = int(*q.Top)
	}
	if q.Skiptoken == "" {
		p.Count = p.Advanced
		return p, nil
	}
	raw, err := t.Open(scopeOf(c, route, q), q.Skiptoken)
	if err != nil {
		return p, err
	}
	var state pageState
	if err := json.Unmarshal(raw, &state); err != nil {
		return p, fault.Invalid(errorspb.Reason_INVALID_PAGE_TOKEN, "The specified page token value is not valid.")
	}
	p.After, p.Eventual, p.Advanced = &state.Position, state.Eventual, state.Advanced
	return p, nil
}

// Next is the token of the page behind last. It is for the same caller, route
// and query; $top alone may change on the way.
func (t *Tokens) Next(c caller.Caller, route string, q *odatapb.Query, p Page, last Position) string {
	raw, err := json.Marshal(pageState{last, p.Eventual, p.Advanced})
	if err != nil { // two strings and two booleans always marshal
		panic(err)
	}
	return t.Seal(scopeOf(c, route, q), raw, PageLife)
}

func scopeOf(c caller.Caller, route string, q *odatapb.Query) Scope {
	h := sha256.New()
	for _, option := range []string{q.GetFilter(), q.GetOrderby(), q.GetSearch(), q.GetExpand(), q.GetSelect()} {
		_ = binary.Write(h, binary.BigEndian, uint32(len(option)))
		h.Write([]byte(option))
	}
	return Scope{Tenant: c.Tenant, Caller: c.ID(), Route: route, Query: h.Sum(nil)}
}
