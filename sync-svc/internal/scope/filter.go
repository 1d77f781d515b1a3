package scope

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"entente.dev/sync-svc/internal/expression"
)

// Filter narrows which objects are in scope. No group means all are.
type Filter struct {
	// Groups are alternatives; who passes none leaves the target.
	Groups []Group `json:"groups"`
	// InputGroups drop objects at import, without any effect on the target.
	InputGroups []Group `json:"inputFilterGroups"`
	// CategoryGroups must be empty.
	CategoryGroups []Group `json:"categoryFilterGroups"`
}

// Group is a titled list of clauses that must all hold.
type Group struct {
	Name    string   `json:"name"`
	Clauses []Clause `json:"clauses"`
}

// Clause compares one attribute.
type Clause struct {
	Attribute string   `json:"sourceOperandName"`
	Operator  string   `json:"operatorName"`
	Values    []string `json:"values"`
}

// Operator describes one operator for lists of what filters offer.
type Operator struct {
	Name   string
	Binary bool
	Types  []string
}

// Operators lists the operators (SYN-57 to SYN-64).
func Operators() []Operator {
	text := []string{"String"}
	any := []string{"String", "Boolean", "Integer"}
	return []Operator{
		{"EQUALS", true, any}, {"NOT EQUALS", true, any},
		{"IS TRUE", false, []string{"Boolean", "String"}}, {"IS FALSE", false, []string{"Boolean", "String"}},
		{"IS NULL", false, any}, {"IS NOT NULL", false, any},
		{"REGEX MATCH", true, text}, {"NOT REGEX MATCH", true, text},
		{"Greater_Than", true, []string{"Integer", "String"}}, {"Greater_Than_OR_EQUALS", true, []string{"Integer", "String"}},
		{"Includes", true, text}, {"ENDS_WITH", true, text}, {"&", true, text}, {"!&", true, text},
	}
}

// Limits of a filter (SYN-56).
const (
	MaxGroups  = 50
	MaxClauses = 50
	MaxValue   = 1024
)

// Attribute is what validation needs to know of a source attribute.
type Attribute struct {
	Type        string
	Multivalued bool
}

// Fault is one violation, with the path of the offending JSON member.
type Fault struct{ Path, Message string }

var refused = map[string]bool{"appRoleAssignments": true, "userType": true, "manager": true, "members": true}

// Validate lists every violation of the rules for filters (SYN-56). Paths
// begin with the given one.
func Validate(f Filter, path string, lookup func(string) (Attribute, bool)) []Fault {
	var faults []Fault
	report := func(at, format string, args ...any) {
		faults = append(faults, Fault{Path: at, Message: fmt.Sprintf(format, args...)})
	}
	if len(f.CategoryGroups) > 0 {
		report(path+".categoryFilterGroups", "must be empty")
	}
	for _, list := range []struct {
		name   string
		groups []Group
	}{{"groups", f.Groups}, {"inputFilterGroups", f.InputGroups}} {
		if len(list.groups) > MaxGroups {
			report(path+"."+list.name, "has more than %d groups", MaxGroups)
			continue
		}
		for i, g := range list.groups {
			at := fmt.Sprintf("%s.%s[%d]", path, list.name, i)
			if n := len([]rune(g.Name)); n < 1 || n > 100 {
				report(at+".name", "the title must have 1 to 100 characters")
			}
			if len(g.Clauses) > MaxClauses {
				report(at+".clauses", "has more than %d clauses", MaxClauses)
				continue
			}
			for j, c := range g.Clauses {
				for _, message := range validateClause(c, lookup) {
					report(fmt.Sprintf("%s.clauses[%d]", at, j), "%s", message)
				}
			}
		}
	}
	return faults
}

func validateClause(c Clause, lookup func(string) (Attribute, bool)) []string {
	var faults []string
	a, known := lookup(c.Attribute)
	switch {
	case !known:
		faults = append(faults, fmt.Sprintf("unknown attribute %q", c.Attribute))
	case refused[c.Attribute] || a.Type == "Reference":
		faults = append(faults, fmt.Sprintf("attribute %q cannot be used in filters", c.Attribute))
	case a.Multivalued:
		faults = append(faults, fmt.Sprintf("attribute %q has several values", c.Attribute))
	case a.Type == "DateTime":
		faults = append(faults, fmt.Sprintf("attribute %q is a date", c.Attribute))
	}
	for _, o := range Operators() {
		if o.Name != c.Operator {
			continue
		}
		want := 0
		if o.Binary {
			want = 1
		}
		if len(c.Values) != want {
			return append(faults, fmt.Sprintf("operator %s takes %d values, not %d", c.Operator, want, len(c.Values)))
		}
		return append(faults, validateValue(c)...)
	}
	return append(faults, fmt.Sprintf("unknown operator %q", c.Operator))
}

func validateValue(c Clause) []string {
	if len(c.Values) == 0 {
		return nil
	}
	v := c.Values[0]
	if len([]rune(v)) > MaxValue {
		return []string{"the value is longer than 1024 characters"}
	}
	switch c.Operator {
	case "REGEX MATCH", "NOT REGEX MATCH":
		if _, fault := expression.CompilePattern(v); fault != "" {
			return []string{fault}
		}
	case "Greater_Than", "Greater_Than_OR_EQUALS":
		if _, err := strconv.ParseUint(v, 10, 63); err != nil {
			return []string{"the value must be a whole number, 0 or more"}
		}
	}
	return nil
}

// Compiled is a filter ready for evaluation; safe for concurrent use.
type Compiled struct {
	groups, input []compiledGroup
}

type compiledGroup []compiledClause

type compiledClause struct {
	label, attribute string
	test             func(expression.Value) bool
}

// Compile prepares a valid filter.
func Compile(f Filter) (*Compiled, error) {
	c := &Compiled{}
	for _, list := range []struct {
		from []Group
		to   *[]compiledGroup
	}{{f.Groups, &c.groups}, {f.InputGroups, &c.input}} {
		for _, g := range list.from {
			group := make(compiledGroup, 0, len(g.Clauses))
			for _, clause := range g.Clauses {
				test, err := compileClause(clause)
				if err != nil {
					return nil, err
				}
				group = append(group, compiledClause{label: label(g.Name, clause), attribute: clause.Attribute, test: test})
			}
			*list.to = append(*list.to, group)
		}
	}
	return c, nil
}

func label(title string, c Clause) string {
	s := title + "." + c.Attribute + " " + c.Operator
	if len(c.Values) > 0 {
		s += " '" + c.Values[0] + "'"
	}
	return s
}

// Attributes lists the attributes the filter reads.
func (f Filter) Attributes() []string {
	var names []string
	for _, groups := range [][]Group{f.Groups, f.InputGroups} {
		for _, g := range groups {
			for _, c := range g.Clauses {
				names = append(names, c.Attribute)
			}
		}
	}
	return names
}

// Imports reports whether the object is imported at all.
func (c *Compiled) Imports(o expression.Object) bool { return anyGroup(c.input, o) }

// Passes reports whether the object is in scope.
func (c *Compiled) Passes(o expression.Object) bool { return anyGroup(c.groups, o) }

func anyGroup(groups []compiledGroup, o expression.Object) bool {
	for _, g := range groups {
		all := true
		for _, clause := range g {
			if !clause.test(o.Attribute(clause.attribute)) {
				all = false
				break
			}
		}
		if all {
			return true
		}
	}
	return len(groups) == 0
}

// Explain is the JSON text of ScopeEvaluationResult: one member per clause.
func (c *Compiled) Explain(o expression.Object) string {
	var b strings.Builder
	b.WriteByte('{')
	for _, g := range c.groups {
		for _, clause := range g {
			if b.Len() > 1 {
				b.WriteByte(',')
			}
			key, err := json.Marshal(clause.label)
			if err != nil {
				continue
			}
			b.Write(key)
			fmt.Fprintf(&b, ":%t", clause.test(o.Attribute(clause.attribute)))
		}
	}
	b.WriteByte('}')
	return b.String()
}

// compileClause gives the test of one clause. An absent or empty attribute
// fails every operator but IS NULL, the negative ones included (SYN-55).
func compileClause(c Clause) (func(expression.Value) bool, error) {
	if c.Operator == "IS NULL" {
		return expression.Value.IsEmpty, nil
	}
	value := ""
	if len(c.Values) > 0 {
		value = c.Values[0]
	}
	var test func(string) bool
	switch c.Operator {
	case "IS NOT NULL":
		test = func(string) bool { return true }
	case "EQUALS":
		test = func(a string) bool { return a == value }
	case "NOT EQUALS":
		test = func(a string) bool { return a != value }
	case "IS TRUE":
		test = func(a string) bool { return strings.EqualFold(a, "true") }
	case "IS FALSE":
		test = func(a string) bool { return strings.EqualFold(a, "false") }
	case "REGEX MATCH", "NOT REGEX MATCH":
		re, fault := expression.CompilePattern(value)
		if fault != "" {
			return nil, fmt.Errorf("compile filter: %s", fault)
		}
		test = pattern(re, c.Operator == "REGEX MATCH")
	case "Greater_Than", "Greater_Than_OR_EQUALS":
		limit, err := strconv.ParseUint(value, 10, 63)
		if err != nil {
			return nil, fmt.Errorf("compile filter: %w", err)
		}
		orEqual := c.Operator == "Greater_Than_OR_EQUALS"
		test = func(a string) bool {
			n, err := strconv.ParseUint(a, 10, 63)
			return err == nil && (n > limit || orEqual && n == limit)
		}
	case "Includes":
		test = func(a string) bool { return strings.Contains(a, value) }
	case "ENDS_WITH":
		test = func(a string) bool { return strings.HasSuffix(a, value) }
	case "&":
		test = func(a string) bool { return strings.Contains(value, a) }
	case "!&":
		test = func(a string) bool { return !strings.Contains(value, a) }
	default:
		return nil, fmt.Errorf("compile filter: unknown operator %q", c.Operator)
	}
	return func(v expression.Value) bool { return !v.IsEmpty() && test(v.String()) }, nil
}

func pattern(re *regexp.Regexp, want bool) func(string) bool {
	return func(a string) bool { return re.MatchString(a) == want }
}
