package quota

import (
	"maps"

	"entente.dev/directory-svc/internal/property"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/fault"
)

// Item is what is limited, spelled as in the operator's API and in the
// database.
type Item string

// The items.
const (
	Objects            Item = "directoryObjects"
	CreatedByUser      Item = "objectsCreatedByUser"
	Domains            Item = "domains"
	DynamicObjects     Item = "dynamicObjects"
	RoleGroups         Item = "roleAssignableGroups"
	MemberOfRules      Item = "memberOfRules"
	GroupsPerRule      Item = "groupsPerMemberOfRule"
	Owners             Item = "ownersPerObject"
	UnitsPerObject     Item = "administrativeUnitsPerObject"
	RestrictedUnits    Item = "restrictedAdministrativeUnits"
	References         Item = "referencesPerRequest"
	AppRoleAssignments Item = "appRoleAssignmentsPerPrincipal"
	RoleAssignments    Item = "roleAssignmentsPerPrincipal"
	ExtensionValues    Item = "extensionValuesPerObject"
	Sponsors           Item = "sponsorsPerUser"
	Entries            Item = "entriesPerApplication"
	ExternalTenants    Item = "externalTenantsPerUser"
)

// proven is the default of Objects for a tenant that proved a domain.
const proven = 300_000

var defaults = map[Item]int{
	Objects: 50_000, CreatedByUser: 250, Domains: 5000, DynamicObjects: 15_000, RoleGroups: 500, MemberOfRules: 500, GroupsPerRule: 50, Owners: 100,
	UnitsPerObject: 30, RestrictedUnits: 100, References: 20, AppRoleAssignments: 1500, RoleAssignments: 150, ExtensionValues: 100, Sponsors: 5,
	Entries: 1200, ExternalTenants: 500,
}

// messages say which limit is reached; %d is its figure.
var messages = map[Item]string{
	Objects:            "The directory object quota limit of %d for the Tenant has been exceeded. Please ask your administrator to increase the quota limit or delete objects to reduce the used quota.",
	CreatedByUser:      "The directory object quota limit of %d for the Principal has been exceeded. Please ask your administrator to increase the quota limit or delete objects to reduce the used quota.",
	Domains:            "A tenant has at most %d domains.",
	DynamicObjects:     "The tenant has reached its limit of %d dynamic groups and administrative units.",
	RoleGroups:         "The tenant has reached its limit of %d role-assignable groups.",
	MemberOfRules:      "The tenant has reached its limit of %d groups with a user.memberOf rule.",
	UnitsPerObject:     "An object is in at most %d administrative units.",
	RestrictedUnits:    "A tenant has at most %d restricted management administrative units.",
	RoleAssignments:    "A principal holds at most %d directory roles.",
	GroupsPerRule:      "A rule may name at most %d groups.",
	Owners:             "An object has at most %d owners.",
	References:         "At most %d references may be given in one request.",
	AppRoleAssignments: "A principal has at most %d application role assignments.",
	ExtensionValues:    "An object has at most %d extension values.",
	Sponsors:           "A user has at most %d sponsors.",
	ExternalTenants:    "The account is an external user in %d tenants, which is as many as it can be.",
	Entries:            "The collections of an application hold at most %d entries.",
}

// invalid names the property that is at fault where too many of something make
// a request invalid; the other limits are quotas, whose refusal is 403.
var invalid = map[Item]string{
	GroupsPerRule: "membershipRule", References: "members", AppRoleAssignments: "principalId", ExtensionValues: "extensions",
	Sponsors: "sponsors", Entries: "appRoles", Domains: "id",
}

// Limits are the limits of a tenant that are not the default.
type Limits map[Item]int

// Of answers one limit. Objects is that of a tenant without a domain of its
// own; ObjectsOf tells them apart.
func (l Limits) Of(i Item) int {
	if n, ok := l[i]; ok {
		return n
	}
	return defaults[i]
}

// ObjectsOf is how many objects the tenant may have; own tells that it
// verified a domain besides the initial one.
func (l Limits) ObjectsOf(own bool) int {
	if _, set := l[Objects]; own && !set {
		return proven
	}
	return l.Of(Objects)
}

// With sets one limit; nil is the default.
func (l Limits) With(i Item, n *int32) (Limits, error) {
	if _, known := defaults[i]; !known || n != nil && *n < 0 {
		return nil, property.Invalid("Tenant", "limits/"+string(i))
	}
	out := maps.Clone(l)
	if out == nil {
		out = make(Limits, 1)
	}
	if delete(out, i); n != nil {
		out[i] = int(*n)
	}
	return out, nil
}

// Fits decides whether count of the item are few enough.
func (l Limits) Fits(i Item, count int) error { return Check(i, count, l.Of(i)) }

// Check decides whether count of the item fit into the limit.
func Check(i Item, count, limit int) error {
	if count <= limit {
		return nil
	}
	if i == Owners {
		return fault.Invalid(errorspb.Reason_REFERENCE_INVALID, messages[i], limit)
	}
	if name, ok := invalid[i]; ok {
		return property.Refused(name, messages[i], limit)
	}
	return fault.Exhausted(errorspb.Reason_QUOTA_EXCEEDED, messages[i], limit)
}
