package e2e

import (
	"net/http"
	"strings"
	"testing"

	"entente.dev/deploy/e2e/suitetest"
)

// TestAdminExtendsObjects writes and reads directory extensions of everything
// that can have them, by their whole names (DIR-190, DIR-191).
func TestAdminExtendsObjects(t *testing.T) {
	t.Parallel()
	s := suitetest.Shared(t)
	tenant := s.NewTenant(t, "workforce", "Extended Works")
	g := s.Graph(t, tenant)
	app := "/v1.0/applications/" + suitetest.ID(g.Create("/v1.0/applications", object{"displayName": "HR"}))
	define := func(name, target string) (path, whole string) {
		made := g.Create(app+"/extensionProperties", object{"name": name, "dataType": "String", "targetObjects": []string{target}})
		whole, _ = made["name"].(string)
		return app + "/extensionProperties/" + suitetest.ID(made), whole
	}
	for target, made := range map[string]struct {
		collection string
		body       object
	}{
		"User":               {"/v1.0/users", tenant.NewUser("ann")},
		"Group":              {"/v1.0/groups", object{"displayName": "team", "mailEnabled": false, "securityEnabled": true, "mailNickname": "team"}},
		"AdministrativeUnit": {"/v1.0/directory/administrativeUnits", object{"displayName": "North"}},
		"Application":        {"/v1.0/applications", object{"displayName": "Payroll"}},
		"Organization":       {"/v1.0/organization", nil},
	} {
		definition, name := define("costCenter"+target, target)
		path := made.collection + "/" + tenant.ID
		if made.body != nil {
			made.body[name] = "Berlin 7"
			path = made.collection + "/" + suitetest.ID(g.Create(made.collection, made.body))
		} else {
			g.Patch(path, object{name: "Berlin 7"})
		}
		selected := path + "?$select=id," + name
		if got := g.Get(selected); got[name] != "Berlin 7" {
			t.Errorf("%s: %v", target, got)
		}
		if got := g.Get(path); got[name] != nil {
			t.Errorf("%s without $select: %v", target, got)
		}
		if made.body == nil {
			if list := suitetest.Values(g.Get(made.collection + "?$select=id," + name)); len(list) != 1 || list[0][name] != "Berlin 7" {
				t.Errorf("%s: %v", target, list)
			}
		} else {
			filter := name + " eq 'berlin 7'"
			if found := suitetest.Values(g.Get(made.collection + "?$filter=" + filter + "&$select=id," + name)); len(found) != 1 || found[0][name] != "Berlin 7" {
				t.Errorf("%s: %v", target, found)
			}
			if n := g.Advanced().Do(http.MethodGet, made.collection+"/$count?$filter="+filter, nil); n.Status != http.StatusOK || string(n.Raw) != "1" {
				t.Errorf("%s: $count = %d %s", target, n.Status, n.Raw)
			}
		}
		other := "Group"
		if target == other {
			other = "User"
		}
		_, wrong := define("of"+target, other)
		g.Refused(http.MethodPatch, path, object{wrong: "x"}, 400, "Request_BadRequest")
		g.Refused(http.MethodPatch, path, object{name: 7}, 400, "Request_BadRequest")
		g.Refused(http.MethodPatch, path, object{name: strings.Repeat("x", 257)}, 400, "Request_BadRequest")
		g.Patch(path, object{name: nil})
		if got, ok := g.Get(selected)[name]; got != nil || !ok {
			t.Errorf("%s after null: %v, %v", target, got, ok)
		}
		g.Patch(path, object{name: "Paris"})
		g.Delete(definition)
		if got := g.Get(selected)[name]; got != nil {
			t.Errorf("%s without a definition: %v", target, got)
		}
	}
	g.Refused(http.MethodPost, "/v1.0/servicePrincipals", object{"appId": g.Get(app)["appId"], "extension_00000000000000000000000000000001_x": "y"}, 400, "Request_BadRequest")
}
