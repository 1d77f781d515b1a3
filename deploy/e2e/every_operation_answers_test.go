package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"entente.dev/deploy/e2e/contract"
	"entente.dev/deploy/e2e/suitetest"
)

// TestEveryOperationAnswers calls every operation of operations.csv at least
// once with success: reads from the list itself, in a tenant that has one of
// each, and writes in the order in which an administrator would make them.
// Each answer is held against the contract.
func TestEveryOperationAnswers(t *testing.T) {
	t.Parallel()
	s := suitetest.Shared(t)
	tenant, partner := s.NewTenant(t, "workforce", "Every Operation"), s.NewTenant(t, "workforce", "Every Operation Partner")
	var seen contract.Coverage
	plain := s.Graph(t, tenant)
	own := settle(t, s, tenant, partner)
	w := writer{t: t, g: plain.Covering(&seen), own: own, tenant: tenant}
	for _, step := range []func(){w.users, w.groups, w.units, w.roles, w.applications, w.principals, w.domains, w.objects, w.contacts, w.batch} {
		step()
	}
	w.reads(&seen)
	for _, o := range seen.Missing() {
		t.Errorf("never answered: %s %s", o.Method, o.Path)
	}
}

// writer makes every write of the list once. It goes on after a refusal, so
// that one run names all that is missing.
type writer struct {
	t      *testing.T
	g      *suitetest.Graph
	own    holdings
	tenant suitetest.Tenant
}

// do sends a request that must succeed and returns the answer.
func (w *writer) do(method, path string, body any) object {
	w.t.Helper()
	a := w.g.Do(method, path, body)
	if a.Status >= 300 {
		w.t.Errorf("%s %s = %d %s %s", method, path, a.Status, suitetest.Code(a), suitetest.Message(a))
	}
	return a.JSON
}

// create makes an object and returns its id.
func (w *writer) create(path string, body any) string {
	w.t.Helper()
	return suitetest.ID(w.do(http.MethodPost, path, body))
}

// user makes a user.
func (w *writer) user(name string) string {
	w.t.Helper()
	return w.create("/v1.0/users", w.tenant.NewUser(name))
}

func (w *writer) reference(id string) object {
	return object{"@odata.id": w.g.Suite.GraphURL + "/v1.0/directoryObjects/" + id}
}

// link adds an object to a relation and takes it out again.
func (w *writer) link(relation, id string) {
	w.t.Helper()
	w.do(http.MethodPost, relation+"/$ref", w.reference(id))
	w.do(http.MethodDelete, relation+"/"+id+"/$ref", nil)
}

// memberships asks the four questions about what an object belongs to.
func (w *writer) memberships(path string) {
	w.t.Helper()
	ids := []string{w.own["groups"]}
	w.do(http.MethodPost, path+"/checkMemberGroups", object{"groupIds": ids})
	w.do(http.MethodPost, path+"/checkMemberObjects", object{"ids": ids})
	w.do(http.MethodPost, path+"/getMemberGroups", object{"securityEnabledOnly": false})
	w.do(http.MethodPost, path+"/getMemberObjects", object{"securityEnabledOnly": false})
}

func (w *writer) users() {
	id := w.user("written")
	path := "/v1.0/users/" + id
	w.do(http.MethodPatch, path, object{"city": "Utrecht"})
	w.do(http.MethodPut, path+"/manager/$ref", w.reference(w.own["users"]))
	w.do(http.MethodGet, path+"/manager", nil)
	w.do(http.MethodGet, path+"/manager/$ref", nil)
	w.do(http.MethodDelete, path+"/manager/$ref", nil)
	w.link(path+"/sponsors", w.own["users"])
	w.memberships(path)
	w.do(http.MethodPost, path+"/revokeSignInSessions", nil)
	w.assignment(path)

	// What a person does without an administrator.
	person := w.g.Suite.As(w.t, w.tenant, id, "User.ReadWrite", "Directory.AccessAsUser.All")
	me := writer{t: w.t, g: w.g.Acting(person), own: w.own, tenant: w.tenant}
	for _, read := range []string{"/v1.0/me", "/v1.0/me/memberOf", "/v1.0/me/transitiveMemberOf", "/v1.0/me/ownedObjects"} {
		me.do(http.MethodGet, read, nil)
	}
	me.do(http.MethodPatch, "/v1.0/me", object{"mobilePhone": "+31 6 12345678"})
	w.do(http.MethodPut, path+"/manager/$ref", w.reference(w.own["users"]))
	me.do(http.MethodGet, "/v1.0/me/manager", nil)
	me.do(http.MethodPost, path+"/changePassword", object{"currentPassword": "Correct-Horse-7-Battery", "newPassword": "Staple-8-Horse-Battery"})

	w.do(http.MethodDelete, path, nil)
	w.do(http.MethodPost, "/v1.0/directory/deletedItems/"+id+"/restore", nil)
	w.do(http.MethodDelete, path, nil)
	w.do(http.MethodDelete, "/v1.0/directory/deletedItems/"+id, nil)
}

// assignment gives a principal an app role of the service principal and takes
// it away.
func (w *writer) assignment(principal string) {
	w.t.Helper()
	resource := w.own["servicePrincipals"]
	roles, _ := w.do(http.MethodGet, "/v1.0/servicePrincipals/"+resource, nil)["appRoles"].([]any)
	if len(roles) == 0 {
		w.t.Error("the service principal has no role")
		return
	}
	id := principal[strings.LastIndex(principal, "/")+1:]
	made := w.create(principal+"/appRoleAssignments", object{"principalId": id, "resourceId": resource, "appRoleId": roles[0].(object)["id"]})
	w.do(http.MethodGet, principal+"/appRoleAssignments/"+made, nil)
	w.do(http.MethodDelete, principal+"/appRoleAssignments/"+made, nil)
}

func (w *writer) groups() {
	id := w.create("/v1.0/groups", object{"displayName": "written", "mailEnabled": false, "mailNickname": "written", "securityEnabled": true})
	path := "/v1.0/groups/" + id
	w.do(http.MethodPatch, path, object{"description": "written"})
	w.link(path+"/members", w.own["users"])
	w.do(http.MethodPost, path+"/owners/$ref", w.reference(w.own["users>scopedRoleMemberOf"])) // the last owner stays
	w.link(path+"/owners", w.own["users"])
	w.memberships(path)
	w.assignment(path)
	w.do(http.MethodDelete, path, nil)
}

func (w *writer) units() {
	id := w.create("/v1.0/directory/administrativeUnits", object{"displayName": "written", "visibility": "HiddenMembership"})
	path := "/v1.0/directory/administrativeUnits/" + id
	w.do(http.MethodPatch, path, object{"description": "written"})
	w.link(path+"/members", w.own["users"])
	w.do(http.MethodPost, path+"/members", object{"@odata.type": "#microsoft.graph.group", "displayName": "inside", "mailEnabled": false, "mailNickname": "inside", "securityEnabled": true})
	role := object{"roleId": activated(w.g, userAdministrator), "roleMemberInfo": object{"id": w.own["users>scopedRoleMemberOf"]}}
	scoped := w.create(path+"/scopedRoleMembers", role)
	w.do(http.MethodGet, path+"/scopedRoleMembers/"+scoped, nil)
	w.do(http.MethodDelete, path+"/scopedRoleMembers/"+scoped, nil)
	w.do(http.MethodDelete, path, nil)
	other := w.create("/v1.0/directory/administrativeUnits", object{"displayName": "other"})
	w.do(http.MethodGet, "/beta/administrativeUnits/"+other, nil)
	w.do(http.MethodDelete, "/beta/administrativeUnits/"+other, nil)
}

func (w *writer) roles() {
	const reportsReader = "4a5d8f65-41da-4de4-8968-e035b65339cf"
	role := w.create("/v1.0/directoryRoles", object{"roleTemplateId": reportsReader})
	w.link("/v1.0/directoryRoles/"+role+"/members", w.own["users"])
	assignments := "/v1.0/roleManagement/directory/roleAssignments"
	made := w.create(assignments, object{"principalId": w.own["users"], "roleDefinitionId": reportsReader, "directoryScopeId": "/"})
	for _, read := range []string{"", "/principal", "/roleDefinition"} {
		w.do(http.MethodGet, assignments+"/"+made+read, nil)
	}
	w.do(http.MethodDelete, assignments+"/"+made, nil)
}

func (w *writer) applications() {
	id := w.create("/v1.0/applications", object{"displayName": "written"})
	path := "/v1.0/applications/" + id
	w.do(http.MethodPatch, path, object{"notes": "written"})
	w.link(path+"/owners", w.own["users"])
	secret := w.do(http.MethodPost, path+"/addPassword", object{"passwordCredential": object{"displayName": "one"}})
	w.do(http.MethodPost, path+"/removePassword", object{"keyId": secret["keyId"]})
	property := w.create(path+"/extensionProperties", object{"name": "colour", "dataType": "String", "targetObjects": []string{"User"}})
	w.do(http.MethodDelete, path+"/extensionProperties/"+property, nil)
	credential := w.create(path+"/federatedIdentityCredentials", object{"name": "main", "issuer": "https://ci.example", "subject": "repo:x", "audiences": []string{"api://AzureADTokenExchange"}})
	w.do(http.MethodPatch, path+"/federatedIdentityCredentials/"+credential, object{"description": "written"})
	w.do(http.MethodDelete, path+"/federatedIdentityCredentials/"+credential, nil)
	w.do(http.MethodDelete, path, nil)
	for _, kind := range []string{"application", "servicePrincipal", "group", "administrativeUnit"} {
		w.do(http.MethodGet, "/v1.0/directory/deletedItems/microsoft.graph."+kind, nil)
	}
}

func (w *writer) principals() {
	app := w.do(http.MethodPost, "/v1.0/applications", object{"displayName": "principal"})
	id := w.create("/v1.0/servicePrincipals", object{"appId": app["appId"]})
	path := "/v1.0/servicePrincipals/" + id
	w.do(http.MethodPatch, path, object{"notes": "written"})
	w.link(path+"/owners", w.own["users"])
	secret := w.do(http.MethodPost, path+"/addPassword", object{"passwordCredential": object{"displayName": "one"}})
	w.do(http.MethodPost, path+"/removePassword", object{"keyId": secret["keyId"]})
	w.memberships(path)
	everyone := object{"principalId": w.own["users"], "resourceId": id, "appRoleId": "00000000-0000-0000-0000-000000000000"}
	assigned := w.create(path+"/appRoleAssignedTo", everyone)
	w.do(http.MethodGet, path+"/appRoleAssignedTo/"+assigned, nil)
	w.do(http.MethodDelete, path+"/appRoleAssignedTo/"+assigned, nil)
	graphs := suitetest.Values(w.g.Get("/v1.0/servicePrincipals?$filter=appId eq '" + graphApplication + "'"))
	granted := w.create(path+"/appRoleAssignments", object{"principalId": id, "resourceId": suitetest.ID(graphs[0]), "appRoleId": "df021288-bdef-4463-88db-98f22de89214"})
	w.do(http.MethodGet, path+"/appRoleAssignments/"+granted, nil)
	w.do(http.MethodDelete, path+"/appRoleAssignments/"+granted, nil)
	w.do(http.MethodDelete, path, nil)
}

func (w *writer) domains() {
	name := "written." + w.own["domains>verificationDnsRecords"]
	w.create("/v1.0/domains", object{"id": name})
	w.do(http.MethodDelete, "/v1.0/domains/"+name, nil)
	w.create("/v1.0/domains", object{"id": name})
	w.g.Suite.Vouch(w.t, w.tenant, name) // a suite that was joined need not see our DNS
	w.do(http.MethodPost, "/v1.0/domains/"+name+"/verify", nil)
	w.do(http.MethodPatch, "/v1.0/domains/"+name, object{"supportedServices": []string{"Email"}})
	w.do(http.MethodPatch, "/v1.0/organization/"+w.tenant.ID, object{"technicalNotificationMails": []string{"tech@partner.example"}})
}

func (w *writer) objects() {
	id := w.user("object")
	path := "/v1.0/directoryObjects/" + id
	w.memberships(path)
	w.do(http.MethodPost, "/v1.0/directoryObjects/getByIds", object{"ids": []string{id}})
	w.do(http.MethodDelete, path, nil)
}

func (w *writer) contacts() { w.memberships("/v1.0/contacts/" + w.own["contacts"]) }

func (w *writer) batch() {
	w.do(http.MethodPost, "/v1.0/$batch", object{"requests": []object{{"id": "1", "method": "GET", "url": "/organization"}}})
}

// reads calls every GET of the list that no step has called.
func (w *writer) reads(seen *contract.Coverage) {
	own := w.own
	own["directoryRoleTemplates"], own["roleDefinitions"] = globalAdministrator, globalAdministrator
	if rows := suitetest.Values(w.g.Get("/v1.0/auditLogs/directoryAudits?$top=1")); len(rows) == 1 {
		own["directoryAudits"] = suitetest.ID(rows[0])
	}
	for _, o := range seen.Missing() {
		if o.Method != http.MethodGet || strings.HasPrefix(o.Path, "/me") {
			continue
		}
		path := strings.NewReplacer("{tenantId}", w.tenant.ID, "{domainName}", w.tenant.Domain).Replace(o.Path)
		path, missing := own.path("/v1.0" + path)
		if missing {
			w.t.Errorf("nothing to read %s with", o.Path)
			continue
		}
		g := w.g
		if strings.HasSuffix(path, "/$count") {
			g = g.Advanced()
		}
		if a := g.Do(http.MethodGet, path, nil); a.Status != http.StatusOK {
			w.t.Errorf("GET %s = %d %s", o.Path, a.Status, fmt.Sprint(suitetest.Code(a), " ", suitetest.Message(a)))
		}
	}
}
