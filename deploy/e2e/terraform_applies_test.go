package e2e

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"entente.dev/deploy/e2e/suitetest"
)

// The sequences below are what Terraform's azuread provider sends, in its
// order and with its bodies.

func TestTerraformAppliesGuestsGroupsAndSynchronization(t *testing.T) {
	t.Parallel()
	s := suitetest.Shared(t)
	tenant, partner := s.NewTenant(t, "workforce", "Terraform"), s.NewTenant(t, "workforce", "Terraform Partner")
	host := s.GraphURL

	// A new connection for every request, as the provider opens them.
	config := s.Transport().(*http.Transport).TLSClientConfig.Clone()
	config.NextProtos = nil
	plain := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: config}}
	resp, err := plain.Get(host + "/metadata/endpoints?api-version=2022-09-01")
	if err != nil || resp.StatusCode != 200 {
		t.Fatalf("metadata: %v %v", resp, err)
	}
	resp.Body.Close()
	if resp.TLS.Version < tls.VersionTLS12 {
		t.Error("TLS is older than 1.2")
	}
	token := s.TokenRequest(t, tenant.ID+"", url.Values{
		"client_id": {tenant.ClientID}, "client_secret": {tenant.ClientSecret}, "grant_type": {"client_credentials"}, "scope": {host + "/.default"},
	})
	if token.Status != 200 {
		t.Fatalf("token = %d %s", token.Status, token.Raw)
	}
	g := s.Bearer(t, fmt.Sprint(token.JSON["access_token"]))
	caller := tenant.ServicePrincipalID

	// azuread_invitation
	iid := g.Do(http.MethodPost, "/v1.0/invitations", `{"@odata.type":"#microsoft.graph.invitation","inviteRedirectUrl":"https://app.example/welcome",
		"invitedUserEmailAddress":"alice@partner.example","invitedUserType":"Guest"}`)
	if iid.Status != 201 || !strings.HasSuffix(iid.Header.Get("Location"), "/invitations/"+suitetest.ID(iid.JSON)) {
		t.Fatalf("invitation = %d %s %s", iid.Status, iid.Header.Get("Location"), iid.Raw)
	}
	uid := guestOf(iid.JSON)
	g.Patch("/v1.0/users/"+uid, `{"@odata.type":"#microsoft.graph.user","companyName":"TERRAFORM_UPDATE_`+unused()+`"}`)
	g.Patch("/v1.0/users/"+uid, `{"@odata.type":"#microsoft.graph.user","companyName":null}`)
	for range 5 {
		if user := g.Get("/v1.0/users/" + uid); user["mail"] != "alice@partner.example" {
			t.Errorf("mail = %v", user["mail"])
		}
	}

	// azuread_user
	upn := "tf@" + tenant.Domain
	user := g.Create("/v1.0/users", `{"@odata.type":"#microsoft.graph.user","accountEnabled":true,"ageGroup":null,"businessPhones":null,"city":null,"companyName":null,
		"consentProvidedForMinor":null,"country":null,"department":null,"displayName":"tf","employeeId":null,"employeeHireDate":null,"employeeOrgData":{"costCenter":null,"division":null},
		"employeeType":null,"faxNumber":null,"givenName":null,"jobTitle":null,"mail":null,"mailNickname":"tf","mobilePhone":null,"officeLocation":null,
		"passwordPolicies":"DisablePasswordExpiration, DisableStrongPassword","passwordProfile":{"forceChangePasswordNextSignIn":false,"password":"Correct-Horse-7-Battery"},
		"postalCode":null,"preferredLanguage":null,"state":null,"streetAddress":null,"surname":null,"usageLocation":null,"userPrincipalName":"`+upn+`"}`)
	member := suitetest.ID(user)
	g.Patch("/beta/users/"+member, `{"@odata.type":"#microsoft.graph.user","showInAddressList":false}`)
	many := g.Get("/v1.0/users/" + member + "?$select=accountEnabled,ageGroup,companyName,consentProvidedForMinor,country,creationType,department,employeeId,employeeOrgData,employeeType,externalUserState,faxNumber,identities,mailNickname,onPremisesDistinguishedName,onPremisesDomainName,onPremisesImmutableId,onPremisesSamAccountName,onPremisesSecurityIdentifier,onPremisesSyncEnabled,onPremisesUserPrincipalName,otherMails,passwordPolicies,proxyAddresses,showInAddressList,state,streetAddress,usageLocation,userType")
	if many["passwordPolicies"] != "DisablePasswordExpiration, DisableStrongPassword" || many["userType"] != "Member" {
		t.Errorf("user = %v", many)
	}
	if beta := g.Get("/beta/users/" + member + "?$select=showInAddressList"); beta["showInAddressList"] != false {
		t.Errorf("showInAddressList = %v", beta)
	}
	g.Refused(http.MethodGet, "/v1.0/users/"+member+"/manager", nil, 404, "Request_ResourceNotFound")
	g.Patch("/v1.0/users/"+member, `{"@odata.type":"#microsoft.graph.user","showInAddressList":null}`)
	g.Patch("/v1.0/users/"+member, `{"@odata.type":"#microsoft.graph.user","employeeHireDate":"2024-02-01T00:00:00Z"}`)
	if read := g.Get("/v1.0/users/" + member + "?$select=employeeHireDate"); read["employeeHireDate"] != "2024-02-01T00:00:00Z" {
		t.Errorf("employeeHireDate = %v", read)
	}
	source := suitetest.Values(g.Get("/v1.0/users?$filter=userPrincipalName eq '" + upn + "'"))
	if len(source) != 1 {
		t.Errorf("data source = %v", source)
	}

	// azuread_group, wholly on /beta; the caller is its first owner.
	g.Get("/v1.0/directoryObjects/" + caller)
	group := g.Create("/beta/groups", `{"@odata.type":"#microsoft.graph.group","displayName":"team","description":null,"groupTypes":[],"mailEnabled":false,
		"mailNickname":"3025dde6-0","membershipRule":null,"securityEnabled":true,"isAssignableToRole":false,"resourceBehaviorOptions":[],
		"resourceProvisioningOptions":[],"owners@odata.bind":["`+host+`/beta/directoryObjects/`+caller+`"]}`)
	gid := suitetest.ID(group)
	if rule, present := group["membershipRule"]; !present || rule != nil {
		t.Errorf("membershipRule = %v, %v", rule, present)
	}
	g.Patch("/beta/groups/"+gid, `{"@odata.type":"#microsoft.graph.group","description":"TERRAFORM_UPDATE_`+unused()+`"}`)
	g.Patch("/beta/groups/"+gid, `{"@odata.type":"#microsoft.graph.group","description":""}`)
	owners := suitetest.Values(g.Get("/beta/groups/" + gid + "/owners"))
	if len(owners) != 1 || suitetest.ID(owners[0]) != caller || owners[0]["@odata.type"] != "#microsoft.graph.servicePrincipal" {
		t.Errorf("owners = %v", owners)
	}
	isMember := "/beta/groups/" + gid + "/members?$filter=id eq '" + uid + "'"
	if m := suitetest.Values(g.Get(isMember)); len(m) != 0 {
		t.Errorf("members = %v", m)
	}
	g.Send(http.MethodPost, "/beta/groups/"+gid+"/members/$ref", `{"@odata.id":"`+host+`/beta/directoryObjects/`+uid+`"}`)
	again := g.Do(http.MethodPost, "/beta/groups/"+gid+"/members/$ref", `{"@odata.id":"https://graph.microsoft.com/beta/directoryObjects/`+uid+`"}`)
	if again.Status != 400 || suitetest.Message(again) != "One or more added object references already exist for the following modified properties: 'members'." {
		t.Errorf("a member twice = %d %s", again.Status, again.Raw)
	}
	if m := suitetest.Values(g.Get(isMember)); len(m) != 1 || m[0]["@odata.type"] != "#microsoft.graph.user" || suitetest.ID(m[0]) != uid {
		t.Errorf("members = %v", m)
	}
	if m := suitetest.Values(g.Get("/beta/groups/" + gid + "/transitiveMembers")); len(m) != 1 {
		t.Errorf("transitive members = %v", m)
	}
	named := suitetest.Values(g.Get("/beta/groups?$filter=displayName eq 'team'"))
	if len(named) != 1 {
		t.Errorf("groups by name = %v", named)
	}
	g.Delete("/beta/groups/" + gid + "/members/" + uid + "/$ref")
	g.Refused(http.MethodDelete, "/beta/groups/"+gid+"/members/"+uid+"/$ref", nil, 404, "Request_ResourceNotFound")

	// Cross-tenant access and synchronization.
	partners := "/v1.0/policies/crossTenantAccessPolicy/partners"
	g.Create(partners, `{"tenantId":"`+partner.ID+`","b2bCollaborationInbound":{"usersAndGroups":{"accessType":"allowed","targets":[{"target":"AllUsers","targetType":"user"}]},
		"applications":{"accessType":"allowed","targets":[{"target":"AllApplications","targetType":"application"}]}}}`)
	g.Patch(partners+"/"+partner.ID, `{"automaticUserConsentSettings":{"inboundAllowed":true,"outboundAllowed":true}}`)
	g.Send(http.MethodPut, partners+"/"+partner.ID+"/identitySynchronization", `{"displayName":"Fabrikam","userSyncInbound":{"isSyncAllowed":true}}`)
	read := g.Get(partners + "/" + partner.ID)
	if consent, _ := read["automaticUserConsentSettings"].(object); consent["inboundAllowed"] != true || consent["outboundAllowed"] != true {
		t.Errorf("partner = %v", read)
	}
	made := g.Create("/v1.0/applicationTemplates/"+crossTenantTemplate+"/instantiate", `{"displayName":"Cross-tenant"}`)
	sp, _ := made["servicePrincipal"].(object)
	base := "/v1.0/servicePrincipals/" + suitetest.ID(sp) + "/synchronization"
	g.Send(http.MethodPut, base+"/secrets", `{"value":[{"key":"CompanyId","value":"`+partner.ID+`"},{"key":"AuthenticationType","value":"SyncPolicy"}]}`)
	if secrets := suitetest.Values(g.Get(base + "/secrets")); len(secrets) != 2 {
		t.Errorf("secrets = %v", secrets)
	}
	job := g.Create(base+"/jobs", `{"templateId":"Azure2Azure"}`)
	schedule, _ := job["schedule"].(object)
	expiration, present := schedule["expiration"]
	if !strings.HasPrefix(suitetest.ID(job), "Azure2Azure.") || schedule["interval"] != "PT40M" || schedule["state"] != "Disabled" || !present || expiration != nil {
		t.Errorf("job = %v", job)
	}
	path := base + "/jobs/" + suitetest.ID(job)
	g.Send(http.MethodPost, path+"/start", nil)
	if schedule, _ := g.Get(path)["schedule"].(object); schedule["state"] != "Active" {
		t.Errorf("after start: %v", schedule)
	}
	g.Send(http.MethodPost, path+"/pause", `{}`)
	g.Send(http.MethodPut, base+"/secrets", `{"value":[{"key":"CompanyId","value":""},{"key":"AuthenticationType","value":""}]}`)
	if secrets := suitetest.Values(g.Get(base + "/secrets")); len(secrets) != 0 {
		t.Errorf("secrets after removal = %v", secrets)
	}
	g.Delete(path)
	g.Refused(http.MethodGet, path, nil, 404, "Request_ResourceNotFound")

	list := suitetest.Values(g.Get("/v1.0/users?$filter=userType eq 'Guest' and externalUserState eq 'PendingAcceptance'&$top=2"))
	if len(list) != 1 {
		t.Errorf("pending guests = %v", list)
	}
	none := unused()
	missing := g.Refused(http.MethodGet, "/v1.0/users/"+none, nil, 404, "Request_ResourceNotFound")
	if want := "Resource '" + none + "' does not exist or one of its queried reference-property objects are not present."; suitetest.Message(missing) != want {
		t.Errorf("message = %q", suitetest.Message(missing))
	}
	// Destroy: 404 at once and steadily.
	g.Delete("/v1.0/users/" + uid)
	g.Delete("/beta/groups/" + gid)
	for range 5 {
		g.Refused(http.MethodGet, "/v1.0/users/"+uid, nil, 404, "Request_ResourceNotFound")
		g.Refused(http.MethodGet, "/beta/groups/"+gid, nil, 404, "Request_ResourceNotFound")
	}
}

func TestTerraformAppliesApplications(t *testing.T) {
	t.Parallel()
	s := suitetest.Shared(t)
	tenant := s.NewTenant(t, "workforce", "Terraform Applications")
	g := s.Graph(t, tenant)
	host, caller := s.GraphURL, tenant.ServicePrincipalID

	app := g.Create("/v1.0/applications", `{"@odata.type":"#microsoft.graph.application","api":{"@odata.type":"#microsoft.graph.apiApplication","acceptMappedClaims":null,
		"knownClientApplications":[],"oauth2PermissionScopes":[],"requestedAccessTokenVersion":2},"appRoles":[],"displayName":"tf-app","groupMembershipClaims":null,
		"identifierUris":[],"isFallbackPublicClient":null,"notes":null,"optionalClaims":{},"publicClient":{"redirectUris":[]},"requiredResourceAccess":[],
		"serviceManagementReference":null,"signInAudience":"AzureADMyOrg","spa":{"redirectUris":[]},"tags":[],
		"web":{"homePageUrl":null,"implicitGrantSettings":{"enableAccessTokenIssuance":false,"enableIdTokenIssuance":false},"logoutUrl":null,"redirectUris":["https://app.example/back"]},
		"owners@odata.bind":["`+host+`/v1.0/directoryObjects/`+caller+`"]}`)
	id, appID := suitetest.ID(app), fmt.Sprint(app["appId"])
	if claims, present := app["groupMembershipClaims"]; !present || claims != nil {
		t.Errorf("groupMembershipClaims = %v, %v", claims, present)
	}
	g.Patch("/v1.0/applications/"+id, `{"@odata.type":"#microsoft.graph.application","displayName":"TERRAFORM_UPDATE_`+unused()+`"}`)
	g.Patch("/v1.0/applications/"+id, `{"@odata.type":"#microsoft.graph.application","displayName":"tf-app","api":{"requestedAccessTokenVersion":2}}`)
	password := g.Act("/v1.0/applications/"+id+"/addPassword", `{"passwordCredential":{"displayName":"rotated"}}`)
	secret := fmt.Sprint(password["secretText"])
	if password["keyId"] == nil || len(secret) < 16 {
		t.Errorf("addPassword = %v", password)
	}
	got := g.Get("/v1.0/applications/" + id)
	if credentials := fmt.Sprint(got["passwordCredentials"]); !strings.Contains(credentials, fmt.Sprint(password["keyId"])) || strings.Contains(credentials, secret) {
		t.Errorf("passwordCredentials = %s", credentials)
	}
	if byKey := g.Get("/v1.0/applications(appId='" + appID + "')"); suitetest.ID(byKey) != id {
		t.Errorf("by alternate key: %v", byKey)
	}
	if owners := suitetest.Values(g.Get("/v1.0/applications/" + id + "/owners")); len(owners) != 1 {
		t.Errorf("owners = %v", owners)
	}

	if before := suitetest.Values(g.Get("/v1.0/servicePrincipals?$filter=appId eq '" + appID + "'")); len(before) != 0 {
		t.Errorf("a service principal before its creation: %v", before)
	}
	sp := g.Create("/v1.0/servicePrincipals", `{"@odata.type":"#microsoft.graph.servicePrincipal","accountEnabled":true,"alternativeNames":[],"appId":"`+appID+`","appRoleAssignmentRequired":false,
		"description":null,"loginUrl":null,"notes":null,"notificationEmailAddresses":[],"preferredSingleSignOnMode":null,"samlSingleSignOnSettings":{"relayState":""},"tags":[],
		"owners@odata.bind":["`+host+`/v1.0/directoryObjects/`+caller+`"]}`)
	spID := suitetest.ID(sp)
	if names := fmt.Sprint(sp["servicePrincipalNames"]); !strings.Contains(names, appID) {
		t.Errorf("servicePrincipalNames = %s", names)
	}
	second := g.Do(http.MethodPost, "/v1.0/servicePrincipals", object{"appId": appID})
	if second.Status != 409 || suitetest.Code(second) != "Request_MultipleObjectsWithSameKeyValue" {
		t.Errorf("a second service principal = %d %s", second.Status, second.Raw)
	}
	// The new application may sign in, and may do what it is given.
	token := s.AppToken(t, tenant.ID, appID, secret)
	own := s.Bearer(t, token)
	own.Refused(http.MethodGet, "/v1.0/users", nil, 403, "Authorization_RequestDenied")
	graphs := suitetest.Values(g.Get("/v1.0/servicePrincipals?$filter=appId eq '" + graphApplication + "'"))
	assignment := g.Create("/v1.0/servicePrincipals/"+suitetest.ID(graphs[0])+"/appRoleAssignedTo", object{
		"appRoleId": "df021288-bdef-4463-88db-98f22de89214", "principalId": spID, "resourceId": suitetest.ID(graphs[0]), // User.Read.All
	})
	if assignment["principalType"] != "ServicePrincipal" {
		t.Errorf("assignment = %v", assignment)
	}
	suitetest.Eventually(t, 5*time.Second, "User.Read.All takes effect", func() bool {
		fresh := s.TokenRequest(t, tenant.ID, url.Values{"grant_type": {"client_credentials"}, "client_id": {appID}, "client_secret": {secret}, "scope": {host + "/.default"}})
		return s.Bearer(t, fmt.Sprint(fresh.JSON["access_token"])).Do(http.MethodGet, "/v1.0/users?$top=1", nil).Status == 200
	})
	g.Delete("/v1.0/servicePrincipals/" + suitetest.ID(graphs[0]) + "/appRoleAssignedTo/" + suitetest.ID(assignment))

	g.Delete("/v1.0/servicePrincipals/" + spID)
	g.Delete("/v1.0/applications/" + id)
	g.Refused(http.MethodGet, "/v1.0/applications/"+id, nil, 404, "Request_ResourceNotFound")
	if gone := s.TokenRequest(t, tenant.ID, url.Values{"grant_type": {"client_credentials"}, "client_id": {appID}, "client_secret": {secret}, "scope": {host + "/.default"}}); gone.Status != 400 && gone.Status != 401 {
		t.Errorf("token of a deleted application = %d", gone.Status)
	}
}
