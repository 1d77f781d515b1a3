package rule

import (
	"regexp"
	"strings"
	"time"
)

// condition answers for one user at one moment.
type condition func(s Subject, now time.Time) bool

func both(a, b condition) condition {
	return func(s Subject, now time.Time) bool { return a(s, now) && b(s, now) }
}

func either(a, b condition) condition {
	return func(s Subject, now time.Time) bool { return a(s, now) || b(s, now) }
}

func not(a condition) condition {
	return func(s Subject, now time.Time) bool { return !a(s, now) }
}

// test is an operator with its value: a question about one text, where ok
// tells a text from no value.
type test func(value string, ok bool) bool

// comparison is how an operator that has a positive form asks about a text.
// The negative forms are its exact opposites, for no value too (DIR-148).
type comparison struct {
	negated bool
	holds   func(value, literal string) bool
	ordered bool
}

var comparisons = map[string]comparison{
	"eq":            {holds: strings.EqualFold},
	"ne":            {holds: strings.EqualFold, negated: true},
	"startswith":    {holds: folded(strings.HasPrefix)},
	"notstartswith": {holds: folded(strings.HasPrefix), negated: true},
	"endswith":      {holds: folded(strings.HasSuffix)},
	"notendswith":   {holds: folded(strings.HasSuffix), negated: true},
	"contains":      {holds: folded(strings.Contains)},
	"notcontains":   {holds: folded(strings.Contains), negated: true},
	"match":         {},
	"notmatch":      {negated: true},
	"le":            {holds: func(v, l string) bool { return strings.ToLower(v) <= strings.ToLower(l) }, ordered: true},
	"ge":            {holds: func(v, l string) bool { return strings.ToLower(v) >= strings.ToLower(l) }, ordered: true},
}

func folded(f func(string, string) bool) func(string, string) bool {
	return func(v, l string) bool { return f(strings.ToLower(v), strings.ToLower(l)) }
}

func (c comparison) test(literal string) test {
	return func(value string, ok bool) bool { return (ok && c.holds(value, literal)) != c.negated }
}

func (c comparison) pattern(re *regexp.Regexp) test {
	return func(value string, ok bool) bool { return (ok && re.MatchString(value)) != c.negated }
}

// null asks whether there is a value at all.
func (c comparison) null() test {
	return func(_ string, ok bool) bool { return !ok != c.negated }
}

// among is -in and, negated, -notIn.
func among(literals []string, negated bool) test {
	known := make(map[string]bool, len(literals))
	for _, l := range literals {
		known[strings.ToLower(l)] = true
	}
	return func(value string, ok bool) bool { return (ok && known[strings.ToLower(value)]) != negated }
}

// date compares days, in UTC: a hire date has no meaningful time of day, so
// that `-eq system.now` means today.
func (c comparison) date(name string, p Property, at func(now time.Time) time.Time) condition {
	return func(s Subject, now time.Time) bool {
		v, ok := s.Time(p)
		if !ok {
			return c.negated
		}
		switch order := day(v).Compare(day(at(now))); name {
		case "le":
			return order <= 0
		case "ge":
			return order >= 0
		default:
			return (order == 0) != c.negated
		}
	}
}

func day(t time.Time) time.Time { return t.UTC().Truncate(24 * time.Hour) }
