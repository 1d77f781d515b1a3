package contract

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	optionspb "entente.dev/proto/gen/entente/options/v1"
)

// messages maps the name of a Graph type to the message that carries it. Where
// two messages carry one type, the one that belongs to an entity set wins.
var messages = sync.OnceValue(func() map[string]protoreflect.MessageDescriptor {
	byType := map[string]protoreflect.MessageDescriptor{}
	protoregistry.GlobalFiles.RangeFiles(func(f protoreflect.FileDescriptor) bool {
		for i := range f.Messages().Len() {
			m := f.Messages().Get(i)
			r := resource(m)
			if r.GetType() == "" {
				continue
			}
			if old, ok := byType[r.Type]; !ok || resource(old).GetSet() == "" {
				byType[r.Type] = m
			}
		}
		return true
	})
	return byType
})

func resource(m protoreflect.MessageDescriptor) *optionspb.Resource {
	if m == nil || !proto.HasExtension(m.Options(), optionspb.E_Resource) {
		return nil
	}
	return proto.GetExtension(m.Options(), optionspb.E_Resource).(*optionspb.Resource)
}

func property(f protoreflect.FieldDescriptor) *optionspb.Property {
	if !proto.HasExtension(f.Options(), optionspb.E_Property) {
		return nil
	}
	return proto.GetExtension(f.Options(), optionspb.E_Property).(*optionspb.Property)
}

// selection is what the query of a request asks for.
type selection struct {
	named    []string // nil: the default members
	expanded []string
}

func parseSelection(query url.Values) selection {
	var s selection
	for key, values := range query {
		switch strings.ToLower(strings.TrimPrefix(key, "$")) {
		case "select":
			for _, n := range strings.Split(strings.Join(values, ","), ",") {
				s.named = append(s.named, strings.TrimSpace(n))
			}
		case "expand":
			for _, n := range strings.Split(strings.Join(values, ","), ",") {
				name, _, _ := strings.Cut(strings.TrimSpace(n), "(")
				s.expanded = append(s.expanded, name)
			}
		}
	}
	return s
}

// members checks which members an answer has: all of the default set, or the
// selected ones and no others (WIRE-23, WIRE-24). Inside complex values every
// member is there, with null where it has no value.
func (c *checker) members(path string, m protoreflect.MessageDescriptor, o map[string]any, sel *selection) {
	if strings.HasPrefix(string(m.FullName()), "google.protobuf.") {
		return // open content
	}
	if t := bareTypeOf(o); t != "" && messages()[t] != nil {
		m = messages()[t]
	}
	known := map[string]bool{}
	for i := range m.Fields().Len() {
		f := m.Fields().Get(i)
		name, p := f.JSONName(), property(f)
		if strings.Contains(name, "@") {
			continue
		}
		known[name] = true
		v, present := o[name]
		if present && p.GetSelect() == optionspb.Property_selectNever {
			c.fail(path+"."+name, "never leaves the service")
		}
		if !present && c.expected(m, f, p, sel) {
			c.fail(path, "member %s is missing", name)
		}
		if f.Message() == nil || f.IsMap() {
			continue
		}
		switch v := v.(type) {
		case map[string]any:
			c.members(path+"."+name, f.Message(), v, nil)
		case []any:
			for i, item := range v {
				if child, ok := item.(map[string]any); ok {
					c.members(fmt.Sprintf("%s.%s[%d]", path, name, i), f.Message(), child, nil)
				}
			}
		}
	}
	for name := range o {
		switch {
		case strings.Contains(name, "@"):
		case sel != nil && sel.named != nil && name != "id" && !slices.Contains(sel.named, name) && !slices.Contains(sel.expanded, name):
			c.fail(path+"."+name, "was not selected")
		case !known[name] && !(resource(m).GetOpen() && strings.HasPrefix(name, "extension_")):
			c.fail(path+"."+name, "is no member of %s", m.FullName())
		}
	}
}

func (c *checker) expected(m protoreflect.MessageDescriptor, f protoreflect.FieldDescriptor, p *optionspb.Property, sel *selection) bool {
	switch {
	case resource(m).GetOpen() && f.Name() == "extensions":
		return false
	case p.GetOmitEmpty(), p.GetSecret(), p.GetBeta() && !c.beta:
		return false
	case sel != nil && sel.named != nil:
		return slices.Contains(sel.named, f.JSONName())
	}
	return p.GetSelect() == optionspb.Property_selectDefault || c.beta && p.GetSelect() == optionspb.Property_selectDefaultBeta
}

func bareTypeOf(o map[string]any) string {
	text, _ := o["@odata.type"].(string)
	return bareType(text)
}
