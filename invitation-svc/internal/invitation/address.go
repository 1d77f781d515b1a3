package invitation

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"
	"golang.org/x/text/unicode/norm"
)

// banned are the characters that no local part of an invited address may
// hold (INV-9), although mail itself allows some of them.
const banned = "~!#$%^&*()=[]{}\\/|;:\"<>?,"

// Limits of an address.
const (
	minAddress = 3
	maxAddress = 254
	maxLocal   = 64
)

// Address is an invited mail address. The zero value is none.
type Address struct {
	typed  string // trimmed, as the inviter wrote it
	local  string // lower case
	domain string // lower-case A-label
}

// ParseAddress reads an address. With strict, `+` is refused too (OP-1). The
// answer's second value is what is wrong, empty when nothing is.
func ParseAddress(text string, strict bool) (Address, string) {
	text = norm.NFC.String(strings.TrimFunc(text, unicode.IsSpace))
	if len(text) < minAddress || len(text) > maxAddress {
		return Address{}, "it must have 3 to 254 characters"
	}
	local, host, found := strings.Cut(text, "@")
	if !found || strings.Contains(host, "@") {
		return Address{}, "it must have exactly one @"
	}
	if fault := localFault(local, strict); fault != "" {
		return Address{}, fault
	}
	domain, ok := asciiDomain(host)
	if !ok {
		return Address{}, "its domain is not valid"
	}
	return Address{typed: text, local: strings.ToLower(local), domain: domain}, ""
}

func localFault(local string, strict bool) string {
	if local == "" || len(local) > maxLocal {
		return "its local part must have 1 to 64 characters"
	}
	for _, r := range local {
		switch {
		case r <= ' ' || r >= 0x7f:
			return "its local part must be printable ASCII"
		case strings.ContainsRune(banned, r), strict && r == '+':
			return "its local part holds a character that is not allowed"
		}
	}
	first, last := local[0], local[len(local)-1]
	if first == '.' || first == '-' || last == '.' || last == '-' || strings.Contains(local, "..") {
		return "its local part has a dot or dash where none may be"
	}
	return ""
}

// asciiDomain is the lower-case A-label form of a dotted domain name.
func asciiDomain(host string) (string, bool) {
	if strings.HasSuffix(host, ".") || strings.ContainsAny(host, " \t\r\n\x00[]%/\\:") {
		return "", false
	}
	domain, err := idna.Lookup.ToASCII(host)
	if err != nil || len(domain) > 253 || !strings.Contains(domain, ".") || !utf8.ValidString(host) {
		return "", false
	}
	// What would be read as another name, or as none, the next time is none.
	if again, err := idna.Lookup.ToASCII(domain); err != nil || again != domain {
		return "", false
	}
	labels := strings.Split(domain, ".")
	for _, label := range labels {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return "", false
		}
		for _, c := range []byte(label) {
			if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
				return "", false
			}
		}
	}
	if top := labels[len(labels)-1]; strings.Trim(top, "0123456789") == "" {
		return "", false // an IPv4 address is no domain
	}
	return domain, true
}

// Typed is the address as the inviter wrote it, for display and for the mail.
func (a Address) Typed() string { return a.typed }

// Local is the part before the @, as typed.
func (a Address) Local() string {
	local, _, _ := strings.Cut(a.typed, "@")
	return local
}

// Domain is the lower-case A-label form of the part after the @.
func (a Address) Domain() string { return a.domain }

// Mailbox is the address for the envelope of a mail: the local part as typed
// before an ASCII domain.
func (a Address) Mailbox() string { return a.Local() + "@" + a.domain }

// IsZero reports that there is no address.
func (a Address) IsZero() bool { return a.domain == "" }

// Key is equal for two addresses exactly when sameAddress of INV-5 holds.
func (a Address) Key() string {
	domain := a.domain
	if domain == "googlemail.com" {
		domain = "gmail.com"
	}
	return a.local + "@" + domain
}

// Same is sameAddress of INV-5.
func (a Address) Same(b Address) bool { return !a.IsZero() && a.Key() == b.Key() }

// Masked is the address for a page that anybody may see: it says enough to be
// recognised by its owner and not enough to be used by others.
func (a Address) Masked() string {
	if a.IsZero() {
		return ""
	}
	label, rest, _ := strings.Cut(a.domain, ".")
	return a.local[:1] + "•••@" + label[:1] + "•••." + rest
}
