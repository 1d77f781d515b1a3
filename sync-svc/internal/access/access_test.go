package access

import (
	"testing"

	"entente.dev/servicekit/caller"
	"github.com/google/uuid"
)

func TestWhoMayReadAndWrite(t *testing.T) {
	t.Parallel()
	me := uuid.New()
	app := func(permissions ...string) caller.Caller {
		return caller.Caller{Kind: caller.Application, ObjectID: me, Permissions: permissions}
	}
	user := func(role string) caller.Caller {
		c := caller.Caller{Kind: caller.User, ObjectID: me}
		if role != "" {
			c.Roles = []caller.Role{{Template: role, Scope: "/"}}
		}
		return c
	}
	held := func(role, scope string) caller.Caller {
		c := app("Application.ReadWrite.OwnedBy")
		c.Roles = []caller.Role{{Template: role, Scope: scope}}
		return c
	}
	cases := []struct {
		name        string
		caller      caller.Caller
		owner       bool
		read, write bool
	}{
		{"an application with read permission", app("Synchronization.Read.All"), false, true, false},
		{"an application with write permission", app("Synchronization.ReadWrite.All"), false, true, true},
		{"an application for owned objects, not owner", app("Application.ReadWrite.OwnedBy"), false, false, false},
		{"an application for owned objects, owner", app("Application.ReadWrite.OwnedBy"), true, true, true},
		{"an application that is a Cloud Application Administrator", held("Cloud Application Administrator", "/"), false, true, true},
		{"an application that is a Global Reader", held("Global Reader", "/"), false, true, false},
		{"an application with a role over a unit", held("Application Administrator", "/administrativeUnits/x"), false, false, false},
		{"an application without anything, owner", app(), true, false, false},
		{"a Cloud Application Administrator", user("Cloud Application Administrator"), false, true, true},
		{"A73: a Global Reader", user("Global Reader"), false, true, false},
		{"a user without role", user(""), false, false, false},
		{"a user who owns it", user(""), true, true, true},
		{"a User Administrator", user("User Administrator"), false, false, false},
		{"a service", caller.Caller{Kind: caller.Service, Service: "gateway"}, false, false, false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			owners := []string{uuid.NewString()}
			if c.owner {
				owners = append(owners, me.String())
			}
			if got := Read(c.caller, owners) == nil; got != c.read {
				t.Errorf("read %t, want %t", got, c.read)
			}
			if got := Write(c.caller, owners) == nil; got != c.write {
				t.Errorf("write %t, want %t", got, c.write)
			}
		})
	}
}
