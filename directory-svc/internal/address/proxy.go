package address

import (
	"slices"
	"strconv"
	"strings"

	"entente.dev/directory-svc/internal/property"
)

const mostProxies = 400

// Parse reads proxyAddresses of the wire (DIR-119): at most 400 entries of the
// kinds SMTP, SIP and X500, at most one `SMTP:` in capitals, none twice.
func Parse(list []string) ([]Proxy, error) {
	if len(list) > mostProxies {
		return nil, property.Refused("proxyAddresses", "At most %d addresses are expected.", mostProxies)
	}
	out := make([]Proxy, 0, len(list))
	seen := make(map[string]bool, len(list))
	primaries := 0
	for _, entry := range list {
		kind, text, found := strings.Cut(entry, ":")
		p := Proxy{Kind: Fold(kind), Address: text, Primary: kind == "SMTP"}
		ok := found && text != "" && !property.Padded(text)
		switch p.Kind {
		case "smtp":
			ok = ok && IsMail(text) && (kind == "SMTP" || kind == "smtp")
		case "sip", "x500":
		default:
			ok = false
		}
		if p.Primary {
			primaries++
		}
		if !ok || seen[p.Key()] || primaries > 1 {
			return nil, property.Refused("proxyAddresses", "Invalid value specified for property 'proxyAddresses': '%.200s'.", entry)
		}
		seen[p.Key()] = true
		out = append(out, p)
	}
	return out, nil
}

// MailOf is the primary mail address of the list, nil where there is none.
func MailOf(list []Proxy) *string {
	for _, p := range list {
		if p.Kind == "smtp" && p.Primary {
			return &p.Address
		}
	}
	return nil
}

// Proxy is one entry of proxyAddresses. On the wire it is the kind and the
// address with a colon between; a primary mail address has the kind in
// capitals.
type Proxy struct {
	Kind    string // lower case: smtp, sip, x500
	Address string
	Primary bool
}

// Primary makes the entry for a primary mail address.
func Primary(mail string) Proxy { return Proxy{Kind: "smtp", Address: mail, Primary: true} }

// String is the entry as the wire has it.
func (p Proxy) String() string {
	switch {
	case p.Kind == "smtp" && p.Primary:
		return "SMTP:" + p.Address
	case p.Kind == "smtp":
		return "smtp:" + p.Address
	}
	return strings.ToUpper(p.Kind) + ":" + p.Address
}

// Key is what must be unique in the tenant: the address without kind or case
// (DIR-115).
func (p Proxy) Key() string { return Fold(p.Address) }

// SetPrimary makes mail the primary address of the list; the former primary
// stays as an alias (DIR-118). An empty mail only demotes.
func SetPrimary(list []Proxy, mail string) []Proxy {
	out := make([]Proxy, 0, len(list)+1)
	if mail != "" {
		out = append(out, Primary(mail))
	}
	for _, p := range list {
		if p.Kind == "smtp" {
			if mail != "" && p.Key() == Fold(mail) {
				continue
			}
			p.Primary = false
		}
		out = append(out, p)
	}
	return out
}

// Drop removes the entries whose keys are in taken (DIR-106).
func Drop(list []Proxy, taken []string) []Proxy {
	return slices.DeleteFunc(slices.Clone(list), func(p Proxy) bool { return slices.Contains(taken, p.Key()) })
}

// HasPrimary reports whether the object is mail-enabled: exactly one primary.
func HasPrimary(list []Proxy) bool {
	return slices.ContainsFunc(list, func(p Proxy) bool { return p.Kind == "smtp" && p.Primary })
}

// Move puts the addresses of a domain under another one, with a number where
// attempts before found them taken.
func Move(list []Proxy, from, to string, attempt int) []Proxy {
	out := slices.Clone(list)
	for i := range out {
		out[i].Address = Moved(out[i].Address, from, to, attempt)
	}
	return out
}

// Moved is Move for one address.
func Moved(text, from, to string, attempt int) string {
	local, domain, ok := Split(text)
	if !ok || Fold(domain) != Fold(from) {
		return text
	}
	if attempt > 0 {
		local += strconv.Itoa(attempt)
	}
	return local + "@" + to
}
