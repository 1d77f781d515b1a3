package graph

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// roots are the first segments that the facade knows; what begins with another
// one is meant below the current version.
var roots = []string{"v1.0", "beta", "entente"}

// below makes what a person or an answer calls a path the path and query of a
// request: a link loses its origin, a path without a version gets one.
func (c *Client) below(path string) (string, error) {
	if strings.Contains(path, "://") {
		u, err := url.Parse(Escape(path))
		if err != nil {
			return "", fmt.Errorf("%q is no link: %w", path, err)
		}
		// The host is not compared: a suite has several names, and what it calls
		// itself need not be how it was reached. The token goes to Origin in any case.
		return u.RequestURI(), nil
	}
	path = "/" + strings.TrimLeft(path, "/")
	first, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	if !slices.Contains(roots, first) {
		path = "/v1.0" + path
	}
	return Escape(path), nil
}

// Escape makes a path as people write it fit for a request line: blanks,
// letters beyond ASCII and the # of a guest's name become escapes, while what
// is escaped already and what parts path from query stays.
func Escape(path string) string {
	var b strings.Builder
	for i := range len(path) {
		ch := path[i]
		escaped := ch == '%' && i+2 < len(path) && isHex(path[i+1]) && isHex(path[i+2])
		if escaped || ch > ' ' && ch < 0x7f && !strings.ContainsRune("#\"<>\\^`{|}%", rune(ch)) {
			b.WriteByte(ch)
			continue
		}
		fmt.Fprintf(&b, "%%%02X", ch)
	}
	return b.String()
}

func isHex(ch byte) bool {
	return '0' <= ch && ch <= '9' || 'a' <= ch && ch <= 'f' || 'A' <= ch && ch <= 'F'
}
