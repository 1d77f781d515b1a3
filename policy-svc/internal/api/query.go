package api

import (
	"strings"

	errorspb "entente.dev/proto/gen/entente/errors/v1"
	odatapb "entente.dev/proto/gen/entente/odata/v1"
	"entente.dev/servicekit/fault"
	"google.golang.org/protobuf/proto"
)

// expansion is the one navigation property that can be expanded.
const expansion = "identitySynchronization"

func unsupported(option string) error {
	return fault.Invalid(errorspb.Reason_UNSUPPORTED_QUERY, "Query option '%s' is not supported here.", option)
}

// plainQuery refuses everything but $select, which the facade applies.
func plainQuery(q *odatapb.Query) error {
	if q.GetExpand() != "" {
		return unsupported("$expand")
	}
	return singleQuery(q)
}

// onePage is plainQuery for lists of one object at most, which any page holds.
func onePage(q *odatapb.Query) error {
	if q.GetTop() > 0 {
		q = proto.CloneOf(q)
		q.Top = nil
	}
	return plainQuery(q)
}

func singleQuery(q *odatapb.Query) error {
	switch {
	case q.GetFilter() != "":
		return unsupported("$filter")
	case q.GetOrderby() != "":
		return unsupported("$orderby")
	case q.GetSearch() != "":
		return unsupported("$search")
	case q != nil && q.Top != nil:
		return unsupported("$top")
	case q != nil && q.Skip != nil:
		return unsupported("$skip")
	case q.GetSkiptoken() != "":
		return unsupported("$skiptoken")
	case q.GetDeltatoken() != "":
		return unsupported("$deltatoken")
	}
	return nil
}

// expandsSync reads the query of a single partner.
func expandsSync(q *odatapb.Query) (bool, error) {
	if err := singleQuery(q); err != nil {
		return false, err
	}
	return expandOption(q)
}

func expandOption(q *odatapb.Query) (bool, error) {
	switch {
	case q.GetExpand() == "":
		return false, nil
	case strings.EqualFold(q.GetExpand(), expansion):
		return true, nil
	default:
		return false, unsupported("$expand")
	}
}
