package guestsettings

import (
	"encoding/json"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// maxDefinition is the size of a definition in characters (POL-139).
const maxDefinition = 25_000

// DomainList is a tenant's b2bManagementPolicy (POL-75).
type DomainList struct {
	DisplayName string
	Description *string
	// Enforced is isOrganizationDefault; a draft is kept and never asked.
	Enforced bool
	// Definition is the client's JSON text, kept as it came.
	Definition string
}

// Domains is what a definition says about invited domains. At most one of the
// lists holds anything.
type Domains struct {
	Allowed, Blocked map[string]struct{}
}

// CheckDomainList validates a policy (POL-75, POL-76).
func CheckDomainList(l DomainList, definitions int) error {
	if l.DisplayName == "" {
		return invalid("displayName is required.")
	}
	if definitions != 1 {
		return invalid("definition must hold exactly one string.")
	}
	_, err := ParseDomains(l.Definition)
	return err
}

// ParseDomains reads a definition (POL-76).
func ParseDomains(definition string) (Domains, error) {
	if utf8.RuneCountInString(definition) > maxDefinition {
		return Domains{}, invalid("The policy exceeds the policy size limit of %d characters.", maxDefinition)
	}
	var root struct {
		Policy *struct {
			Domains struct {
				Allowed []string `json:"AllowedDomains"`
				Blocked []string `json:"BlockedDomains"`
			} `json:"InvitationsAllowedAndBlockedDomainsPolicy"`
		} `json:"B2BManagementPolicy"`
	}
	if err := json.Unmarshal([]byte(definition), &root); err != nil {
		return Domains{}, invalid("definition is not valid JSON of a B2BManagementPolicy.")
	}
	if root.Policy == nil {
		return Domains{}, invalid("definition has no B2BManagementPolicy.")
	}
	lists := root.Policy.Domains
	if len(lists.Allowed) > 0 && len(lists.Blocked) > 0 {
		return Domains{}, invalid("AllowedDomains and BlockedDomains: allow list and deny list are exclusive.")
	}
	var d Domains
	var err error
	if d.Allowed, err = domainSet(lists.Allowed); err != nil {
		return Domains{}, err
	}
	d.Blocked, err = domainSet(lists.Blocked)
	return d, err
}

func domainSet(names []string) (map[string]struct{}, error) {
	if len(names) == 0 {
		return nil, nil
	}
	set := make(map[string]struct{}, len(names))
	for _, n := range names {
		ascii, ok := canonicalDomain(n)
		if !ok {
			return nil, invalid("'%s' is not a domain name.", n)
		}
		set[ascii] = struct{}{}
	}
	return set, nil
}

// canonicalDomain is the form in which domains are compared: IDNA, lower case.
func canonicalDomain(name string) (string, bool) {
	ascii, err := idna.Lookup.ToASCII(name)
	if err != nil || ascii == "" || len(ascii) > 253 {
		return "", false
	}
	for label := range strings.SplitSeq(ascii, ".") {
		if len(label) == 0 || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return "", false
		}
		for _, c := range []byte(label) {
			if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
				return "", false
			}
		}
	}
	return ascii, true
}

// Open reports whether no list restricts anything.
func (d Domains) Open() bool { return len(d.Allowed) == 0 && len(d.Blocked) == 0 }

// Admits decides whether an invited address, or a domain alone, is let in
// (POL-77). Sub-domains do not match. A domain that cannot be read is refused
// as soon as there is a list.
func (d Domains) Admits(address string) bool {
	if d.Open() {
		return true
	}
	domain, ok := canonicalDomain(address[strings.LastIndexByte(address, '@')+1:])
	if !ok {
		return false
	}
	if len(d.Allowed) > 0 {
		_, listed := d.Allowed[domain]
		return listed
	}
	_, listed := d.Blocked[domain]
	return !listed
}
