package expression

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// token is a piece of a custom date format: a run of one letter with a
// meaning, or literal text (letter 0).
type token struct {
	letter byte
	n      int
	text   string
}

// tokens splits a custom format such as `M/d/yyyy hh:mm:ss tt` (SYN-108).
func tokens(format string) []token {
	var list []token
	literal := func(s string) { list = append(list, token{text: s}) }
	for i := 0; i < len(format); {
		c := format[i]
		switch {
		case strings.IndexByte("yMdHhmsftzK", c) >= 0:
			n := 1
			for i+n < len(format) && format[i+n] == c {
				n++
			}
			list = append(list, token{letter: c, n: n})
			i += n
		case c == '\'' || c == '"':
			end := strings.IndexByte(format[i+1:], c)
			if end < 0 {
				literal(format[i+1:])
				return list
			}
			literal(format[i+1 : i+1+end])
			i += end + 2
		case c == '\\' && i+1 < len(format):
			_, size := utf8.DecodeRuneInString(format[i+1:])
			literal(format[i+1 : i+1+size])
			i += 1 + size
		case c == '%':
			i++
		default:
			_, size := utf8.DecodeRuneInString(format[i:])
			literal(format[i : i+size])
			i += size
		}
	}
	return list
}

// printCustom writes a moment in UTC by a custom format, with English names.
func printCustom(t time.Time, format string) string {
	var b strings.Builder
	number := func(n, width int) { fmt.Fprintf(&b, "%0*d", min(width, 2), n) }
	for _, k := range tokens(format) {
		switch k.letter {
		case 0:
			b.WriteString(k.text)
		case 'y':
			if k.n <= 2 {
				number(t.Year()%100, k.n)
			} else {
				fmt.Fprintf(&b, "%0*d", k.n, t.Year())
			}
		case 'M':
			switch {
			case k.n >= 4:
				b.WriteString(t.Month().String())
			case k.n == 3:
				b.WriteString(t.Month().String()[:3])
			default:
				number(int(t.Month()), k.n)
			}
		case 'd':
			switch {
			case k.n >= 4:
				b.WriteString(t.Weekday().String())
			case k.n == 3:
				b.WriteString(t.Weekday().String()[:3])
			default:
				number(t.Day(), k.n)
			}
		case 'H':
			number(t.Hour(), k.n)
		case 'h':
			number((t.Hour()+11)%12+1, k.n)
		case 'm':
			number(t.Minute(), k.n)
		case 's':
			number(t.Second(), k.n)
		case 'f':
			b.WriteString(fmt.Sprintf("%09d", t.Nanosecond())[:min(k.n, 7)])
		case 't':
			b.WriteString(t.Format("PM")[:min(k.n, 2)])
		case 'z':
			b.WriteString([]string{"+0", "+00", "+00:00"}[min(k.n, 3)-1])
		case 'K':
			b.WriteByte('Z')
		}
	}
	return b.String()
}

// fields collects what a text says while it is read by a custom format.
type fields struct {
	year, month, day, hour, minute, second, nano int
	pm, half                                     bool
	offset                                       time.Duration
}

// parseCustom reads a moment by a custom format; an offset in the text makes
// it UTC.
func parseCustom(s, format string, innerWhite bool) (time.Time, error) {
	f := fields{year: 1, month: 1, day: 1}
	rest := s
	for _, k := range tokens(format) {
		if innerWhite {
			rest = strings.TrimLeft(rest, " \t")
			if k.letter == 0 && strings.TrimSpace(k.text) == "" {
				continue
			}
		}
		var ok bool
		if rest, ok = f.read(rest, k); !ok {
			return time.Time{}, failed("the text does not fit the date format")
		}
	}
	if rest != "" {
		return time.Time{}, failed("the text does not fit the date format")
	}
	if f.half {
		if f.hour < 1 || f.hour > 12 {
			return time.Time{}, failed("the hour is outside 1 to 12")
		}
		f.hour %= 12
		if f.pm {
			f.hour += 12
		}
	}
	t := time.Date(f.year, time.Month(f.month), f.day, f.hour, f.minute, f.second, f.nano, time.UTC)
	if t.Day() != f.day || int(t.Month()) != f.month || t.Hour() != f.hour || f.minute > 59 || f.second > 59 {
		return time.Time{}, failed("the text is no date")
	}
	return t.Add(-f.offset), nil
}

// read consumes the text of one token.
func (f *fields) read(s string, k token) (string, bool) {
	number := func(into *int, low, high int) (string, bool) {
		n := 0
		for n < len(s) && n < high && s[n] >= '0' && s[n] <= '9' {
			n++
		}
		if n < low {
			return s, false
		}
		v, err := strconv.Atoi(s[:n])
		*into = v
		return s[n:], err == nil
	}
	switch k.letter {
	case 0:
		return strings.TrimPrefix(s, k.text), strings.HasPrefix(s, k.text)
	case 'y':
		if k.n <= 2 {
			rest, ok := number(&f.year, k.n, 2)
			// Two digits are read as the .NET calendar does: up to 2029, then 1930.
			if f.year += 2000; f.year > 2029 {
				f.year -= 100
			}
			return rest, ok
		}
		return number(&f.year, min(k.n, 4), 4)
	case 'M':
		if k.n >= 3 {
			return f.name(s, k.n == 3, func(i int) string { return time.Month(i + 1).String() }, 12, &f.month)
		}
		return number(&f.month, k.n, 2)
	case 'd':
		if k.n >= 3 {
			var ignored int
			return f.name(s, k.n == 3, func(i int) string { return time.Weekday(i).String() }, 7, &ignored)
		}
		return number(&f.day, k.n, 2)
	case 'H':
		return number(&f.hour, min(k.n, 2), 2)
	case 'h':
		f.half = true
		return number(&f.hour, min(k.n, 2), 2)
	case 'm':
		return number(&f.minute, min(k.n, 2), 2)
	case 's':
		return number(&f.second, min(k.n, 2), 2)
	case 'f':
		width := min(k.n, 7)
		rest, ok := number(&f.nano, width, width)
		for range 9 - width {
			f.nano *= 10
		}
		return rest, ok
	case 't':
		width := min(k.n, 2)
		if len(s) < width {
			return s, false
		}
		switch strings.ToUpper(s[:width]) {
		case "A", "AM":
		case "P", "PM":
			f.pm = true
		default:
			return s, false
		}
		f.half = true
		return s[width:], true
	case 'z', 'K':
		return f.zone(s, k)
	}
	return s, false
}

func (f *fields) name(s string, short bool, at func(int) string, n int, into *int) (string, bool) {
	for i := range n {
		name := at(i)
		if short {
			name = name[:3]
		}
		if len(s) >= len(name) && strings.EqualFold(s[:len(name)], name) {
			*into = i + 1
			return s[len(name):], true
		}
	}
	return s, false
}

// zone reads an offset such as Z, +2, +02 or +02:00.
func (f *fields) zone(s string, k token) (string, bool) {
	if s != "" && (s[0] == 'Z' || s[0] == 'z') {
		return s[1:], true
	}
	if k.letter == 'K' && (s == "" || s[0] != '+' && s[0] != '-') {
		return s, true
	}
	if s == "" || s[0] != '+' && s[0] != '-' {
		return s, false
	}
	sign := time.Duration(1)
	if s[0] == '-' {
		sign = -1
	}
	digits := func(s string, low int) (int, string, bool) {
		n := 0
		for n < len(s) && n < 2 && s[n] >= '0' && s[n] <= '9' {
			n++
		}
		v, err := strconv.Atoi(s[:n])
		return v, s[n:], err == nil && n >= low
	}
	hours, rest, ok := digits(s[1:], 1)
	minutes := 0
	if ok && (k.letter == 'K' || k.n >= 3) {
		if minutes, rest, ok = digits(strings.TrimPrefix(rest, ":"), 2); !ok {
			return s, false
		}
	}
	if !ok || hours > 14 || minutes > 59 {
		return s, false
	}
	f.offset = sign * (time.Duration(hours)*time.Hour + time.Duration(minutes)*time.Minute)
	return rest, true
}
