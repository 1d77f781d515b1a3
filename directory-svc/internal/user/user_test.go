package user_test

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"entente.dev/directory-svc/internal/identity"
	"entente.dev/directory-svc/internal/organization"
	"entente.dev/directory-svc/internal/user"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/fault"
	"entente.dev/servicekit/tenant"
	"github.com/google/uuid"
)

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func contoso() *organization.Tenant {
	return &organization.Tenant{
		ID: tenant.MustParse("6d1f0b9e-0000-4000-8000-000000000001"), DisplayName: "Contoso", Type: organization.Workforce,
		State: organization.Active, InitialDomain: "contoso.onentente.example",
		Domains: []organization.Domain{{Name: "contoso.onentente.example", Verified: true, Initial: true, Default: true}, {Name: "contoso.com", Verified: true}, {Name: "pending.example"}},
	}
}

func text(s string) *string { return &s }

func work() user.User {
	return user.User{DisplayName: "Alice", MailNickname: text("alice"), UserPrincipalName: "alice@contoso.com", HasPassword: true}
}

func TestAC8CreateNamesTheMissingProperty(t *testing.T) {
	t.Parallel()
	_, err := user.New(work(), nil, uuid.New(), contoso(), now)
	if !fault.Is(err, errorspb.Reason_PROPERTY_REQUIRED) || !strings.Contains(err.Error(), "accountEnabled") {
		t.Errorf("got %v", err)
	}
}

func TestAC10NameNeedsAVerifiedDomain(t *testing.T) {
	t.Parallel()
	enabled := true
	for _, name := range []string{"alice@fabrikam.com", "alice@pending.example"} {
		u := work()
		u.UserPrincipalName = name
		_, err := user.New(u, &enabled, uuid.New(), contoso(), now)
		if err == nil || !strings.Contains(err.Error(), "must use one of the verified domain names") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCheckRefusesValuesOutsideTheirRules(t *testing.T) {
	t.Parallel()
	for name, break_ := range map[string]func(*user.User){
		"displayName":             func(u *user.User) { u.DisplayName = strings.Repeat("x", 257) },
		"givenName":               func(u *user.User) { u.GivenName = text(strings.Repeat("é", 65)) },
		"mailNickname":            func(u *user.User) { u.MailNickname = text("a b") },
		"mail":                    func(u *user.User) { u.Mail = text("andré@x.example") },
		"otherMails":              func(u *user.User) { u.OtherMails = make([]string, 251) },
		"businessPhones":          func(u *user.User) { u.BusinessPhones = []string{"1", "2"} },
		"usageLocation":           func(u *user.User) { u.UsageLocation = text("QQ") },
		"preferredLanguage":       func(u *user.User) { u.PreferredLanguage = text("en_US") },
		"ageGroup":                func(u *user.User) { u.AgeGroup = text("minor") },
		"consentProvidedForMinor": func(u *user.User) { u.ConsentProvidedForMinor = text("Granted") },
		"passwordPolicies":        func(u *user.User) { u.PasswordPolicies = text("Weak") },
		"employeeOrgData":         func(u *user.User) { u.Division = text(strings.Repeat("x", 65)) },
		"jobTitle":                func(u *user.User) { u.JobTitle = text(" padded") },
		"userType":                func(u *user.User) { u.Type = 9 },
	} {
		u := work()
		u.Type = user.Member
		if err := user.Check(&u); err != nil {
			t.Fatal(err)
		}
		break_(&u)
		if err := user.Check(&u); err == nil || !strings.Contains(err.Error(), "'"+name+"'") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAC21InvitedGuest(t *testing.T) {
	t.Parallel()
	got, err := user.NewExternal(user.User{Mail: text("lstokes@fabrikam.com"), Type: user.Guest}, "lstokes@fabrikam.com", uuid.New(), user.Nobody, contoso(), now)
	if err != nil {
		t.Fatal(err)
	}
	if got.UserPrincipalName != "lstokes_fabrikam.com#EXT#@contoso.onentente.example" || got.ExternalState != user.PendingAcceptance ||
		len(got.Proxies) != 1 || got.Proxies[0].String() != "SMTP:lstokes@fabrikam.com" || got.ShowInAddressList == nil || *got.ShowInAddressList ||
		got.Origin != user.Invitation || *got.MailNickname != "lstokes_fabrikam.com#EXT#" || !got.External() {
		t.Errorf("%+v", got)
	}
}

func TestAC22InvitedMember(t *testing.T) {
	t.Parallel()
	got, err := user.NewExternal(user.User{Mail: text("a@fabrikam.com"), Type: user.Member}, "a@fabrikam.com", uuid.New(), user.Nobody, contoso(), now)
	if err != nil || len(got.Proxies) != 0 || got.ShowInAddressList != nil || !got.NeverMailEnabled {
		t.Errorf("%+v %v", got, err)
	}
	// DIR-118: a later change of mail changes nothing but mail.
	changed := got
	changed.Mail = text("b@fabrikam.com")
	if after, err := user.Update(got, changed, false, contoso(), now); err != nil || len(after.Proxies) != 0 {
		t.Errorf("%+v %v", after, err)
	}
}

func TestAC23ContactHoldsTheAddress(t *testing.T) {
	t.Parallel()
	_, err := user.NewExternal(user.User{Mail: text("a@fabrikam.com"), Type: user.Member}, "a@fabrikam.com", uuid.New(), user.Contact, contoso(), now)
	if !fault.Is(err, errorspb.Reason_OBJECT_CONFLICT) {
		t.Errorf("member: %v", err)
	}
	got, err := user.NewExternal(user.User{Mail: text("a@fabrikam.com"), Type: user.Guest}, "a@fabrikam.com", uuid.New(), user.Contact, contoso(), now)
	if err != nil || len(got.Proxies) != 0 || *got.Mail != "a@fabrikam.com" || *got.ShowInAddressList {
		t.Errorf("guest: %+v %v", got, err)
	}
}

func TestAC26BindIsIdempotentAndExclusive(t *testing.T) {
	t.Parallel()
	guest, _ := user.NewExternal(user.User{Mail: text("a@fabrikam.com")}, "a@fabrikam.com", uuid.New(), user.Nobody, contoso(), now)
	home := identity.HomeKey{Tenant: contoso().ID, Object: "1"}
	bound, changed, err := user.Bind(guest, home, now)
	if err != nil || !changed || bound.ExternalState != user.Accepted {
		t.Fatalf("%+v %v", bound, err)
	}
	all := bound.AllIdentities("contoso.onentente.example")
	if len(all) != 2 || all[0].Issuer != "ExternalAzureAD" || all[0].AssignedID != "" || all[1].Type != identity.UserPrincipalName {
		t.Errorf("%+v", all)
	}
	if _, changed, err = user.Bind(bound, home, now); changed || err != nil {
		t.Errorf("second bind: %v %v", changed, err)
	}
	if _, _, err = user.Bind(bound, identity.HomeKey{Tenant: contoso().ID, Object: "2"}, now); !fault.Is(err, errorspb.Reason_IDENTITY_BOUND) {
		t.Errorf("other account: %v", err)
	}
	back, err := user.Reset(bound, "new@fabrikam.com", now)
	if err != nil || back.ExternalState != user.PendingAcceptance || len(back.Identities) != 0 || !back.HomeKey.IsZero() || *back.Mail != "new@fabrikam.com" {
		t.Errorf("%+v %v", back, err)
	}
}

func TestAC28ExternalUserTakesNoPassword(t *testing.T) {
	t.Parallel()
	guest, _ := user.NewExternal(user.User{Mail: text("a@fabrikam.com")}, "a@fabrikam.com", uuid.New(), user.Nobody, contoso(), now)
	if _, err := user.Update(guest, guest, true, contoso(), now); !fault.Is(err, errorspb.Reason_EXTERNAL_ACCOUNT) {
		t.Errorf("got %v", err)
	}
}

func TestAC17CustomerBelongsInAnExternalTenant(t *testing.T) {
	t.Parallel()
	customer := user.User{DisplayName: "C", Identities: []identity.Identity{{Type: identity.EmailAddress, Issuer: "contoso.com", AssignedID: "c@x.example"}}, HasPassword: true}
	if _, err := user.New(customer, nil, uuid.New(), contoso(), now); !fault.Is(err, errorspb.Reason_TENANT_TYPE_UNSUPPORTED) {
		t.Errorf("workforce: %v", err)
	}
	external := contoso()
	external.Type = organization.External
	got, err := user.New(customer, nil, uuid.New(), external, now)
	if err != nil || got.Origin != user.LocalAccount || *got.PasswordPolicies != user.DisablePasswordExpiration || !got.AccountEnabled ||
		got.UserPrincipalName != got.ID.String()+"@contoso.onentente.example" || got.Identities[0].Issuer != "contoso.onentente.example" {
		t.Errorf("%+v %v", got, err)
	}
}

func TestAC33RestoreEndsAfterThirtyDays(t *testing.T) {
	t.Parallel()
	enabled := true
	u, _ := user.New(work(), &enabled, uuid.New(), contoso(), now)
	gone := user.Delete(u, now)
	if _, err := user.Restore(gone, "", contoso(), now.Add(user.Retention-time.Second)); err != nil {
		t.Error(err)
	}
	if _, err := user.Restore(gone, "", contoso(), now.Add(user.Retention)); !fault.Is(err, errorspb.Reason_NOT_FOUND) {
		t.Errorf("got %v", err)
	}
}

func TestSecurityIdentifier(t *testing.T) {
	t.Parallel()
	// The first four bytes of the GUID are one little-endian number.
	if got := user.SecurityIdentifier(uuid.MustParse("01020304-0506-0708-090a-0b0c0d0e0f10")); got != "S-1-12-1-16909060-117966086-202050057-269422093" {
		t.Error(got)
	}
}

var externalName = regexp.MustCompile(`^[A-Za-z0-9._-]+#EXT#@contoso\.onentente\.example$`)

func FuzzExternalName(f *testing.F) {
	for _, seed := range []string{"a@b.example", "o'neil+tag@b.example", strings.Repeat("x", 60) + "@" + strings.Repeat("y", 60) + ".example", "é@x"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, from string) {
		if from == "" {
			return
		}
		for _, got := range []string{
			user.ExternalName(from, "contoso.onentente.example"),
			user.ExternalNameOnClash(from, "contoso.onentente.example", [4]byte{1, 2, 3, 4}),
		} {
			local, _, _ := strings.Cut(got, "@")
			if !externalName.MatchString(got) || len(local) > 64 {
				t.Errorf("ExternalName(%q) = %q", from, got)
			}
			if again := user.ExternalName(from, "contoso.onentente.example"); !strings.HasPrefix(again, local[:1]) {
				t.Errorf("not stable: %q", again)
			}
		}
	})
}
