package guestsettings

import (
	"strings"
	"testing"

	"entente.dev/policy-svc/internal/patch"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/fault"
	"github.com/google/uuid"
)

func TestWhoMayInvite(t *testing.T) {
	t.Parallel()
	inviters := []Inviter{
		{Kind: InviterUser, Privileged: true},
		{Kind: InviterUser, Privileged: true, Guest: true},
		{Kind: InviterUser},
		{Kind: InviterUser, Guest: true},
		{Kind: InviterApplication, Privileged: true},
		{Kind: InviterApplication},
		{Kind: InviterSync},
	}
	// Columns as above: the tables of POL-72 and POL-73.
	for setting, want := range map[AllowInvitesFrom]string{
		Nobody:                           "-------",
		AdminsAndGuestInviters:           "++--+-+",
		AdminsGuestInvitersAndAllMembers: "+++-+++",
		Everyone:                         "+++++++",
	} {
		for i, inviter := range inviters {
			if got := setting.Admits(inviter); got != (want[i] == '+') {
				t.Errorf("%s, %+v: %v", setting, inviter, got)
			}
		}
	}
}

func TestAuthorizationUpdate(t *testing.T) {
	t.Parallel()
	a := DefaultAuthorization()
	got, err := a.Update(AuthorizationPatch{
		AllowInvitesFrom: patch.Set(Nobody), CreateApps: patch.Set(false), ConsentForRiskyApps: patch.Clear[bool](),
	})
	if err != nil || got.AllowInvitesFrom != Nobody || got.UserRole.CreateApps || !got.UserRole.CreateSecurityGroups || got.ConsentForRiskyApps != nil {
		t.Errorf("%+v, %v", got, err)
	}
	mods := AuthorizationChanges(a, got)
	if len(mods) != 3 || mods[0].Name != "allowInvitesFrom" || *mods[0].New != `"none"` || mods[2].Name != "defaultUserRolePermissions.allowedToCreateApps" {
		t.Errorf("audit %+v", mods)
	}
	for name, p := range map[string]AuthorizationPatch{
		"a bad enum":          {AllowInvitesFrom: patch.Set(AllowInvitesFrom(9))},
		"null for an enum":    {AllowInvitesFrom: patch.Clear[AllowInvitesFrom]()},
		"an unsupported GUID": {GuestUserRole: patch.Set(uuid.New())},
		"null for a switch":   {SSPR: patch.Clear[bool]()},
		"null for a leaf":     {ReadOtherUsers: patch.Clear[bool]()},
		"null for all leaves": {ClearsUserRole: true},
	} {
		if _, err := a.Update(p); !fault.Is(err, errorspb.Reason_INVALID_REQUEST) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func definition(kind string, domains ...string) string {
	return `{"B2BManagementPolicy":{"InvitationsAllowedAndBlockedDomainsPolicy":{"` + kind + `":["` + strings.Join(domains, `","`) + `"]},"Other":1}}`
}

func TestDomainLists(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		definition, address string
		admitted            bool
	}{
		{`{"B2BManagementPolicy":{}}`, "u@fabrikam.com", true},
		{`{"B2BManagementPolicy":{"InvitationsAllowedAndBlockedDomainsPolicy":{"AllowedDomains":[],"BlockedDomains":[]}}}`, "u@fabrikam.com", true},
		{definition("AllowedDomains", "fabrikam.com"), "u@fabrikam.com", true},
		{definition("AllowedDomains", "fabrikam.com"), "u@FABRIKAM.com", true},
		{definition("AllowedDomains", "fabrikam.com"), "u@sub.fabrikam.com", false},
		{definition("AllowedDomains", "fabrikam.com"), "u@contoso.com", false},
		{definition("AllowedDomains", "fabrikam.com"), "fabrikam.com", true},
		{definition("BlockedDomains", "Fabrikam.com"), "u@fabrikam.com", false},
		{definition("BlockedDomains", "fabrikam.com"), `"u@contoso.com"@fabrikam.com`, false},
		{definition("BlockedDomains", "fabrikam.com"), "u@contoso.com", true},
		{definition("BlockedDomains", "bücher.example"), "u@xn--bcher-kva.example", false},
		{definition("BlockedDomains", "xn--bcher-kva.example"), "u@BÜCHER.example", false},
		{definition("BlockedDomains", "fabrikam.com"), "u@not a domain", false},
	} {
		d, err := ParseDomains(c.definition)
		if err != nil {
			t.Errorf("%s: %v", c.definition, err)
			continue
		}
		if got := d.Admits(c.address); got != c.admitted {
			t.Errorf("%s, %s: %v", c.definition, c.address, got)
		}
	}
}

func TestBadDomainLists(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"both lists":         `{"B2BManagementPolicy":{"InvitationsAllowedAndBlockedDomainsPolicy":{"AllowedDomains":["a.example"],"BlockedDomains":["b.example"]}}}`,
		"25 001 characters":  `{"B2BManagementPolicy":{"Other":"` + strings.Repeat("é", maxDefinition-35) + `"}}`,
		"not JSON":           `{`,
		"no policy":          `{}`,
		"a wildcard":         definition("BlockedDomains", "*.fabrikam.com"),
		"an at sign":         definition("BlockedDomains", "@fabrikam.com"),
		"an empty name":      definition("BlockedDomains", ""),
		"an empty label":     definition("BlockedDomains", "fabrikam..com"),
		"a number as domain": `{"B2BManagementPolicy":{"InvitationsAllowedAndBlockedDomainsPolicy":{"AllowedDomains":[1]}}}`,
	} {
		if _, err := ParseDomains(text); !fault.Is(err, errorspb.Reason_INVALID_REQUEST) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := CheckDomainList(DomainList{Definition: definition("AllowedDomains")}, 1); err == nil {
		t.Error("a list without a name")
	}
	if err := CheckDomainList(DomainList{DisplayName: "x", Definition: definition("AllowedDomains")}, 2); err == nil {
		t.Error("two definitions")
	}
}

func FuzzParseDomains(f *testing.F) {
	f.Add(definition("AllowedDomains", "fabrikam.com"), "u@fabrikam.com")
	f.Add("{", "@")
	f.Fuzz(func(t *testing.T, text, address string) {
		d, err := ParseDomains(text)
		if err == nil && len(d.Allowed) > 0 && len(d.Blocked) > 0 {
			t.Error("both lists")
		}
		d.Admits(address)
	})
}
