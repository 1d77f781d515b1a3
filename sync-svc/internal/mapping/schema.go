package mapping

import (
	"fmt"
	"strings"
	"time"

	"entente.dev/sync-svc/internal/expression"
	"entente.dev/sync-svc/internal/scope"
)

// Schema is the synchronization schema of one job.
type Schema struct {
	ID          string      `json:"id"`
	Version     int         `json:"version"`
	Rules       []Rule      `json:"rules"`
	Directories []Directory `json:"directories"`
}

// KeyValue is a named text.
type KeyValue struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

// Rule is the one synchronization rule of a job (SYN-67).
type Rule struct {
	ID              string          `json:"id"`
	Name            string          `json:"name"`
	Priority        int             `json:"priority"`
	Editable        bool            `json:"editable"`
	SourceDirectory string          `json:"sourceDirectoryName"`
	TargetDirectory string          `json:"targetDirectoryName"`
	Metadata        []KeyValue      `json:"metadata"`
	Objects         []ObjectMapping `json:"objectMappings"`
}

// FlowTypes are the kinds of writes an object mapping performs.
type FlowTypes uint8

// The kinds of writes.
const (
	FlowAdd FlowTypes = 1 << iota
	FlowUpdate
	FlowDelete
)

// ParseFlowTypes reads the comma-separated text, in any letter case.
func ParseFlowTypes(text string) (FlowTypes, error) {
	var f FlowTypes
	for _, part := range strings.Split(text, ",") {
		switch strings.ToLower(strings.TrimSpace(part)) {
		case "add":
			f |= FlowAdd
		case "update":
			f |= FlowUpdate
		case "delete":
			f |= FlowDelete
		case "none", "":
		default:
			return 0, fmt.Errorf("unknown flow type %q", part)
		}
	}
	return f, nil
}

// String is the comma-separated text of the wire.
func (f FlowTypes) String() string {
	var parts []string
	for i, name := range []string{"Add", "Update", "Delete"} {
		if f&(1<<i) != 0 {
			parts = append(parts, name)
		}
	}
	if parts == nil {
		return "None"
	}
	return strings.Join(parts, ",")
}

// ObjectMapping maps objects of one type.
type ObjectMapping struct {
	Name         string             `json:"name"`
	SourceObject string             `json:"sourceObjectName"`
	TargetObject string             `json:"targetObjectName"`
	Enabled      bool               `json:"enabled"`
	FlowTypes    FlowTypes          `json:"flowTypes"`
	Metadata     []KeyValue         `json:"metadata"`
	Scope        *scope.Filter      `json:"scope"`
	Attributes   []AttributeMapping `json:"attributeMappings"`
}

// FlowType says when an attribute flows (SYN-70).
type FlowType string

// The flow types.
const (
	Always            FlowType = "Always"
	ObjectAddOnly     FlowType = "ObjectAddOnly"
	AttributeAddOnly  FlowType = "AttributeAddOnly"
	ValueAddOnly      FlowType = "ValueAddOnly"
	MultiValueAddOnly FlowType = "MultiValueAddOnly"
)

// AttributeMapping maps one target attribute.
type AttributeMapping struct {
	Target                  string   `json:"targetAttributeName"`
	Source                  *Source  `json:"source"`
	FlowType                FlowType `json:"flowType"`
	FlowAlways              bool     `json:"flowAlways"`
	DefaultValue            *string  `json:"defaultValue"`
	MatchingPriority        int      `json:"matchingPriority"`
	ExportMissingReferences bool     `json:"exportMissingReferences"`
}

// Source is where a value comes from; the expression is authoritative.
type Source struct {
	Expression string        `json:"expression"`
	Name       string        `json:"name"`
	Type       string        `json:"type"` // Attribute, Constant or Function
	Parameters []NamedSource `json:"parameters"`
}

// NamedSource is one argument of a function.
type NamedSource struct {
	Key   string `json:"key"`
	Value Source `json:"value"`
}

// Directory describes the objects of one side.
type Directory struct {
	ID           string             `json:"id"`
	Name         string             `json:"name"`
	Version      string             `json:"version"`
	ReadOnly     bool               `json:"readOnly"`
	DiscoveredAt *time.Time         `json:"discoveryDateTime"`
	Objects      []ObjectDefinition `json:"objects"`
}

// ObjectDefinition describes one object type.
type ObjectDefinition struct {
	Name       string                `json:"name"`
	Attributes []AttributeDefinition `json:"attributes"`
}

// AttributeDefinition describes one attribute.
type AttributeDefinition struct {
	Name           string `json:"name"`
	Type           string `json:"type"`
	Multivalued    bool   `json:"multivalued"`
	Required       bool   `json:"required"`
	Anchor         bool   `json:"anchor"`
	CaseExact      bool   `json:"caseExact"`
	FlowNullValues bool   `json:"flowNullValues"`
	Mutability     string `json:"mutability"`
	DefaultValue   string `json:"defaultValue"`
	Reference      string `json:"reference"` // object type a Reference points to
}

// Users returns the mapping of users; every valid schema has it.
func (s Schema) Users() *ObjectMapping { return s.object("User") }

// Groups returns the mapping of groups, or nil.
func (s Schema) Groups() *ObjectMapping { return s.object("Group") }

func (s Schema) object(name string) *ObjectMapping {
	for i := range s.Rules {
		for j := range s.Rules[i].Objects {
			if o := &s.Rules[i].Objects[j]; strings.EqualFold(o.SourceObject, name) {
				return o
			}
		}
	}
	return nil
}

// attributes indexes the attributes of one object type on one side: those the
// product knows, as the document redefines or extends them.
func (s Schema) attributes(directory, object string, known []AttributeDefinition) map[string]AttributeDefinition {
	m := make(map[string]AttributeDefinition, len(known))
	for _, a := range known {
		m[a.Name] = a
	}
	for _, d := range s.Directories {
		if d.Name != directory {
			continue
		}
		for _, o := range d.Objects {
			if !strings.EqualFold(o.Name, object) {
				continue
			}
			for _, a := range o.Attributes {
				if k, ok := m[a.Name]; ok {
					k.FlowNullValues = a.FlowNullValues
					a = k
				}
				m[a.Name] = a
			}
		}
	}
	return m
}

// Tree returns the parsed source. The expression wins; when it is empty it is
// rebuilt from type, name and parameters.
func (s Source) Tree() (*expression.Node, error) {
	text := s.Expression
	if text == "" {
		n, err := s.rebuild(1)
		if err != nil {
			return nil, err
		}
		text = n
	}
	return expression.Parse(text)
}

func (s Source) rebuild(depth int) (string, error) {
	if depth > expression.MaxNesting+1 {
		return "", &expression.ParseError{Message: "parameters are nested too deeply"}
	}
	if s.Expression != "" {
		return s.Expression, nil
	}
	switch s.Type {
	case "Attribute":
		return "[" + s.Name + "]", nil
	case "Constant":
		return expression.Quote(s.Name), nil
	}
	var args []string
	for _, p := range s.Parameters {
		// Omitted arguments have no entry: names tell the position.
		for range 20 {
			if p.Key == "" || expression.ParameterName(s.Name, len(args)) == p.Key {
				break
			}
			args = append(args, "")
		}
		text, err := p.Value.rebuild(depth + 1)
		if err != nil {
			return "", err
		}
		args = append(args, text)
	}
	return s.Name + "(" + strings.Join(args, ", ") + ")", nil
}

// Describe gives a parsed expression its form on the wire, name and parameters
// recomputed; omitted arguments are left out.
func Describe(n *expression.Node) Source {
	s := Source{Expression: n.String()}
	switch n.Kind {
	case expression.AttributeNode:
		s.Type, s.Name = "Attribute", n.Name
	case expression.ConstantNode:
		s.Type, s.Name = "Constant", n.Value.String()
	case expression.FunctionNode:
		s.Type, s.Name = "Function", n.Name
		for i, a := range n.Args {
			if a.Kind != expression.OmittedNode {
				s.Parameters = append(s.Parameters, NamedSource{Key: expression.ParameterName(n.Name, i), Value: Describe(a)})
			}
		}
	default:
		// Comparisons and compare types have no type of their own on the wire.
		s.Type, s.Name = "Constant", n.String()
	}
	return s
}
