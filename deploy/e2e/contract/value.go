package contract

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

var (
	guidForm = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)
	timeForm = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z$`)
	// zeroFraction is what makes Terraform plan a change (WIRE-27).
	zeroFraction = regexp.MustCompile(`\.0+Z$`)
	dateForm     = regexp.MustCompile(`^\d{4}-\d\d-\d\d$`)
	durationForm = regexp.MustCompile(`^-?P(\d+Y)?(\d+M)?(\d+W)?(\d+D)?(T(\d+H)?(\d+M)?(\d+(\.\d+)?S)?)?$`)
	integerForm  = regexp.MustCompile(`^-?\d+$`)
)

// checker collects what is wrong with one body.
type checker struct {
	schema   *Schema
	beta     bool
	origin   string
	expanded []string
	// plain says that the answer has no @odata.context.
	plain    bool
	problems []string
}

func (c *checker) fail(path, format string, args ...any) {
	c.problems = append(c.problems, path+": "+fmt.Sprintf(format, args...))
}

// value checks one value against a type expression of the schema.
func (c *checker) value(path, typeName string, v any, required bool) {
	if v == nil {
		if required {
			c.fail(path, "null, but %s is required", typeName)
		}
		return
	}
	if inner, ok := strings.CutPrefix(typeName, "["); ok {
		inner = strings.TrimSuffix(inner, "]")
		list, ok := v.([]any)
		if !ok {
			c.fail(path, "%s is no list", kind(v))
			return
		}
		for i, item := range list {
			c.value(fmt.Sprintf("%s[%d]", path, i), inner, item, true)
		}
		return
	}
	if e, ok := c.schema.Enums[typeName]; ok {
		c.enum(path, typeName, e, v)
		return
	}
	if c.schema.Types[typeName] != nil {
		object, ok := v.(map[string]any)
		if !ok {
			c.fail(path, "%s is no %s", kind(v), typeName)
			return
		}
		c.object(path, typeName, object, false)
		return
	}
	c.primitive(path, typeName, v)
}

func (c *checker) enum(path, name string, e Enum, v any) {
	s, ok := v.(string)
	if !ok {
		c.fail(path, "%s instead of a value of %s", kind(v), name)
		return
	}
	parts := []string{s}
	if e.Flags {
		parts = strings.Split(s, ",")
	}
	for _, p := range parts {
		if !slices.Contains(e.Values, p) {
			c.fail(path, "%q is no value of %s", p, name)
		}
	}
}

func (c *checker) primitive(path, typeName string, v any) {
	switch typeName {
	case "boolean":
		if _, ok := v.(bool); !ok {
			c.fail(path, "%s is no boolean", kind(v))
		}
		return
	case "int16", "int32", "int64":
		if n, ok := v.(json.Number); !ok || !integerForm.MatchString(n.String()) {
			c.fail(path, "%v is no JSON integer", v)
		}
		return
	case "double", "float", "decimal":
		if _, ok := v.(json.Number); !ok {
			c.fail(path, "%v is no JSON number", v)
		}
		return
	}
	s, ok := v.(string)
	if !ok {
		c.fail(path, "%s is no %s", kind(v), typeName)
		return
	}
	switch typeName {
	case "string", "stream", "time":
	case "guid":
		if !guidForm.MatchString(s) {
			c.fail(path, "%q is no lower-case GUID", s)
		}
	case "dateTime":
		if !timeForm.MatchString(s) || zeroFraction.MatchString(s) {
			c.fail(path, "%q is no time in UTC without an empty fraction", s)
		}
	case "date":
		if !dateForm.MatchString(s) {
			c.fail(path, "%q is no date", s)
		}
	case "duration":
		if !durationForm.MatchString(s) || strings.TrimLeft(s, "-PT") == "" {
			c.fail(path, "%q is no ISO 8601 duration", s)
		}
	case "base64":
		if _, err := base64.StdEncoding.DecodeString(s); err != nil {
			if _, err := base64.RawURLEncoding.DecodeString(s); err != nil {
				c.fail(path, "no base64")
			}
		}
	default:
		c.fail(path, "type %s is not described", typeName)
	}
}

// object checks the members of an object. top is true where the object is the
// whole answer and so may have the annotations of one.
func (c *checker) object(path, typeName string, o map[string]any, top bool) {
	if text, ok := o["@odata.type"].(string); ok {
		named := bareType(text)
		switch {
		case c.schema.Types[named] == nil:
			c.fail(path, "@odata.type %q is not described", text)
		case !c.schema.derives(named, typeName):
			c.fail(path, "@odata.type %q is no %s", text, typeName)
		default:
			typeName = named
		}
	}
	for name, v := range o {
		at := path + "." + name
		if strings.Contains(name, "@") {
			c.annotation(at, name, v, top)
			continue
		}
		if p, ok := c.schema.property(typeName, name); ok {
			if p.Beta && !c.beta && !alsoStable[typeName+"."+name] {
				c.fail(at, "exists on /beta only")
			}
			c.value(at, p.Type, v, p.Required)
			continue
		}
		switch {
		case c.schema.navigation(typeName, name) && (slices.Contains(c.expanded, name) || alwaysExpanded[typeName+"."+name]):
		case c.schema.navigation(typeName, name):
			c.fail(at, "relation of %s that was not expanded", typeName)
		case c.schema.open(typeName) && (strings.HasPrefix(name, "extension_") || !c.schema.derives(typeName, "entity")):
		default:
			c.fail(at, "unknown member of %s", typeName)
		}
	}
}

// alsoStable lists the members of /beta that /v1.0 answers when they are
// selected (INV-167).
var alsoStable = map[string]bool{"signIn.crossTenantAccessType": true}

// alwaysExpanded lists the relations that Graph answers without $expand.
var alwaysExpanded = map[string]bool{
	"invitation.invitedUser":            true,
	"synchronizationSchema.directories": true,
}

// annotation checks an `@odata` member (WIRE-31, WIRE-32).
func (c *checker) annotation(path, name string, v any, top bool) {
	switch name {
	case "@odata.nextLink", "@odata.deltaLink":
		link, ok := v.(string)
		if !ok {
			c.fail(path, "%s: a link is absent when there is none", kind(v))
		} else if !strings.HasPrefix(link, c.origin+"/") {
			c.fail(path, "%q is not on %s", link, c.origin)
		} else if strings.Contains(strings.TrimPrefix(link, c.origin), "/v2/") {
			c.fail(path, "%q has /v2/", link)
		}
	case "@odata.context":
		text, ok := v.(string)
		if !ok || !strings.HasPrefix(text, c.origin+"/") || !strings.Contains(text, "/$metadata#") {
			c.fail(path, "%v is no context on %s", v, c.origin)
		}
		if !top {
			c.fail(path, "context inside an answer")
		}
	case "@odata.count":
		if n, ok := v.(json.Number); !ok || !integerForm.MatchString(n.String()) {
			c.fail(path, "%v is no JSON integer", v)
		}
	case "@odata.type", "@odata.id", "@odata.etag", "@removed":
	default:
		if !strings.Contains(name, "@odata.") && !strings.HasSuffix(name, "@delta") {
			c.fail(path, "unknown annotation")
		}
	}
}

func kind(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case string:
		return fmt.Sprintf("string %q", v)
	case bool:
		return "boolean"
	case json.Number:
		return fmt.Sprintf("number %v", v)
	case []any:
		return "list"
	case map[string]any:
		return "object"
	}
	return fmt.Sprintf("%T", v)
}
