package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"entente.dev/deploy/e2e/suitetest"
	directorypb "entente.dev/proto/gen/entente/directory/v1"
)

const passwordMethod = "28c10230-6103-485e-b985-444c60001490"

// signIn has the facade check a password, as its login page does.
func signIn(t *testing.T, s *suitetest.Suite, tenant suitetest.Tenant, name, password string) *directorypb.VerifyPasswordResponse {
	t.Helper()
	credentials := directorypb.NewCredentialServiceClient(s.DialAs(t, "directory", "gateway"))
	answer, err := credentials.VerifyPassword(suitetest.Context(t, ""), &directorypb.VerifyPasswordRequest{TenantId: tenant.ID, LoginName: name, Password: password, Ip: "192.0.2.7"})
	if err != nil {
		t.Fatalf("verify the password of %s: %v", name, err)
	}
	return answer
}

// signsIn fails the test unless the password leads to the result.
func signsIn(t *testing.T, s *suitetest.Suite, tenant suitetest.Tenant, name, password string, want directorypb.VerifyPasswordResponse_Result) {
	t.Helper()
	if got := signIn(t, s, tenant, name, password); got.Result != want {
		t.Errorf("%s signs in with %s (%d), want %s", name, got.Result, got.ErrorCode, want)
	}
}

// customer is the body of a local account.
func customer(tenant suitetest.Tenant, mail string) object {
	return object{"displayName": "Kim", "identities": []object{{"signInType": "emailAddress", "issuer": tenant.Domain, "issuerAssignedId": mail}}}
}

func TestAC17_CustomerGetsAPasswordOnce(t *testing.T) {
	t.Parallel()
	s := suitetest.Shared(t)
	shop, office := s.NewTenant(t, "external", "Shop"), s.NewTenant(t, "workforce", "Office")
	g, mail := s.Graph(t, shop), address("kim")
	made := g.Create("/v1.0/users", customer(shop, mail))
	profile, _ := made["passwordProfile"].(object)
	password := fmt.Sprint(profile["password"])
	if len(password) != 16 || made["displayName"] != "Kim" {
		t.Fatalf("created customer = %v", made)
	}
	got := g.Get("/v1.0/users/" + suitetest.ID(made) + "?$select=creationType,passwordPolicies,passwordProfile,userType,mail")
	if got["creationType"] != "LocalAccount" || got["passwordPolicies"] != "DisablePasswordExpiration" || got["userType"] != "Member" || got["mail"] != nil {
		t.Errorf("customer = %v", got)
	}
	if strings.Contains(fmt.Sprint(got), password) {
		t.Error("the password can be read again")
	}
	a := s.Graph(t, office).Do(http.MethodPost, "/v1.0/users", customer(office, mail))
	if a.Status != 400 {
		t.Errorf("a customer in a workforce tenant = %d %s", a.Status, a.Raw)
	}
}

func TestAC18_TemporaryPasswordMustChange(t *testing.T) {
	t.Parallel()
	s := suitetest.Shared(t)
	shop := s.NewTenant(t, "external", "Shop")
	g, mail := s.Graph(t, shop), address("kim")
	made := g.Create("/v1.0/users", customer(shop, mail))
	profile, _ := made["passwordProfile"].(object)
	temporary := fmt.Sprint(profile["password"])
	signsIn(t, s, shop, strings.ToUpper(mail), temporary, directorypb.VerifyPasswordResponse_MustChange)
	const chosen = "Blue-Kettle-93-Window"
	credentials := directorypb.NewCredentialServiceClient(s.DialAs(t, "directory", "gateway"))
	if _, err := credentials.ReplacePassword(suitetest.Context(t, ""), &directorypb.ReplacePasswordRequest{
		TenantId: shop.ID, UserId: suitetest.ID(made), CurrentPassword: temporary, NewPassword: chosen, Ip: "192.0.2.7",
	}); err != nil {
		t.Fatalf("replace the temporary password: %v", err)
	}
	signsIn(t, s, shop, mail, chosen, directorypb.VerifyPasswordResponse_Success)
	signsIn(t, s, shop, mail, temporary, directorypb.VerifyPasswordResponse_BadCredentials)
	g.Patch("/v1.0/users/"+suitetest.ID(made), object{"accountEnabled": false})
	if got := signIn(t, s, shop, mail, chosen); got.Result != directorypb.VerifyPasswordResponse_Disabled || got.ErrorCode != 50057 {
		t.Errorf("a blocked customer signs in with %v", got)
	}
}

func TestAC19_AddressBelongsToOneCustomer(t *testing.T) {
	t.Parallel()
	s := suitetest.Shared(t)
	shop := s.NewTenant(t, "external", "Shop")
	g, mail := s.Graph(t, shop), address("kim")
	one := suitetest.ID(g.Create("/v1.0/users", customer(shop, mail)))
	taken := g.Refused(http.MethodPost, "/v1.0/users", customer(shop, strings.ToUpper(mail)), 400, "Request_BadRequest")
	if !strings.Contains(string(taken.Raw), `"target":"identities"`) {
		t.Errorf("the refusal names no target: %s", taken.Raw)
	}
	g.Delete("/v1.0/users/" + one)
	g.Create("/v1.0/users", customer(shop, mail))
	g.Refused(http.MethodPost, "/v1.0/directory/deletedItems/"+one+"/restore", nil, 400, "Request_BadRequest")
}

func TestAC20_CustomerChangesOnlyOwnContactData(t *testing.T) {
	t.Parallel()
	s := suitetest.Shared(t)
	shop := s.NewTenant(t, "external", "Shop")
	id := suitetest.ID(s.Graph(t, shop).Create("/v1.0/users", customer(shop, address("kim"))))
	me := s.As(t, shop, id, "User.ReadWrite", "User.ReadBasic.All", "Directory.AccessAsUser.All")
	me.Refused(http.MethodPatch, "/v1.0/me", object{"department": "Board"}, 403, "Authorization_RequestDenied")
	me.Patch("/v1.0/me", object{"city": "Utrecht"})
	me.Refused(http.MethodGet, "/v1.0/users", nil, 403, "Authorization_RequestDenied")
}

func TestAC16_ResetEndsALock(t *testing.T) {
	t.Parallel()
	s := suitetest.Shared(t)
	tenant := s.NewTenant(t, "workforce", "Locked")
	id := suitetest.ID(s.Graph(t, tenant).Create("/v1.0/users", tenant.NewUser("lou")))
	name := "lou@" + tenant.Domain
	for i := range 10 {
		signIn(t, s, tenant, name, fmt.Sprintf("Wrong-Horse-%d", i))
	}
	locked := signIn(t, s, tenant, name, "Correct-Horse-7-Battery")
	if locked.Result != directorypb.VerifyPasswordResponse_Locked || locked.ErrorCode != 50053 {
		t.Errorf("after ten wrong passwords: %v", locked)
	}
	admin := s.Admin(t, tenant)
	a := admin.Do(http.MethodPost, "/v1.0/users/"+id+"/authentication/methods/"+passwordMethod+"/resetPassword", object{})
	generated := fmt.Sprint(a.JSON["newPassword"])
	if a.Status != http.StatusAccepted || len(generated) != 16 {
		t.Fatalf("reset = %d %s", a.Status, a.Raw)
	}
	if operation := admin.Get(a.Header.Get("Location")); operation["status"] != "succeeded" {
		t.Errorf("operation = %v", operation)
	}
	signsIn(t, s, tenant, name, generated, directorypb.VerifyPasswordResponse_MustChange)
}
