package odata

import (
	"regexp"
	"strings"

	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/fault"
	"github.com/google/uuid"
)

// Limits of a filter: of nodes and values from DIR-198, of length and depth
// from the security ground rules. Ids in lists do not count against the
// length, since a hundred of them are allowed and longer than it.
const (
	maxFilter    = 2 << 10
	maxFilterRaw = 8 << 10 // with ids; a URL holds no more
	maxNodes     = 100
	maxValues    = 100
	maxDepth     = 8
)

// ParseFilter reads a $filter. Blank text is no filter: nil without error.
func ParseFilter(s string) (Expr, error) {
	if strings.TrimSpace(s) == "" {
		return nil, nil
	}
	if len(s) > maxFilterRaw {
		return nil, badFilter("The filter is longer than %d bytes.", maxFilter)
	}
	tokens, at := lex(s)
	if at >= 0 {
		return nil, badFilter("Invalid filter clause: unexpected character at position %d.", at)
	}
	length := len(s)
	for _, t := range tokens {
		if len(t.text) == 36 && uuid.Validate(t.text) == nil {
			length -= len(t.text)
		}
	}
	if length > maxFilter {
		return nil, badFilter("The filter is longer than %d bytes.", maxFilter)
	}
	p := &parser{tokens: tokens}
	e, err := p.expr(0, 0)
	if err != nil {
		return nil, err
	}
	if p.peek().kind != tokEnd {
		return nil, p.unexpected()
	}
	return e, nil
}

func badFilter(format string, args ...any) error {
	return fault.Invalid(errorspb.Reason_BAD_REQUEST, format, args...)
}

func unsupported(format string, args ...any) error {
	return fault.Invalid(errorspb.Reason_UNSUPPORTED_QUERY, format, args...)
}

// Binding powers; `not` binds tighter than both, comparisons are primary.
const (
	powerOr  = 1
	powerAnd = 2
)

type parser struct {
	tokens []token
	pos    int
	nodes  int
	scope  []string // variables of the lambdas around
}

func (p *parser) peek() token { return p.tokens[p.pos] }

func (p *parser) next() token {
	t := p.tokens[p.pos]
	if t.kind != tokEnd {
		p.pos++
	}
	return t
}

func (p *parser) accept(punct string) bool {
	if t := p.peek(); t.kind == tokPunct && t.text == punct {
		p.pos++
		return true
	}
	return false
}

func (p *parser) expect(punct string) error {
	if !p.accept(punct) {
		return p.unexpected()
	}
	return nil
}

func (p *parser) unexpected() error {
	t := p.peek()
	if t.kind == tokEnd {
		return badFilter("Invalid filter clause: it ends too early.")
	}
	return badFilter("Invalid filter clause: syntax error at position %d.", t.at)
}

// keyword answers the present word in lower case, "" for other tokens.
func (p *parser) keyword() string {
	if t := p.peek(); t.kind == tokWord {
		return strings.ToLower(t.text)
	}
	return ""
}

func (p *parser) expr(power, depth int) (Expr, error) {
	left, err := p.operand(depth)
	if err != nil {
		return nil, err
	}
	for {
		var own int
		switch p.keyword() {
		case "and":
			own = powerAnd
		case "or":
			own = powerOr
		}
		if own <= power { // also where the word is no operator
			return left, nil
		}
		p.next()
		right, err := p.expr(own, depth)
		if err != nil {
			return nil, err
		}
		if own == powerAnd {
			left = And{left, right}
		} else {
			left = Or{left, right}
		}
	}
}

func (p *parser) operand(depth int) (Expr, error) {
	if depth > maxDepth {
		return nil, badFilter("The filter is nested deeper than %d levels.", maxDepth)
	}
	if p.accept("(") {
		e, err := p.expr(0, depth+1)
		if err != nil {
			return nil, err
		}
		return e, p.expect(")")
	}
	if p.keyword() == "not" {
		p.next()
		e, err := p.operand(depth + 1)
		if err != nil {
			return nil, err
		}
		return Not{e}, nil
	}
	return p.primary(depth)
}

func (p *parser) primary(depth int) (Expr, error) {
	if p.nodes++; p.nodes > maxNodes {
		return nil, badFilter("The filter has more than %d comparisons.", maxNodes)
	}
	word := p.peek()
	if word.kind != tokWord {
		return nil, p.unexpected()
	}
	if p.tokens[p.pos+1].text == "(" && p.tokens[p.pos+1].kind == tokPunct {
		return p.call()
	}
	path, lambda, err := p.path()
	if err != nil {
		return nil, err
	}
	if lambda {
		return p.any(path, depth)
	}
	switch op := Op(p.keyword()); op {
	case Eq, Ne, Gt, Ge, Lt, Le:
		p.next()
		v, err := p.value()
		return Compare{path, op, v}, err
	case "in":
		p.next()
		return p.in(path)
	case "has", "add", "sub", "mul", "div", "mod":
		return nil, unsupported("Operator '%s' is not supported.", string(op))
	}
	return nil, p.unexpected()
}

// call reads a text function; `eq true` and `eq false` may follow.
func (p *parser) call() (Expr, error) {
	name := Func(strings.ToLower(p.next().text))
	switch name {
	case StartsWith, EndsWith, Contains:
	default:
		return nil, unsupported("Function '%s' is not supported in a filter.", string(name))
	}
	p.next() // (
	path, lambda, err := p.path()
	if err != nil {
		return nil, err
	}
	if lambda {
		return nil, p.unexpected()
	}
	if err := p.expect(","); err != nil {
		return nil, err
	}
	text := p.next()
	if text.kind != tokString {
		p.pos--
		return nil, p.unexpected()
	}
	if err := p.expect(")"); err != nil {
		return nil, err
	}
	call := Call{name, path, text.text}
	if p.keyword() != string(Eq) {
		return call, nil
	}
	p.next()
	v, err := p.value()
	switch {
	case err != nil:
		return nil, err
	case v.Kind != Bool:
		return nil, badFilter("Invalid filter clause: function '%s' compares with true or false.", string(name))
	case v.Text == "false":
		return Not{call}, nil
	}
	return call, nil
}

// path reads segments; lambda is true when it ended before `any(`. Inside a
// lambda the variable in front is dropped.
func (p *parser) path() (path Path, lambda bool, err error) {
	for {
		t := p.peek()
		if t.kind != tokWord || !nameLike(t.text) {
			return nil, false, p.unexpected()
		}
		p.next()
		path = append(path, t.text)
		if !p.accept("/") {
			break
		}
		name := p.keyword()
		if after := p.tokens[min(p.pos+1, len(p.tokens)-1)]; after.kind == tokPunct && after.text == "(" && name != "" {
			if name != "any" {
				return nil, false, unsupported("Operator '%s' is not supported.", name)
			}
			p.pos += 2
			lambda = true
			break
		}
	}
	if n := len(p.scope); n > 0 {
		if path[0] != p.scope[n-1] {
			return nil, false, badFilter("Invalid filter clause: '%s' does not begin with the variable '%s'.", path.String(), p.scope[n-1])
		}
		path = path[1:]
	}
	return path, lambda, nil
}

var names = regexp.MustCompile(`^[A-Za-z_$@][A-Za-z0-9_.$@-]*$`)

func nameLike(s string) bool { return names.MatchString(s) }

// any reads what is between the parentheses of `any(`.
func (p *parser) any(path Path, depth int) (Expr, error) {
	if p.accept(")") {
		return Any{Path: path}, nil
	}
	if depth+1 > maxDepth {
		return nil, badFilter("The filter is nested deeper than %d levels.", maxDepth)
	}
	variable := p.next()
	if variable.kind != tokWord || !nameLike(variable.text) {
		p.pos--
		return nil, p.unexpected()
	}
	if err := p.expect(":"); err != nil {
		return nil, err
	}
	p.scope = append(p.scope, variable.text)
	where, err := p.expr(0, depth+1)
	p.scope = p.scope[:len(p.scope)-1]
	if err != nil {
		return nil, err
	}
	return Any{path, where}, p.expect(")")
}

func (p *parser) in(path Path) (Expr, error) {
	if err := p.expect("("); err != nil {
		return nil, err
	}
	in := In{Path: path}
	for {
		v, err := p.value()
		if err != nil {
			return nil, err
		}
		if in.Values = append(in.Values, v); len(in.Values) > maxValues {
			return nil, badFilter("Operator 'in' takes at most %d values.", maxValues)
		}
		if !p.accept(",") {
			return in, p.expect(")")
		}
	}
}

var bare = regexp.MustCompile(`^[+-]?[0-9][0-9A-Za-z:.+-]*$`)

func (p *parser) value() (Value, error) {
	t := p.peek()
	switch t.kind {
	case tokString:
		p.next()
		return Value{Text, t.text}, nil
	case tokWord:
		switch lower := strings.ToLower(t.text); {
		case lower == "null":
			p.next()
			return Value{Null, ""}, nil
		case lower == "true" || lower == "false":
			p.next()
			return Value{Bool, lower}, nil
		case bare.MatchString(t.text) || uuid.Validate(t.text) == nil && len(t.text) == 36:
			p.next()
			return Value{Bare, t.text}, nil
		}
	}
	return Value{}, p.unexpected()
}
