package suitetest

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"testing"

	"github.com/google/uuid"
)

// NewTenant provisions an own tenant for a test, with an application that
// holds every application permission, through the operator's API. kind is
// `workforce` or `external`.
func (s *Suite) NewTenant(t testing.TB, kind, name string) Tenant {
	t.Helper()
	op := s.Operator(t)
	// The prefix comes from the test's name; the rest makes it new in a suite
	// that has seen this test before.
	sum := sha256.Sum256([]byte(t.Name() + name + uuid.NewString()))
	prefix := "t" + hex.EncodeToString(sum[:8])
	password := "Correct-Horse-" + hex.EncodeToString(sum[8:12])
	created := op.want(http.MethodPost, "/admin/v1/tenants", Object{
		"displayName": name, "tenantType": kind, "initialDomainPrefix": prefix, "countryLetterCode": "NL",
		"administrator": Object{"displayName": "Administrator of " + name, "userNamePrefix": "admin", "password": password},
	}, http.StatusCreated).JSON
	tenant := Tenant{Name: name, Type: kind, ID: fmt.Sprint(created["tenantId"]), Domain: fmt.Sprint(created["initialDomain"])}
	if admin, ok := created["administrator"].(Object); ok {
		tenant.Admin.UserPrincipalName = fmt.Sprint(admin["userPrincipalName"])
	}
	tenant.Admin.Password = password
	app := op.want(http.MethodPost, "/admin/v1/tenants/"+tenant.ID+"/administratorApplication", Object{"displayName": "Automation"}, http.StatusCreated).JSON
	tenant.ClientID = fmt.Sprint(app["appId"])
	tenant.ClientSecret = fmt.Sprint(app["clientSecret"])
	tenant.ServicePrincipalID = fmt.Sprint(app["servicePrincipalId"])
	return tenant
}

// NewUser is the body that creates a member.
func (tenant Tenant) NewUser(name string) Object {
	return Object{
		"accountEnabled": true, "displayName": name, "mailNickname": name,
		"userPrincipalName": name + "@" + tenant.Domain,
		"passwordProfile":   Object{"password": "Correct-Horse-7-Battery", "forceChangePasswordNextSignIn": false},
	}
}

// Vouch has the operator confirm that a domain belongs to a tenant, which
// spares a record in the DNS.
func (s *Suite) Vouch(t testing.TB, tenant Tenant, domain string) {
	t.Helper()
	s.Operator(t).Send(http.MethodPost, "/admin/v1/tenants/"+tenant.ID+"/domains/"+domain+"/verify", nil)
}

// Admin returns a client with the token of the tenant's first administrator,
// for what applications may not do.
func (s *Suite) Admin(t testing.TB, tenant Tenant) *Graph {
	t.Helper()
	admin := s.Graph(t, tenant).Get("/v1.0/users/" + tenant.Admin.UserPrincipalName)
	return s.As(t, tenant, ID(admin), "Directory.AccessAsUser.All", "UserAuthenticationMethod.ReadWrite.All")
}
