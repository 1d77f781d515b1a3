package mapping

import (
	"fmt"
	"strings"
)

// Names of the directories; constants of the wire (SYN-67).
const (
	SourceDirectory = "Azure Active Directory"
	TargetDirectory = "Azure Active Directory (target tenant)"
)

// Attributes with a meaning of their own.
const (
	AttrHomeKey     = "alternativeSecurityIds"
	AttrSoftDeleted = "IsSoftDeleted"
	AttrEnabled     = "accountEnabled"
	AttrManager     = "manager"
	AttrUserType    = "userType"
	AttrUPN         = "userPrincipalName"
	AttrMail        = "mail"
)

// property says which Graph property of a user an attribute is.
type property struct {
	attribute, graph, kind string
	source, target         bool
}

// users lists the attributes of users by their names in a schema (SYN-81).
var users = func() []property {
	both := func(names ...string) []property {
		var list []property
		for _, n := range names {
			attribute, graph, found := strings.Cut(n, "=")
			if !found {
				graph = attribute
			}
			list = append(list, property{attribute, graph, "String", true, true})
		}
		return list
	}
	list := append(both("streetAddress", "city", "state", "postalCode", "country", "department", "employeeId", "displayName", "givenName",
		"mailNickname", "preferredLanguage", "surname", "jobTitle", "companyName", "telephoneNumber=businessPhones", "mobile=mobilePhone",
		"physicalDeliveryOfficeName=officeLocation", "usageLocation", "mail", "userPrincipalName", "employeeType", "facsimileTelephoneNumber=faxNumber"),
		property{AttrHomeKey, "identities", "String", true, true},
		property{AttrSoftDeleted, "deletedDateTime", "Boolean", true, true},
		property{AttrEnabled, "accountEnabled", "Boolean", true, true},
		property{AttrManager, "manager", "Reference", true, true},
		property{AttrUserType, "userType", "String", false, true},
		property{"showInAddressList", "showInAddressList", "Boolean", false, true},
		property{"employeeHireDate", "employeeHireDate", "DateTime", true, true},
		property{"netId", "id", "String", true, false},
		property{"objectId", "id", "String", true, false},
		property{"originalUserPrincipalName", "userPrincipalName", "String", true, false},
		property{"onPremisesSecurityIdentifier", "onPremisesSecurityIdentifier", "String", true, false},
		property{"proxyAddresses", "proxyAddresses", "String", true, false},
		property{"otherMails", "otherMails", "String", true, false},
		property{"appRoleAssignments", "appRoleAssignments", "String", true, false},
	)
	for i := 1; i <= 15; i++ {
		list = append(list, property{fmt.Sprintf("extensionAttribute%d", i), "onPremisesExtensionAttributes", "String", true, true})
	}
	return list
}()

var multivalued = map[string]bool{"proxyAddresses": true, "otherMails": true, "appRoleAssignments": true}
var required = map[string]bool{AttrHomeKey: true, AttrUPN: true, "displayName": true, AttrEnabled: true, "mailNickname": true}

// GraphProperty is the name under which the change feed reports an attribute.
func GraphProperty(attribute string) string {
	for _, p := range users {
		if p.attribute == attribute {
			return p.graph
		}
	}
	return attribute
}

// UserAttributes lists the attributes a user has as source or as target.
func UserAttributes(target bool) []AttributeDefinition {
	var list []AttributeDefinition
	for _, p := range users {
		if target && !p.target || !target && !p.source {
			continue
		}
		a := AttributeDefinition{Name: p.attribute, Type: p.kind, Multivalued: multivalued[p.attribute], Mutability: "ReadWrite",
			Required: target && required[p.attribute], Anchor: p.attribute == "objectId"}
		if p.kind == "Reference" {
			a.Reference = "User"
			a.FlowNullValues = true // a removed manager is cleared (SYN-193)
		}
		if !target {
			a.Mutability = "ReadOnly"
		}
		list = append(list, a)
	}
	return list
}

func groupAttributes() []AttributeDefinition {
	text := func(name string) AttributeDefinition {
		return AttributeDefinition{Name: name, Type: "String", Mutability: "ReadWrite"}
	}
	return []AttributeDefinition{text("displayName"), text("description"), text("mailNickname"), text("objectId"),
		{Name: "members", Type: "Reference", Multivalued: true, Mutability: "ReadWrite", Reference: "User"},
		{Name: "securityEnabled", Type: "Boolean", Mutability: "ReadWrite"}, {Name: "mailEnabled", Type: "Boolean", Mutability: "ReadWrite"}}
}
