package mapping

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"entente.dev/sync-svc/internal/expression"
	"entente.dev/sync-svc/internal/scope"
)

type object map[string]expression.Value

func (o object) Attribute(name string) expression.Value { return o[name] }

func template() Schema { return Template("s", "r", "d1", "d2") }

func clone(t *testing.T, s Schema) Schema {
	t.Helper()
	raw, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	var c Schema
	if err := json.Unmarshal(raw, &c); err != nil {
		t.Fatal(err)
	}
	return c
}

func mapped(s *Schema, target string) *AttributeMapping {
	for i := range s.Users().Attributes {
		if a := &s.Users().Attributes[i]; a.Target == target {
			return a
		}
	}
	return nil
}

func source(text string) *Source { return &Source{Expression: text} }

func TestTemplateIsValid(t *testing.T) {
	t.Parallel()
	s := template()
	if faults := Validate(s, s, false); len(faults) > 0 {
		t.Fatalf("faults: %v", faults)
	}
	if n := len(s.Users().Attributes); n != 26 {
		t.Errorf("%d mappings, want 26", n)
	}
	for _, o := range s.Rules[0].Objects {
		for _, a := range o.Attributes {
			if a.Source == nil {
				t.Errorf("mapping of %s has no source", a.Target)
			}
		}
	}
	if _, err := Compile(s); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(s, Normalize(clone(t, s), s), cmp.Transformer("empty", func(l []NamedSource) []NamedSource {
		if len(l) == 0 {
			return nil
		}
		return l
	})); diff != "" {
		t.Errorf("normalizing the template changes it:\n%s", diff)
	}
}

func TestValidateRefuses(t *testing.T) {
	t.Parallel()
	long := func(n int) string { return `"` + strings.Repeat("x", n-2) + `"` }
	cases := []struct {
		name    string
		syncAll bool
		change  func(*Schema)
		says    string
	}{
		{"A26: a changed matching element", false, func(s *Schema) { mapped(s, AttrHomeKey).Source = source("[objectId]") }, "matching"},
		{"A26: a second matching element", false, func(s *Schema) { mapped(s, "mail").MatchingPriority = 2 }, "matching"},
		{"a removed matching element", false, func(s *Schema) { s.Users().Attributes = s.Users().Attributes[1:] }, "matching"},
		{"A27: a mapping of otherMails", false, func(s *Schema) { mapped(s, "city").Target = "otherMails" }, "cannot be mapped"},
		{"A27: 10 001 characters", false, func(s *Schema) { mapped(s, "city").Source = source(long(10_001)) }, "10000"},
		{"A25: a filter with look-around", false, func(s *Schema) {
			s.Users().Scope = &scope.Filter{Groups: []scope.Group{{Name: "g", Clauses: []scope.Clause{{Attribute: "city", Operator: "REGEX MATCH", Values: []string{"(?=x)"}}}}}}
		}, "look-around"},
		{"an attribute mapped twice", false, func(s *Schema) { mapped(s, "city").Target = "state" }, "twice"},
		{"an unknown target attribute", false, func(s *Schema) { mapped(s, "city").Target = "citty" }, "did you mean city"},
		{"an unknown source attribute", false, func(s *Schema) { mapped(s, "city").Source = source("[citty]") }, "did you mean city"},
		{"userType as source", false, func(s *Schema) { mapped(s, "city").Source = source("[userType]") }, "unknown source"},
		{"a type that does not fit", false, func(s *Schema) { mapped(s, "city").Source = source("[accountEnabled]") }, "without a function"},
		{"several values for one", false, func(s *Schema) { mapped(s, "city").Source = source("[proxyAddresses]") }, "without a function"},
		{"an expression that does not parse", false, func(s *Schema) { mapped(s, "city").Source = source("Joyn(") }, "Join"},
		{"Switch for the manager", false, func(s *Schema) { mapped(s, "manager").Source = source(`Switch([city],"","a","b")`) }, "references"},
		{"SelectUniqueValue that always flows", false, func(s *Schema) { mapped(s, "city").Source = source(`SelectUniqueValue("a","b")`) }, "ObjectAddOnly"},
		{"groups with everybody in scope", true, func(s *Schema) { s.Groups().Enabled = true }, "assigned"},
		{"users disabled", false, func(s *Schema) { s.Users().Enabled = false }, "disabled"},
		{"a renamed rule", false, func(s *Schema) { s.Rules[0].Name = "x" }, "cannot be changed"},
		{"a removed rule", false, func(s *Schema) { s.Rules = nil }, "added or removed"},
		{"AltSecIdFromNetId elsewhere", false, func(s *Schema) { mapped(s, "city").Source = source("AltSecIdFromNetId([netId])") }, "matching"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s := clone(t, template())
			c.change(&s)
			faults := Validate(Normalize(s, template()), template(), c.syncAll)
			for _, f := range faults {
				if strings.Contains(f.Message, c.says) && f.Path != "" {
					return
				}
			}
			t.Errorf("faults %v, want one that says %q", faults, c.says)
		})
	}
	s := clone(t, template())
	mapped(&s, "city").Source = source(long(10_000))
	if faults := Validate(s, template(), false); len(faults) > 0 {
		t.Errorf("A27: 10 000 characters refused: %v", faults)
	}
}

func TestExpressionIsRebuiltFromTheTree(t *testing.T) {
	t.Parallel()
	for _, text := range []string{`Join(" ", [givenName], [surname])`, `Switch([state], , "NSW", "Sydney")`, `"x"`, `[city]`,
		`Replace([mail], "@a", , , "", , )`, `IIF(IsPresent([mail]), [mail], "none")`} {
		n, err := expression.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		s := Describe(n)
		strip(&s)
		back, err := s.Tree()
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if got, want := strings.TrimRight(back.String(), ", )"), strings.TrimRight(n.String(), ", )"); got != want {
			t.Errorf("%s came back as %s", want, got)
		}
	}
}

func strip(s *Source) {
	s.Expression = ""
	for i := range s.Parameters {
		strip(&s.Parameters[i].Value)
	}
}

func writesOf(list []Write) map[string]string {
	m := map[string]string{}
	for _, w := range list {
		m[w.Attribute] = w.New.String()
	}
	return m
}

func compiled(t *testing.T, change func(*Schema)) *Program {
	t.Helper()
	s := clone(t, template())
	if change != nil {
		change(&s)
	}
	s = Normalize(s, template())
	p, err := Compile(s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestCreateFlows(t *testing.T) {
	t.Parallel()
	text := expression.TextValue
	user := object{"displayName": text("Ana"), "accountEnabled": expression.BooleanValue(true), "mail": text("ana@s.example"), "department": text("")}
	got, err := compiled(t, nil).Create(&expression.Env{Source: user})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"displayName": "Ana", "accountEnabled": "True", "mail": "ana@s.example", "showInAddressList": "True", "userType": "Member"}
	if diff := cmp.Diff(want, writesOf(got)); diff != "" {
		t.Errorf("create (-want +got):\n%s", diff)
	}
	// A43: a default fills what is absent, on create only.
	value := "Clerk"
	p := compiled(t, func(s *Schema) { mapped(s, "jobTitle").DefaultValue = &value })
	if got, err = p.Create(&expression.Env{Source: user}); err != nil || writesOf(got)["jobTitle"] != "Clerk" {
		t.Errorf("A43: default not used: %v, %v", writesOf(got), err)
	}
	if got, err = p.Update(&expression.Env{Source: user}, object{"displayName": text("Ana"), "jobTitle": text("Boss"), "accountEnabled": expression.BooleanValue(true),
		"showInAddressList": expression.BooleanValue(true), "mail": text("ana@s.example")}); err != nil || len(got) != 0 {
		t.Errorf("A43: absent value changed the target: %v, %v", writesOf(got), err)
	}
}

func TestUpdateFlows(t *testing.T) {
	t.Parallel()
	text := expression.TextValue
	current := object{"displayName": text("Old"), "city": text("Ulm"), "userType": text("Guest"), "accountEnabled": expression.BooleanValue(true),
		"showInAddressList": expression.BooleanValue(true)}
	user := object{"displayName": text("New"), "accountEnabled": expression.BooleanValue(true)}
	cases := []struct {
		name   string
		change func(*Schema)
		want   map[string]string
	}{
		{"only differences", nil, map[string]string{"displayName": "New"}},
		{"A15: userType flows when told to", func(s *Schema) { mapped(s, "userType").FlowType = Always }, map[string]string{"displayName": "New", "userType": "Member"}},
		{"A43: null clears where both sides say so", func(s *Schema) {
			for i := range s.Directories[0].Objects[0].Attributes {
				if a := &s.Directories[0].Objects[0].Attributes[i]; a.Name == "city" {
					a.FlowNullValues = true
				}
			}
		}, map[string]string{"displayName": "New", "city": ""}},
		{"only while empty", func(s *Schema) { mapped(s, "displayName").FlowType = AttributeAddOnly }, map[string]string{}},
		{"a value is never replaced", func(s *Schema) { mapped(s, "displayName").FlowType = ValueAddOnly }, map[string]string{}},
		{"equal values go along", func(s *Schema) { mapped(s, "accountEnabled").FlowAlways = true }, map[string]string{"displayName": "New", "accountEnabled": "True"}},
		{"A44: Switch sees the whole object", func(s *Schema) {
			mapped(s, "city").Source = source(`Switch([displayName], "none", "New", "Bonn")`)
		}, map[string]string{"displayName": "New", "city": "Bonn"}},
		{"A45: volatile values stay", func(s *Schema) { mapped(s, "city").Source = source("Guid()") }, map[string]string{"displayName": "New"}},
		{"IgnoreFlowIfNullOrEmpty leaves the attribute out", func(s *Schema) { mapped(s, "city").Source = source("IgnoreFlowIfNullOrEmpty([city])") }, map[string]string{"displayName": "New"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got, err := compiled(t, c.change).Update(&expression.Env{Source: user}, current)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, writesOf(got)); diff != "" {
				t.Errorf("writes (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAppliedPlanChangesNothing(t *testing.T) {
	t.Parallel()
	p := compiled(t, nil)
	user := object{"displayName": expression.TextValue("A"), "city": expression.TextValue("B"), "accountEnabled": expression.BooleanValue(false)}
	writes, err := p.Create(&expression.Env{Source: user})
	if err != nil {
		t.Fatal(err)
	}
	target := object{}
	for _, w := range writes {
		target[w.Attribute] = w.New
	}
	if again, err := p.Update(&expression.Env{Source: user}, target); err != nil || len(again) > 0 {
		t.Errorf("a second pass writes %v, %v", again, err)
	}
}

func TestErrorsNameTheAttribute(t *testing.T) {
	t.Parallel()
	cases := []struct{ name, target, text, code string }{
		{"a bad item", "city", "Item([proxyAddresses], 9)", "ExpressionEvaluationFailed"},
		{"a list for one value", "city", `Split("a,b", ",")`, "SchemaPropertyCanOnlyAcceptValue"},
		{"no Boolean", "showInAddressList", `"maybe"`, "SchemaPropertyCanOnlyAcceptValue"},
		{"an unknown user type", "userType", `"Robot"`, "InvitationCreationFailureInvalidPropertyValue"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			p := compiled(t, func(s *Schema) { mapped(s, c.target).Source = source(c.text) })
			_, err := p.Create(&expression.Env{Source: object{"proxyAddresses": expression.ListValue([]string{"a"})}})
			fault, ok := err.(*Error)
			if !ok || fault.Code != c.code || fault.Attribute != c.target {
				t.Errorf("error %v, want %s for %s", err, c.code, c.target)
			}
		})
	}
}

func BenchmarkCreate(b *testing.B) {
	p, err := Compile(template())
	if err != nil {
		b.Fatal(err)
	}
	env := &expression.Env{Source: object{"displayName": expression.TextValue("A"), "city": expression.TextValue("B"), "mail": expression.TextValue("a@b.c")}}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := p.Create(env); err != nil {
			b.Fatal(err)
		}
	}
}
