package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"entente.dev/deploy/e2e/suitetest"
)

func TestAdminManagesUsers(t *testing.T) {
	t.Parallel()
	s := suitetest.Shared(t)
	tenant := s.NewTenant(t, "workforce", "Adventure Works")
	g := s.Graph(t, tenant)

	body := tenant.NewUser("adele")
	body["department"], body["jobTitle"], body["businessPhones"] = "Retail", "Manager", []string{"+31 20 1234567"}
	adele := g.Create("/v1.0/users", body)
	if adele["displayName"] != "adele" || adele["jobTitle"] != "Manager" || adele["passwordProfile"] != nil {
		t.Errorf("created user = %v", adele)
	}
	id := suitetest.ID(adele)
	duplicate := g.Refused(http.MethodPost, "/v1.0/users", tenant.NewUser("Adele"), 400, "Request_BadRequest")
	if suitetest.Message(duplicate) != "Another object with the same value for property userPrincipalName already exists." || !slices.Contains(suitetest.Details(duplicate), "ObjectConflict") {
		t.Errorf("duplicate name: %s", duplicate.Raw)
	}

	// Merge: absent stays, null clears, a read shows each write at once.
	g.Patch("/beta/users/"+id, object{"jobTitle": nil, "companyName": "Adventure", "employeeOrgData": object{"division": "North"}})
	g.Patch("/v1.0/users/"+id, object{"employeeOrgData": object{"costCenter": "42"}})
	got := g.Get("/v1.0/users/" + id + "?$select=id,jobTitle,department,companyName,employeeOrgData")
	if got["jobTitle"] != nil || got["department"] != "Retail" || got["companyName"] != "Adventure" {
		t.Errorf("after PATCH: %v", got)
	}
	if data, _ := got["employeeOrgData"].(object); data["division"] != "North" || data["costCenter"] != "42" {
		t.Errorf("employeeOrgData = %v", got["employeeOrgData"])
	}
	if len(got) != 6 {
		t.Errorf("$select answers %v", got)
	}

	boss := suitetest.ID(g.Create("/v1.0/users", tenant.NewUser("boss")))
	g.Refused(http.MethodGet, "/v1.0/users/"+id+"/manager", nil, 404, "Request_ResourceNotFound")
	g.Send(http.MethodPut, "/v1.0/users/"+id+"/manager/$ref", object{"@odata.id": "https://graph.microsoft.com/v1.0/users/" + boss})
	if manager := g.Get("/v1.0/users/" + id + "/manager"); suitetest.ID(manager) != boss || manager["@odata.type"] != "#microsoft.graph.user" {
		t.Errorf("manager = %v", manager)
	}
	g.Delete("/v1.0/users/" + id + "/manager/$ref")

	// Deleted for thirty days, then back under the old id.
	g.Delete("/v1.0/users/" + id)
	g.Refused(http.MethodGet, "/v1.0/users/"+id, nil, 404, "Request_ResourceNotFound")
	g.Refused(http.MethodDelete, "/v1.0/users/"+id, nil, 404, "Request_ResourceNotFound")
	deleted := suitetest.Values(g.Get("/v1.0/directory/deletedItems/microsoft.graph.user"))
	if len(deleted) != 1 || suitetest.ID(deleted[0]) != id {
		t.Errorf("deleted users = %v", deleted)
	}
	if item := g.Get("/v1.0/directory/deleteditems/" + id); item["@odata.type"] != "#microsoft.graph.user" {
		t.Errorf("deleted item = %v", item)
	}
	restored := g.Act("/v1.0/directory/deletedItems/"+id+"/restore", nil)
	if suitetest.ID(restored) != id || restored["@odata.type"] != "#microsoft.graph.user" {
		t.Errorf("restored = %v", restored)
	}
	if again := g.Get("/v1.0/users/" + id); again["userPrincipalName"] != adele["userPrincipalName"] {
		t.Errorf("after restore: %v", again)
	}
	g.Delete("/v1.0/users/" + id)
	g.Delete("/v1.0/directory/deletedItems/" + id)
	g.Refused(http.MethodGet, "/v1.0/directory/deletedItems/"+id, nil, 404, "Request_ResourceNotFound")
}

func TestAdminFindsUsersByQuery(t *testing.T) {
	t.Parallel()
	s := suitetest.Shared(t)
	tenant := s.NewTenant(t, "workforce", "Fourth Coffee")
	g := s.Graph(t, tenant)
	var ids []string
	for i := range 25 {
		body := tenant.NewUser(fmt.Sprintf("user%02d", i))
		body["department"] = []string{"Sales", "Finance"}[i%2]
		body["surname"] = "O'Neil"
		ids = append(ids, suitetest.ID(g.Create("/v1.0/users", body)))
	}
	invite(g, address("pending"))

	count := func(filter string) int {
		users, _ := g.All("/v1.0/users?$filter=" + filter)
		return len(users)
	}
	for filter, want := range map[string]int{
		"department eq 'sales'": 13,
		"department eq 'Sales' and startswith(displayName,'user0')":                    5,
		"startsWith(displayName, 'USER1')":                                             10,
		"displayName in ('user01', 'user02', 'nobody')":                                2,
		"surname eq 'O''Neil'":                                                         25,
		"userType eq 'Guest' and externalUserState eq 'PendingAcceptance'":             1,
		"userType eq 'Guest' AND (department eq 'Sales' OR accountEnabled eq true)":    1,
		"userPrincipalName eq 'USER07@" + tenant.Domain + "'":                          1,
		"mailNickname eq 'user07'":                                                     1,
		"id eq '" + ids[3] + "'":                                                       1,
		"identities/any(c:c/issuerAssignedId eq 'x@y.example' and c/issuer eq 'mail')": 0,
	} {
		if got := count(filter); got != want {
			t.Errorf("%s finds %d, want %d", filter, got, want)
		}
	}
	adv := g.Advanced()
	for filter, want := range map[string]int{
		"department ne 'Sales' and startswith(displayName,'user')": 12,
		"not(startsWith(displayName,'user'))":                      2, // the administrator and the guest
		"department eq null":                                       2,
		"endswith(userPrincipalName,'07@" + tenant.Domain + "')":   1,
	} {
		page := adv.Get("/v1.0/users?$filter=" + filter + "&$count=true")
		if got := len(suitetest.Values(page)); got != want || page["@odata.count"] != json.Number(fmt.Sprint(got)) {
			t.Errorf("%s finds %d with count %v, want %d", filter, got, page["@odata.count"], want)
		}
	}
	g.Refused(http.MethodGet, "/v1.0/users?$filter=department ne 'Sales'", nil, 400, "Request_UnsupportedQuery")

	// Pages: every user once, in order, links on the caller's own origin.
	users, pages := g.All("/v1.0/users?$top=4&$orderby=displayName&$select=id,displayName")
	if pages != 7 || len(users) != 27 {
		t.Errorf("%d users on %d pages, want 27 on 7", len(users), pages)
	}
	if !slices.IsSortedFunc(users, func(a, b object) int {
		return strings.Compare(strings.ToLower(fmt.Sprint(a["displayName"])), strings.ToLower(fmt.Sprint(b["displayName"])))
	}) {
		t.Error("$orderby does not order over pages")
	}
	seen := map[string]bool{}
	for _, u := range users {
		if seen[suitetest.ID(u)] {
			t.Errorf("%s twice", suitetest.ID(u))
		}
		seen[suitetest.ID(u)] = true
	}
	last, _ := g.All("/v1.0/users?$top=10&$orderby=displayName desc&$select=displayName")
	if first := fmt.Sprint(last[0]["displayName"]); first < fmt.Sprint(last[len(last)-1]["displayName"]) {
		t.Errorf("descending order begins with %s", first)
	}
	// The position remembers the advanced mode, which clients drop on the next page.
	page := adv.Get("/v1.0/users?$top=2&$count=true&$filter=endswith(userPrincipalName,'" + tenant.Domain + "')")
	link, _ := page["@odata.nextLink"].(string)
	if next := g.Get(link); len(suitetest.Values(next)) != 2 || next["@odata.count"] != nil {
		t.Errorf("second page = %v", next)
	}
	a := adv.Do(http.MethodGet, "/v1.0/users/$count", nil)
	if a.Status != 200 || string(a.Raw) != "27" {
		t.Errorf("$count = %d %s", a.Status, a.Raw)
	}
	g.Refused(http.MethodGet, "/v1.0/users/$count", nil, 400, "Request_BadRequest")
	if p := g.Get("/v1.0/users?$top=1&$count=true"); p["@odata.count"] != nil {
		t.Error("$count=true without the header is not ignored")
	}
}

func TestAdminSendsABatch(t *testing.T) {
	t.Parallel()
	s := suitetest.Shared(t)
	tenant := s.NewTenant(t, "workforce", "Wingtip")
	g := s.Graph(t, tenant)
	none := unused()
	answer := g.Act("/v1.0/$batch", object{"requests": []object{
		{"id": "a", "method": "GET", "url": "/users/" + none},
		{"id": "b", "method": "GET", "url": "/organization", "dependsOn": []string{"a"}},
		{"id": "c", "method": "POST", "url": "users", "headers": object{"Content-Type": "application/json"}, "body": tenant.NewUser("batch")},
		{"id": "d", "method": "GET", "url": "/v1.0/users/batch@" + tenant.Domain + "?$select=id,displayName", "dependsOn": []string{"c"}},
		{"id": "e", "method": "PATCH", "url": "/users/batch@" + tenant.Domain, "headers": object{"content-type": "application/json"}, "body": object{"city": "Utrecht"}, "dependsOn": []string{"d"}},
		{"id": "f", "method": "POST", "url": "/$batch", "headers": object{"Content-Type": "application/json"}, "body": object{"requests": []object{}}},
	}})
	got := map[string]string{}
	list, _ := answer["responses"].([]any)
	for _, r := range list {
		part := r.(object)
		got[fmt.Sprint(part["id"])] = fmt.Sprint(part["status"])
		if part["id"] == "d" {
			if body, _ := part["body"].(object); body["displayName"] != "batch" {
				t.Errorf("part d = %v", part)
			}
		}
	}
	for id, want := range map[string]string{"a": "404", "b": "424", "c": "201", "d": "200", "e": "204", "f": "400"} {
		if got[id] != want {
			t.Errorf("part %s = %s, want %s", id, got[id], want)
		}
	}
	var many []object
	for i := range 21 {
		many = append(many, object{"id": fmt.Sprint(i), "method": "GET", "url": "/organization"})
	}
	if a := g.Do(http.MethodPost, "/beta/$batch", object{"requests": many}); a.Status != 400 {
		t.Errorf("21 requests in a batch = %d", a.Status)
	}
	twice := []object{{"id": "x", "method": "GET", "url": "/organization"}, {"id": "X", "method": "GET", "url": "/organization"}}
	if a := g.Do(http.MethodPost, "/v1.0/$batch", object{"requests": twice}); a.Status != 400 {
		t.Errorf("one id twice in a batch = %d", a.Status)
	}
}

// Clients read an object, change a property and send all of it (WIRE-49).
func TestUnchangedUserMayBeSentBack(t *testing.T) {
	t.Parallel()
	s := suitetest.Shared(t)
	tenant := s.NewTenant(t, "workforce", "Sent Back")
	g := s.Graph(t, tenant)
	id := suitetest.ID(g.Create("/v1.0/users", tenant.NewUser("back")))
	for _, path := range []string{"/v1.0/users/" + id, "/beta/users/" + id} {
		body := g.Get(path)
		delete(body, "@odata.context")
		body["city"] = "Leiden"
		g.Patch(path, body)
	}
	if user := g.Get("/v1.0/users/" + id + "?$select=city"); user["city"] != "Leiden" {
		t.Errorf("city = %v", user["city"])
	}
}
