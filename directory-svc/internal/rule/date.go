package rule

import (
	"regexp"
	"strconv"
	"strings"
	"time"
)

// dateTest reads a comparison of a date: with a time, in quotes or without,
// or with system.now and what lies before or after it.
func (p *parser) dateTest(prop Property) (condition, error) {
	op := p.take()
	name := strings.ToLower(op.value)
	cmp := comparisons[name]
	if (op.kind != word && op.kind != operator) || name != "eq" && name != "ne" && name != "le" && name != "ge" {
		return nil, p.fail(op, "-eq, -ne, -le or -ge was expected")
	}
	v := p.take()
	switch {
	case isNull(v) && cmp.ordered:
		return nil, p.fail(v, "null can be compared with -eq and -ne only")
	case isNull(v):
		null := cmp.null()
		return func(s Subject, _ time.Time) bool {
			_, ok := s.Time(prop)
			return null("", ok)
		}, nil
	case v.kind == word && v.names("system.now"):
		shift, err := p.shift()
		if err != nil {
			return nil, err
		}
		p.out.ByTime = true
		return cmp.date(name, prop, shift), nil
	}
	at, err := parseTime(v.value)
	if v.kind != text && v.kind != number || err != nil {
		return nil, p.fail(v, "a time such as 2026-01-31T00:00:00Z, or system.now, was expected")
	}
	return cmp.date(name, prop, func(time.Time) time.Time { return at }), nil
}

func parseTime(s string) (time.Time, error) {
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		return t, nil
	}
	return time.Parse(time.DateOnly, s)
}

// shift reads `-plus P…` or `-minus P…` after system.now.
func (p *parser) shift() (func(time.Time) time.Time, error) {
	sign := 1
	switch {
	case p.peek().names("minus"):
		sign = -1
	case !p.peek().names("plus"):
		return func(now time.Time) time.Time { return now }, nil
	}
	p.take()
	t := p.take()
	m := isoDuration.FindStringSubmatch(strings.ToUpper(t.value))
	if (t.kind != word && t.kind != text) || m == nil || len(t.value) < 3 {
		return nil, p.fail(t, "a duration such as P10D was expected")
	}
	var n [7]int
	for i := range n {
		n[i], _ = strconv.Atoi(m[i+1]) // absent parts are 0; the pattern admits digits only
	}
	clock := time.Duration(n[4])*time.Hour + time.Duration(n[5])*time.Minute + time.Duration(n[6])*time.Second
	return func(now time.Time) time.Time {
		return now.UTC().AddDate(sign*n[0], sign*n[1], sign*(7*n[2]+n[3])).Add(time.Duration(sign) * clock)
	}, nil
}

// Five digits at most per part: no date overflows.
var isoDuration = regexp.MustCompile(`^P(?:(\d{1,4})Y)?(?:(\d{1,5})M)?(?:(\d{1,5})W)?(?:(\d{1,5})D)?(?:T(?:(\d{1,5})H)?(?:(\d{1,5})M)?(?:(\d{1,5})S)?)?$`)
