package contract

import (
	_ "embed"
	"fmt"
	"strings"
	"sync"

	"go.yaml.in/yaml/v3"
)

//go:embed schemas.yaml
var schemaText []byte

// Schema is the content of schemas.yaml.
type Schema struct {
	// Types by name, without the prefix `microsoft.graph.`.
	Types map[string]*Type `yaml:"types"`
	// Enums by name.
	Enums map[string]Enum `yaml:"enums"`
	// Permissions by value, with the id of each form that is published.
	Permissions map[string]Permission `yaml:"permissions"`
}

// Type is a complex or entity type.
type Type struct {
	Base string `yaml:"base"`
	// Open says that members may be added: properties `extension_…` to an
	// entity, any to a complex type.
	Open       bool                `yaml:"open"`
	Abstract   bool                `yaml:"abstract"`
	Beta       bool                `yaml:"beta"`
	Properties map[string]Property `yaml:"properties"`
	// Navigation lists relations, which appear only when expanded.
	Navigation []string `yaml:"navigation"`
}

// Property is one member of a type.
type Property struct {
	// Type is a primitive, an enumeration, a type, or one of them in brackets.
	Type string `yaml:"type"`
	// Required says that the value is never null.
	Required bool `yaml:"required"`
	// Beta says that the property exists on /beta only.
	Beta bool `yaml:"beta"`
}

// Enum is an enumeration as spelled on the wire.
type Enum struct {
	Values []string `yaml:"values"`
	// Flags says that several values may be joined by commas.
	Flags bool `yaml:"flags"`
}

// Permission has the ids of one permission; empty where a form does not exist.
type Permission struct {
	Application string `yaml:"application"`
	Delegated   string `yaml:"delegated"`
}

// Load returns the schema, parsed once.
var Load = sync.OnceValue(func() *Schema {
	var s Schema
	if err := yaml.Unmarshal(schemaText, &s); err != nil {
		panic(fmt.Sprintf("contract: schemas.yaml: %v", err)) // part of the binary
	}
	return &s
})

// property finds a member in a type or its bases.
func (s *Schema) property(typeName, member string) (Property, bool) {
	for t := s.Types[typeName]; t != nil; t = s.Types[t.Base] {
		if p, ok := t.Properties[member]; ok {
			return p, true
		}
	}
	return Property{}, false
}

func (s *Schema) navigation(typeName, member string) bool {
	for t := s.Types[typeName]; t != nil; t = s.Types[t.Base] {
		for _, n := range t.Navigation {
			if n == member {
				return true
			}
		}
	}
	return false
}

func (s *Schema) open(typeName string) bool {
	for t := s.Types[typeName]; t != nil; t = s.Types[t.Base] {
		if t.Open {
			return true
		}
	}
	return false
}

// derives says whether a type is another one or below it.
func (s *Schema) derives(typeName, base string) bool {
	for n := typeName; n != ""; {
		if n == base {
			return true
		}
		t := s.Types[n]
		if t == nil {
			return false
		}
		n = t.Base
	}
	return false
}

// bareType turns `#microsoft.graph.user` into `user`.
func bareType(odataType string) string {
	return strings.TrimPrefix(strings.TrimPrefix(odataType, "#"), "microsoft.graph.")
}
