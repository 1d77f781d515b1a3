package group_test

import (
	"testing"
	"time"

	"entente.dev/directory-svc/internal/group"
	"entente.dev/directory-svc/internal/object"
	"entente.dev/directory-svc/internal/organization"
	"github.com/google/uuid"
)

var tenant = &organization.Tenant{Type: organization.Workforce, InitialDomain: "contoso.example", Domains: []organization.Domain{{Name: "contoso.example", Verified: true, Default: true}}}

func text(s string) *string { return &s }

func TestNew(t *testing.T) {
	t.Parallel()
	given := group.Given{MailEnabled: true, SecurityEnabled: true, MailNickname: true}
	security := group.Group{DisplayName: "g", MailNickname: "g", SecurityEnabled: true}
	for _, c := range []struct {
		name   string
		change func(*group.Group)
		in     *organization.Tenant
		ok     bool
	}{
		{"security", func(*group.Group) {}, tenant, true},
		{"Microsoft 365", func(g *group.Group) { g.Unified, g.MailEnabled = true, true }, tenant, true},
		{"a distribution list", func(g *group.Group) { g.MailEnabled, g.SecurityEnabled = true, false }, tenant, false},
		{"neither mail nor security", func(g *group.Group) { g.SecurityEnabled = false }, tenant, false},
		{"dynamic without a rule", func(g *group.Group) { g.Dynamic = true }, tenant, false},
		{"a rule without dynamic", func(g *group.Group) { g.Rule = text("r") }, tenant, false},
		{"dynamic", func(g *group.Group) { g.Dynamic, g.Rule = true, text("r") }, tenant, true},
		{"role-assignable and public", func(g *group.Group) { g.RoleAssignable, g.Visibility = true, text("Public") }, tenant, false},
		{"role-assignable", func(g *group.Group) { g.RoleAssignable = true }, tenant, true},
		{"a nickname with a blank", func(g *group.Group) { g.MailNickname = "a b" }, tenant, false},
		{"Microsoft 365 in an external tenant", func(g *group.Group) { g.Unified, g.MailEnabled = true, true }, &organization.Tenant{Type: organization.External}, false},
	} {
		g := security
		c.change(&g)
		if _, err := group.New(g, given, uuid.New(), c.in, time.Now()); c.ok != (err == nil) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestNicknameMovesTheAddress(t *testing.T) {
	t.Parallel()
	g, err := group.New(group.Group{DisplayName: "g", MailNickname: "old", Unified: true, MailEnabled: true}, group.Given{MailEnabled: true, SecurityEnabled: true, MailNickname: true}, uuid.New(), tenant, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	changed := g
	changed.MailNickname = "new"
	changed, err = group.Update(g, changed, tenant)
	if err != nil || *changed.Mail != "new@contoso.example" || changed.Proxies[0].String() != "SMTP:new@contoso.example" || changed.Proxies[1].String() != "smtp:old@contoso.example" {
		t.Errorf("%+v %v", changed, err)
	}
	changed.RoleAssignable = true
	if _, err := group.Update(g, changed, tenant); err == nil {
		t.Error("a group became role-assignable")
	}
}

// TestCheckMember is the table of DIR-128.
func TestCheckMember(t *testing.T) {
	t.Parallel()
	security, unified := &group.Group{ID: uuid.New(), SecurityEnabled: true}, &group.Group{ID: uuid.New(), Unified: true}
	role := &group.Group{ID: uuid.New(), SecurityEnabled: true, RoleAssignable: true}
	plain := &group.Group{ID: uuid.New(), SecurityEnabled: true}
	for _, c := range []struct {
		name                    string
		t                       object.Type
		nested                  *group.Group
		security, unified, role bool
	}{
		{"user", object.User, nil, true, true, true},
		{"security group", object.Group, plain, true, false, false},
		{"Microsoft 365 group", object.Group, unified, false, false, false},
		{"service principal", object.ServicePrincipal, nil, true, false, true},
		{"contact", object.Contact, nil, true, false, false},
		{"application", object.Application, nil, false, false, false},
	} {
		for g, want := range map[*group.Group]bool{security: c.security, unified: c.unified, role: c.role} {
			if got := group.CheckMember(g, uuid.New(), c.t, c.nested) == nil; got != want {
				t.Errorf("%s into %+v: %v", c.name, g, got)
			}
		}
	}
}

func TestLimitsOfGroups(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ tenant, own, ok bool }{{true, true, true}, {false, true, false}, {true, false, false}, {false, false, false}} {
		if (group.CheckGuestMember(c.tenant, c.own) == nil) != c.ok {
			t.Errorf("%+v", c)
		}
	}
	if group.CheckGuestOwner(true) != nil || group.CheckGuestOwner(false) == nil {
		t.Error("guest owners")
	}
}
