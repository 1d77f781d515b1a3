package odata

import "strings"

// Expr is a node of a filter: And, Or, Not, Compare, In, Call or Any.
type Expr interface{ node() }

// And holds where both sides hold.
type And struct{ X, Y Expr }

// Or holds where one side holds.
type Or struct{ X, Y Expr }

// Not holds where its operand does not, nulls included.
type Not struct{ X Expr }

// Compare compares a property with a literal.
type Compare struct {
	Path  Path
	Op    Op
	Value Value
}

// In holds where a property equals one of the literals.
type In struct {
	Path   Path
	Values []Value
}

// Call is a text function of a property.
type Call struct {
	Func Func
	Path Path
	Text string
}

// Any holds where an item of a collection meets Where; a nil Where means any
// item at all. Paths in Where are relative to the item, and empty for the
// item itself.
type Any struct {
	Path  Path
	Where Expr
}

func (And) node()     {}
func (Or) node()      {}
func (Not) node()     {}
func (Compare) node() {}
func (In) node()      {}
func (Call) node()    {}
func (Any) node()     {}

// Path names a property, segment by segment, as the client wrote it.
type Path []string

// String is the path as on the wire.
func (p Path) String() string { return strings.Join(p, "/") }

// Op is a comparison operator, in lower case.
type Op string

// The comparison operators.
const (
	Eq Op = "eq"
	Ne Op = "ne"
	Gt Op = "gt"
	Ge Op = "ge"
	Lt Op = "lt"
	Le Op = "le"
)

// Func is a text function, in lower case.
type Func string

// The text functions.
const (
	StartsWith Func = "startswith"
	EndsWith   Func = "endswith"
	Contains   Func = "contains"
)

// ValueKind is the form of a literal.
type ValueKind int

// The forms. Bare is an unquoted number, date or GUID, told apart when the
// type of the property is known.
const (
	Null ValueKind = iota
	Bool
	Text
	Bare
)

// Value is a literal: its form and its text, without quotes.
type Value struct {
	Kind ValueKind
	Text string
}

// Conjuncts lists the operands of nested Ands, for rules about which parts a
// filter must have.
func Conjuncts(e Expr) []Expr {
	if a, ok := e.(And); ok {
		return append(Conjuncts(a.X), Conjuncts(a.Y)...)
	}
	return []Expr{e}
}
