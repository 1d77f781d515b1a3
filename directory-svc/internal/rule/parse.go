package rule

import (
	"fmt"
	"iter"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
)

// Limits of DIR-142 and DIR-147.
const (
	MaxLength  = 3072
	MaxPattern = 512
	maxDepth   = 100
)

// SyntaxError says what is wrong with a rule and where.
type SyntaxError struct {
	At      int    // character the token begins at, from 1
	Token   string // empty at the end of the rule
	Problem string
}

func (e *SyntaxError) Error() string {
	if e.Token == "" {
		return fmt.Sprintf("position %d: %s", e.At, e.Problem)
	}
	return fmt.Sprintf("position %d near '%s': %s", e.At, e.Token, e.Problem)
}

// Rule is a membership rule that has been understood.
type Rule struct {
	// ReportsOf is the manager of a "Direct Reports for" rule.
	ReportsOf uuid.UUID
	// MembersOf are the groups of a user.memberOf rule.
	MembersOf []uuid.UUID
	// Properties are those the rule reads, sorted.
	Properties []Property
	// ByTime says that the answer changes as days pass.
	ByTime bool

	holds condition
}

// Match says whether the user belongs to the group at the moment now.
func (r Rule) Match(s Subject, now time.Time) bool { return r.holds(s, now) }

// Extensions are the whole names of the directory extensions the rule reads.
func (r Rule) Extensions() []string {
	var names []string
	for _, p := range r.Properties {
		if isExtension(string(p)) {
			names = append(names, string(p))
		}
	}
	return names
}

// Parse reads a rule by the grammar of DIR-143. Its errors are *SyntaxError.
func Parse(source string) (Rule, error) {
	if n := utf8.RuneCountInString(source); n > MaxLength {
		return Rule{}, &SyntaxError{At: MaxLength + 1, Problem: fmt.Sprintf("a rule has at most %d characters", MaxLength)}
	}
	all, err := tokens(source)
	if err != nil {
		return Rule{}, err
	}
	p := &parser{tokens: all}
	if err := p.rule(); err != nil {
		return Rule{}, err
	}
	slices.Sort(p.out.Properties)
	p.out.Properties = slices.Compact(p.out.Properties)
	return p.out, nil
}

type parser struct {
	tokens []token
	depth  int
	out    Rule
	// inside is the collection whose elements a quantifier asks about, nil
	// outside of -any and -all.
	inside *class
}

// element is the member of a collection that a quantifier looks at.
type element struct {
	plan Plan
	text string
}

func (p *parser) peek() token { return p.tokens[0] }

func (p *parser) take() token {
	t := p.tokens[0]
	if t.kind != end {
		p.tokens = p.tokens[1:]
	}
	return t
}

func (p *parser) fail(t token, format string, args ...any) error {
	return &SyntaxError{At: t.at, Token: t.raw, Problem: fmt.Sprintf(format, args...)}
}

func (p *parser) expect(mark string) error {
	if t := p.take(); !t.is(mark) {
		return p.fail(t, "'%s' was expected", mark)
	}
	return nil
}

func (p *parser) keyword(k string) error {
	if t := p.take(); !t.names(k) {
		return p.fail(t, "'%s' was expected", k)
	}
	return nil
}

func (p *parser) rule() (err error) {
	switch t := p.peek(); {
	case t.kind == word && t.names("Direct"):
		err = p.directReports()
	case t.kind == word && t.names("user.memberOf"):
		err = p.memberOf()
	default:
		p.out.holds, err = p.or()
	}
	if err != nil {
		return err
	}
	if t := p.peek(); t.kind != end {
		return p.fail(t, "the rule should end here, or go on with -and or -or")
	}
	return nil
}

// directReports reads `Direct Reports for "{id}"`.
func (p *parser) directReports() (err error) {
	p.take()
	for _, k := range []string{"Reports", "for"} {
		if err := p.keyword(k); err != nil {
			return err
		}
	}
	if p.out.ReportsOf, err = p.id(); err != nil {
		return err
	}
	manager := p.out.ReportsOf
	p.out.holds = func(s Subject, _ time.Time) bool { return s.Manager() == manager }
	return nil
}

// memberOf reads `user.memberOf -any (group.objectId -in ['{id}', …])`.
func (p *parser) memberOf() error {
	p.take()
	if err := p.keyword("any"); err != nil {
		return err
	}
	if err := p.expect("("); err != nil {
		return err
	}
	for _, k := range []string{"group.objectId", "in"} {
		if err := p.keyword(k); err != nil {
			return err
		}
	}
	if err := p.list(func() error {
		id, err := p.id()
		p.out.MembersOf = append(p.out.MembersOf, id)
		return err
	}); err != nil {
		return err
	}
	groups := p.out.MembersOf
	p.out.holds = func(s Subject, _ time.Time) bool { return slices.ContainsFunc(groups, s.In) }
	return p.expect(")")
}

func (p *parser) id() (uuid.UUID, error) {
	t := p.take()
	id, err := uuid.Parse(t.value)
	if t.kind != text || err != nil || len(t.value) != 36 {
		return uuid.UUID{}, p.fail(t, "an object id in quotes was expected")
	}
	return id, nil
}

// list reads `[item, …]` with at least one item.
func (p *parser) list(item func() error) error {
	if err := p.expect("["); err != nil {
		return err
	}
	for {
		if err := item(); err != nil {
			return err
		}
		switch t := p.take(); {
		case t.is("]"):
			return nil
		case !t.is(","):
			return p.fail(t, "',' or ']' was expected")
		}
	}
}

func (p *parser) or() (condition, error)  { return p.joined("or", p.and, either) }
func (p *parser) and() (condition, error) { return p.joined("and", p.not, both) }

func (p *parser) joined(k string, part func() (condition, error), join func(a, b condition) condition) (condition, error) {
	left, err := part()
	for err == nil && p.peek().names(k) {
		p.take()
		var right condition
		if right, err = part(); err == nil {
			left = join(left, right)
		}
	}
	return left, err
}

func (p *parser) not() (condition, error) {
	if !p.peek().names("not") {
		return p.primary()
	}
	p.take()
	c, err := p.primary()
	if err != nil {
		return nil, err
	}
	return not(c), nil
}

func (p *parser) primary() (condition, error) {
	t := p.peek()
	if p.depth++; p.depth > maxDepth {
		return nil, p.fail(t, "the rule is nested too deeply")
	}
	defer func() { p.depth-- }()
	if !t.is("(") {
		if p.inside != nil {
			return p.elementTest()
		}
		return p.userTest()
	}
	p.take()
	c, err := p.or()
	if err != nil {
		return nil, err
	}
	return c, p.expect(")")
}

// userTest reads a test of a property of the user, or a quantifier over one
// of its collections.
func (p *parser) userTest() (condition, error) {
	t := p.take()
	scope, name, found := strings.Cut(t.value, ".")
	if t.kind != word || !found {
		return nil, p.fail(t, "a property such as user.department was expected")
	}
	if !strings.EqualFold(scope, "user") {
		return nil, p.fail(t, "only rules for users are supported")
	}
	prop, c, ok := propertyOf(name)
	if !ok {
		return nil, p.fail(t, "the property is unknown")
	}
	p.out.Properties = append(p.out.Properties, prop)
	next := p.peek()
	if next.names("any") || next.names("all") {
		if c != texts && c != plans {
			return nil, p.fail(next, "-any and -all need a collection")
		}
		p.take()
		return p.quantifier(prop, c, next.names("all"))
	}
	switch c {
	case moment:
		return p.dateTest(prop)
	case plans:
		return nil, p.fail(next, "assignedPlans needs -any or -all")
	}
	test, negated, err := p.test(c)
	if err != nil {
		return nil, err
	}
	switch c {
	case boolean:
		return func(s Subject, _ time.Time) bool {
			v, ok := s.Bool(prop)
			return test(fmt.Sprint(v), ok)
		}, nil
	case texts:
		return func(s Subject, _ time.Time) bool { return overall(s.Texts(prop), test, negated) }, nil
	}
	return func(s Subject, _ time.Time) bool { return test(s.Text(prop)) }, nil
}

// overall is a plain operator on a collection: some element for a positive
// operator, no element against a negative one (DIR-149).
func overall(values []string, test test, negated bool) bool {
	if len(values) == 0 {
		return test("", false)
	}
	fails := func(v string) bool { return !test(v, true) }
	if negated {
		return !slices.ContainsFunc(values, fails)
	}
	return slices.ContainsFunc(values, func(v string) bool { return test(v, true) })
}

// quantifier reads the condition on the elements of a collection.
func (p *parser) quantifier(prop Property, c class, all bool) (condition, error) {
	p.inside = &c
	holds, err := p.primary()
	p.inside = nil
	if err != nil {
		return nil, err
	}
	// Over no element, -any is false and -all is true (DIR-149).
	return func(s Subject, now time.Time) bool {
		for e := range elements(s, prop, c) {
			if holds(elementSubject{s, e}, now) != all {
				return !all
			}
		}
		return all
	}, nil
}

// elementSubject hands the element of a quantifier to the tests inside it.
type elementSubject struct {
	Subject
	element
}

func elements(s Subject, prop Property, c class) iter.Seq[element] {
	return func(yield func(element) bool) {
		if c == texts {
			for _, t := range s.Texts(prop) {
				if !yield(element{text: t}) {
					return
				}
			}
			return
		}
		for _, plan := range s.Plans() {
			if !yield(element{plan: plan}) {
				return
			}
		}
	}
}

// elementTest reads a test inside a quantifier: `_` is a text, members of
// `assignedPlan` belong to a plan.
func (p *parser) elementTest() (condition, error) {
	t := p.take()
	var read func(element) string
	switch {
	case *p.inside == texts && t.value == "_" && t.kind == word:
		read = func(e element) string { return e.text }
	case *p.inside == plans && t.names("assignedPlan.service"):
		read = func(e element) string { return e.plan.Service }
	case *p.inside == plans && t.names("assignedPlan.servicePlanId"):
		read = func(e element) string { return e.plan.ServicePlanID }
	case *p.inside == plans && t.names("assignedPlan.capabilityStatus"):
		read = func(e element) string { return e.plan.CapabilityStatus }
	case *p.inside == texts:
		return nil, p.fail(t, "'_' was expected")
	default:
		return nil, p.fail(t, "assignedPlan.service, assignedPlan.servicePlanId or assignedPlan.capabilityStatus was expected")
	}
	test, _, err := p.test(str)
	if err != nil {
		return nil, err
	}
	return func(s Subject, _ time.Time) bool {
		v := read(s.(elementSubject).element)
		return test(v, v != "")
	}, nil
}

// test reads an operator with its value.
func (p *parser) test(c class) (t test, negated bool, err error) {
	op := p.take()
	name := strings.ToLower(op.value)
	if op.kind != word && op.kind != operator {
		return nil, false, p.fail(op, "an operator was expected")
	}
	if name == "in" || name == "notin" {
		if c == boolean {
			return nil, false, p.fail(op, "the operator cannot be used with a Boolean")
		}
		var values []string
		err := p.list(func() error {
			v, err := p.text()
			values = append(values, v)
			return err
		})
		return among(values, name == "notin"), name == "notin", err
	}
	cmp, ok := comparisons[name]
	if !ok {
		return nil, false, p.fail(op, "the operator is unknown")
	}
	if c == boolean && name != "eq" && name != "ne" {
		return nil, false, p.fail(op, "the operator cannot be used with a Boolean")
	}
	if isNull(p.peek()) {
		if null := p.take(); name != "eq" && name != "ne" {
			return nil, false, p.fail(null, "null can be compared with -eq and -ne only")
		}
		return cmp.null(), cmp.negated, nil
	}
	if c == boolean {
		v := p.take()
		if (v.kind != word && v.kind != text) || !strings.EqualFold(v.value, "true") && !strings.EqualFold(v.value, "false") {
			return nil, false, p.fail(v, "true or false was expected")
		}
		return cmp.test(v.value), cmp.negated, nil
	}
	at := p.peek()
	v, err := p.text()
	if err != nil {
		return nil, false, err
	}
	if name != "match" && name != "notmatch" {
		return cmp.test(v), cmp.negated, nil
	}
	if len(v) > MaxPattern {
		return nil, false, p.fail(at, "a pattern has at most %d characters", MaxPattern)
	}
	re, err := regexp.Compile("(?i)" + v)
	if err != nil {
		return nil, false, p.fail(at, "the pattern is not a valid regular expression")
	}
	return cmp.pattern(re), cmp.negated, nil
}

func isNull(t token) bool { return t.kind == word && (t.names("null") || t.names("$null")) }

// text reads a quoted value. Without quotes only null, Booleans, numbers and
// times are values, and none of them is a text.
func (p *parser) text() (string, error) {
	t := p.take()
	switch {
	case isNull(t):
		return "", p.fail(t, "null can be compared with -eq and -ne only")
	case t.kind != text:
		return "", p.fail(t, "a text in quotes was expected")
	}
	return t.value, nil
}
