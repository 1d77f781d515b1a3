package odata

import (
	"strconv"
	"strings"

	optionspb "entente.dev/proto/gen/entente/options/v1"
	"gorm.io/gorm/clause"
)

// Columns says where properties are stored, by their path on the wire, for
// instance `displayName` or `initiatedBy/user/id`. In Items the empty path is
// the item itself. The property `id` must be there for paging.
type Columns map[string]Column

// Column is where one property is stored. Its SQL is constant text of the
// service, never of a client.
type Column struct {
	// SQL is the column, qualified, for instance `users.mail`.
	SQL string
	// Key is the stored lower-case key column of a text property, collate "C".
	// Without it text compares exactly. Fold makes what it holds.
	Key string
	// Reversed is a stored column with Key reversed; it makes endswith cheap.
	Reversed string
	// Type is for columns whose descriptor does not tell, such as UUIDs.
	Type Type
	// Values are the stored numbers of an enumeration by its spelling on the
	// wire; by default the numbers of the proto enum.
	Values map[string]int32
	// NotNull is true for columns that are never null; it makes ordering and
	// `ne` cheaper.
	NotNull bool
	// Probe is a condition that finds the rows by an index of another table; it
	// stands in for `eq`, with one parameter for the literal.
	Probe string
	// Items is set for collections.
	Items *Items
	// Words holds the search tokens of a property that $search matches by
	// token; without it $search matches prefixes of Key.
	Words *Items
	// Support stands in for the field option, for properties that are no
	// fields of the message, such as extensions.
	Support *optionspb.Property
}

// Items is a collection: the rows of a child table or the elements of an
// array.
type Items struct {
	// From is the source with its alias, for instance `identities i` or
	// `unnest(users.other_mails_key) as m(v)`.
	From string
	// On ties a child's row to its owner, tenant included; empty for arrays.
	On string
	// Columns are the properties of an item.
	Columns Columns
	// Compile, where set, stands in for the general compilation of what an
	// item must meet. where is nil for `any()`.
	Compile func(where Expr) (SQL, error)
}

// Array is the collection in an array column. key is a text[] whose elements
// are folded already, or any other array.
func Array(key string, t Type) *Items {
	col := Column{SQL: "item.v", Type: t, NotNull: true}
	if t == TypeText {
		col.Key = col.SQL
	}
	return &Items{From: "unnest(" + key + ") as item(v)", Columns: Columns{"": col}}
}

// Type is the type of a stored property.
type Type int

// The types. Inferred takes the field's own.
const (
	TypeInferred Type = iota
	TypeText
	TypeBool
	TypeNumber
	TypeTime
	TypeUUID
	TypeEnum
)

// SQL is a condition with `?` for each of Args.
type SQL struct {
	Text string
	Args []any
}

// Clause is the condition for GORM's Where. Do not hand Text to Where: GORM
// reads an `@` in text as a named argument.
func (s SQL) Clause() clause.Expression { return clause.Expr{SQL: s.Text, Vars: s.Args} }

// IsZero reports whether there is no condition.
func (s SQL) IsZero() bool { return s.Text == "" }

// Numbered is Text with $n for pgx, beginning at first.
func (s SQL) Numbered(first int) string {
	var b strings.Builder
	for i := range len(s.Text) {
		if s.Text[i] != '?' {
			b.WriteByte(s.Text[i])
			continue
		}
		b.WriteByte('$')
		b.WriteString(strconv.Itoa(first))
		first++
	}
	return b.String()
}

// Fold is the form of text in key columns, as PostgreSQL's lower() makes it.
func Fold(s string) string { return strings.ToLower(s) }

// All joins conditions by `and`, leaving out empty ones.
func All(conditions ...SQL) SQL {
	var out SQL
	for _, c := range conditions {
		if c.IsZero() {
			continue
		}
		if out.Text != "" {
			out.Text += " and "
		}
		out.Text += c.Text
		out.Args = append(out.Args, c.Args...)
	}
	return out
}
