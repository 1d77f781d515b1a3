package contract

import (
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// changing maps the collections whose changes can be followed to their types.
var changing = map[string]string{
	"users": "user", "groups": "group", "contacts": "orgContact", "administrativeUnits": "administrativeUnit",
	"applications": "application", "servicePrincipals": "servicePrincipal",
}

// isChange says whether a message is one object in a list of changes.
func isChange(m protoreflect.MessageDescriptor) bool { return m.Name() == "ChangedObject" }

// changes checks a page of changes (WIRE-69): objects with some of their
// properties, or their id and why they are gone, and one link of two.
func (c *checker) changes(path string, items []any, page map[string]any, sel *selection) {
	segments := normalize(path)
	typeName := changing[segments[len(segments)-2]]
	_, next := page["@odata.nextLink"]
	_, last := page["@odata.deltaLink"]
	if next == last {
		c.fail("value", "a page of changes has one of @odata.nextLink and @odata.deltaLink")
	}
	for i, item := range items {
		at := fmt.Sprintf("value[%d]", i)
		object, ok := item.(map[string]any)
		if !ok {
			c.fail(at, "%s is no object", kind(item))
			continue
		}
		if id, _ := object["id"].(string); !guidForm.MatchString(id) {
			c.fail(at, "id is %v", object["id"])
		}
		c.object(at, typeName, object, false)
		removed := c.removed(at, object)
		for name, v := range object {
			switch {
			case strings.HasSuffix(name, "@delta"):
				c.links(at+"."+name, v)
			case strings.Contains(name, "@") || name == "id":
			case removed:
				c.fail(at+"."+name, "belongs to what is gone")
			case sel.named != nil && !slices.Contains(sel.named, name):
				c.fail(at+"."+name, "was not selected")
			}
		}
	}
}

// removed checks `@removed` and says whether it is there.
func (c *checker) removed(at string, object map[string]any) bool {
	v, ok := object["@removed"]
	if !ok {
		return false
	}
	why, _ := v.(map[string]any)
	if reason := why["reason"]; reason != "changed" && reason != "deleted" || len(why) != 1 {
		c.fail(at+".@removed", "%v says no reason", v)
	}
	return true
}

// links checks the changes of a relation: type, id, and perhaps that it ended.
func (c *checker) links(at string, v any) {
	list, ok := v.([]any)
	if !ok {
		c.fail(at, "%s is no list", kind(v))
	}
	for _, item := range list {
		link, _ := item.(map[string]any)
		if id, _ := link["id"].(string); !guidForm.MatchString(id) || c.schema.Types[bareTypeOf(link)] == nil {
			c.fail(at, "%v has no type or no id", item)
		}
		c.removed(at, link)
	}
}
