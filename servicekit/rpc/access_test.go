package rpc_test

import (
	"testing"

	optionspb "entente.dev/proto/gen/entente/options/v1"
	"entente.dev/servicekit/caller"
	"entente.dev/servicekit/fault"
	"entente.dev/servicekit/rpc"
	"entente.dev/servicekit/tenant"
)

// TestAccessMatrix crosses every kind of rule with every kind of caller. A
// rule's row lists the callers it admits; all others must be refused.
func TestAccessMatrix(t *testing.T) {
	t.Parallel()
	here := tenant.New()
	role := []caller.Role{{Template: "Global Reader", Scope: "/"}}
	unitRole := []caller.Role{{Template: "Global Reader", Scope: "/administrativeUnits/1"}}
	callers := map[string]caller.Caller{
		"nobody":                   {},
		"gateway for nobody":       {Service: "gateway"},
		"app with permission":      {Kind: caller.Application, Tenant: here, Permissions: []string{"User.Read.All"}},
		"app without":              {Kind: caller.Application, Tenant: here},
		"app with role":            {Kind: caller.Application, Tenant: here, Roles: role},
		"app with unit role":       {Kind: caller.Application, Tenant: here, Roles: unitRole},
		"app with other role":      {Kind: caller.Application, Tenant: here, Roles: []caller.Role{{Template: "Reports Reader", Scope: "/"}}},
		"app with user's scope":    {Kind: caller.Application, Tenant: here, Permissions: []string{"User.Read"}},
		"user with unit role only": {Kind: caller.User, Tenant: here, Roles: unitRole},
		"app via gateway":          {Kind: caller.Application, Tenant: here, Permissions: []string{"User.Read.All"}, Service: "gateway"},
		"user with role":           {Kind: caller.User, Tenant: here, Permissions: []string{"User.Read"}, Roles: role},
		"user with unit role":      {Kind: caller.User, Tenant: here, Permissions: []string{"User.Read"}, Roles: unitRole},
		"user with scope":          {Kind: caller.User, Tenant: here, Permissions: []string{"User.Read"}},
		"user with role only":      {Kind: caller.User, Tenant: here, Roles: role},
		"user with app perm":       {Kind: caller.User, Tenant: here, Permissions: []string{"User.Read.All"}, Roles: role},
		"user via sync":            {Kind: caller.User, Tenant: here, Service: "sync-svc"},
		"user without tenant":      {Kind: caller.User, Permissions: []string{"User.Read"}, Roles: role},
		"sync for itself":          {Kind: caller.Service, Service: "sync-svc"},
		"policy for itself":        {Kind: caller.Service, Service: "policy-svc"},
		"operator":                 {Kind: caller.Operator},
		"operator via gateway":     {Kind: caller.Operator, Service: "gateway"},
		"service without a name":   {Kind: caller.Service},
	}
	perms := func(a *optionspb.Access) *optionspb.Access {
		a.Application, a.Delegated = []string{"User.Read.All"}, []string{"User.Read"}
		return a
	}
	rules := []struct {
		name   string
		access *optionspb.Access
		admits []string
	}{
		{"no option", nil, nil},
		{"no tenancy", perms(&optionspb.Access{AnyCaller: true, Anonymous: true, Operator: true}), nil},
		{"nothing declared", &optionspb.Access{Tenancy: optionspb.Access_caller}, nil},
		{"permission or scope", perms(&optionspb.Access{Tenancy: optionspb.Access_caller}),
			[]string{"app with permission", "app via gateway", "user with role", "user with unit role", "user with scope"}},
		{"scope and role", perms(&optionspb.Access{Tenancy: optionspb.Access_caller, Roles: []string{"Global Reader"}}),
			[]string{"app with permission", "app with role", "app via gateway", "user with role"}},
		{"scope and role at any scope", perms(&optionspb.Access{Tenancy: optionspb.Access_caller, Roles: []string{"Global Reader"}, ScopedRoles: true}),
			[]string{"app with permission", "app with role", "app with unit role", "app via gateway", "user with role", "user with unit role"}},
		{"any scope of no role", perms(&optionspb.Access{Tenancy: optionspb.Access_caller, ScopedRoles: true}),
			[]string{"app with permission", "app via gateway", "user with role", "user with unit role", "user with scope"}},
		{"a role for services only", &optionspb.Access{Tenancy: optionspb.Access_named, Services: []string{"sync-svc"}, Roles: []string{"Global Reader"}},
			[]string{"user via sync", "sync for itself"}},
		{"any caller of the tenant", &optionspb.Access{Tenancy: optionspb.Access_caller, AnyCaller: true},
			[]string{"app with permission", "app without", "app with role", "app with unit role", "app with other role", "app with user's scope", "app via gateway",
				"user with role", "user with unit role", "user with scope", "user with role only", "user with unit role only", "user with app perm", "user via sync"}},
		{"a service in the tenant of a caller", &optionspb.Access{Tenancy: optionspb.Access_caller, Services: []string{"sync-svc"}},
			[]string{"user via sync"}},
		{"a service that names tenants", perms(&optionspb.Access{Tenancy: optionspb.Access_named, Services: []string{"sync-svc"}, AnyCaller: true}),
			[]string{"user via sync", "sync for itself"}},
		{"anonymous through the gateway", &optionspb.Access{Tenancy: optionspb.Access_none, Anonymous: true},
			[]string{"gateway for nobody", "app via gateway"}},
		{"anonymous through a named service", &optionspb.Access{Tenancy: optionspb.Access_none, Anonymous: true, Services: []string{"policy-svc"}},
			[]string{"policy for itself"}},
		{"operator", &optionspb.Access{Tenancy: optionspb.Access_none, Operator: true}, []string{"operator", "operator via gateway"}},
	}
	for _, rule := range rules {
		t.Run(rule.name, func(t *testing.T) {
			t.Parallel()
			admits := make(map[string]bool)
			for _, name := range rule.admits {
				if _, ok := callers[name]; !ok {
					t.Fatalf("no caller %q", name)
				}
				admits[name] = true
			}
			for name, c := range callers {
				if err := rpc.Admit(rule.access, c); (err == nil) != admits[name] {
					t.Errorf("%s: %v", name, err)
				}
			}
		})
	}
}

func TestOperatorRoutesRefuseGraphTokensAsTokens(t *testing.T) {
	t.Parallel()
	operators := &optionspb.Access{Tenancy: optionspb.Access_none, Operator: true}
	graph := &optionspb.Access{Tenancy: optionspb.Access_caller, Application: []string{"User.Read.All"}}
	app := caller.Caller{Kind: caller.Application, Tenant: tenant.New()}
	for name, tc := range map[string]struct {
		access *optionspb.Access
		caller caller.Caller
		kind   fault.Kind
	}{
		"a Graph token for the operator's route":  {operators, app, fault.KindUnauthenticated},
		"the operator's token for a Graph route":  {graph, caller.Caller{Kind: caller.Operator}, fault.KindUnauthenticated},
		"no token":                                {graph, caller.Caller{}, fault.KindUnauthenticated},
		"a Graph token without the permission":    {graph, app, fault.KindDenied},
		"a service for a route that is not meant": {graph, caller.Caller{Kind: caller.Service, Service: "sync-svc"}, fault.KindDenied},
	} {
		if got := fault.From(rpc.Admit(tc.access, tc.caller)); got.Kind != tc.kind {
			t.Errorf("%s: %v", name, got.Kind)
		}
	}
}
