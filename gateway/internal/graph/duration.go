package graph

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// formatDuration writes ISO 8601 with the units Graph uses: days, hours,
// minutes and seconds. 0 is `PT0S`.
func formatDuration(d time.Duration) string {
	var b strings.Builder
	if d < 0 {
		b.WriteByte('-')
		d = -d
	}
	b.WriteByte('P')
	if days := d / (24 * time.Hour); days > 0 {
		fmt.Fprintf(&b, "%dD", days)
		d -= days * 24 * time.Hour
		if d == 0 {
			return b.String()
		}
	}
	b.WriteByte('T')
	if h := d / time.Hour; h > 0 {
		fmt.Fprintf(&b, "%dH", h)
		d -= h * time.Hour
	}
	if m := d / time.Minute; m > 0 {
		fmt.Fprintf(&b, "%dM", m)
		d -= m * time.Minute
	}
	if d > 0 || strings.HasSuffix(b.String(), "T") {
		b.WriteString(strconv.FormatFloat(d.Seconds(), 'f', -1, 64))
		b.WriteByte('S')
	}
	return b.String()
}

// parseDuration reads ISO 8601 without years and months, whose length is not
// fixed. ok is false for anything else.
func parseDuration(s string) (d time.Duration, ok bool) {
	rest, negative := strings.CutPrefix(s, "-")
	rest, found := strings.CutPrefix(rest, "P")
	if !found || rest == "" {
		return 0, false
	}
	units := map[byte]time.Duration{'W': 7 * 24 * time.Hour, 'D': 24 * time.Hour}
	const limit = float64(1<<62) / float64(time.Second) // seconds that still fit
	var total float64
	for rest != "" {
		if rest[0] == 'T' {
			if units['H'] != 0 || len(rest) == 1 {
				return 0, false
			}
			units = map[byte]time.Duration{'H': time.Hour, 'M': time.Minute, 'S': time.Second}
			rest = rest[1:]
			continue
		}
		n := strings.IndexFunc(rest, func(r rune) bool { return (r < '0' || r > '9') && r != '.' })
		if n <= 0 || units[rest[n]] == 0 {
			return 0, false
		}
		v, err := strconv.ParseFloat(rest[:n], 64)
		if err != nil {
			return 0, false
		}
		total += v * units[rest[n]].Seconds()
		rest = rest[n+1:]
	}
	if total > limit {
		return 0, false
	}
	d = time.Duration(total * float64(time.Second))
	if negative {
		d = -d
	}
	return d, true
}
