package usage_test

import (
	"testing"
	"time"

	"entente.dev/directory-svc/internal/identity"
	"entente.dev/directory-svc/internal/organization"
	"entente.dev/directory-svc/internal/usage"
	"entente.dev/directory-svc/internal/user"
	"entente.dev/servicekit/tenant"
	"github.com/google/uuid"
)

func TestAC55_WhoCounts(t *testing.T) {
	t.Parallel()
	work, external := &organization.Tenant{ID: tenant.New(), Type: organization.Workforce}, &organization.Tenant{ID: tenant.New(), Type: organization.External}
	home := identity.HomeKey{Tenant: tenant.New(), Object: "o"}
	guest := &user.User{ID: uuid.New(), Type: user.Guest, HomeKey: home, Identities: []identity.Identity{home.Row()}, ExternalState: user.Accepted}
	internal := &user.User{ID: uuid.New(), Type: user.Guest, HasPassword: true}
	member := &user.User{ID: uuid.New(), Type: user.Member, HomeKey: home, Identities: []identity.Identity{home.Row()}}
	for _, c := range []struct {
		u    *user.User
		t    *organization.Tenant
		want usage.Kind
	}{{guest, work, usage.ExternalGuest}, {internal, work, usage.InternalGuest}, {member, work, usage.None}, {member, external, usage.Customer}, {internal, external, usage.Customer}} {
		if got := usage.Of(c.u, c.t); got != c.want {
			t.Errorf("%v, want %v", got, c.want)
		}
	}
	if usage.Person(guest, work) != usage.Person(member, external) || usage.Person(internal, work) == usage.Person(guest, work) {
		t.Error("persons")
	}
	at := &organization.Tenant{ID: home.Tenant}
	if host := (&user.User{ID: uuid.MustParse("7d444840-9dc0-11d1-b245-5ffdce74fad2")}); usage.Person(host, at) != home.Tenant.String()+":7d444840-9dc0-11d1-b245-5ffdce74fad2" {
		t.Error(usage.Person(host, at))
	}
}

func TestMonths(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 0, 30, 0, 0, time.FixedZone("", 3600)) // still February in UTC
	m, err := usage.ParseMonth("", now)
	if err != nil || usage.Format(m) != "2026-02" || usage.Final(m, now) || !usage.Final(m, now.Add(time.Hour)) {
		t.Errorf("%v %v", m, err)
	}
	for _, bad := range []string{"2026", "2026-13", "2026-1", "x"} {
		if _, err := usage.ParseMonth(bad, now); err == nil {
			t.Errorf("%s is accepted", bad)
		}
	}
}
