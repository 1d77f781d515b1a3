package e2e

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"crypto"

	"entente.dev/deploy/e2e/suitetest"
)

func TestBadBodiesAreRefusedWhole(t *testing.T) {
	t.Parallel()
	s := suitetest.Shared(t)
	tenant := s.NewTenant(t, "workforce", "Bad Bodies")
	g := s.Graph(t, tenant)
	before, _ := g.All("/v1.0/users")
	id := suitetest.ID(before[0])
	valid := func(change string) string {
		return `{"accountEnabled":true,"displayName":"x","mailNickname":"x","userPrincipalName":"x@` + tenant.Domain + `","passwordProfile":{"password":"Correct-Horse-7-Battery"}` + change + `}`
	}
	deep := strings.Repeat(`{"a":`, 40) + `1` + strings.Repeat(`}`, 40)
	for _, tt := range []struct {
		name, method, path, body string
		status                   int
		code                     string
	}{
		{"a cut object", "POST", "/v1.0/users", `{"displayName":`, 400, "Request_BadRequest"},
		{"no object", "POST", "/v1.0/users", `[]`, 400, "Request_BadRequest"},
		{"text", "POST", "/v1.0/users", `"x"`, 400, "Request_BadRequest"},
		{"two objects", "POST", "/v1.0/users", valid("") + valid(""), 400, "Request_BadRequest"},
		{"a key twice", "POST", "/v1.0/users", valid(`,"displayName":"y"`), 400, "Request_BadRequest"},
		{"bad UTF-8", "POST", "/v1.0/users", "{\"displayName\":\"\xff\xfe\"}", 400, "Request_BadRequest"},
		{"no body", "POST", "/v1.0/users", ``, 400, "Request_BadRequest"},
		{"a number for a text", "POST", "/v1.0/users", valid(`,"department":5`), 400, "Request_BadRequest"},
		{"a text for a boolean", "POST", "/v1.0/users", valid(`,"showInAddressList":"yes"`), 400, "Request_BadRequest"},
		{"a text for a list", "POST", "/v1.0/users", valid(`,"businessPhones":"1"`), 400, "Request_BadRequest"},
		{"an object for a text", "POST", "/v1.0/users", valid(`,"city":{"a":1}`), 400, "Request_BadRequest"},
		{"a time that is none", "POST", "/v1.0/users", valid(`,"employeeHireDate":"yesterday"`), 400, "Request_BadRequest"},
		{"an unknown enumeration value", "POST", "/v1.0/users", valid(`,"userType":"King"`), 400, "Request_BadRequest"},
		{"an unknown property", "POST", "/v1.0/users", valid(`,"shoeSize":43`), 400, "Request_BadRequest"},
		{"an unknown nested property", "PATCH", "/v1.0/users/" + id, `{"employeeOrgData":{"x":"y"}}`, 400, "Request_BadRequest"},
		{"a read-only property", "PATCH", "/v1.0/users/" + id, `{"createdDateTime":"2020-01-01T00:00:00Z"}`, 400, "Request_BadRequest"},
		{"a state of invitation by hand", "PATCH", "/v1.0/users/" + id, `{"externalUserState":"Accepted"}`, 400, "Request_BadRequest"},
		{"another type than the path's", "PATCH", "/v1.0/users/" + id, `{"@odata.type":"#microsoft.graph.group","city":"x"}`, 400, "Request_BadRequest"},
		{"a required property missing", "POST", "/v1.0/users", `{"accountEnabled":true,"displayName":"x"}`, 400, "Request_BadRequest"},
		{"a foreign domain in a name", "POST", "/v1.0/users", strings.Replace(valid(""), tenant.Domain, "elsewhere.example", 1), 400, "Request_BadRequest"},
		{"a weak password", "POST", "/v1.0/users", strings.Replace(valid(""), "Correct-Horse-7-Battery", "password", 1), 400, "Request_BadRequest"},
		{"an object too deep", "POST", "/v1.0/users", valid(`,"employeeOrgData":` + deep), 400, "Request_BadRequest"},
		{"a text too long", "POST", "/v1.0/users", valid(`,"city":"` + strings.Repeat("x", 129) + `"`), 400, "Request_BadRequest"},
		{"a body over 1 MiB", "POST", "/v1.0/users", valid(`,"city":"` + strings.Repeat("x", 1<<20) + `"`), 413, "RequestEntityTooLarge"},
		{"an address that is none", "POST", "/v1.0/invitations", `{"invitedUserEmailAddress":"nobody","inviteRedirectUrl":"https://app.example"}`, 400, "BadRequest"},
		{"a script as redirect", "POST", "/v1.0/invitations", `{"invitedUserEmailAddress":"a@partner.example","inviteRedirectUrl":"javascript:alert(1)"}`, 400, "BadRequest"},
		{"a redirect with credentials", "POST", "/v1.0/invitations", `{"invitedUserEmailAddress":"a@partner.example","inviteRedirectUrl":"https://u:p@app.example"}`, 400, "BadRequest"},
		{"a redirect without a scheme", "POST", "/v1.0/invitations", `{"invitedUserEmailAddress":"a@partner.example","inviteRedirectUrl":"//app.example"}`, 400, "BadRequest"},
		{"a header in an address", "POST", "/v1.0/invitations", `{"invitedUserEmailAddress":"a@partner.example\r\nBcc: b@partner.example","inviteRedirectUrl":"https://app.example"}`, 400, "BadRequest"},
		{"a member of the own tenant", "POST", "/v1.0/invitations", `{"invitedUserEmailAddress":"new@` + tenant.Domain + `","inviteRedirectUrl":"https://app.example"}`, 400, "BadRequest"},
		{"a job of an unknown template", "POST", "/v1.0/applicationTemplates/" + unused() + "/instantiate", `{"displayName":"x"}`, 404, "Request_ResourceNotFound"},
		{"an access type that is none", "PATCH", "/v1.0/policies/crossTenantAccessPolicy/default", `{"b2bCollaborationInbound":{"usersAndGroups":{"accessType":"perhaps"}}}`, 400, "Request_BadRequest"},
		{"a reference to nothing", "POST", "/v1.0/groups", `{"displayName":"g","mailEnabled":false,"mailNickname":"g","securityEnabled":true,"members@odata.bind":["https://x/v1.0/users/` + unused() + `"]}`, 400, "Request_BadRequest"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := g.Do(tt.method, tt.path, tt.body)
			if a.Status != tt.status || suitetest.Code(a) != tt.code {
				t.Errorf("%d %s, want %d %s\n%s", a.Status, suitetest.Code(a), tt.status, tt.code, a.Raw)
			}
			// Sentences that make clients retry until their deadline (WIRE-61).
			for _, never := range []string{"One or more property values specified are invalid", "Not a valid reference update"} {
				if strings.Contains(suitetest.Message(a), never) {
					t.Errorf("message %q", suitetest.Message(a))
				}
			}
			if a.Status == 400 && strings.Contains(suitetest.Message(a), "does not exist or one of its queried reference-property objects") {
				t.Errorf("message %q", suitetest.Message(a))
			}
			for _, leak := range []string{"SQLSTATE", "pgx", "gorm", "proto:", "goroutine", "rpc error"} {
				if strings.Contains(string(a.Raw), leak) {
					t.Errorf("the answer shows %q: %s", leak, a.Raw)
				}
			}
		})
	}
	if after, _ := g.All("/v1.0/users"); len(after) != len(before) {
		t.Errorf("%d users before, %d after requests that all failed", len(before), len(after))
	}
	if groups, _ := g.All("/v1.0/groups"); len(groups) != 0 {
		t.Errorf("groups after requests that all failed: %v", groups)
	}
}

func TestBadQueriesAreRefused(t *testing.T) {
	t.Parallel()
	s := suitetest.Shared(t)
	g := s.Graph(t, s.Demo(t, "contoso"))
	for _, tt := range []struct{ query, code string }{
		{"$filter=displayName", ""}, {"$filter=displayName eq", ""}, {"$filter=displayName eq 'x", ""}, {"$filter=(displayName eq 'x'", ""},
		{"$filter=displayName like 'x'", ""}, {"$filter=nothing eq 'x'", ""}, {"$filter=accountEnabled eq 'x'", ""},
		{"$filter=contains(displayName,'x')", "Request_UnsupportedQuery"}, {"$filter=displayName ne 'x'", "Request_UnsupportedQuery"},
		{"$filter=id eq 'x' or 1 eq 1; DROP TABLE users", ""}, {"$filter=" + strings.Repeat("(", 200) + "id eq 'x'" + strings.Repeat(")", 200), ""},
		{"$filter=displayName eq '" + strings.Repeat("x", 3000) + "'", ""},
		{"$filter=" + strings.TrimSuffix(strings.Repeat("displayName eq 'x' or ", 150), " or "), ""},
		{"$top=0", ""}, {"$top=1000", ""}, {"$top=-1", ""}, {"$top=many", ""}, {"$orderby=nothing", ""}, {"$orderby=displayName sideways", ""},
		{"$orderby=displayName,userPrincipalName", ""}, {"$select=nothing", ""}, {"$expand=nothing", ""}, {"$skip=5", ""}, {"$invented=1", ""},
		{"$search=\"displayName:x\"", "Request_UnsupportedQuery"}, {"$count=perhaps", ""},
		{"$skiptoken=x", "Directory_ExpiredPageToken"}, {"$skiptoken=" + strings.Repeat("A", 400), "Directory_ExpiredPageToken"},
	} {
		a := g.Do(http.MethodGet, "/v1.0/users?"+tt.query, nil)
		name := tt.query[:min(len(tt.query), 60)]
		if a.Status != 400 || suitetest.Code(a) == "" || tt.code != "" && suitetest.Code(a) != tt.code {
			t.Errorf("%s = %d %s, want 400 %s: %s", name, a.Status, suitetest.Code(a), tt.code, suitetest.Message(a))
		}
	}
	long := g.Do(http.MethodGet, "/v1.0/users?$filter=displayName eq '"+strings.Repeat("x", 9000)+"'", nil)
	if long.Status != 414 && long.Status != 400 {
		t.Errorf("an address of 9 KiB = %d", long.Status)
	}
}

func TestForgedPageTokensAreRefused(t *testing.T) {
	t.Parallel()
	s := suitetest.Shared(t)
	contoso, fabrikam := s.Graph(t, s.Demo(t, "contoso")), s.Graph(t, s.Demo(t, "fabrikam"))
	link := fmt.Sprint(contoso.Get("/v1.0/users?$top=2&$orderby=displayName")["@odata.nextLink"])
	u, err := url.Parse(link)
	if err != nil {
		t.Fatal(err)
	}
	token := u.Query().Get("$skiptoken")
	if token == "" {
		t.Fatalf("no $skiptoken in %s", link)
	}
	with := func(path, token string) string {
		q := url.Values{}
		if strings.Contains(path, "?") {
			p, rest, _ := strings.Cut(path, "?")
			path = p
			q, _ = url.ParseQuery(rest)
		}
		q.Set("$skiptoken", token)
		return s.GraphURL + path + "?" + q.Encode()
	}
	if a := contoso.Do(http.MethodGet, link, nil); a.Status != 200 {
		t.Fatalf("the link itself = %d %s", a.Status, a.Raw)
	}
	swap := func(at int) string {
		b := []byte(token)
		if b[at] == 'A' {
			b[at] = 'B'
		} else {
			b[at] = 'A'
		}
		return string(b)
	}
	for _, at := range []int{0, 1, len(token) / 3, len(token) / 2, len(token) - 2} {
		contoso.Refused(http.MethodGet, with("/v1.0/users?$top=2&$orderby=displayName", swap(at)), nil, 400, "Directory_ExpiredPageToken")
	}
	for _, forged := range []string{token[:len(token)-1], token + "A", "", strings.ToUpper(token)} {
		if forged == "" || forged == token {
			continue
		}
		contoso.Refused(http.MethodGet, with("/v1.0/users?$top=2&$orderby=displayName", forged), nil, 400, "Directory_ExpiredPageToken")
	}
	fabrikam.Refused(http.MethodGet, link, nil, 400, "Directory_ExpiredPageToken")
	contoso.Refused(http.MethodGet, with("/v1.0/groups", token), nil, 400, "Directory_ExpiredPageToken")
	contoso.Refused(http.MethodGet, with("/v1.0/users?$top=2&$orderby=displayName&$filter=userType eq 'Guest'", token), nil, 400, "Directory_ExpiredPageToken")
}

func TestBadTokensAreRefused(t *testing.T) {
	t.Parallel()
	s := suitetest.Shared(t)
	tenant, other := s.Demo(t, "contoso"), s.Demo(t, "fabrikam")
	good := s.AppToken(t, tenant.ID, tenant.ClientID, tenant.ClientSecret)
	parts := strings.Split(good, ".")
	decode := func(text string) object {
		raw, err := base64.RawURLEncoding.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		var v object
		d := json.NewDecoder(strings.NewReader(string(raw)))
		d.UseNumber()
		if err := d.Decode(&v); err != nil {
			t.Fatal(err)
		}
		return v
	}
	encode := func(v object) string {
		raw, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return base64.RawURLEncoding.EncodeToString(raw)
	}
	changed := func(part string, changes object) string {
		v := decode(part)
		for name, value := range changes {
			v[name] = value
		}
		return encode(v)
	}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	sign := func(header, claims string) string {
		sum := sha256.Sum256([]byte(header + "." + claims))
		signature, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:])
		if err != nil {
			t.Fatal(err)
		}
		return header + "." + claims + "." + base64.RawURLEncoding.EncodeToString(signature)
	}
	operator := s.Operator(t).Token
	bad := map[string]string{
		"no token":                      "",
		"nonsense":                      "nonsense",
		"dots":                          strings.Repeat(".", 8000),
		"a cut token":                   good[:len(good)-1],
		"a lengthened token":            good + "A",
		"no signature":                  parts[0] + "." + parts[1] + ".",
		"no algorithm":                  changed(parts[0], object{"alg": "none"}) + "." + parts[1] + ".",
		"another algorithm":             changed(parts[0], object{"alg": "HS256"}) + "." + parts[1] + "." + parts[2],
		"an unknown key":                sign(changed(parts[0], object{"kid": "unknown"}), parts[1]),
		"a foreign signature":           sign(parts[0], parts[1]),
		"a key of its own":              sign(changed(parts[0], object{"jwk": object{"kty": "RSA"}}), parts[1]),
		"another tenant in the claims":  parts[0] + "." + changed(parts[1], object{"tid": other.ID}) + "." + parts[2],
		"a later expiry in the claims":  parts[0] + "." + changed(parts[1], object{"exp": 4102444800}) + "." + parts[2],
		"an operator's token for Graph": operator,
	}
	for name, token := range bad {
		g := s.Bearer(t, token)
		for _, path := range []string{"/v1.0/users", "/beta/groups", "/entente/v1/invitations"} {
			a := g.Do(http.MethodGet, path, nil)
			if a.Status != 401 || suitetest.Code(a) != "InvalidAuthenticationToken" {
				t.Errorf("%s: GET %s = %d %s", name, path, a.Status, suitetest.Code(a))
			}
		}
	}
	if a := s.Graph(t, tenant).Do(http.MethodGet, "/admin/v1/tenants", nil); a.Status != 401 {
		t.Errorf("a Graph token for the operator's API = %d %s", a.Status, a.Raw)
	}
	// The tenant of a path must be the token's (WIRE-4).
	g := s.Graph(t, tenant)
	for path, want := range map[string]int{
		"/v1.0/" + tenant.ID + "/users?$top=1": 200, "/beta/myorganization/users?$top=1": 200, "/v1.0/" + other.ID + "/users?$top=1": 403,
	} {
		if a := g.Do(http.MethodGet, path, nil); a.Status != want {
			t.Errorf("GET %s = %d, want %d", path, a.Status, want)
		}
	}
	// Headers from outside name nobody.
	spoof := g.With("X-Tenant-Id", other.ID).With("Entente-Path-Tenant", other.ID).With("Grpc-Metadata-Authorization", "Bearer "+operator).With("X-Forwarded-Host", "evil.example")
	page := spoof.Get("/v1.0/organization")
	if v := suitetest.Values(page); len(v) != 1 || suitetest.ID(v[0]) != tenant.ID || strings.Contains(fmt.Sprint(page), "evil.example") {
		t.Errorf("organization with foreign headers = %v", page)
	}
	if me := g.Do(http.MethodGet, "/v1.0/me", nil); me.Status != 400 || suitetest.Code(me) != "BadRequest" {
		t.Errorf("/me with an application's token = %d %s", me.Status, suitetest.Code(me))
	}
}

var passing = regexp.MustCompile(`"(date|request-id|client-request-id)":"[^"]*"`)

func TestForeignObjectsLookUnknown(t *testing.T) {
	t.Parallel()
	s := suitetest.Shared(t)
	mine, theirs := s.NewTenant(t, "workforce", "Mine"), s.NewTenant(t, "workforce", "Theirs")
	g, h := s.Graph(t, mine), s.Graph(t, theirs)
	group := suitetest.ID(h.Create("/v1.0/groups", object{"displayName": "theirs", "mailEnabled": false, "mailNickname": "theirs", "securityEnabled": true}))
	user := suitetest.ID(h.Create("/v1.0/users", theirs.NewUser("theirs")))
	invitation := h.Create("/v1.0/invitations", object{"invitedUserEmailAddress": address("theirs"), "inviteRedirectUrl": welcome})
	deleted := suitetest.ID(h.Create("/v1.0/users", theirs.NewUser("deleted")))
	h.Delete("/v1.0/users/" + deleted)
	own := suitetest.ID(g.Create("/v1.0/groups", object{"displayName": "mine", "mailEnabled": false, "mailNickname": "mine", "securityEnabled": true}))
	for _, tt := range []struct{ method, path, id, body string }{
		{"GET", "/v1.0/users/%s", user, ""}, {"PATCH", "/v1.0/users/%s", user, `{"city":"x"}`}, {"DELETE", "/v1.0/users/%s", user, ""},
		{"GET", "/beta/users('%s')", user, ""}, {"GET", "/v1.0/users/%s/memberOf", user, ""}, {"GET", "/v1.0/directoryObjects/%s", user, ""},
		{"GET", "/v1.0/groups/%s", group, ""}, {"GET", "/v1.0/groups/%s/members", group, ""}, {"PATCH", "/v1.0/groups/%s", group, `{"description":"x"}`},
		{"DELETE", "/beta/groups/%s", group, ""}, {"GET", "/v1.0/applications/%s", theirs.ClientID, ""},
		{"GET", "/v1.0/servicePrincipals/%s", theirs.ServicePrincipalID, ""},
		{"GET", "/v1.0/servicePrincipals/%s/synchronization/jobs", theirs.ServicePrincipalID, ""},
		{"GET", "/v1.0/directory/deletedItems/%s", deleted, ""}, {"POST", "/v1.0/directory/deletedItems/%s/restore", deleted, "{}"},
		{"GET", "/entente/v1/invitations/%s", suitetest.ID(invitation), ""}, {"POST", "/entente/v1/invitations/%s/resend", suitetest.ID(invitation), "{}"},
		{"POST", "/entente/v1/invitations/%s/revoke", suitetest.ID(invitation), "{}"},
		{"POST", "/v1.0/groups/" + own + "/members/$ref", user, `{"@odata.id":"https://x/v1.0/users/%s"}`},
		{"PUT", "/v1.0/users/" + user + "/manager/$ref", user, `{"@odata.id":"https://x/v1.0/users/%s"}`},
	} {
		answer := func(id string) string {
			path, body := strings.ReplaceAll(tt.path, "%s", id), any(nil)
			if tt.body != "" {
				body = strings.ReplaceAll(tt.body, "%s", id)
			}
			path = strings.ReplaceAll(path, user, id)
			a := g.Do(tt.method, path, body)
			if a.Status != 404 {
				t.Errorf("%s %s = %d %s, want 404", tt.method, tt.path, a.Status, a.Raw)
			}
			return strings.ReplaceAll(passing.ReplaceAllString(string(a.Raw), `"$1":""`), id, "ID")
		}
		if foreign, unknown := answer(tt.id), answer(unused()); foreign != unknown {
			t.Errorf("%s %s tells a foreign object from an unknown one:\n%s\n%s", tt.method, tt.path, foreign, unknown)
		}
	}
	if filtered := suitetest.Values(g.Get("/v1.0/users?$filter=id eq '" + user + "'")); len(filtered) != 0 {
		t.Errorf("by filter: %v", filtered)
	}
	if byIDs := suitetest.Values(g.Act("/v1.0/directoryObjects/getByIds", object{"ids": []string{user, group}})); len(byIDs) != 0 {
		t.Errorf("by ids: %v", byIDs)
	}
	if still := h.Get("/v1.0/users/" + user + "?$select=city"); still["city"] != nil {
		t.Errorf("their user after all that = %v", still)
	}
}

func TestWrongMethodsAndPathsAreRefused(t *testing.T) {
	t.Parallel()
	s := suitetest.Shared(t)
	g := s.Graph(t, s.Demo(t, "contoso"))
	for _, tt := range []struct {
		method, path string
		status       int
		code         string
	}{
		{"DELETE", "/v1.0/users", 405, "Request_BadRequest"}, {"PUT", "/v1.0/users/" + unused(), 405, "Request_BadRequest"},
		{"PATCH", "/v1.0/invitations", 404, "Request_ResourceNotFound"}, {"GET", "/v1.0/invitations", 404, "Request_ResourceNotFound"}, // INV-8, O2
		{"POST", "/v1.0/organization", 405, "Request_BadRequest"},
	} {
		g.Refused(tt.method, tt.path, object{}, tt.status, tt.code)
	}
	for _, path := range []string{"/v1.0/nothing", "/beta/nothing/x", "/v1.0/users/x/y/z", "/v1.0", "/v2.0/users", "/beta/identityGovernance/entitlementManagement/catalogs"} {
		a := g.Do(http.MethodGet, path, nil)
		if a.Status != 404 && a.Status != 400 || suitetest.Code(a) == "" {
			t.Errorf("GET %s = %d %s", path, a.Status, a.Raw)
		}
	}
	// Public listener: nothing of the inside answers.
	for _, path := range []string{"/metrics", "/debug/pprof/", "/entente.directory.v1.UserService/ListUsers", "/entente.directory.v1.TokenService/ListSigningKeys", "/grpc.health.v1.Health/Check"} {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			if a := g.Do(method, path, nil); a.Status < 400 {
				t.Errorf("%s %s = %d", method, path, a.Status)
			}
		}
	}
	// Raw forms of a path never slip past authorization.
	anonymous := s.Bearer(t, "")
	for _, path := range []string{"//v1.0/users", "/v1.0//users", "/v1.0/./users", "/v1.0/x/../users", "/V1.0/users", "/v1.0/USERS", "/v1.0/%75sers", "/v1.0/users/", "/v1.0/users%2f"} {
		if a := anonymous.Do(http.MethodGet, s.GraphURL+path, nil); a.Status < 300 || a.Status >= 500 {
			t.Errorf("GET %s without a token = %d", path, a.Status)
		}
	}
}
