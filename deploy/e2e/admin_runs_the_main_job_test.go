package e2e

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"entente.dev/deploy/e2e/contract"
	"entente.dev/deploy/e2e/suitetest"
)

func TestOperatorProvisionsATenant(t *testing.T) {
	t.Parallel()
	s := suitetest.Shared(t)
	tenant := s.NewTenant(t, "workforce", "Litware")
	op := s.Operator(t)
	got := op.Get("/admin/v1/tenants/" + tenant.ID)
	if got["displayName"] != "Litware" || got["tenantType"] != "workforce" || got["state"] != "active" {
		t.Errorf("tenant = %v", got)
	}
	out, err := suitetest.Command(t.Context(), "tenant", "show", tenant.ID, "--data-dir", s.Dir)
	if err != nil || !strings.Contains(out, tenant.Domain) {
		t.Errorf("entente tenant show: %v\n%s", err, out)
	}
	list, err := suitetest.Command(t.Context(), "tenant", "list", "--data-dir", s.Dir)
	if err != nil || !strings.Contains(list, tenant.ID) {
		t.Errorf("entente tenant list: %v\n%s", err, list)
	}

	// What every new tenant contains (WIRE-87 to WIRE-90).
	g := s.Graph(t, tenant)
	organization := suitetest.Values(g.Get("/v1.0/organization"))
	if len(organization) != 1 || suitetest.ID(organization[0]) != tenant.ID {
		t.Errorf("organization = %v", organization)
	}
	domains := suitetest.Values(g.Get("/v1.0/domains"))
	if len(domains) != 1 || domains[0]["isInitial"] != true || domains[0]["isDefault"] != true || domains[0]["id"] != tenant.Domain {
		t.Errorf("domains = %v", domains)
	}
	graphs := suitetest.Values(g.Get("/v1.0/servicePrincipals?$filter=appId eq '" + graphApplication + "'"))
	if len(graphs) != 1 {
		t.Fatalf("service principals of Graph = %v", graphs)
	}
	roles := map[string]string{}
	for _, r := range graphs[0]["appRoles"].([]any) {
		role := r.(object)
		roles[fmt.Sprint(role["value"])] = suitetest.ID(role)
	}
	for name, p := range contract.Load().Permissions {
		if p.Application != "" && roles[name] != p.Application {
			t.Errorf("app role %s of Graph has id %q, want %s", name, roles[name], p.Application)
		}
	}
	g.Refused(http.MethodDelete, "/v1.0/servicePrincipals/"+suitetest.ID(graphs[0]), nil, 403, "Authorization_RequestDenied")
	templates := suitetest.Values(g.Get("/v1.0/directoryRoleTemplates"))
	if !slices.ContainsFunc(templates, func(r object) bool {
		return suitetest.ID(r) == "62e90394-69f5-4237-9190-012177145e10" && r["displayName"] == "Global Administrator"
	}) {
		t.Error("the template of Global Administrator is missing")
	}
	if policy := g.Get("/v1.0/policies/authorizationPolicy"); policy["allowInvitesFrom"] != "everyone" {
		t.Errorf("authorizationPolicy = %v", policy)
	}
	if access := g.Get("/v1.0/policies/crossTenantAccessPolicy/default"); access["isServiceDefault"] != true {
		t.Errorf("default access = %v", access)
	}

	// A suspended tenant's tokens are refused within a second, and serve again afterwards.
	op.Patch("/admin/v1/tenants/"+tenant.ID, object{"state": "suspended"})
	suitetest.Eventually(t, 5*time.Second, "the token is refused", func() bool {
		return g.Do(http.MethodGet, "/v1.0/users", nil).Status == 401
	})
	op.Patch("/admin/v1/tenants/"+tenant.ID, object{"state": "active"})
	suitetest.Eventually(t, 5*time.Second, "the token serves again", func() bool {
		return g.Do(http.MethodGet, "/v1.0/users", nil).Status == 200
	})
}

func TestClientsFindTheirWayToAToken(t *testing.T) {
	t.Parallel()
	s := suitetest.Shared(t)
	tenant := s.Demo(t, "contoso")
	client := &http.Client{Transport: s.Transport()}
	document := func(path string) object {
		resp, err := client.Get(s.LoginURL + path)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		var v object
		if err := json.NewDecoder(resp.Body).Decode(&v); err != nil || resp.StatusCode != 200 || !strings.HasPrefix(resp.Header.Get("Content-Type"), "application/json") {
			t.Fatalf("GET %s = %d %s: %v", path, resp.StatusCode, resp.Header.Get("Content-Type"), err)
		}
		return v
	}
	metadata := document("/metadata/endpoints?api-version=2022-09-01")
	authentication, _ := metadata["authentication"].(object)
	if login := authentication["loginEndpoint"]; login != s.LoginURL {
		t.Errorf("loginEndpoint = %v, want %s without a slash at its end", login, s.LoginURL)
	}
	for _, name := range []string{"name", "resourceManager", "microsoftGraphResourceId"} {
		if v, _ := metadata[name].(string); v == "" {
			t.Errorf("metadata: %s is empty", name)
		}
	}
	for _, path := range []string{"/v2.0/.well-known/openid-configuration", "/.well-known/openid-configuration"} {
		d := document("/" + tenant.ID + path)
		if d["issuer"] != s.LoginURL+"/"+tenant.ID+"/v2.0" || d["token_endpoint"] != s.LoginURL+"/"+tenant.ID+"/oauth2/v2.0/token" {
			t.Errorf("%s = %v", path, d)
		}
		for _, name := range []string{"authorization_endpoint", "jwks_uri"} {
			if v, _ := d[name].(string); !strings.HasPrefix(v, s.LoginURL+"/") {
				t.Errorf("%s: %s = %q", path, name, v)
			}
		}
	}

	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {tenant.ClientID}, "client_secret": {tenant.ClientSecret}}
	var token string
	for _, resource := range []string{s.GraphURL, s.GraphURL + "/", "https://graph.microsoft.com", graphApplication} {
		for _, authority := range []string{tenant.ID, tenant.Domain} {
			form.Set("scope", strings.TrimSuffix(resource, "/")+"/.default openid offline_access profile")
			a := s.TokenRequest(t, authority, form)
			if a.Status != 200 || a.JSON["token_type"] != "Bearer" || a.Header.Get("Cache-Control") != "no-store" {
				t.Fatalf("token for %s at %s = %d %s", resource, authority, a.Status, a.Raw)
			}
			text, _ := a.JSON["access_token"].(string)
			if resource == s.GraphURL {
				token = text
			}
			if status := s.Bearer(t, text).Do(http.MethodGet, "/v1.0/organization", nil).Status; status != 200 {
				t.Errorf("a token for %s is answered with %d", resource, status)
			}
		}
	}
	claims := verify(t, document("/"+tenant.ID+"/discovery/v2.0/keys"), token)
	for name, want := range map[string]any{
		"iss": s.LoginURL + "/" + tenant.ID + "/v2.0", "tid": tenant.ID, "appid": tenant.ClientID, "azp": tenant.ClientID, "idtyp": "app", "ver": "2.0", "aud": s.GraphURL,
	} {
		if claims[name] != want {
			t.Errorf("claim %s = %v, want %v", name, claims[name], want)
		}
	}
	for _, name := range []string{"oid", "sub", "uti", "app_displayname"} {
		if v, _ := claims[name].(string); v == "" {
			t.Errorf("claim %s is missing", name)
		}
	}
	if _, delegated := claims["scp"]; delegated {
		t.Error("an application token has scp")
	}
	roles, _ := claims["roles"].([]any)
	for name, p := range contract.Load().Permissions {
		if p.Application != "" && !slices.Contains(roles, any(name)) {
			t.Errorf("the administrator application lacks %s", name)
		}
	}

	for _, wrong := range []struct {
		name, authority, field, value, code, kind string
	}{
		{"a wrong secret", tenant.ID, "client_secret", "nonsense", "AADSTS7000215:", "invalid_client"},
		{"an unknown application", tenant.ID, "client_id", unused(), "AADSTS700016:", "unauthorized_client"},
		{"an unknown tenant", unused(), "scope", s.GraphURL + "/.default", "AADSTS90002:", "invalid_request"},
	} {
		f := url.Values{"grant_type": {"client_credentials"}, "client_id": {tenant.ClientID}, "client_secret": {tenant.ClientSecret}, "scope": {s.GraphURL + "/.default"}}
		f.Set(wrong.field, wrong.value)
		a := s.TokenRequest(t, wrong.authority, f)
		description, _ := a.JSON["error_description"].(string)
		if a.Status != 400 && a.Status != 401 || !strings.HasPrefix(description, wrong.code) || a.JSON["error"] != wrong.kind {
			t.Errorf("%s = %d %s", wrong.name, a.Status, a.Raw)
		}
		for _, member := range []string{"error_codes", "timestamp", "trace_id", "correlation_id"} {
			if a.JSON[member] == nil {
				t.Errorf("%s: %s is missing", wrong.name, member)
			}
		}
	}
}

// verify checks the signature of a token with the published keys and returns its claims.
func verify(t *testing.T, keys object, token string) object {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("a token of %d parts", len(parts))
	}
	part := func(text string) []byte {
		b, err := base64.RawURLEncoding.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	var header, claims object
	if err := json.Unmarshal(part(parts[0]), &header); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(part(parts[1]), &claims); err != nil {
		t.Fatal(err)
	}
	list, _ := keys["keys"].([]any)
	for _, k := range list {
		key, _ := k.(object)
		if key["kid"] != header["kid"] || header["alg"] != "RS256" {
			continue
		}
		public := &rsa.PublicKey{N: new(big.Int).SetBytes(part(fmt.Sprint(key["n"]))), E: int(new(big.Int).SetBytes(part(fmt.Sprint(key["e"]))).Int64())}
		sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
		if err := rsa.VerifyPKCS1v15(public, crypto.SHA256, sum[:], part(parts[2])); err != nil {
			t.Errorf("signature: %v", err)
		}
		return claims
	}
	t.Fatalf("no published key for %v", header)
	return nil
}

func TestAdminInvitesAGuestWhoRedeems(t *testing.T) {
	t.Parallel()
	s := suitetest.Shared(t)
	tenant := s.NewTenant(t, "workforce", "Proseware")
	g := s.Graph(t, tenant)
	mail := address("alice")
	box := s.Mailbox(mail)

	invitation := invite(g, mail)
	guest := guestOf(invitation)
	if invitation["status"] != "PendingAcceptance" || invitation["inviteRedeemUrl"] == "" || guest == "" {
		t.Fatalf("invitation = %v", invitation)
	}
	pending := "/v1.0/users?$filter=userType eq 'Guest' and externalUserState eq 'PendingAcceptance'&$select=id,mail,userType,externalUserState,creationType,userPrincipalName"
	users := suitetest.Values(g.Get(pending))
	if len(users) != 1 || suitetest.ID(users[0]) != guest || users[0]["mail"] != mail || users[0]["creationType"] != "Invitation" {
		t.Errorf("pending guests = %v", users)
	}
	if upn := fmt.Sprint(users[0]["userPrincipalName"]); !strings.HasSuffix(upn, "#EXT#@"+tenant.Domain) {
		t.Errorf("name of the guest: %s", upn)
	}
	byName := g.Get("/v1.0/users/" + url.PathEscape(fmt.Sprint(users[0]["userPrincipalName"])))
	if suitetest.ID(byName) != guest {
		t.Errorf("the guest by name = %v", byName)
	}

	first := box.Next(t)
	if !strings.Contains(first.From, tenant.Name) || !strings.Contains(first.Text, "app.example") || first.HTML == "" {
		t.Errorf("the invitation mail: from %q, text %q", first.From, first.Text)
	}
	// Mail scanners open links; that must not use them up (INV-54).
	for range 3 {
		s.Person(t).Open(first.Link(t))
	}
	person := s.Person(t)
	redeem(t, person, box, first.Link(t))

	accepted := g.Get("/v1.0/users/" + guest + "?$select=id,externalUserState,externalUserStateChangeDateTime,identities,userType,mail")
	if accepted["externalUserState"] != "Accepted" || accepted["userType"] != "Guest" || accepted["externalUserStateChangeDateTime"] == nil {
		t.Errorf("the guest after redemption = %v", accepted)
	}
	if !strings.Contains(fmt.Sprint(accepted["identities"]), mail) {
		t.Errorf("identities = %v", accepted["identities"])
	}
	if left := suitetest.Values(g.Get(pending)); len(left) != 0 {
		t.Errorf("still pending: %v", left)
	}
	state := g.Get("/entente/v1/invitations/" + suitetest.ID(invitation))
	if state["state"] != "Completed" {
		t.Errorf("invitation = %v", state)
	}
	again := invite(g, mail)
	if again["status"] != "Completed" || guestOf(again) != guest {
		t.Errorf("inviting an accepted guest = %v", again)
	}

	// The audit log has both services' rows, newest first.
	var names []string
	suitetest.Eventually(t, 5*time.Second, "the audit rows of the redemption", func() bool {
		names = nil
		last := "9"
		rows, _ := g.All("/v1.0/auditLogs/directoryAudits?$top=5")
		for _, row := range rows {
			names = append(names, fmt.Sprint(row["activityDisplayName"]))
			at := fmt.Sprint(row["activityDateTime"])
			if at[:19] > last {
				t.Errorf("the log is not in order: %s after %s", at, last)
			}
			last = at[:19]
		}
		return slices.Contains(names, "Redeem external user invite")
	})
	for _, want := range []string{"Invite external user", "Redeem external user invite", "Add user"} {
		if !slices.Contains(names, want) {
			t.Errorf("no audit row %q in %q", want, names)
		}
	}
	only := suitetest.Values(g.Get("/v1.0/auditLogs/directoryAudits?$filter=activityDisplayName eq 'Redeem external user invite'"))
	if len(only) == 0 {
		t.Error("no row by filter")
	}
	for _, row := range only {
		if row["loggedByService"] != "Invited Users" || row["result"] != "success" {
			t.Errorf("filtered audit = %v", row)
		}
		if strings.Contains(fmt.Sprint(row), first.Link(t)) {
			t.Error("the audit log shows the link")
		}
	}
}

func TestPolicyDecidesWhoMayBeInvited(t *testing.T) {
	t.Parallel()
	s := suitetest.Shared(t)
	host, home := s.NewTenant(t, "workforce", "Northwind"), s.NewTenant(t, "workforce", "Tailspin")
	g, h := s.Graph(t, host), s.Graph(t, home)
	outsider := object{"invitedUserEmailAddress": "someone@" + home.Domain, "inviteRedirectUrl": welcome}
	blocked := object{
		"usersAndGroups": object{"accessType": "blocked", "targets": []object{{"target": "AllUsers", "targetType": "user"}}},
		"applications":   object{"accessType": "blocked", "targets": []object{{"target": "AllApplications", "targetType": "application"}}},
	}
	partners := "/v1.0/policies/crossTenantAccessPolicy/partners"

	g.Create("/v1.0/invitations", outsider)
	created := g.Create(partners, object{"tenantId": home.ID, "b2bCollaborationInbound": blocked})
	if created["tenantId"] != home.ID || created["b2bCollaborationOutbound"] != nil {
		t.Errorf("partner = %v", created)
	}
	g.Refused(http.MethodPost, "/v1.0/invitations", outsider, 403, "Forbidden")
	effective := g.Get("/entente/v1/crossTenantAccess/effective/" + home.ID)
	if len(effective) == 0 {
		t.Error("no effective access")
	}
	g.Patch(partners+"/"+home.ID, object{"b2bCollaborationInbound": nil})
	g.Create("/v1.0/invitations", outsider)

	// The other side decides as well.
	h.Patch("/v1.0/policies/crossTenantAccessPolicy/default", object{"b2bCollaborationOutbound": blocked})
	g.Refused(http.MethodPost, "/v1.0/invitations", object{"invitedUserEmailAddress": "other@" + home.Domain, "inviteRedirectUrl": welcome}, 403, "Forbidden")
	if d := h.Get("/v1.0/policies/crossTenantAccessPolicy/default"); d["isServiceDefault"] != false {
		t.Errorf("changed default = %v", d)
	}
	h.Send(http.MethodPost, "/v1.0/policies/crossTenantAccessPolicy/default/resetToSystemDefault", nil)
	g.Create("/v1.0/invitations", object{"invitedUserEmailAddress": "other@" + home.Domain, "inviteRedirectUrl": welcome})

	second := g.Do(http.MethodPost, partners, object{"tenantId": home.ID})
	if second.Status != 409 {
		t.Errorf("a second partner entry = %d %s", second.Status, second.Raw)
	}
	g.Delete(partners + "/" + home.ID)
	g.Refused(http.MethodGet, partners+"/"+home.ID, nil, 404, "Request_ResourceNotFound")

	// Invitations off (WIRE-60).
	g.Patch("/v1.0/policies/authorizationPolicy", object{"allowInvitesFrom": "none"})
	var off suitetest.Answer
	suitetest.Eventually(t, 5*time.Second, "invitations are off", func() bool {
		off = g.Do(http.MethodPost, "/v1.0/invitations", object{"invitedUserEmailAddress": address("nobody"), "inviteRedirectUrl": welcome})
		return off.Status == 403
	})
	if suitetest.Message(off) != "Guest invitations not allowed for your company. Contact your company administrator for more details." {
		t.Errorf("message = %q", suitetest.Message(off))
	}
}
