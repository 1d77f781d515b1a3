package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"entente.dev/deploy/e2e/suitetest"
)

const (
	globalAdministrator = "62e90394-69f5-4237-9190-012177145e10"
	userAdministrator   = "fe930be7-5e62-47db-91af-98c3a49a38b1"
	directoryReaders    = "88d8e3e3-8f55-4a1e-953a-9b9898b8876b"
	// unifiedSettings and guestSettings are the templates of settings for all
	// Microsoft 365 groups and for one of them.
	unifiedSettings = "62375ab9-6b52-47ed-826b-58e47e0e304b"
	guestSettings   = "08d542b9-071f-4e16-94b0-74abb372e3d9"
)

// holdings are ids of objects by the path segment before them. Where one
// segment stands for objects of several kinds, the key begins with the
// collection above it (`groups/settings`) or ends with what follows the id
// (`groups>dynamicMembership`).
type holdings map[string]string

// id finds what belongs at a place in a path; ok is false when nothing does.
func (h holdings) id(segments []string, at int) (id string, ok bool) {
	if at+1 < len(segments) {
		if id, ok = h[segments[at-1]+">"+segments[at+1]]; ok {
			return id, true
		}
	}
	if at > 2 {
		if id, ok = h[segments[at-3]+"/"+segments[at-1]]; ok {
			return id, true
		}
	}
	id, ok = h[segments[at-1]]
	return id, ok
}

// path fills the keys of a pattern; missing is true when one has no value.
func (h holdings) path(pattern string) (path string, missing bool) {
	segments := strings.Split(pattern, "/")
	filled := make([]string, len(segments))
	for i, s := range segments {
		filled[i] = s
		if variable.MatchString(s) {
			id, ok := h.id(segments, i)
			filled[i], missing = variable.ReplaceAllString(s, id), missing || !ok
		}
	}
	return strings.Join(filled, "/"), missing
}

// settle makes one object of each kind in a tenant.
func settle(t *testing.T, s *suitetest.Suite, tenant, partner suitetest.Tenant) holdings {
	t.Helper()
	g := s.Graph(t, tenant)
	own := holdings{"organization": tenant.ID, "domains": tenant.Domain}
	own["users"] = suitetest.ID(g.Create("/v1.0/users", tenant.NewUser("matrix")))
	user := s.GraphURL + "/v1.0/users/" + own["users"]
	own["groups"] = suitetest.ID(g.Create("/v1.0/groups", object{"displayName": "matrix", "mailEnabled": false, "mailNickname": "matrix", "securityEnabled": true,
		"members@odata.bind": []string{user}, "owners@odata.bind": []string{user}}))
	own["directoryObjects"], own["members"], own["owners"] = own["users"], own["users"], own["users"]
	own["invitations"] = suitetest.ID(g.Create("/v1.0/invitations", object{"invitedUserEmailAddress": address("matrix"), "inviteRedirectUrl": welcome}))
	deleted := suitetest.ID(g.Create("/v1.0/users", tenant.NewUser("deleted")))
	g.Delete("/v1.0/users/" + deleted)
	own["deletedItems"] = deleted
	c := configure(t, g, partner, false)
	own["servicePrincipals"], own["applications"] = c.ServicePrincipal, c.Application
	own["jobs"] = c.Job[strings.LastIndex(c.Job, "/")+1:]
	for kind, principal := range map[string]string{"users": own["users"], "groups": own["groups"]} {
		c.assign(g, principal)
		own[kind+"/appRoleAssignments"] = first(t, g, "/v1.0/"+kind+"/"+principal+"/appRoleAssignments")
	}
	own["appRoleAssignedTo"] = own["users/appRoleAssignments"]
	own["servicePrincipals/appRoleAssignments"] = first(t, g, "/v1.0/servicePrincipals/"+tenant.ServicePrincipalID+"/appRoleAssignments")
	own["servicePrincipals>appRoleAssignments"] = tenant.ServicePrincipalID
	own["directoryRoles"] = first(t, g, "/v1.0/directoryRoles")
	own["roleAssignments"] = suitetest.ID(g.Create("/v1.0/roleManagement/directory/roleAssignments", object{
		"principalId": own["users"], "roleDefinitionId": directoryReaders, "directoryScopeId": "/",
	}))
	own.furnish(g, tenant, user)
	own.live(t, g, tenant)
	return own
}

// live adds what happens in a tenant: bulk work, sign-ins, a password reset.
func (h holdings) live(t *testing.T, g *suitetest.Graph, tenant suitetest.Tenant) {
	t.Helper()
	operation := start(t, g, "deleteUsers", template(t, g, "deleteUsers")+"nobody@"+tenant.Domain+"\n")
	finished(t, g, operation)
	h["bulkOperations"] = operation[strings.LastIndex(operation, "/")+1:]
	invited := start(t, g, "inviteUsers", template(t, g, "inviteUsers")+address("listed")+","+welcome+"\n")
	finished(t, g, invited)
	h["bulkInvitations"] = invited[strings.LastIndex(invited, "/")+1:]
	h["inviteUsers"] = h["bulkInvitations"]
	recordSignIns(t, g.Suite, tenant, h["users"], 1)
	h["signIns"] = first(t, g, "/v1.0/auditLogs/signIns")
	reset := g.Suite.Admin(t, tenant).Do(http.MethodPost, "/v1.0/users/"+h["users"]+"/authentication/methods/"+passwordMethod+"/resetPassword", object{})
	location := reset.Header.Get("Location")
	h["operations"] = location[strings.LastIndex(location, "/")+1:]
}

// furnish adds what administrators set up around users and groups.
func (h holdings) furnish(g *suitetest.Graph, tenant suitetest.Tenant, user string) {
	h["administrativeUnits"] = suitetest.ID(g.Create("/v1.0/directory/administrativeUnits", object{"displayName": "matrix"}))
	unit := "/v1.0/directory/administrativeUnits/" + h["administrativeUnits"]
	g.Send(http.MethodPost, unit+"/members/$ref", object{"@odata.id": user})
	h["directoryRoles>scopedMembers"] = activated(g, userAdministrator)
	h["users>scopedRoleMemberOf"] = suitetest.ID(g.Create("/v1.0/users", tenant.NewUser("officer")))
	h["scopedRoleMembers"] = suitetest.ID(g.Create(unit+"/scopedRoleMembers", object{
		"roleId": h["directoryRoles>scopedMembers"], "roleMemberInfo": object{"id": h["users>scopedRoleMemberOf"]},
	}))
	h["scopedMembers"], h["scopedRoleMemberOf"] = h["scopedRoleMembers"], h["scopedRoleMembers"]

	h["contacts"] = suitetest.ID(g.Create("/entente/v1/contacts", object{"displayName": "matrix", "mail": address("contact")}))
	g.Send(http.MethodPost, "/v1.0/groups/"+h["groups"]+"/members/$ref", object{"@odata.id": g.Suite.GraphURL + "/v1.0/directoryObjects/" + h["contacts"]})

	app := "/v1.0/applications/" + h["applications"]
	h["extensionProperties"] = suitetest.ID(g.Create(app+"/extensionProperties", object{"name": "shoeSize", "dataType": "Integer", "targetObjects": []string{"User"}}))
	h["federatedIdentityCredentials"] = suitetest.ID(g.Create(app+"/federatedIdentityCredentials", object{
		"name": "main", "issuer": "https://ci.example", "subject": "repo:matrix", "audiences": []string{"api://AzureADTokenExchange"},
	}))
	graphs := suitetest.Values(g.Get("/v1.0/servicePrincipals?$filter=appId eq '" + graphApplication + "'"))
	h["oauth2PermissionGrants"] = suitetest.ID(g.Create("/v1.0/oauth2PermissionGrants", object{
		"clientId": h["servicePrincipals"], "consentType": "AllPrincipals", "resourceId": suitetest.ID(graphs[0]), "scope": "User.Read",
	}))

	team := suitetest.ID(g.Create("/v1.0/groups", object{"displayName": "team", "mailEnabled": true, "mailNickname": "team", "securityEnabled": true, "groupTypes": []string{"Unified"}}))
	setting := func(path, template string) string {
		return suitetest.ID(g.Create(path, object{"templateId": template, "values": []object{{"name": "AllowToAddGuests", "value": "true"}}}))
	}
	h["groupSettings"] = setting("/v1.0/groupSettings", unifiedSettings)
	h["groups>settings"] = team
	h["groups/settings"] = setting("/v1.0/groups/"+team+"/settings", guestSettings)
	h["groups>dynamicMembership"] = suitetest.ID(g.Create("/v1.0/groups", object{
		"displayName": "dynamic", "mailEnabled": false, "mailNickname": "dynamic", "securityEnabled": true, "groupTypes": []string{"DynamicMembership"},
		"membershipRule": `user.department -eq "Matrix"`, "membershipRuleProcessingState": "On",
	}))

	pending := tenant.OwnDomain()
	g.Create("/v1.0/domains", object{"id": pending})
	h["domains>verificationDnsRecords"] = pending
	records := suitetest.Values(g.Get("/v1.0/domains/" + pending + "/verificationDnsRecords"))
	h["verificationDnsRecords"] = suitetest.ID(records[0])
}

// first returns the id of the first element of a list.
func first(t *testing.T, g *suitetest.Graph, path string) string {
	t.Helper()
	list := suitetest.Values(g.Get(path))
	if len(list) == 0 {
		t.Fatalf("%s is empty", path)
	}
	return suitetest.ID(list[0])
}

// activated returns the id of a directory role, which it activates if need be.
func activated(g *suitetest.Graph, template string) string {
	found := suitetest.Values(g.Get("/v1.0/directoryRoles?$filter=roleTemplateId eq '" + template + "'"))
	if len(found) > 0 {
		return suitetest.ID(found[0])
	}
	return suitetest.ID(g.Create("/v1.0/directoryRoles", object{"roleTemplateId": template}))
}

// snapshot is the state of a tenant as its own application reads it.
func snapshot(g *suitetest.Graph, own holdings) string {
	var b strings.Builder
	paths := []string{
		"/v1.0/users?$select=id,displayName,city,accountEnabled,userPrincipalName", "/v1.0/groups", "/v1.0/applications", "/v1.0/servicePrincipals?$select=id,displayName,tags",
		"/v1.0/directory/deletedItems/microsoft.graph.user", "/v1.0/policies/crossTenantAccessPolicy/partners", "/v1.0/policies/authorizationPolicy",
		"/v1.0/roleManagement/directory/roleAssignments", "/entente/v1/invitations?$select=id,state", "/v1.0/contacts", "/v1.0/domains",
		"/v1.0/directory/administrativeUnits", "/v1.0/oauth2PermissionGrants", "/v1.0/groupSettings",
	}
	for _, pattern := range []string{
		"/v1.0/groups/{}/members", "/v1.0/groups/{}/owners", "/v1.0/groups/{}/settings", "/v1.0/servicePrincipals/{}/synchronization/secrets",
		"/v1.0/servicePrincipals/{}/appRoleAssignedTo", "/v1.0/directory/administrativeUnits/{}/members", "/v1.0/directory/administrativeUnits/{}/scopedRoleMembers",
		"/v1.0/applications/{}/extensionProperties", "/v1.0/applications/{}/federatedIdentityCredentials",
	} {
		path, _ := own.path(pattern)
		paths = append(paths, path)
	}
	for _, path := range paths {
		objects, _ := g.All(path)
		if objects == nil {
			objects = []object{g.Get(path)}
		}
		fmt.Fprintf(&b, "%s %v\n", path, objects)
	}
	return b.String()
}

// unchanged fails the test when two snapshots differ, and shows where.
func unchanged(t *testing.T, who, before, after string) {
	t.Helper()
	was, is := strings.Split(before, "\n"), strings.Split(after, "\n")
	for i := range min(len(was), len(is)) {
		if was[i] != is[i] {
			t.Errorf("%s changed the tenant:\nbefore %.600s\nafter  %.600s", who, was[i], is[i])
		}
	}
}
