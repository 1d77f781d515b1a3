package store_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"entente.dev/directory-svc/internal/address"
	"entente.dev/directory-svc/internal/identity"
	"entente.dev/directory-svc/internal/object"
	"entente.dev/directory-svc/internal/organization"
	"entente.dev/directory-svc/internal/password"
	"entente.dev/directory-svc/internal/store"
	"entente.dev/directory-svc/internal/store/storetest"
	"entente.dev/directory-svc/internal/user"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/clock/clocktest"
	"entente.dev/servicekit/fault"
	"entente.dev/servicekit/tenant"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func open(t testing.TB) (*store.Store, *clocktest.Fake) {
	t.Helper()
	clock := clocktest.New(start)
	return store.New(storetest.Open(t), clock), clock
}

// newTenant makes a tenant whose first label is prefix.
func newTenant(t testing.TB, s *store.Store, prefix string) *store.Tenant {
	t.Helper()
	domain := prefix + ".onentente.example"
	made := &store.Tenant{Country: "NL", Tenant: organization.Tenant{
		ID: tenant.New(), DisplayName: prefix, Type: organization.Workforce, State: organization.Active, InitialDomain: domain, Created: start,
		Domains: []organization.Domain{{Name: domain, Verified: true, Default: true, Initial: true, Root: true, Services: []string{"Email"}, PasswordValidity: organization.NoExpiry, PasswordNotifyDays: 14, Created: start}},
	}}
	if err := s.Write(t.Context(), made.ID, func(tx *store.Tx) error { return tx.InsertTenant(made) }); err != nil {
		t.Fatal(err)
	}
	return made
}

// secret is the password of users that have one.
var secret = &store.Password{Scheme: int16(password.Hardened), Verifier: []byte("x")}

func text(s string) *string { return &s }

// full is a user with a value in every column.
func full(domain string) *user.User {
	truth := true
	u := &user.User{
		ID: uuid.Must(uuid.NewV7()), AccountEnabled: true, DisplayName: "Ada", UserPrincipalName: "Ada@" + domain,
		OnPremises: user.OnPremises{SyncEnabled: &truth, SamAccountName: text("sam"), DistinguishedName: text("dn"), DomainName: text("dom"),
			SecurityIdentifier: text("sid"), UserPrincipalName: text("opupn"), LastSync: &start},
		BusinessPhones: []string{"+31 1"}, OtherMails: []string{"a@x.example", "b@x.example"}, IMAddresses: []string{"sip:a"},
		Proxies:    []address.Proxy{address.Primary("Ada@x.example"), {Kind: "smtp", Address: "ada2@x.example"}},
		Identities: []identity.Identity{{Type: identity.Federated, Issuer: identity.IssuerHomeTenant}},
		HomeKey:    identity.HomeKey{Tenant: tenant.New(), Object: uuid.NewString()},
		Type:       user.Guest, Origin: user.Invitation, ExternalState: user.Accepted, ExternalStateChanged: &start, ShowInAddressList: &truth,
		EmployeeHireDate: &start, EmployeeLeaveDate: &start, CostCenter: text("cc"), Division: text("div"), Created: start,
		LastPasswordChange: &start, SessionsValidFrom: &start, ManagerID: new(uuid.UUID), Sponsors: []uuid.UUID{uuid.New()},
		InvitedEmail: text("ada@x.example"), InvitationID: text("i"), RedemptionID: text("r"), NeverMailEnabled: true, SyncJob: text("job"), SyncDeleted: true, Version: 1,
	}
	*u.ManagerID = uuid.New()
	for _, p := range user.Texts {
		*p.Of(u) = text("v " + p.Name)
	}
	u.ExtensionAttributes[2], u.ExtensionAttributes[14] = text("three"), text("fifteen")
	return u
}

func TestUserKeepsEveryProperty(t *testing.T) {
	t.Parallel()
	s, _ := open(t)
	home := newTenant(t, s, "contoso")
	want := full(home.InitialDomain)
	if err := s.Write(t.Context(), home.ID, func(tx *store.Tx) error { tx.InsertUser(want, nil); return nil }); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{want.ID.String(), "ADA@contoso.onentente.example"} {
		got, err := s.GetUser(t.Context(), home.ID, store.ParseUserKey(key), nil)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("by %s:\n%s", key, diff)
		}
	}
	got, err := s.GetUser(t.Context(), home.ID, store.UserID(want.ID), []string{"jobTitle", "manager"})
	if err != nil || got.JobTitle == nil || got.Department != nil {
		t.Errorf("selection: %+v %v", got, err)
	}
	if d := store.Differ(want, got); d.Empty() {
		t.Error("a partial user equals the whole one")
	}
}

func TestSaveUserWritesTheDifferenceAlone(t *testing.T) {
	t.Parallel()
	s, _ := open(t)
	home := newTenant(t, s, "contoso")
	u := full(home.InitialDomain)
	changed := *u
	changed.Department, changed.JobTitle = text("Sales"), nil
	changed.Proxies = address.SetPrimary(u.Proxies, "new@x.example")
	d := store.Differ(u, &changed)
	if diff := cmp.Diff([]string{"department", "jobTitle", "proxyAddresses"}, d.Properties); diff != "" {
		t.Error(diff)
	}
	err := s.Write(t.Context(), home.ID, func(tx *store.Tx) error {
		tx.InsertUser(u, nil)
		tx.SaveUser(u, &changed, d)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	changed.Version = 2
	got, err := s.GetUser(t.Context(), home.ID, store.UserID(u.ID), nil)
	if diff := cmp.Diff(&changed, got); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
	var met store.Meeting
	err = s.Write(t.Context(), home.ID, func(tx *store.Tx) error {
		met, err = tx.Meet("none", identity.HomeKey{}, "ADA@x.example", u.UserPrincipalName)
		return err
	})
	if err != nil || met.Holder != object.User || !met.NameTaken || met.ByEmail == nil || met.ByEmail.ID != u.ID || met.ByInvitation != nil {
		t.Errorf("%+v %v", met, err)
	}
}

func TestRowsOfAnotherTenantAreInvisible(t *testing.T) {
	t.Parallel()
	s, _ := open(t)
	a, b := newTenant(t, s, "contoso"), newTenant(t, s, "fabrikam")
	u := full(a.InitialDomain)
	if err := s.Write(t.Context(), a.ID, func(tx *store.Tx) error { tx.InsertUser(u, nil); return nil }); err != nil {
		t.Fatal(err)
	}
	if _, err := s.GetUser(t.Context(), b.ID, store.UserID(u.ID), nil); !fault.Is(err, errorspb.Reason_NOT_FOUND) {
		t.Errorf("got %v", err)
	}
	// The second layer: a statement that forgets the tenant sees nothing either.
	err := s.Read(t.Context(), b.ID, func(tx *store.Tx) error {
		var n int
		if err := tx.Pgx().QueryRow(tx.Context(), "select count(*) from users").Scan(&n); err != nil || n != 0 {
			return errors.Join(err, errors.New("rows of another tenant are visible"))
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	foreign := full(a.InitialDomain)
	err = s.Write(t.Context(), b.ID, func(tx *store.Tx) error {
		tx.Queue("insert into users (tenant_id, id, account_enabled, display_name, display_name_key, user_principal_name, user_principal_name_key, user_type, created_at) values ($1, $2, true, 'x', 'x', 'x', 'x', 1, now())",
			[16]byte(a.ID), [16]byte(foreign.ID))
		return nil
	})
	if err == nil {
		t.Error("a row was written into another tenant")
	}
}

func TestAC9ParallelCreatesOfOneName(t *testing.T) {
	t.Parallel()
	s, _ := open(t)
	home := newTenant(t, s, "contoso")
	var wg sync.WaitGroup
	results := make([]error, 50)
	for i := range results {
		wg.Go(func() {
			u := &user.User{ID: uuid.Must(uuid.NewV7()), DisplayName: "A", UserPrincipalName: "alice@contoso.com", Type: user.Member, Created: start}
			if i%2 == 0 {
				u.UserPrincipalName = "ALICE@contoso.com"
			}
			results[i] = s.Write(context.WithoutCancel(t.Context()), home.ID, func(tx *store.Tx) error { tx.InsertUser(u, secret); return nil })
		})
	}
	wg.Wait()
	made := 0
	for _, err := range results {
		switch {
		case err == nil:
			made++
		case !fault.Is(err, errorspb.Reason_OBJECT_CONFLICT) || fault.From(err).Meta["property"] != "userPrincipalName":
			t.Error(err)
		}
	}
	if made != 1 {
		t.Errorf("%d creates won", made)
	}
}
