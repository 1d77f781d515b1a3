package expression

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Limits of the text of an expression (SYN-83, SYN-93).
const (
	MaxLength  = 10_000
	MaxNesting = 32
)

// NodeKind is the form of a Node.
type NodeKind uint8

// The forms of nodes.
const (
	FunctionNode NodeKind = iota
	AttributeNode
	ConstantNode
	ComparisonNode
	EnumNode
	OmittedNode
)

// Node is one node of a parsed expression.
type Node struct {
	Kind NodeKind
	// Name is the function, the attribute, the comparison operator or the enum value.
	Name string
	// Value is the value of a constant.
	Value Value
	// Args are the arguments of a function, or both sides of a comparison.
	Args []*Node
	// Pos is the offset of the node in code points.
	Pos int
}

// Parse reads one expression. Function names, numbers of arguments and
// constant arguments are checked here; attribute names are not.
func Parse(text string) (*Node, error) {
	if n := utf8.RuneCountInString(text); n > MaxLength {
		return nil, &ParseError{Pos: MaxLength, Message: fmt.Sprintf("the expression has %d characters", n), Hint: "at most 10000 are allowed"}
	}
	if !utf8.ValidString(text) {
		return nil, &ParseError{Message: "the expression is not valid UTF-8"}
	}
	p := &parser{src: []rune(text)}
	p.space()
	n, err := p.expr(1)
	if err != nil {
		return nil, err
	}
	if p.space(); p.at < len(p.src) {
		return nil, p.fault(p.at, "unexpected text after the expression", "there are no operators + and &; use Append or Join")
	}
	return n, nil
}

type parser struct {
	src []rune
	at  int
}

func (p *parser) fault(pos int, message, hint string) error {
	return &ParseError{Pos: pos, Message: message, Hint: hint}
}

func (p *parser) space() {
	for p.at < len(p.src) && unicode.IsSpace(p.src[p.at]) {
		p.at++
	}
}

func (p *parser) peek() rune {
	if p.at < len(p.src) {
		return p.src[p.at]
	}
	return -1
}

// expr reads a function call, an attribute, a text or a number.
func (p *parser) expr(depth int) (*Node, error) {
	start := p.at
	switch c := p.peek(); {
	case c == -1:
		return nil, p.fault(start, "an expression is missing", "")
	case c == '"':
		s, err := p.quoted()
		return &Node{Kind: ConstantNode, Value: TextValue(s), Pos: start}, err
	case c == '[':
		name, err := p.attribute()
		return &Node{Kind: AttributeNode, Name: name, Pos: start}, err
	case c == '-' || c == '&' || isDigit(c):
		v, err := p.number()
		return &Node{Kind: ConstantNode, Value: v, Pos: start}, err
	case isLetter(c):
		return p.call(depth)
	case c == '\'':
		return nil, p.fault(start, "a text begins with an apostrophe", "write texts in double quotes")
	default:
		return nil, p.fault(start, fmt.Sprintf("unexpected %q", c), "expected a function, [attribute], \"text\" or number")
	}
}

func (p *parser) quoted() (string, error) {
	start := p.at
	p.at++
	var b strings.Builder
	for {
		switch c := p.peek(); c {
		case -1:
			return "", p.fault(start, "the text is not closed", `end it with "; inside, write \" and \\`)
		case '"':
			p.at++
			return b.String(), nil
		case '\\':
			p.at++
			d := p.peek()
			if d != '\\' && d != '"' {
				return "", p.fault(p.at-1, "a backslash stands alone", `write \\ for a backslash, for instance \\d in a pattern`)
			}
			b.WriteRune(d)
			p.at++
		default:
			b.WriteRune(c)
			p.at++
		}
	}
}

func (p *parser) attribute() (string, error) {
	start := p.at
	p.at++
	from := p.at
	for {
		switch c := p.peek(); {
		case c == ']':
			name := strings.TrimSpace(string(p.src[from:p.at]))
			p.at++
			if name == "" {
				return "", p.fault(start, "the attribute has no name", "")
			}
			return name, nil
		case c == -1 || c == '[' || c == '"' || unicode.IsControl(c):
			return "", p.fault(start, "the attribute name is not closed", "end it with ]")
		}
		p.at++
	}
}

func (p *parser) number() (Value, error) {
	start := p.at
	if p.peek() == '&' {
		p.at++
		if c := p.peek(); c != 'H' && c != 'h' {
			return NullValue, p.fault(start, "unexpected '&'", "there is no operator &; use Append or Join. Hexadecimal numbers are written &HFF")
		}
		p.at++
		from := p.at
		for isHex(p.peek()) {
			p.at++
		}
		n, err := strconv.ParseUint(string(p.src[from:p.at]), 16, 64)
		if err != nil {
			return NullValue, p.fault(start, "the hexadecimal number is empty or exceeds 64 bits", "")
		}
		return IntegerValue(int64(n)), nil
	}
	if p.peek() == '-' {
		p.at++
	}
	from := p.at
	for isDigit(p.peek()) {
		p.at++
	}
	if from == p.at {
		return NullValue, p.fault(start, "digits are missing after the minus sign", "")
	}
	whole := true
	if p.peek() == '.' {
		whole = false
		p.at++
		from = p.at
		for isDigit(p.peek()) {
			p.at++
		}
		if from == p.at {
			return NullValue, p.fault(start, "digits are missing after the decimal point", "")
		}
	}
	text := string(p.src[start:p.at])
	if whole {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return NullValue, p.fault(start, "the number exceeds 64 bits", "")
		}
		return IntegerValue(n), nil
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return NullValue, p.fault(start, "the number is too large", "")
	}
	return DecimalValue(f), nil
}

// call reads a function with its arguments and checks its signature.
func (p *parser) call(depth int) (*Node, error) {
	start := p.at
	name := p.word()
	fn, known := functions[name]
	if p.space(); p.peek() != '(' {
		if known {
			return nil, p.fault(start, name+" is a function", "write "+name+"(…)")
		}
		return nil, p.fault(start, fmt.Sprintf("unexpected word %q", name), "attributes are written ["+name+"], texts in double quotes")
	}
	if !known {
		return nil, p.fault(start, fmt.Sprintf("there is no function %q", name), "did you mean "+Nearest(name, functionNames)+"?")
	}
	if depth > MaxNesting {
		return nil, p.fault(start, "functions are nested too deeply", "at most 32 levels are allowed")
	}
	p.at++
	n := &Node{Kind: FunctionNode, Name: name, Pos: start}
	if p.space(); p.peek() == ')' {
		p.at++
		return n, p.check(n, fn)
	}
	for {
		arg, err := p.argument(depth+1, fn, len(n.Args))
		if err != nil {
			return nil, err
		}
		n.Args = append(n.Args, arg)
		p.space()
		switch p.peek() {
		case ',':
			p.at++
			continue
		case ')':
			p.at++
			return n, p.check(n, fn)
		case -1:
			return nil, p.fault(start, name+" is not closed", "a ) is missing")
		}
		return nil, p.fault(p.at, fmt.Sprintf("unexpected %q", p.peek()), "arguments are separated by commas; there are no operators + and &, AND and OR")
	}
}

func (p *parser) argument(depth int, fn *function, index int) (*Node, error) {
	p.space()
	start := p.at
	if c := p.peek(); c == ',' || c == ')' {
		return &Node{Kind: OmittedNode, Pos: start}, nil
	}
	if isLetter(p.peek()) {
		if w := p.word(); w == "vbTextCompare" || w == "vbBinaryCompare" {
			if fn.enum-1 != index || fn.enum == 0 {
				return nil, p.fault(start, w+" is not allowed here", "it is the fourth argument of InStr")
			}
			return &Node{Kind: EnumNode, Name: w, Pos: start}, nil
		}
		p.at = start
	}
	left, err := p.expr(depth)
	if err != nil {
		return nil, err
	}
	p.space()
	op := p.operator()
	if op == "" {
		return left, nil
	}
	if !fn.condition || index != 0 {
		return nil, p.fault(start, "a comparison is not allowed here", "comparisons are the first argument of IIF and CBool")
	}
	p.space()
	right, err := p.expr(depth)
	if err != nil {
		return nil, err
	}
	return &Node{Kind: ComparisonNode, Name: op, Args: []*Node{left, right}, Pos: start}, nil
}

func (p *parser) operator() string {
	for _, op := range [...]string{"<>", ">=", "<=", "=", ">", "<"} {
		if strings.HasPrefix(string(p.src[p.at:min(p.at+2, len(p.src))]), op) {
			p.at += len(op)
			return op
		}
	}
	return ""
}

func (p *parser) word() string {
	start := p.at
	for c := p.peek(); isLetter(c) || isDigit(c) || c == '_'; c = p.peek() {
		p.at++
	}
	return string(p.src[start:p.at])
}

// check compares the call with the function's signature.
func (p *parser) check(n *Node, fn *function) error {
	// A call that ends in omitted arguments is the call without them.
	given := len(n.Args)
	for given > 0 && n.Args[given-1].Kind == OmittedNode {
		given--
	}
	if given > fn.max {
		return p.fault(n.Pos, fmt.Sprintf("%s has %d arguments", n.Name, given), "it takes "+fn.arity())
	}
	n.Args = n.Args[:min(len(n.Args), fn.max)]
	if len(n.Args) < fn.min {
		return p.fault(n.Pos, fmt.Sprintf("%s has %d arguments", n.Name, len(n.Args)), "it takes "+fn.arity())
	}
	for i, required := range fn.required {
		if required && (i >= len(n.Args) || n.Args[i].Kind == OmittedNode) {
			return p.fault(n.Pos, fmt.Sprintf("argument %d of %s is missing", i+1, n.Name), "")
		}
	}
	if fn.check != nil {
		if message := fn.check(n); message != "" {
			return p.fault(n.Pos, n.Name+": "+message, "")
		}
	}
	return nil
}

// String prints the expression so that Parse gives the same tree again.
func (n *Node) String() string {
	var b strings.Builder
	n.print(&b)
	return b.String()
}

func (n *Node) print(b *strings.Builder) {
	switch n.Kind {
	case FunctionNode:
		b.WriteString(n.Name)
		b.WriteByte('(')
		for i, a := range n.Args {
			if i > 0 {
				b.WriteString(", ")
			}
			a.print(b)
		}
		b.WriteByte(')')
	case AttributeNode:
		b.WriteString("[" + n.Name + "]")
	case ConstantNode:
		if n.Value.Kind() != Text {
			b.WriteString(n.Value.String())
			return
		}
		b.WriteString(Quote(n.Value.text))
	case ComparisonNode:
		n.Args[0].print(b)
		b.WriteString(" " + n.Name + " ")
		n.Args[1].print(b)
	case EnumNode:
		b.WriteString(n.Name)
	}
}

// Quote writes a text as a constant of the language.
func Quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

// Walk calls visit for the node and everything below it, parents first.
func (n *Node) Walk(visit func(*Node)) {
	visit(n)
	for _, a := range n.Args {
		a.Walk(visit)
	}
}

// Attributes lists the source attributes the expression reads, each once, in
// order of appearance.
func (n *Node) Attributes() []string {
	var names []string
	seen := map[string]bool{}
	n.Walk(func(m *Node) {
		if m.Kind == AttributeNode && !seen[m.Name] {
			seen[m.Name] = true
			names = append(names, m.Name)
		}
	})
	return names
}

// Calls reports whether any of the named functions is called.
func (n *Node) Calls(names ...string) bool {
	found := false
	n.Walk(func(m *Node) {
		for _, name := range names {
			found = found || m.Kind == FunctionNode && m.Name == name
		}
	})
	return found
}

// Volatile reports whether two evaluations of the same object may differ (SYN-92).
func (n *Node) Volatile() bool { return n.Calls("Guid", "RandomString", "Now", "SelectUniqueValue") }

// Redacted reports whether logs must not show the result (SYN-126).
func (n *Node) Redacted() bool { return n.Calls("Redact") }

// Nearest returns the entry of names that is spelled most like name.
func Nearest(name string, names []string) string {
	best, distance := "", 1<<30
	for _, candidate := range names {
		if d := editDistance(strings.ToLower(name), strings.ToLower(candidate)); d < distance {
			best, distance = candidate, d
		}
	}
	return best
}

func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		previous := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := previous
			if a[i] != b[j] {
				cost++
			}
			previous = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

func isDigit(c rune) bool  { return c >= '0' && c <= '9' }
func isLetter(c rune) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }
func isHex(c rune) bool {
	return isDigit(c) || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}
