package mapping

import (
	"entente.dev/sync-svc/internal/expression"
)

// Identity of the template and of the configuration it makes.
const (
	TemplateID            = "Azure2Azure"
	ApplicationTemplateID = "518e5f48-1fc8-4c48-9387-9fdf28b0dfe7"
	RuleName              = "USER_INBOUND_USER"
	UserMappingName       = "Provision Azure Active Directory Users"
	GroupMappingName      = "Provision Microsoft Entra ID Groups"
	matchingExpression    = "AltSecIdFromNetId([netId])"
)

// Template is the schema a job begins with (SYN-67, SYN-79). The ids are the
// caller's, so that every job's rule has its own.
func Template(schemaID, ruleID, sourceID, targetID string) Schema {
	attribute := func(names ...string) []AttributeMapping {
		var list []AttributeMapping
		for _, name := range names {
			list = append(list, direct(name, "["+name+"]", Always))
		}
		return list
	}
	matching := direct(AttrHomeKey, matchingExpression, Always)
	matching.MatchingPriority = 1
	attributes := append([]AttributeMapping{matching}, attribute(AttrSoftDeleted, AttrEnabled, "streetAddress", "city", "state", "postalCode", "country",
		"department", "employeeId", "displayName", "givenName", "mailNickname", "preferredLanguage")...)
	attributes = append(attributes, direct("showInAddressList", `"true"`, Always), direct(AttrUserType, `"Member"`, ObjectAddOnly))
	attributes = append(attributes, attribute(AttrManager, "surname", "jobTitle", "companyName", "telephoneNumber", "mobile",
		"physicalDeliveryOfficeName", "usageLocation", AttrMail, AttrUPN)...)
	groups := append(attribute("displayName", "description", "members"), direct("securityEnabled", `"true"`, Always), direct("mailEnabled", `"false"`, Always))
	all := FlowAdd | FlowUpdate | FlowDelete
	return Schema{ID: schemaID, Version: 1,
		Rules: []Rule{{ID: ruleID, Name: RuleName, Priority: 1, Editable: true, SourceDirectory: SourceDirectory, TargetDirectory: TargetDirectory,
			Metadata: []KeyValue{{"defaultSourceObjectMappings", "true"}, {"supportsProvisionOnDemand", "true"}},
			Objects: []ObjectMapping{
				{Name: UserMappingName, SourceObject: "User", TargetObject: "User", Enabled: true, FlowTypes: all, Attributes: attributes},
				{Name: GroupMappingName, SourceObject: "Group", TargetObject: "Group", FlowTypes: all, Attributes: groups},
			}}},
		Directories: []Directory{
			{ID: sourceID, Name: SourceDirectory, Version: "v1.0", ReadOnly: true, Objects: []ObjectDefinition{{"User", UserAttributes(false)}, {"Group", groupAttributes()}}},
			{ID: targetID, Name: TargetDirectory, Version: "v1.0", Objects: []ObjectDefinition{{"User", UserAttributes(true)}, {"Group", groupAttributes()}}},
		}}
}

func direct(target, text string, flow FlowType) AttributeMapping {
	n, err := expression.Parse(text)
	if err != nil {
		// The texts are constants of this file, each covered by a test.
		return AttributeMapping{Target: target}
	}
	s := Describe(n)
	return AttributeMapping{Target: target, Source: &s, FlowType: flow}
}
