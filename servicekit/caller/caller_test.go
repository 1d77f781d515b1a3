package caller_test

import (
	"testing"

	"entente.dev/servicekit/caller"
)

func TestHasRoleCountsTheTenantScopeOnly(t *testing.T) {
	t.Parallel()
	c := caller.Caller{Roles: []caller.Role{
		{Template: "User Administrator", Scope: "/administrativeUnits/1"},
		{Template: "Global Reader", Scope: "/"},
	}}
	if c.HasRole("User Administrator") {
		t.Error("a role over one unit counts for the tenant")
	}
	if !c.HasRole("User Administrator", "Global Reader") {
		t.Error("one of two roles is not enough")
	}
}

func TestFromWithoutCaller(t *testing.T) {
	t.Parallel()
	if c := caller.From(t.Context()); c.Kind != caller.Anonymous || c.Has("User.Read.All") {
		t.Errorf("From = %+v", c)
	}
	ctx := caller.With(t.Context(), caller.Caller{Kind: caller.User, Permissions: []string{"User.Read"}})
	if c := caller.From(ctx); !c.HasAny("Directory.Read.All", "User.Read") {
		t.Errorf("From = %+v", c)
	}
}
