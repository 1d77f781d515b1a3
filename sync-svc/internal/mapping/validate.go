package mapping

import (
	"fmt"
	"strings"

	"entente.dev/sync-svc/internal/expression"
	"entente.dev/sync-svc/internal/scope"
)

// MaxMappings bounds the attribute mappings of one object (SYN-244).
const MaxMappings = 300

// Fault is one violation, with the path of the offending JSON member.
type Fault struct{ Path, Message string }

// refusedTargets cannot be written by a mapping (SYN-78).
var refusedTargets = map[string]string{
	"otherMails": "is computed", "proxyAddresses": "is computed", "objectId": "is an id", "id": "is an id", "passwordProfile": "is a credential",
	"photo": "is not synchronized", "customSecurityAttributes": "is not synchronized", "externalUserState": "is computed",
}

var refusedSources = map[string]bool{"SamAccountName": true, "userType": true}

// Normalize completes a document a client sent: expressions are authoritative,
// names and parameters follow from them, missing flow types are Always, and
// directories left out stay as they were. Faults of expressions are left to
// Validate.
func Normalize(s, before Schema) Schema {
	s.ID, s.Version = before.ID, before.Version
	if len(s.Directories) == 0 {
		s.Directories = before.Directories
	}
	for i := range s.Rules {
		for j := range s.Rules[i].Objects {
			o := &s.Rules[i].Objects[j]
			for k := range o.Attributes {
				a := &o.Attributes[k]
				if a.FlowType == "" {
					a.FlowType = Always
				}
				if a.Source == nil {
					continue
				}
				if n, err := a.Source.Tree(); err == nil {
					described := Describe(n)
					described.Expression = strings.TrimSpace(a.Source.Expression)
					if described.Expression == "" {
						described.Expression = n.String()
					}
					a.Source = &described
				}
			}
		}
	}
	return s
}

// Validate lists every violation of a schema that is to replace another
// (SYN-76 to SYN-83). An empty list means it may be saved.
func Validate(s, before Schema, syncAll bool) []Fault {
	v := &validator{schema: s, syncAll: syncAll}
	if len(s.Rules) != len(before.Rules) {
		v.report("synchronizationRules", "rules cannot be added or removed")
		return v.faults
	}
	for i, r := range s.Rules {
		path := fmt.Sprintf("synchronizationRules[%d]", i)
		old := before.Rules[i]
		if r.ID != old.ID || r.Name != old.Name {
			v.report(path+".name", "id and name of the rule cannot be changed")
		}
		if r.SourceDirectory != old.SourceDirectory || r.TargetDirectory != old.TargetDirectory {
			v.report(path, "the directory names cannot be changed")
		}
		v.objects(path, r, old)
	}
	for i, d := range s.Directories {
		if d.Name != SourceDirectory && d.Name != TargetDirectory {
			v.report(fmt.Sprintf("directories[%d].name", i), "the directory names cannot be changed")
		}
	}
	return v.faults
}

type validator struct {
	schema  Schema
	syncAll bool
	faults  []Fault
}

func (v *validator) report(path, format string, args ...any) {
	v.faults = append(v.faults, Fault{Path: path, Message: fmt.Sprintf(format, args...)})
}

func (v *validator) objects(path string, r, old Rule) {
	if len(r.Objects) != len(old.Objects) {
		v.report(path+".objectMappings", "object mappings cannot be added or removed")
		return
	}
	for i, o := range r.Objects {
		at := fmt.Sprintf("%s.objectMappings[%d]", path, i)
		if !strings.EqualFold(o.SourceObject, old.Objects[i].SourceObject) || !strings.EqualFold(o.TargetObject, old.Objects[i].TargetObject) {
			v.report(at, "source and target object cannot be changed")
			continue
		}
		group := strings.EqualFold(o.SourceObject, "Group")
		if !group && !o.Enabled {
			v.report(at+".enabled", "the mapping of users cannot be disabled")
		}
		if group && o.Enabled && v.syncAll {
			v.report(at+".enabled", "groups need a scope of assigned users and groups")
		}
		known := [2][]AttributeDefinition{UserAttributes(false), UserAttributes(true)}
		if group {
			known = [2][]AttributeDefinition{groupAttributes(), groupAttributes()}
		}
		source := v.schema.attributes(SourceDirectory, o.SourceObject, known[0])
		target := v.schema.attributes(TargetDirectory, o.TargetObject, known[1])
		if o.Scope != nil {
			lookup := func(name string) (scope.Attribute, bool) {
				a, ok := source[name]
				return scope.Attribute{Type: a.Type, Multivalued: a.Multivalued}, ok
			}
			for _, f := range scope.Validate(*o.Scope, at+".scope", lookup) {
				v.report(f.Path, "%s", f.Message)
			}
		}
		v.attributes(at+".attributeMappings", o, group, source, target)
	}
}

func (v *validator) attributes(path string, o ObjectMapping, group bool, source, target map[string]AttributeDefinition) {
	if len(o.Attributes) > MaxMappings {
		v.report(path, "has more than %d mappings", MaxMappings)
		return
	}
	seen := map[string]bool{}
	matching := 0
	for i, a := range o.Attributes {
		at := fmt.Sprintf("%s[%d]", path, i)
		if seen[a.Target] {
			v.report(at+".targetAttributeName", "attribute %q is mapped twice", a.Target)
		}
		seen[a.Target] = true
		if why, ok := refusedTargets[a.Target]; ok {
			v.report(at+".targetAttributeName", "attribute %q %s and cannot be mapped", a.Target, why)
			continue
		}
		def, ok := target[a.Target]
		if !ok {
			v.report(at+".targetAttributeName", "unknown attribute %q; did you mean %s?", a.Target, expression.Nearest(a.Target, keys(target)))
			continue
		}
		switch a.FlowType {
		case Always, ObjectAddOnly, AttributeAddOnly, ValueAddOnly, MultiValueAddOnly:
		default:
			v.report(at+".flowType", "unknown flow type %q", a.FlowType)
		}
		if a.MatchingPriority != 0 {
			matching++
		}
		if isMatching := !group && a.Target == AttrHomeKey; isMatching != (a.MatchingPriority > 0) || isMatching && (a.MatchingPriority != 1 || a.Source == nil || a.Source.Expression != matchingExpression) {
			v.report(at, "the matching attribute is fixed: %s to %s with priority 1", matchingExpression, AttrHomeKey)
			continue
		}
		if a.Source != nil {
			v.source(at+".source", a, def, source)
		}
	}
	if !group && matching != 1 {
		v.report(path, "the matching attribute %s is missing or not the only one", AttrHomeKey)
	}
}

func (v *validator) source(path string, a AttributeMapping, def AttributeDefinition, source map[string]AttributeDefinition) {
	n, err := a.Source.Tree()
	if err != nil {
		v.report(path+".expression", "%s", err)
		return
	}
	for _, name := range n.Attributes() {
		if _, ok := source[name]; !ok || refusedSources[name] {
			v.report(path+".expression", "unknown source attribute %q; did you mean %s?", name, expression.Nearest(name, keys(source)))
			return
		}
	}
	if n.Calls("AltSecIdFromNetId") && a.Target != AttrHomeKey {
		v.report(path+".expression", "AltSecIdFromNetId is for the matching attribute only")
	}
	if def.Type == "Reference" && n.Calls("Switch", "IIF") {
		v.report(path+".expression", "Switch and IIF cannot be used for references")
	}
	if v.syncAll && n.Calls("SingleAppRoleAssignment", "AppRoleAssignmentsComplex", "AssertiveAppRoleAssignmentsComplex") {
		v.report(path+".expression", "role functions need a scope of assigned users and groups")
	}
	if n.Calls("SelectUniqueValue") {
		if n.Kind != expression.FunctionNode || n.Name != "SelectUniqueValue" || a.MatchingPriority > 0 || a.FlowType != ObjectAddOnly {
			v.report(path+".expression", "SelectUniqueValue stands alone, is not used for matching, and flows with ObjectAddOnly")
		}
	}
	if n.Kind == expression.AttributeNode {
		from := source[n.Name]
		if !strings.EqualFold(from.Type, def.Type) || from.Multivalued && !def.Multivalued {
			v.report(path, "attribute %q of type %s does not fit %q of type %s without a function", from.Name, from.Type, def.Name, def.Type)
		}
	}
}

func keys(m map[string]AttributeDefinition) []string {
	list := make([]string, 0, len(m))
	for k := range m {
		list = append(list, k)
	}
	return list
}
