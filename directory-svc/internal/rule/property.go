package rule

import (
	"strings"
	"time"

	"github.com/google/uuid"
)

// Property is something a rule can ask about a user, by the name that rules
// use. The user's own property may be called differently (DIR-146).
type Property string

type class uint8

const (
	boolean class = iota
	str
	texts
	plans
	moment
)

// Subject is what a rule looks at. A property without a value is answered by
// false, or by an empty list; extensions go by their whole name.
type Subject interface {
	Bool(Property) (value, ok bool)
	Text(Property) (value string, ok bool)
	Texts(Property) []string
	Time(Property) (value time.Time, ok bool)
	Plans() []Plan
	Manager() uuid.UUID
	// Groups that hold the user directly.
	In(group uuid.UUID) bool
}

// Plan is one of assignedPlans.
type Plan struct{ Service, ServicePlanID, CapabilityStatus string }

var properties = func() map[string]struct {
	name  Property
	class class
} {
	all := map[string]struct {
		name  Property
		class class
	}{}
	for c, names := range map[class]string{
		boolean: "accountEnabled dirSyncEnabled",
		str: `city companyName country department displayName employeeId facsimileTelephoneNumber givenName jobTitle mail
			mailNickName mobile objectId onPremisesDistinguishedName onPremisesSecurityIdentifier passwordPolicies
			physicalDeliveryOfficeName postalCode preferredLanguage sipProxyAddress state streetAddress surname
			telephoneNumber usageLocation userPrincipalName userType extensionAttribute1 extensionAttribute2
			extensionAttribute3 extensionAttribute4 extensionAttribute5 extensionAttribute6 extensionAttribute7
			extensionAttribute8 extensionAttribute9 extensionAttribute10 extensionAttribute11 extensionAttribute12
			extensionAttribute13 extensionAttribute14 extensionAttribute15`,
		texts:  "otherMails proxyAddresses",
		plans:  "assignedPlans",
		moment: "employeeHireDate",
	} {
		for _, n := range strings.Fields(names) {
			all[strings.ToLower(n)] = struct {
				name  Property
				class class
			}{Property(n), c}
		}
	}
	return all
}()

// propertyOf finds what `user.name` means.
func propertyOf(name string) (Property, class, bool) {
	if p, ok := properties[strings.ToLower(name)]; ok {
		return p.name, p.class, true
	}
	if isExtension(name) {
		return Property("extension_" + name[len("extension_"):]), str, true
	}
	return "", 0, false
}

// isExtension recognizes extension_{32 hex}_{name}.
func isExtension(name string) bool {
	const prefix, hex = "extension_", 32
	if len(name) < len(prefix)+hex+2 || !strings.EqualFold(name[:len(prefix)], prefix) || name[len(prefix)+hex] != '_' {
		return false
	}
	for _, r := range name[len(prefix) : len(prefix)+hex] {
		if !strings.ContainsRune("0123456789abcdefABCDEF", r) {
			return false
		}
	}
	return true
}
