package e2e

import (
	"net/http"
	"slices"
	"testing"

	"entente.dev/deploy/e2e/contract"
	"entente.dev/deploy/e2e/suitetest"
)

// The matrix for people: every route that takes a token of a signed-in user,
// called by people who must not get through. What a client may ask for is all
// in their tokens; what is missing is the person's own right.

// scopes are all delegated permissions that any route names.
func scopes() []string {
	var all []string
	for _, r := range contract.Routes() {
		all = append(all, r.Access.GetDelegated()...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// forPeople are the routes that take delegated permissions.
func forPeople() []contract.Route {
	return slices.DeleteFunc(slices.Clone(contract.Routes()), func(r contract.Route) bool {
		return r.Access.GetOperator() || len(r.Access.GetDelegated()) == 0
	})
}

func TestRoutesRefusePeopleWithoutScope(t *testing.T) {
	t.Parallel()
	s := suitetest.Shared(t)
	tenant := s.NewTenant(t, "workforce", "Scopes")
	admin := suitetest.ID(s.Graph(t, tenant).Get("/v1.0/users/" + tenant.Admin.UserPrincipalName))
	weak := s.As(t, tenant, admin, "openid")
	for _, r := range forPeople() {
		if r.Access.GetAnyCaller() {
			continue
		}
		path, body, _, _ := request(r, nil)
		if a := weak.Do(r.Method, path, body); a.Status != 403 || suitetest.Code(a) != "Authorization_RequestDenied" {
			t.Errorf("%s %s by an administrator without scope = %d %s", r.Method, r.Pattern, a.Status, suitetest.Code(a))
		}
	}
}

func TestPeopleWithoutRoleChangeNothing(t *testing.T) {
	t.Parallel()
	for _, who := range []string{"a member", "a guest"} {
		t.Run(who, func(t *testing.T) {
			t.Parallel()
			s := suitetest.Shared(t)
			tenant, partner := s.NewTenant(t, "workforce", "People"), s.NewTenant(t, "workforce", "People Partner")
			own := settle(t, s, tenant, partner)
			g := s.Graph(t, tenant)
			var id string
			if who == "a guest" {
				id = guestOf(invite(g, address("guest")))
			} else {
				id = member(g, tenant, "clerk")
			}
			// Who may invite may also send again and revoke (policy of the tenant).
			g.Patch("/v1.0/policies/authorizationPolicy", object{"allowInvitesFrom": "adminsAndGuestInviters"})
			as, before := s.As(t, tenant, id, scopes()...), snapshot(g, own)
			for _, r := range forPeople() {
				path, body, _, _ := request(r, own)
				a := as.Do(r.Method, path, body)
				if a.Status >= 500 && a.Status != 501 || a.Status < 300 && r.Method != http.MethodGet && r.Method != http.MethodPost {
					t.Errorf("%s %s by %s = %d %s", r.Method, r.Pattern, who, a.Status, a.Raw)
				}
			}
			unchanged(t, who, before, snapshot(g, own))
		})
	}
}

func TestAdministratorsStayInTheirTenant(t *testing.T) {
	t.Parallel()
	s := suitetest.Shared(t)
	tenant, stranger := s.NewTenant(t, "workforce", "Home"), s.NewTenant(t, "workforce", "Abroad")
	own := settle(t, s, tenant, stranger)
	g := s.Graph(t, tenant)
	admin := suitetest.ID(s.Graph(t, stranger).Get("/v1.0/users/" + stranger.Admin.UserPrincipalName))
	as, before := s.As(t, stranger, admin, scopes()...), snapshot(g, own)
	for _, r := range forPeople() {
		path, body, owned, _ := request(r, own)
		if owned == 0 {
			continue
		}
		a := as.Do(r.Method, path, body)
		strict := r.Method == http.MethodGet || r.Method == http.MethodDelete
		if a.Status != 404 && (strict || a.Status != 400 && a.Status != 501) {
			t.Errorf("%s %s with another tenant's ids = %d %s", r.Method, r.Pattern, a.Status, a.Raw)
		}
	}
	unchanged(t, "a strange administrator", before, snapshot(g, own))
}
