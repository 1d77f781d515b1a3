package jobs_test

import (
	"fmt"
	"testing"
	"time"

	"entente.dev/directory-svc/internal/jobs"
	"entente.dev/directory-svc/internal/organization"
	"entente.dev/directory-svc/internal/password"
	"entente.dev/directory-svc/internal/store"
	"entente.dev/directory-svc/internal/store/storetest"
	"entente.dev/directory-svc/internal/user"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/clock/clocktest"
	"entente.dev/servicekit/fault"
	"entente.dev/servicekit/tenant"
	"github.com/google/uuid"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func open(t *testing.T) (*store.Store, *clocktest.Fake, tenant.ID) {
	t.Helper()
	clock := clocktest.New(start)
	s := store.New(storetest.Open(t), clock)
	home := &store.Tenant{Country: "NL", Tenant: organization.Tenant{ID: tenant.New(), DisplayName: "Contoso", Type: organization.Workforce, State: organization.Active,
		InitialDomain: "contoso.onentente.example", Created: start}}
	if err := s.Write(t.Context(), home.ID, func(tx *store.Tx) error { return tx.InsertTenant(home) }); err != nil {
		t.Fatal(err)
	}
	return s, clock, home.ID
}

func insert(t *testing.T, s *store.Store, home tenant.ID, name string, p *store.Password) *user.User {
	t.Helper()
	if p == nil {
		p = &store.Password{Scheme: int16(password.Hardened), Verifier: []byte("x")}
	}
	u := &user.User{ID: uuid.Must(uuid.NewV7()), AccountEnabled: true, DisplayName: name, UserPrincipalName: name + "@contoso.onentente.example", Type: user.Member, Created: start, HasPassword: p != nil}
	if err := s.Write(t.Context(), home, func(tx *store.Tx) error { tx.InsertUser(u, p); return nil }); err != nil {
		t.Fatal(err)
	}
	return u
}

func TestHardenerLiftsEveryVerifier(t *testing.T) {
	t.Parallel()
	s, _, home := open(t)
	v := password.NewVerifiers([]byte("key"))
	var users []*user.User
	for i := range 3 {
		users = append(users, insert(t, s, home, fmt.Sprint("u", i), &store.Password{Scheme: int16(password.Keyed), Verifier: v.Key("secret")}))
	}
	h := &jobs.Hardener{Store: s, Verifiers: v, Batch: 2}
	for _, want := range []int{2, 1, 0} {
		if n, err := h.RunOnce(t.Context()); err != nil || n != want {
			t.Fatalf("%d %v, want %d", n, err, want)
		}
	}
	for _, u := range users {
		err := s.Read(t.Context(), home, func(tx *store.Tx) error {
			p, err := tx.Password(u.ID)
			if err == nil && (p.Scheme != int16(password.Hardened) || !v.Verify(password.Hardened, p.Verifier, "secret")) {
				t.Errorf("%+v", p)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	// One that is set later is found without looking at every tenant again.
	insert(t, s, home, "later", &store.Password{Scheme: int16(password.Keyed), Verifier: v.Key("secret")})
	if n, err := h.RunOnce(t.Context()); err != nil || n != 1 {
		t.Errorf("%d %v", n, err)
	}
}

func TestPurgerEndsWhatIsThirtyDaysOld(t *testing.T) {
	t.Parallel()
	s, clock, home := open(t)
	u, other := insert(t, s, home, "gone", nil), insert(t, s, home, "live", nil)
	err := s.Write(t.Context(), home, func(tx *store.Tx) error {
		deleted := user.Delete(*u, start)
		tx.SaveUser(u, &deleted, store.Differ(u, &deleted))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	p := &jobs.Purger{Store: s, Clock: clock}
	clock.Set(start.Add(user.Retention - time.Second))
	if n, err := p.RunOnce(t.Context()); err != nil || n != 0 {
		t.Fatalf("too early: %d %v", n, err)
	}
	clock.Set(start.Add(user.Retention))
	for _, want := range []int{1, 0} {
		if n, err := p.RunOnce(t.Context()); err != nil || n != want {
			t.Fatalf("%d %v", n, err)
		}
	}
	_, err = s.AnyUser(t.Context(), home, u.ID)
	if !fault.Is(err, errorspb.Reason_NOT_FOUND) {
		t.Error(err)
	}
	if _, err := s.GetUser(t.Context(), home, store.UserID(other.ID), nil); err != nil {
		t.Error(err)
	}
}
