package scope

import (
	"strings"
	"testing"

	"entente.dev/sync-svc/internal/expression"
)

type object map[string]expression.Value

func (o object) Attribute(name string) expression.Value { return o[name] }

func TestOperators(t *testing.T) {
	t.Parallel()
	txt := expression.TextValue
	cases := []struct {
		name, operator, value string
		attribute             expression.Value
		want                  bool
	}{
		{"equal text", "EQUALS", "Sales", txt("Sales"), true},
		{"letter case matters", "EQUALS", "Sales", txt("sales"), false},
		{"different text", "NOT EQUALS", "Sales", txt("HR"), true},
		{"A23: NOT EQUALS on null is false", "NOT EQUALS", "Sales", expression.NullValue, false},
		{"NOT EQUALS on empty is false", "NOT EQUALS", "Sales", txt(""), false},
		{"NOT REGEX MATCH on null is false", "NOT REGEX MATCH", "x", expression.NullValue, false},
		{"!& on null is false", "!&", "x", expression.NullValue, false},
		{"IS FALSE on null is false", "IS FALSE", "", expression.NullValue, false},
		{"IS NULL on null", "IS NULL", "", expression.NullValue, true},
		{"IS NULL on empty", "IS NULL", "", txt(""), true},
		{"IS NOT NULL on text", "IS NOT NULL", "", txt("x"), true},
		{"Boolean true", "IS TRUE", "", expression.BooleanValue(true), true},
		{"text true in any case", "IS TRUE", "", txt("tRue"), true},
		{"Boolean false", "IS FALSE", "", expression.BooleanValue(false), true},
		{"pattern anywhere", "REGEX MATCH", "b+", txt("abbc"), true},
		{"pattern nowhere", "NOT REGEX MATCH", "^b", txt("abbc"), true},
		{"greater", "Greater_Than", "5", txt("6"), true},
		{"not greater", "Greater_Than", "5", txt("5"), false},
		{"greater or equal", "Greater_Than_OR_EQUALS", "5", txt("5"), true},
		{"no number is not greater", "Greater_Than", "5", txt("x"), false},
		{"negative is not greater", "Greater_Than", "0", txt("-1"), false},
		{"contains", "Includes", "bc", txt("abcd"), true},
		{"ends with", "ENDS_WITH", "cd", txt("abcd"), true},
		{"attribute inside value", "&", "NL,DE,FR", txt("DE"), true},
		{"attribute not inside value", "!&", "NL,DE,FR", txt("US"), true},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			clause := Clause{Attribute: "a", Operator: c.operator}
			if c.value != "" {
				clause.Values = []string{c.value}
			}
			f, err := Compile(Filter{Groups: []Group{{Name: "g", Clauses: []Clause{clause}}}})
			if err != nil {
				t.Fatal(err)
			}
			if got := f.Passes(object{"a": c.attribute}); got != c.want {
				t.Errorf("passes = %t, want %t", got, c.want)
			}
		})
	}
}

func TestGroupsAreAlternatives(t *testing.T) {
	t.Parallel()
	clause := func(a, v string) Clause { return Clause{Attribute: a, Operator: "EQUALS", Values: []string{v}} }
	f, err := Compile(Filter{Groups: []Group{
		{Name: "one", Clauses: []Clause{clause("a", "1"), clause("b", "2")}},
		{Name: "two", Clauses: []Clause{clause("c", "3")}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	// A24: whoever matches only the second group is in scope.
	if o := (object{"c": expression.TextValue("3")}); !f.Passes(o) {
		t.Error("second group alone does not pass")
	}
	if o := (object{"a": expression.TextValue("1")}); f.Passes(o) {
		t.Error("half of the first group passes")
	}
	o := object{"a": expression.TextValue("1"), "c": expression.TextValue("3")}
	want := `{"one.a EQUALS '1'":true,"one.b EQUALS '2'":false,"two.c EQUALS '3'":true}`
	if got := f.Explain(o); got != want {
		t.Errorf("Explain = %s, want %s", got, want)
	}
}

func TestValidateRefuses(t *testing.T) {
	t.Parallel()
	lookup := func(name string) (Attribute, bool) {
		a, ok := map[string]Attribute{"department": {Type: "String"}, "manager": {Type: "Reference"}, "userType": {Type: "String"},
			"proxyAddresses": {Type: "String", Multivalued: true}, "employeeHireDate": {Type: "DateTime"}}[name]
		return a, ok
	}
	cases := []struct {
		name   string
		clause Clause
		says   string
	}{
		{"an unknown attribute", Clause{"nope", "IS NULL", nil}, "unknown attribute"},
		{"A25: the manager", Clause{"manager", "IS NULL", nil}, "cannot be used"},
		{"A25: several values", Clause{"proxyAddresses", "IS NULL", nil}, "several values"},
		{"userType", Clause{"userType", "EQUALS", []string{"x"}}, "cannot be used"},
		{"a date", Clause{"employeeHireDate", "IS NULL", nil}, "date"},
		{"an unknown operator", Clause{"department", "equals", []string{"x"}}, "unknown operator"},
		{"too few values", Clause{"department", "EQUALS", nil}, "1 values"},
		{"too many values", Clause{"department", "IS NULL", []string{"x"}}, "0 values"},
		{"no number", Clause{"department", "Greater_Than", []string{"x"}}, "whole number"},
		{"A25: look-ahead", Clause{"department", "REGEX MATCH", []string{"(?!x)"}}, "look-around"},
		{"a long value", Clause{"department", "EQUALS", []string{strings.Repeat("x", 1025)}}, "1024"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			faults := Validate(Filter{Groups: []Group{{Name: "g", Clauses: []Clause{c.clause}}}}, "scope", lookup)
			if len(faults) != 1 || !strings.Contains(faults[0].Message, c.says) || faults[0].Path != "scope.groups[0].clauses[0]" {
				t.Errorf("faults = %v, want one that says %q", faults, c.says)
			}
		})
	}
}

func TestEntitlement(t *testing.T) {
	t.Parallel()
	ok := Facts{Importable: true, Member: true, Assigned: true, FilterPassed: true, Live: true, Enabled: true}
	with := func(change func(*Facts)) Facts { f := ok; change(&f); return f }
	cases := []struct {
		name     string
		facts    Facts
		rules    Rules
		entitled bool
		reason   string
	}{
		{"an assigned member", ok, Rules{}, true, ""},
		{"not assigned", with(func(f *Facts) { f.Assigned = false }), Rules{}, false, NotEffectivelyEntitled},
		{"not assigned, everybody in scope", with(func(f *Facts) { f.Assigned = false }), Rules{SyncAll: true}, true, ""},
		{"A16: an external user", with(func(f *Facts) { f.External = true }), Rules{}, false, NotEffectivelyEntitled},
		{"A17: an internal guest", with(func(f *Facts) { f.Member = false }), Rules{}, false, NotEffectivelyEntitled},
		{"A17: an internal guest, opened", with(func(f *Facts) { f.Member = false }), Rules{IncludeInternalGuests: true}, true, ""},
		{"a disabled role", with(func(f *Facts) { f.RoleDisabled = true }), Rules{}, false, NotEffectivelyEntitled},
		{"filtered out", with(func(f *Facts) { f.FilterPassed = false }), Rules{}, false, NotEffectivelyEntitled},
		{"soft-deleted", with(func(f *Facts) { f.Live = false }), Rules{}, false, NotEffectivelyEntitled},
		{"disabled, never synchronized", with(func(f *Facts) { f.Enabled = false }), Rules{}, true, NotActiveInSource},
		{"disabled, linked", with(func(f *Facts) { f.Enabled, f.Linked = false, true }), Rules{}, true, ""},
		{"without identity", with(func(f *Facts) { f.Importable = false }), Rules{}, false, ImportSkipped},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			d := Decide(c.facts, c.rules)
			if d.Entitled != c.entitled || d.Reason != c.reason {
				t.Errorf("entitled %t for %q, want %t for %q", d.Entitled, d.Reason, c.entitled, c.reason)
			}
		})
	}
	if d := Decide(with(func(f *Facts) { f.External = true }), Rules{}); d.Rows[1].OK || !strings.Contains(d.Rows[1].Name, "Filter external users") {
		t.Errorf("A16: row %v does not name the filter", d.Rows[1])
	}
}
