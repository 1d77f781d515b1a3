package expression

import (
	"fmt"
	"math"
	"strings"
	"time"
)

// Ticks are units of 100 ns since the year 1601 in UTC, as Windows counts them.
const ticksTo1970 = 116_444_736_000_000_000

func ticks(t time.Time) int64 {
	return t.Unix()*10_000_000 + int64(t.Nanosecond()/100) + ticksTo1970
}

func fromTicks(n int64) time.Time {
	n -= ticksTo1970
	seconds, rest := n/10_000_000, n%10_000_000
	return time.Unix(seconds, rest*100).UTC()
}

// dateLayouts are the forms CDate reads (SYN-99). Without an offset a date is UTC.
var dateLayouts = []string{
	"2006-01-02", "2006-01-02Z07:00", "2006-01-02-07:00",
	"2006-01-02T15:04:05.9999999", "2006-01-02 15:04:05.9999999",
	"2006-01-02T15:04:05.9999999Z07:00", "2006-01-02 15:04:05.9999999Z07:00",
	"1/2/2006", "1/2/2006 3:04:05 PM",
}

func parseDate(s string) (time.Time, error) {
	s = strings.TrimSpace(s)
	for _, layout := range dateLayouts {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, failed("the text is no date in a supported form")
}

func toTime(v Value) (time.Time, error) {
	if t, ok := v.Time(); ok {
		return t, nil
	}
	s, err := text(v)
	if err != nil {
		return time.Time{}, err
	}
	return parseDate(s)
}

func cDate(_ *run, a []Value) (Value, error) {
	t, err := toTime(a[0])
	return DateTimeValue(t), err
}

func now(r *run, _ []Value) (Value, error) { return DateTimeValue(r.env.Now), nil }

func numFromDate(_ *run, a []Value) (Value, error) {
	t, err := toTime(a[0])
	return IntegerValue(ticks(t)), err
}

func dateFromNum(_ *run, a []Value) (Value, error) {
	n, err := whole(a[0])
	if err != nil {
		return NullValue, err
	}
	if t := fromTicks(n); n < 0 || t.Year() > 9999 {
		return NullValue, failed("the number is outside the range of dates")
	}
	return Value{kind: DateTime, num: n}, nil
}

func interval(n *Node) string {
	if n.Args[0].Kind != ConstantNode {
		return ""
	}
	switch n.Args[0].Value.String() {
	case "yyyy", "m", "d", "ww", "h", "n", "s":
		return ""
	}
	return "the interval is one of yyyy, m, d, ww, h, n, s"
}

func dateAdd(_ *run, a []Value) (Value, error) {
	n, err := whole(a[1])
	if err != nil {
		return NullValue, err
	}
	t, err := toTime(a[2])
	if err != nil {
		return NullValue, err
	}
	if n > math.MaxInt32 || n < math.MinInt32 {
		return NullValue, failed("the number is outside the range of dates")
	}
	switch a[0].String() {
	case "yyyy":
		t = addMonths(t, 12*n)
	case "m":
		t = addMonths(t, n)
	case "d":
		t = t.AddDate(0, 0, int(n))
	case "ww":
		t = t.AddDate(0, 0, int(7*n))
	case "h":
		t = time.Unix(t.Unix()+3600*n, int64(t.Nanosecond())).UTC()
	case "n":
		t = time.Unix(t.Unix()+60*n, int64(t.Nanosecond())).UTC()
	case "s":
		t = time.Unix(t.Unix()+n, int64(t.Nanosecond())).UTC()
	default:
		return NullValue, failed("unknown interval")
	}
	if t.Year() < 1601 || t.Year() > 9999 {
		return NullValue, failed("the result is outside the range of dates")
	}
	return DateTimeValue(t), nil
}

// addMonths keeps the day, or takes the last one of a shorter month.
func addMonths(t time.Time, n int64) time.Time {
	month := int64(t.Year())*12 + int64(t.Month()) - 1 + n
	year, m := int(month/12), time.Month(month%12+1)
	last := time.Date(year, m+1, 0, 0, 0, 0, 0, time.UTC).Day()
	return time.Date(year, m, min(t.Day(), last), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), time.UTC)
}

func dateDiff(_ *run, a []Value) (Value, error) {
	from, err := toTime(a[1])
	if err != nil {
		return NullValue, err
	}
	to, err := toTime(a[2])
	if err != nil {
		return NullValue, err
	}
	elapsed := ticks(to) - ticks(from)
	var n int64
	switch a[0].String() {
	case "yyyy":
		n = int64(to.Year() - from.Year())
	case "m":
		n = int64(12*(to.Year()-from.Year()) + int(to.Month()) - int(from.Month()))
	case "ww":
		n = week(to) - week(from)
	case "d":
		n = elapsed / 864_000_000_000
	case "h":
		n = elapsed / 36_000_000_000
	case "n":
		n = elapsed / 600_000_000
	case "s":
		n = elapsed / 10_000_000
	default:
		return NullValue, failed("unknown interval")
	}
	return IntegerValue(n), nil
}

// week numbers the weeks that begin on Sundays; day 0 of the count, the first
// of January 1601, was a Monday.
func week(t time.Time) int64 { return (ticks(t)/864_000_000_000 + 1) / 7 }

var styleNames = map[string]bool{"AllowLeadingWhite": true, "AllowTrailingWhite": true, "AllowInnerWhite": true, "AllowWhiteSpaces": true,
	"AssumeUniversal": true, "AdjustToUniversal": true, "RoundtripKind": true, "None": true}

func dateStyles(n *Node) string {
	if len(n.Args) < 2 || n.Args[1].Kind != ConstantNode {
		return ""
	}
	for _, s := range strings.Split(n.Args[1].Value.String(), ",") {
		if s = strings.TrimSpace(s); s != "" && !styleNames[s] {
			return fmt.Sprintf("unknown date style %q", s)
		}
	}
	return ""
}

func formatDateTime(_ *run, a []Value) (Value, error) {
	out, err := text(a[3])
	if err != nil {
		return NullValue, err
	}
	if t, ok := a[0].Time(); ok {
		return TextValue(printCustom(t, out)), nil
	}
	s, err := text(a[0])
	if err != nil {
		return NullValue, err
	}
	in, err := text(a[2])
	if err != nil {
		return NullValue, err
	}
	styles, err := text(a[1])
	if err != nil {
		return NullValue, err
	}
	every := strings.Contains(styles, "AllowWhiteSpaces")
	if every || strings.Contains(styles, "AllowLeadingWhite") {
		s = strings.TrimLeft(s, " \t")
	}
	if every || strings.Contains(styles, "AllowTrailingWhite") {
		s = strings.TrimRight(s, " \t")
	}
	t, err := parseCustom(s, in, every || strings.Contains(styles, "AllowInnerWhite"))
	if err != nil {
		return NullValue, err
	}
	return TextValue(printCustom(t, out)), nil
}

// ToDate reads a value as a moment, in the forms of CDate.
func ToDate(v Value) (Value, error) {
	t, err := toTime(v)
	return DateTimeValue(t), err
}
