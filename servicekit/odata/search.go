package odata

import (
	"strings"
	"unicode"
	"unicode/utf8"

	optionspb "entente.dev/proto/gen/entente/options/v1"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Search is a $search: clauses joined by And and Or.
type Search interface{ search() }

// SearchTerm is one clause, `"property:text"`.
type SearchTerm struct {
	Property string
	Text     string
}

// SearchAnd holds where both sides hold.
type SearchAnd struct{ X, Y Search }

// SearchOr holds where one side holds.
type SearchOr struct{ X, Y Search }

func (SearchTerm) search() {}
func (SearchAnd) search()  {}
func (SearchOr) search()   {}

// ParseSearch reads a $search; blank text gives nil. Operators are upper case
// and AND binds tighter, as in Graph.
func ParseSearch(s string) (Search, error) {
	if strings.TrimSpace(s) == "" {
		return nil, nil
	}
	if len(s) > maxFilter {
		return nil, badFilter("The $search is longer than %d bytes.", maxFilter)
	}
	p := &searchParser{rest: s}
	e, err := p.or(0)
	if err == nil && strings.TrimSpace(p.rest) != "" {
		err = badSearch()
	}
	return e, err
}

func badSearch() error {
	return badFilter(`Invalid $search clause: write it as "property:text", joined by AND or OR.`)
}

type searchParser struct {
	rest  string
	terms int
}

func (p *searchParser) word(w string) bool {
	trimmed := strings.TrimLeft(p.rest, " ")
	after, ok := strings.CutPrefix(trimmed, w)
	if ok {
		p.rest = after
	}
	return ok
}

func (p *searchParser) or(depth int) (Search, error) {
	x, err := p.and(depth)
	for err == nil && p.word("OR") {
		var y Search
		y, err = p.and(depth)
		x = SearchOr{x, y}
	}
	return x, err
}

func (p *searchParser) and(depth int) (Search, error) {
	x, err := p.term(depth)
	for err == nil && p.word("AND") {
		var y Search
		y, err = p.term(depth)
		x = SearchAnd{x, y}
	}
	return x, err
}

func (p *searchParser) term(depth int) (Search, error) {
	if p.terms++; p.terms > maxNodes || depth > maxDepth {
		return nil, badSearch()
	}
	if p.word("(") {
		x, err := p.or(depth + 1)
		if err == nil && !p.word(")") {
			err = badSearch()
		}
		return x, err
	}
	if !p.word(`"`) {
		return nil, badSearch()
	}
	var b strings.Builder
	for i := 0; i < len(p.rest); i++ {
		switch c := p.rest[i]; {
		case c == '\\' && i+1 < len(p.rest):
			i++
			b.WriteByte(p.rest[i])
		case c == '"':
			p.rest = p.rest[i+1:]
			property, text, ok := strings.Cut(b.String(), ":")
			if !ok || !nameLike(property) || strings.TrimSpace(text) == "" || !utf8.ValidString(text) || strings.ContainsRune(text, 0) {
				return nil, badSearch()
			}
			return SearchTerm{property, strings.TrimSpace(text)}, nil
		default:
			b.WriteByte(c)
		}
	}
	return nil, badSearch()
}

// CompileSearch turns a search into SQL. eventual says that the request has
// ConsistencyLevel: eventual, which searches need (without $count).
func CompileSearch(md protoreflect.MessageDescriptor, columns Columns, e Search, eventual bool) (SQL, error) {
	if e == nil {
		return SQL{}, nil
	}
	if !eventual {
		return SQL{}, unsupported("Request with $search query parameter only works through MSGraph with a special request header: 'ConsistencyLevel: eventual'.")
	}
	return compileSearch(md, columns, e)
}

func compileSearch(md protoreflect.MessageDescriptor, columns Columns, e Search) (SQL, error) {
	switch e := e.(type) {
	case SearchAnd:
		return joinSearch(md, columns, e.X, " and ", e.Y)
	case SearchOr:
		return joinSearch(md, columns, e.X, " or ", e.Y)
	case SearchTerm:
		p, err := resolve(md, columns, Path{e.Property})
		if err != nil {
			return SQL{}, err
		}
		if !p.stored || p.support.Search == optionspb.Property_supportNone {
			return SQL{}, unsupported("Property '%s' of resource '%s' cannot be searched.", p.name, resourceName(md))
		}
		if p.column.Words == nil {
			return SQL{p.operand() + " ^@ ?::text", []any{Fold(e.Text)}}, nil
		}
		return words(p.column.Words, e.Text), nil
	}
	return SQL{}, badSearch()
}

func joinSearch(md protoreflect.MessageDescriptor, columns Columns, x Search, op string, y Search) (SQL, error) {
	a, err := compileSearch(md, columns, x)
	if err != nil {
		return SQL{}, err
	}
	b, err := compileSearch(md, columns, y)
	if err != nil {
		return SQL{}, err
	}
	return SQL{"(" + a.Text + op + b.Text + ")", append(a.Args, b.Args...)}, nil
}

// words demands that each word begins some stored token of the row. Tokens in
// a table of their own are of collation "C".
func words(items *Items, text string) SQL {
	var out SQL
	for i, w := range split(text) {
		if i > 0 {
			out.Text += " and "
		}
		column := items.Columns[""].SQL
		if items.On == "" {
			out.Text += "exists (select 1 from " + items.From + " where " + column + " ^@ ?::text)"
			out.Args = append(out.Args, w)
			continue
		}
		// By bounds, which an index of the table fits, whoever plans it when.
		out.Text += "exists (select 1 from " + items.From + " where " + items.On + " and " + column + " >= ?::text and " + column + " < ?::text)"
		out.Args = append(out.Args, w, w+string(unicode.MaxRune))
	}
	if out.Text == "" { // symbols alone
		return SQL{"false", nil}
	}
	out.Text = "(" + out.Text + ")"
	return out
}

// SearchTokens are the tokens to store for a text that is searched by token
// (DIR-206): its words, split where spaces, symbols, digits or capitals
// begin, and joined again where only symbols stood between.
func SearchTokens(text string) []string {
	seen := make(map[string]bool)
	var out []string
	add := func(t string) {
		if t != "" && !seen[t] {
			seen[t] = true
			out = append(out, t)
		}
	}
	for field := range strings.FieldsSeq(text) {
		parts := split(field)
		for _, part := range parts {
			add(part)
		}
		if len(parts) > 1 {
			add(strings.Join(parts, ""))
		}
	}
	return out
}

// split cuts text into folded words.
func split(text string) []string {
	var out []string
	var b strings.Builder
	flush := func() {
		if b.Len() > 0 {
			out = append(out, Fold(b.String()))
			b.Reset()
		}
	}
	var last rune
	for _, r := range text {
		switch {
		case !unicode.IsLetter(r) && !unicode.IsDigit(r):
			flush()
			last = 0
			continue
		case unicode.IsUpper(r) && unicode.IsLower(last), last != 0 && unicode.IsDigit(r) != unicode.IsDigit(last):
			flush()
		}
		b.WriteRune(r)
		last = r
	}
	flush()
	return out
}
