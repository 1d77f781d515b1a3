package address

import (
	"strings"
)

// Fold is the form in which names and addresses compare: without regard to
// case. It equals what the key columns of the database hold.
func Fold(s string) string { return strings.ToLower(s) }

// maxLength is the limit of an address in SMTP (RFC 5321, 4.5.3.1.3).
const maxLength = 254

// IsMail reports whether s is a plain SMTP address: one at sign, an ASCII
// local part of RFC 5322 atoms and a domain. Quoted local parts, comments and
// accented letters are refused (DIR-12).
func IsMail(s string) bool {
	local, domain, ok := Split(s)
	if !ok || len(s) > maxLength || len(local) > 64 || local[0] == '.' || local[len(local)-1] == '.' {
		return false
	}
	previous := byte(0)
	for i := range len(local) {
		c := local[i]
		if !isLocal(c) || c == '.' && previous == '.' {
			return false
		}
		previous = c
	}
	return IsDomain(domain)
}

// Split cuts an address at its only at sign; ok is false when there is none,
// more than one, or an empty half.
func Split(s string) (local, domain string, ok bool) {
	local, domain, ok = strings.Cut(s, "@")
	if !ok || local == "" || domain == "" || strings.Contains(domain, "@") {
		return "", "", false
	}
	return local, domain, true
}

func isLocal(c byte) bool {
	switch {
	case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
		return true
	}
	return strings.IndexByte("!#$%&'*+-/=?^_`{|}~.", c) >= 0
}

// IsDomain reports whether s is a DNS name of at least two labels of letters,
// digits and hyphens, at most 253 octets (DIR-27).
func IsDomain(s string) bool {
	if len(s) > 253 || !strings.Contains(s, ".") {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if !isLabel(label) {
			return false
		}
	}
	return true
}

func isLabel(s string) bool {
	if s == "" || len(s) > 63 || s[0] == '-' || s[len(s)-1] == '-' {
		return false
	}
	for i := range len(s) {
		c := s[i]
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-':
		default:
			return false
		}
	}
	return true
}

// Parents lists the names above domain, nearest first, without the top level:
// for a.b.example.org it gives b.example.org and example.org.
func Parents(domain string) []string {
	var parents []string
	for {
		_, rest, ok := strings.Cut(domain, ".")
		if !ok || !strings.Contains(rest, ".") {
			return parents
		}
		parents = append(parents, rest)
		domain = rest
	}
}
