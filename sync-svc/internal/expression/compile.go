package expression

import (
	"errors"
	"io"
	"time"
)

// Limits of one evaluation (SYN-93, security rules 4.6).
const (
	MaxSteps  = 10_000
	MaxOutput = 64 << 10
)

// Object gives the attributes of the source object. An unknown or absent
// attribute is null.
type Object interface {
	Attribute(name string) Value
}

// Role is an application role assigned to the source object.
type Role struct{ ID, Value, DisplayName string }

// Env is what an evaluation may look at besides the expression.
type Env struct {
	// Source is the object; nil has no attributes.
	Source Object
	// Roles are the role assignments of the object, oldest first.
	Roles []Role
	// Now is the moment Now() returns.
	Now time.Time
	// Random is a source of unpredictable bytes.
	Random io.Reader
	// Taken tells whether another target object holds the value; nil means none does.
	Taken func(value string) bool
}

// Program is a compiled expression. It is immutable and safe for concurrent use.
type Program struct {
	root  eval
	tree  *Node
	plain string // name of the attribute when the expression is just that
}

// Compile turns a parsed expression into a program.
func Compile(n *Node) (*Program, error) {
	root, err := compile(n)
	if err != nil {
		return nil, err
	}
	p := &Program{root: root, tree: n}
	if n.Kind == AttributeNode {
		p.plain = n.Name
	}
	return p, nil
}

// ParseAndCompile is Parse followed by Compile.
func ParseAndCompile(text string) (*Program, error) {
	n, err := Parse(text)
	if err != nil {
		return nil, err
	}
	return Compile(n)
}

// Tree is the parsed form of the program.
func (p *Program) Tree() *Node { return p.tree }

// Eval computes the value for one object. The error is always an *EvalError.
func (p *Program) Eval(env *Env) (Value, error) {
	if p.plain != "" {
		return attribute(env, p.plain), nil
	}
	r := &run{env: env}
	v, err := p.root(r)
	if err != nil {
		var e *EvalError
		if !errors.As(err, &e) {
			e = &EvalError{Code: CodeFailed, Reason: err.Error()}
		}
		return NullValue, e
	}
	if r.dropped {
		return Value{kind: Dropped}, nil
	}
	return v, nil
}

// eval is a compiled node.
type eval func(*run) (Value, error)

// run is the state of one evaluation.
type run struct {
	env     *Env
	steps   int
	dropped bool
}

// step charges n units of work.
func (r *run) step(n int) error {
	if r.steps += n; r.steps > MaxSteps {
		return failed("the expression needs too many steps")
	}
	return nil
}

// bound refuses results that are too large to flow.
func bound(v Value) error {
	size := len(v.text)
	for _, s := range v.list {
		size += len(s) + 1
	}
	if size > MaxOutput {
		return failed("the result exceeds 64 KiB")
	}
	return nil
}

func attribute(env *Env, name string) Value {
	if env.Source == nil {
		return NullValue
	}
	return env.Source.Attribute(name)
}

func compile(n *Node) (eval, error) {
	switch n.Kind {
	case ConstantNode:
		v := n.Value
		return func(*run) (Value, error) { return v, nil }, nil
	case EnumNode:
		v := TextValue(n.Name)
		return func(*run) (Value, error) { return v, nil }, nil
	case OmittedNode:
		return func(*run) (Value, error) { return NullValue, nil }, nil
	case AttributeNode:
		name := n.Name
		return func(r *run) (Value, error) { return attribute(r.env, name), nil }, nil
	case ComparisonNode:
		left, err := compile(n.Args[0])
		if err != nil {
			return nil, err
		}
		right, err := compile(n.Args[1])
		if err != nil {
			return nil, err
		}
		return comparison(n.Name, left, right), nil
	}
	args := make([]eval, len(n.Args))
	for i, a := range n.Args {
		e, err := compile(a)
		if err != nil {
			return nil, err
		}
		args[i] = e
	}
	body, err := functions[n.Name].compile(n, args)
	if err != nil {
		return nil, err
	}
	name := n.Name
	return func(r *run) (Value, error) {
		if err := r.step(1 + len(args)); err != nil {
			return NullValue, err
		}
		v, err := body(r)
		if err == nil {
			err = bound(v)
		}
		if e := (*EvalError)(nil); errors.As(err, &e) && e.Function == "" {
			return NullValue, &EvalError{Code: e.Code, Function: name, Reason: e.Reason}
		}
		return v, err
	}, nil
}

// comparison implements SYN-89: dates as dates, numbers as numbers, the rest as
// text, letter case and all; an absent value compares as the empty text.
func comparison(op string, left, right eval) eval {
	return func(r *run) (Value, error) {
		if err := r.step(1); err != nil {
			return NullValue, err
		}
		a, err := left(r)
		if err != nil {
			return NullValue, err
		}
		b, err := right(r)
		if err != nil {
			return NullValue, err
		}
		c, err := compare(a, b)
		if err != nil {
			return NullValue, err
		}
		switch op {
		case "=":
			return BooleanValue(c == 0), nil
		case "<>":
			return BooleanValue(c != 0), nil
		case ">":
			return BooleanValue(c > 0), nil
		case ">=":
			return BooleanValue(c >= 0), nil
		case "<":
			return BooleanValue(c < 0), nil
		}
		return BooleanValue(c <= 0), nil
	}
}

func compare(a, b Value) (int, error) {
	if a.kind == List || b.kind == List {
		return 0, scalarNeeded()
	}
	if (a.kind == DateTime || b.kind == DateTime) && !a.IsEmpty() && !b.IsEmpty() {
		x, err := toTime(a)
		if err != nil {
			return 0, err
		}
		y, err := toTime(b)
		if err != nil {
			return 0, err
		}
		return x.Compare(y), nil
	}
	if a.isNumber() || b.isNumber() {
		x, okX := a.number()
		y, okY := b.number()
		if okX && okY {
			return order(x, y), nil
		}
	}
	return order(a.String(), b.String()), nil
}

func order[T float64 | string](a, b T) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

func scalarNeeded() error {
	return &EvalError{Code: CodeScalarNeeded, Reason: "a list of values stands where one value is needed"}
}
