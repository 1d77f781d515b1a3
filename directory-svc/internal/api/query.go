package api

import (
	"slices"
	"strings"

	"entente.dev/directory-svc/internal/store"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	odatapb "entente.dev/proto/gen/entente/odata/v1"
	"entente.dev/servicekit/caller"
	"entente.dev/servicekit/fault"
	"entente.dev/servicekit/odata"
	"github.com/google/uuid"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// listing reads the query options of a list: what to filter, how to order and
// where the page begins. route names the list in its page tokens.
func (c *Core) listing(who caller.Caller, route string, q *odatapb.Query, md protoreflect.MessageDescriptor, columns odata.Columns) (store.Listing, odata.Page, error) {
	page, err := c.Tokens.Page(who, route, q)
	if err != nil {
		return store.Listing{}, page, err
	}
	where, err := conditions(q, md, columns, page.Eventual, page.Advanced)
	if err != nil {
		return store.Listing{}, page, err
	}
	keys, err := odata.ParseOrderBy(q.GetOrderby())
	if err != nil {
		return store.Listing{}, page, err
	}
	order, err := odata.CompileOrderBy(md, columns, keys, strings.TrimSpace(q.GetFilter()) != "", page.Advanced)
	if err != nil {
		return store.Listing{}, page, err
	}
	return store.Listing{Where: where, Order: order, After: page.After, Limit: page.Size, Count: page.Count}, page, nil
}

// conditions compiles $filter and $search.
func conditions(q *odatapb.Query, md protoreflect.MessageDescriptor, columns odata.Columns, eventual, advanced bool) ([]odata.SQL, error) {
	filter, err := odata.ParseFilter(q.GetFilter())
	if err != nil {
		return nil, err
	}
	where, err := odata.Compile(md, columns, filter, advanced)
	if err != nil {
		return nil, err
	}
	terms, err := odata.ParseSearch(q.GetSearch())
	if err != nil {
		return nil, err
	}
	search, err := odata.CompileSearch(md, columns, terms, eventual)
	if err != nil {
		return nil, err
	}
	return []odata.SQL{where, search}, nil
}

// counting refuses a count without ConsistencyLevel: eventual (DIR-205).
func counting(who caller.Caller, q *odatapb.Query) error {
	if who.Advanced || q.GetAdvanced() {
		return nil
	}
	return fault.Invalid(errorspb.Reason_INVALID_REQUEST, "$count is not currently supported.")
}

// next is the token behind a page; empty on the last.
func next[T any](c *Core, who caller.Caller, route string, q *odatapb.Query, p odata.Page, page store.Page[T]) string {
	if page.Last == nil {
		return ""
	}
	return c.Tokens.Next(who, route, q, p, *page.Last)
}

// unfiltered refuses query options that small fixed lists do not have.
func unfiltered(q *odatapb.Query) error {
	if strings.TrimSpace(q.GetFilter()) != "" || q.GetSearch() != "" || q.GetOrderby() != "" {
		return fault.Invalid(errorspb.Reason_INVALID_REQUEST, "The query option is not supported on this collection.")
	}
	return nil
}

// only reads a filter of the form `a eq 'x' and b eq 'y'` over the named
// properties, for lists that live in memory. Text is compared by the caller,
// without regard to case.
func only(q *odatapb.Query, resource string, names ...string) (map[string]string, error) {
	e, err := odata.ParseFilter(q.GetFilter())
	if err != nil || e == nil {
		return nil, err
	}
	found := make(map[string]string)
	var walk func(odata.Expr) error
	walk = func(e odata.Expr) error {
		switch e := e.(type) {
		case odata.And:
			if err := walk(e.X); err != nil {
				return err
			}
			return walk(e.Y)
		case odata.Compare:
			name := e.Path.String()
			if i := slices.IndexFunc(names, func(n string) bool { return strings.EqualFold(n, name) }); i >= 0 && e.Op == odata.Eq && e.Value.Kind != odata.Null {
				found[names[i]] = e.Value.Text
				return nil
			}
			return unsupportedFilter(resource, name)
		}
		return unsupportedFilter(resource, "filter")
	}
	return found, walk(e)
}

func unsupportedFilter(resource, name string) error {
	return fault.Invalid(errorspb.Reason_UNSUPPORTED_QUERY,
		"Unsupported or invalid query filter clause specified for property '%s' of resource '%s'.", clip(name), resource)
}

// behind is the id that a page begins behind, first on the first page, for
// lists in the order of ids that are read by hand.
func behind(page odata.Page, first uuid.UUID) (uuid.UUID, error) {
	if page.After == nil {
		return first, nil
	}
	id, err := uuid.Parse(page.After.ID)
	if err != nil {
		return uuid.Nil, fault.Invalid(errorspb.Reason_INVALID_PAGE_TOKEN, "The specified page token value is not valid.")
	}
	return id, nil
}
