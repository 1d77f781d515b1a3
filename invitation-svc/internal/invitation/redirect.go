package invitation

import (
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// maxRedirect is the most characters of a redirect URL.
const maxRedirect = 2048

// Redirect is where an invitee lands. It is checked when the invitation is
// made and again when the browser is sent there, by the same function.
type Redirect struct {
	text string
	host string // lower-case A-label or address, without port
}

// ParseRedirect reads an inviteRedirectUrl (INV-9, INV-173): absolute http or
// https with a host, and none of the spellings that one program reads as
// another place than the next. The second value is what is wrong.
func ParseRedirect(text string) (Redirect, string) {
	if text == "" {
		return Redirect{}, "a value is required"
	}
	if utf8.RuneCountInString(text) > maxRedirect || !utf8.ValidString(text) {
		return Redirect{}, "it must be text of at most 2048 characters"
	}
	for _, r := range text {
		if r == '\\' || unicode.IsSpace(r) || unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == utf8.RuneError {
			return Redirect{}, "it must not hold blanks, backslashes or control characters"
		}
	}
	scheme, rest, found := strings.Cut(text, "://")
	if !found || !strings.EqualFold(scheme, "https") && !strings.EqualFold(scheme, "http") {
		return Redirect{}, "it must be an absolute http or https URL"
	}
	// Three slashes leave the host to whoever guesses it.
	if rest == "" || strings.HasPrefix(rest, "/") {
		return Redirect{}, "it must have a host"
	}
	u, err := url.Parse(text)
	if err != nil || u.Opaque != "" || u.Host == "" || u.User != nil {
		return Redirect{}, "it must be an absolute http or https URL without user information"
	}
	authority, _, _ := strings.Cut(rest, "/")
	authority, _, _ = strings.Cut(authority, "?")
	authority, _, _ = strings.Cut(authority, "#")
	if authority != u.Host || strings.ContainsAny(authority, "@%") {
		return Redirect{}, "its host is not valid"
	}
	host, ok := redirectHost(u)
	if !ok {
		return Redirect{}, "its host is not valid"
	}
	return Redirect{text: text, host: host}, ""
}

func redirectHost(u *url.URL) (string, bool) {
	if port := u.Port(); port != "" {
		if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
			return "", false
		}
	} else if strings.HasSuffix(u.Host, ":") {
		return "", false
	}
	name := u.Hostname()
	if strings.HasPrefix(u.Host, "[") {
		ip, err := netip.ParseAddr(name)
		return ip.String(), err == nil && ip.Is6() && ip.Zone() == ""
	}
	if ip, err := netip.ParseAddr(name); err == nil {
		return ip.String(), true
	}
	if strings.EqualFold(name, "localhost") {
		return "localhost", true
	}
	if single, err := idna.Lookup.ToASCII(name); err == nil && single != "" && !strings.Contains(single, ".") && !numeric(single) {
		return single, true // a name of one's own network
	}
	return asciiDomain(name)
}

// numeric tells the decimal, octal and hexadecimal spellings of an address,
// which only some programs read as one.
func numeric(host string) bool {
	_, err := strconv.ParseUint(host, 0, 64)
	return err == nil || strings.Trim(host, "0123456789") == ""
}

// String is the URL as the inviter wrote it.
func (r Redirect) String() string { return r.text }

// Host is the place that a person is shown, in ASCII: a name written in a
// look-alike script shows as what it is.
func (r Redirect) Host() string { return r.host }

// IsZero reports that there is no URL.
func (r Redirect) IsZero() bool { return r.text == "" }

// Known reports whether the browser may be sent on without a click in between
// (INV-105): to the panel, or to a verified domain of the tenant or below one.
func (r Redirect) Known(panelHost string, verified []string) bool {
	return r.host != "" && (r.host == panelHost || r.under(verified))
}

// Within reports whether a tenant's list of hosts allows the URL; an empty
// list allows any.
func (r Redirect) Within(hosts []string) bool { return len(hosts) == 0 || r.under(hosts) }

func (r Redirect) under(hosts []string) bool {
	for _, h := range hosts {
		if h = strings.ToLower(h); h != "" && (r.host == h || strings.HasSuffix(r.host, "."+h)) {
			return true
		}
	}
	return false
}

// ParseHost reads one entry of a tenant's list of hosts.
func ParseHost(text string) (string, bool) {
	if strings.EqualFold(text, "localhost") {
		return "localhost", true
	}
	return asciiDomain(text)
}
