package odata

import (
	"strings"

	optionspb "entente.dev/proto/gen/entente/options/v1"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// OrderKey is one key of an $orderby.
type OrderKey struct {
	Path Path
	Desc bool
}

// ParseOrderBy reads an $orderby; blank text gives no keys.
func ParseOrderBy(s string) ([]OrderKey, error) {
	if strings.TrimSpace(s) == "" {
		return nil, nil
	}
	if len(s) > maxFilter {
		return nil, badFilter("The $orderby is longer than %d bytes.", maxFilter)
	}
	var keys []OrderKey
	for part := range strings.SplitSeq(s, ",") {
		words := strings.Fields(part)
		if len(words) == 0 || len(words) > 2 {
			return nil, badFilter("Invalid $orderby clause.")
		}
		key := OrderKey{Path: strings.Split(words[0], "/")}
		for _, segment := range key.Path {
			if !nameLike(segment) {
				return nil, badFilter("Invalid $orderby clause.")
			}
		}
		if len(words) == 2 {
			switch strings.ToLower(words[1]) {
			case "asc":
			case "desc":
				key.Desc = true
			default:
				return nil, badFilter("Invalid $orderby clause: '%s' is neither asc nor desc.", words[1])
			}
		}
		keys = append(keys, key)
	}
	return keys, nil
}

// Order is the order of a list, by one property and then by id, and where its
// pages begin.
type Order struct {
	expr    string // "" orders by id alone
	id      string
	desc    bool
	notNull bool
}

// CompileOrderBy checks the keys and finds their columns. At most one key is
// supported; none orders by id. filtered says that there is a $filter too,
// which together is an advanced query (DIR-202).
func CompileOrderBy(md protoreflect.MessageDescriptor, columns Columns, keys []OrderKey, filtered, advanced bool) (Order, error) {
	o := Order{id: columns["id"].SQL}
	if len(keys) == 0 {
		return o, nil
	}
	if len(keys) > 1 {
		return o, unsupported("Sorting by more than one property is not supported for resource '%s'.", resourceName(md))
	}
	p, err := resolve(md, columns, keys[0].Path)
	if err != nil {
		return o, err
	}
	if !p.stored || p.support.OrderBy == optionspb.Property_supportNone || p.column.Items != nil {
		return o, unsupported("Sorting not supported for property '%s' of resource '%s'.", p.name, resourceName(md))
	}
	if !advanced && (filtered || p.support.OrderBy == optionspb.Property_supportAdvanced) {
		return o, needsAdvanced("$orderby")
	}
	o.desc = keys[0].Desc
	if p.name != "id" {
		o.expr, o.notNull = p.operand(), p.column.NotNull
	}
	return o, nil
}

// DefaultOrder is by one column and then by id, for lists whose order without
// $orderby is not by id. The column is never null.
func DefaultOrder(column, id string, desc bool) Order {
	return Order{expr: column, id: id, desc: desc, notNull: true}
}

// By is the text of ORDER BY. Nulls come last either way.
func (o Order) By() string {
	dir := ""
	if o.desc {
		dir = " desc"
	}
	switch {
	case o.expr == "":
		return o.id + dir
	case o.desc && !o.notNull:
		return o.expr + " desc nulls last, " + o.id + " desc"
	}
	return o.expr + dir + ", " + o.id + dir
}

// Key is the expression to select along with the row, as text or null: the
// Value of its Position.
func (o Order) Key() string {
	if o.expr == "" {
		return "null::text"
	}
	return "(" + o.expr + ")::text"
}

// Position is the last row of a page.
type Position struct {
	Value *string `json:"v,omitempty"` // what Key gave
	ID    string  `json:"i"`
}

// After is the condition for the rows behind a position.
func (o Order) After(p Position) SQL {
	cmp := " > "
	if o.desc {
		cmp = " < "
	}
	if o.expr == "" {
		return SQL{o.id + cmp + "?", []any{p.ID}}
	}
	if p.Value == nil { // among the nulls, which are last
		return SQL{"(" + o.expr + " is null and " + o.id + cmp + "?)", []any{p.ID}}
	}
	behind := "(" + o.expr + ", " + o.id + ")" + cmp + "(?, ?)"
	if !o.notNull {
		behind = "(" + behind + " or " + o.expr + " is null)"
	}
	return SQL{behind, []any{*p.Value, p.ID}}
}
