package access_test

import (
	"testing"

	"entente.dev/directory-svc/internal/access"
	"entente.dev/directory-svc/internal/role"
	"entente.dev/servicekit/caller"
	"github.com/google/uuid"
)

func user(roles ...string) caller.Caller {
	c := caller.Caller{Kind: caller.User, ObjectID: uuid.MustParse("00000000-0000-0000-0000-0000000000aa"), Permissions: []string{"Directory.AccessAsUser.All"}}
	for _, name := range roles {
		c.Roles = append(c.Roles, caller.Role{Template: name, Scope: "/"})
	}
	return c
}

func app(permissions ...string) caller.Caller {
	return caller.Caller{Kind: caller.Application, Permissions: permissions}
}

func TestAC36PasswordMatrix(t *testing.T) {
	t.Parallel()
	target := access.Target{ID: uuid.New()}
	for _, c := range []struct {
		name   string
		caller caller.Caller
		holds  []string
		group  bool
		want   bool
	}{
		{"a helpdesk administrator does not reach a user administrator", user(role.HelpdeskAdministrator), []string{role.UserAdministrator}, false, false},
		{"a user administrator reaches a helpdesk administrator", user(role.UserAdministrator), []string{role.HelpdeskAdministrator}, false, true},
		{"an authentication administrator reaches another", user(role.AuthenticationAdministrator), []string{role.AuthenticationAdministrator}, false, true},
		{"a user administrator does not reach a member of a role-assignable group", user(role.UserAdministrator), nil, true, false},
		{"a password administrator reaches a plain user", user(role.PasswordAdministrator), nil, false, true},
		{"every role of the target must be covered", user(role.HelpdeskAdministrator), []string{role.HelpdeskAdministrator, role.AuthenticationAdministrator}, false, false},
		{"two roles of the caller cover together", user(role.HelpdeskAdministrator, role.AuthenticationAdministrator), []string{role.HelpdeskAdministrator, role.AuthenticationAdministrator}, false, true},
		{"an unknown role is privileged", user(role.UserAdministrator), []string{"Printer Administrator"}, false, false},
		{"the password permission reaches a plain user", app("User-PasswordProfile.ReadWrite.All"), nil, false, true},
		{"the password permission never reaches an administrator", app("User-PasswordProfile.ReadWrite.All"), []string{role.GlobalAdministrator}, false, false},
		{"User.ReadWrite.All sets no password", app("User.ReadWrite.All"), nil, false, false},
	} {
		target.Roles, target.Privileged = c.holds, c.group
		if got := access.Update(c.caller, target, access.Tenant{}, []string{"passwordProfile"}) == nil; got != c.want {
			t.Errorf("%s: got %v", c.name, got)
		}
	}
}

func TestSensitiveActions(t *testing.T) {
	t.Parallel()
	plain, admin := access.Target{ID: uuid.New()}, access.Target{ID: uuid.New(), Roles: []string{role.GlobalAdministrator}}
	for _, c := range []struct {
		name   string
		caller caller.Caller
		target access.Target
		want   bool
	}{
		{"an application deletes a plain user", app("User.ReadWrite.All"), plain, true},
		{"an application does not delete an administrator", app("User.ReadWrite.All"), admin, false},
		{"Directory.ReadWrite.All deletes nobody", app("Directory.ReadWrite.All"), plain, false},
		{"directory writers delete nobody", user(role.DirectoryWriters), plain, false},
		{"a global administrator deletes another", user(role.GlobalAdministrator), admin, true},
		{"a role over a unit is no role over the tenant", caller.Caller{Kind: caller.User, Roles: []caller.Role{{Template: role.UserAdministrator, Scope: "/administrativeUnits/x"}}}, plain, false},
	} {
		if got := access.Delete(c.caller, c.target) == nil; got != c.want {
			t.Errorf("%s: got %v", c.name, got)
		}
	}
}

func TestSelfService(t *testing.T) {
	t.Parallel()
	me := user()
	self := access.Target{ID: me.ObjectID}
	for _, c := range []struct {
		name       string
		in         access.Tenant
		properties []string
		want       bool
	}{
		{"own mobile phone", access.Tenant{}, []string{"mobilePhone"}, true},
		{"own department", access.Tenant{}, []string{"mobilePhone", "department"}, false},
		{"own userType", access.Tenant{}, []string{"userType"}, false},
		{"a customer's own city", access.Tenant{External: true}, []string{"city"}, true},
		{"a customer's own department", access.Tenant{External: true}, []string{"department"}, false},
	} {
		if got := access.Update(me, self, c.in, c.properties) == nil; got != c.want {
			t.Errorf("%s: got %v", c.name, got)
		}
	}
	if access.Update(me, self, access.Tenant{}, nil) != nil || access.Update(me, access.Target{ID: uuid.New()}, access.Tenant{}, nil) == nil {
		t.Error("a change of nothing: own and another's")
	}
}

func TestAC37GuestReads(t *testing.T) {
	t.Parallel()
	guest := user()
	guest.Guest = true
	if got := access.ReadUser(guest, uuid.New(), access.Tenant{}); got != access.Card {
		t.Errorf("other user: %v", got)
	}
	if got := access.ReadUser(guest, guest.ObjectID, access.Tenant{}); got != access.Everything {
		t.Errorf("self: %v", got)
	}
	if _, err := access.ListUsers(guest, access.Tenant{}); err == nil {
		t.Error("a guest lists users")
	}
	if _, err := access.ListUsers(user(), access.Tenant{External: true}); err == nil {
		t.Error("a customer lists users")
	}
}

func TestPolicyOfUsersWithoutARole(t *testing.T) {
	t.Parallel()
	member := caller.Caller{Kind: caller.User, ObjectID: uuid.New(), Permissions: []string{"Directory.AccessAsUser.All"}}
	guest := member
	guest.Guest = true
	other := uuid.New()
	for _, c := range []struct {
		who    caller.Caller
		policy access.Policy
		list   bool
		read   access.Reading
		own    bool
	}{
		{member, access.Policy{}, true, access.Everything, false},
		{member, access.Policy{NoOtherUsers: true}, false, access.Nothing, false},
		{guest, access.Policy{}, false, access.Card, false},
		{guest, access.Policy{Guests: access.RestrictedGuests}, false, access.Nothing, true},
		{guest, access.Policy{Guests: access.GuestsAsMembers}, true, access.Everything, false},
		{guest, access.Policy{Guests: access.GuestsAsMembers, NoOtherUsers: true}, false, access.Nothing, false},
	} {
		in := access.Tenant{Policy: c.policy}
		if _, err := access.ListUsers(c.who, in); (err == nil) != c.list {
			t.Errorf("%+v: list %v", c, err)
		}
		if got := access.ReadUser(c.who, other, in); got != c.read {
			t.Errorf("%+v: reads %v", c, got)
		}
		if access.ReadUser(c.who, c.who.ObjectID, in) != access.Everything || access.OwnOnly(c.who, in) != c.own || (access.Links(c.who, in) == nil) == c.own {
			t.Errorf("%+v", c)
		}
	}
	if access.CreateGroup(member, access.Tenant{Policy: access.Policy{NoSecurityGroups: true}}, false, false) == nil || access.CreateGroup(guest, access.Tenant{Policy: access.Policy{Guests: access.GuestsAsMembers}}, false, true) != nil || access.CreateGroup(guest, access.Tenant{}, false, true) == nil ||
		access.CreateApplication(member, access.Tenant{Policy: access.Policy{NoApps: true}}) == nil {
		t.Error("creates")
	}
	for id, want := range map[string]access.GuestLevel{"a0b1b346-4d3e-4e8b-98f8-753987be4970": access.GuestsAsMembers, "10dae51f-b6af-4016-8d66-8c2a99b929b3": access.LimitedGuests,
		"2af84b1e-32c8-42b7-82bc-daa82404023b": access.RestrictedGuests, "": access.LimitedGuests} {
		if access.ParseGuestLevel(id) != want {
			t.Error(id)
		}
	}
}
