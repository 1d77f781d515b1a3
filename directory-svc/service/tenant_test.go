package service_test

import (
	"testing"
	"time"

	pb "entente.dev/proto/gen/entente/directory/v1"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	odatapb "entente.dev/proto/gen/entente/odata/v1"
	"entente.dev/servicekit/fault"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
)

func createTenant(prefix string) *pb.CreateTenantRequest {
	return &pb.CreateTenantRequest{DisplayName: prefix, TenantType: pb.Tenant_workforce, InitialDomainPrefix: prefix, CountryLetterCode: "NL",
		Administrator: &pb.CreateTenantRequest_Administrator{DisplayName: "Admin", UserNamePrefix: "admin"}}
}

func TestAC2PrefixIsTaken(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.tenant("contoso", pb.Tenant_workforce)
	tenants := pb.NewTenantServiceClient(s.gateway)
	_, err := tenants.CreateTenant(s.operatorContext(), createTenant("contoso"))
	wantReason(t, err, errorspb.Reason_OBJECT_CONFLICT)
	list, err := tenants.ListTenants(s.operatorContext(), &pb.ListTenantsRequest{})
	if err != nil || len(list.Value) != 1 || list.Value[0].GetUserCount() != 1 {
		t.Errorf("%v %v", list, err)
	}
}

func TestAC3NewTenant(t *testing.T) {
	t.Parallel()
	s := start(t)
	tenants := pb.NewTenantServiceClient(s.gateway)
	req := createTenant("contoso")
	req.IdempotencyKey = "once"
	made, err := tenants.CreateTenant(s.operatorContext(), req)
	if err != nil || made.Administrator.GetTemporaryPassword() == "" {
		t.Fatalf("%v %v", made, err)
	}
	again, err := tenants.CreateTenant(s.operatorContext(), req)
	if err != nil || again.TenantId != made.TenantId || again.Administrator.TemporaryPassword != nil {
		t.Errorf("repeat: %v %v", again, err)
	}
	app, err := tenants.CreateAdministratorApplication(s.operatorContext(), &pb.CreateAdministratorApplicationRequest{TenantId: made.TenantId})
	if err != nil {
		t.Fatal(err)
	}
	h := &home{suite: s, id: made.TenantId, domain: made.InitialDomain, app: app}
	h.ctx = s.as(h.token(app.AppId, app.ClientSecret))
	organizations := pb.NewOrganizationServiceClient(s.gateway)
	o, err := organizations.ListOrganizations(h.ctx, &pb.ListOrganizationsRequest{})
	if err != nil || len(o.Value) != 1 || o.Value[0].GetTenantType() != "AAD" {
		t.Errorf("%v %v", o, err)
	}
	d, err := organizations.ListDomains(h.ctx, &pb.ListDomainsRequest{})
	if err != nil || len(d.Value) != 1 || !d.Value[0].GetIsInitial() || !d.Value[0].GetIsDefault() || !d.Value[0].GetIsVerified() || d.Value[0].GetPasswordValidityPeriodInDays() != 2147483647 {
		t.Errorf("%v %v", d, err)
	}
	roles, err := pb.NewRoleServiceClient(s.gateway).ListRoleAssignments(h.ctx, &pb.ListRoleAssignmentsRequest{})
	if err != nil || len(roles.Value) != 1 || roles.Value[0].GetPrincipalId() != made.Administrator.Id || roles.Value[0].GetRoleDefinitionId() != globalAdministrator ||
		roles.Value[0].GetDirectoryScopeId() != "/" {
		t.Errorf("%v %v", roles, err)
	}
	h.wants(made.Administrator.UserPrincipalName, made.Administrator.GetTemporaryPassword(), pb.VerifyPasswordResponse_MustChange)
}

func TestCreationIsRepeatedForADay(t *testing.T) {
	t.Parallel()
	s := start(t)
	tenants := pb.NewTenantServiceClient(s.gateway)
	req := createTenant("contoso")
	req.IdempotencyKey = "once"
	_, err := tenants.CreateTenant(s.operatorContext(), req)
	if err != nil {
		t.Fatal(err)
	}
	other := createTenant("fabrikam")
	other.IdempotencyKey = "once"
	_, err = tenants.CreateTenant(s.operatorContext(), other)
	wantReason(t, err, errorspb.Reason_INVALID_REQUEST)
	s.clock.Advance(25 * time.Hour)
	if _, err := tenants.CreateTenant(s.operatorContext(), other); err != nil {
		t.Error(err)
	}
}

func TestTenantIsMadeWithWhatItsOperatorKnows(t *testing.T) {
	t.Parallel()
	s := start(t)
	tenants := pb.NewTenantServiceClient(s.gateway)
	req := createTenant("contoso")
	req.PrivacyProfile, req.TechnicalNotificationMails = &pb.PrivacyProfile{StatementUrl: ptr("https://contoso.com/p"), ContactEmail: ptr("p@contoso.com")}, []string{"t@contoso.com"}
	made, err := tenants.CreateTenant(s.operatorContext(), req)
	if err != nil {
		t.Fatal(err)
	}
	app, err := tenants.CreateAdministratorApplication(s.operatorContext(), &pb.CreateAdministratorApplicationRequest{TenantId: made.TenantId})
	if err != nil {
		t.Fatal(err)
	}
	h := &home{suite: s, id: made.TenantId, domain: made.InitialDomain, app: app}
	h.ctx = s.as(h.token(app.AppId, app.ClientSecret))
	o, err := h.organization().GetOrganization(h.ctx, &pb.GetOrganizationRequest{Id: h.id})
	if err != nil || o.PrivacyProfile.GetStatementUrl() != "https://contoso.com/p" || o.PrivacyProfile.GetContactEmail() != "p@contoso.com" || len(o.TechnicalNotificationMails) != 1 {
		t.Errorf("%v %v", o, err)
	}
	for _, wrong := range []*pb.CreateTenantRequest{{PrivacyProfile: &pb.PrivacyProfile{StatementUrl: ptr("ftp://x")}}, {PrivacyProfile: &pb.PrivacyProfile{ContactEmail: ptr("x")}},
		{TechnicalNotificationMails: []string{"x"}}, {PreferredLanguage: ptr("no language")}} {
		bad := createTenant("fabrikam")
		bad.PrivacyProfile, bad.TechnicalNotificationMails, bad.PreferredLanguage = wrong.PrivacyProfile, wrong.TechnicalNotificationMails, wrong.PreferredLanguage
		_, err := tenants.CreateTenant(s.operatorContext(), bad)
		wantReason(t, err, errorspb.Reason_PROPERTY_INVALID)
	}
}

// TestOperatorsWordKeepsTheDefaultDomain: a domain that is verified again stays
// what it is.
func TestOperatorsWordKeepsTheDefaultDomain(t *testing.T) {
	t.Parallel()
	s := start(t)
	h := s.tenant("contoso", pb.Tenant_workforce)
	verify := func(asDefault *bool) {
		_, err := pb.NewTenantServiceClient(s.gateway).VerifyDomain(s.operatorContext(), &pb.VerifyDomainRequest{TenantId: h.id, Domain: "contoso.com", MakeDefault: asDefault})
		h.must(err)
	}
	verify(ptr(true))
	verify(nil)
	d, err := h.organization().GetDomain(h.ctx, &pb.GetDomainRequest{Id: "contoso.com"})
	if err != nil || !d.GetIsDefault() || !d.GetIsVerified() {
		t.Errorf("%v %v", d, err)
	}
}

func TestSuspendedTenantComesBackSuspended(t *testing.T) {
	t.Parallel()
	s := start(t)
	h := s.tenant("contoso", pb.Tenant_workforce)
	tenants := pb.NewTenantServiceClient(s.gateway)
	_, err := tenants.UpdateTenant(s.operatorContext(), &pb.UpdateTenantRequest{TenantId: h.id, Tenant: &pb.Tenant{State: pb.Tenant_suspended.Enum()}, UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"state"}}})
	h.must(err)
	_, err = tenants.DeleteTenant(s.operatorContext(), &pb.DeleteTenantRequest{TenantId: h.id})
	h.must(err)
	back, err := tenants.RestoreTenant(s.operatorContext(), &pb.RestoreTenantRequest{TenantId: h.id})
	if err != nil || back.GetState() != pb.Tenant_suspended {
		t.Errorf("%v %v", back, err)
	}
}

func TestExternalTenantHoldsCustomAttributes(t *testing.T) {
	t.Parallel()
	s := start(t)
	h, workforce := s.tenant("woodgrove", pb.Tenant_external), s.tenant("contoso", pb.Tenant_workforce)
	find := func(h *home) []*pb.Application {
		list, err := h.applications().ListApplications(h.ctx, &pb.ListApplicationsRequest{Query: &odatapb.Query{
			Filter: "displayName eq 'b2c-extensions-app. Do not modify. Used for storing user data.'"}})
		h.must(err)
		return list.Value
	}
	if len(find(workforce)) != 0 {
		t.Error("a workforce tenant has it, too")
	}
	apps := find(h)
	if len(apps) != 1 {
		t.Fatalf("%d applications", len(apps))
	}
	_, err := h.extensions().CreateExtensionProperty(h.ctx, &pb.CreateExtensionPropertyRequest{Id: apps[0].Id,
		ExtensionProperty: &pb.ExtensionProperty{Name: ptr("Loyalty"), DataType: ptr("String"), TargetObjects: []string{"User"}}})
	h.must(err)
	_, err = h.applications().DeleteApplication(h.ctx, &pb.DeleteApplicationRequest{Id: apps[0].Id})
	wantReason(t, err, errorspb.Reason_PROTECTED_OBJECT)
}

func TestAC4AndAC6Domains(t *testing.T) {
	t.Parallel()
	s := start(t)
	a, b := s.tenant("contoso", pb.Tenant_workforce), s.tenant("fabrikam", pb.Tenant_workforce)
	tenants, organizations := pb.NewTenantServiceClient(s.gateway), pb.NewOrganizationServiceClient(s.gateway)
	verify := func(h *home, domain string) error {
		_, err := tenants.VerifyDomain(s.operatorContext(), &pb.VerifyDomainRequest{TenantId: h.id, Domain: domain})
		return err
	}
	if err := verify(a, "contoso.com"); err != nil {
		t.Fatal(err)
	}
	if kind, _ := fault.Of(verify(b, "contoso.com")); kind != fault.KindExists && kind != fault.KindInvalid {
		t.Errorf("a domain was verified twice")
	}
	if kind, _ := fault.Of(verify(b, "sub.contoso.com")); kind != fault.KindInvalid {
		t.Errorf("the child of another tenant's domain was verified")
	}
	info, err := organizations.FindTenantInformationByDomainName(b.ctx, &pb.FindTenantInformationByDomainNameRequest{DomainName: "CONTOSO.com"})
	if err != nil || info.GetTenantId() != a.id || info.GetDefaultDomainName() != a.domain {
		t.Errorf("%v %v", info, err)
	}
	_, err = organizations.FindTenantInformationByDomainName(b.ctx, &pb.FindTenantInformationByDomainNameRequest{DomainName: "nowhere.example"})
	wantReason(t, err, errorspb.Reason_NOT_FOUND)
	_, err = organizations.FindTenantInformationByTenantId(b.ctx, &pb.FindTenantInformationByTenantIdRequest{TenantId: "x"})
	wantReason(t, err, errorspb.Reason_INVALID_REQUEST)
	// The new domain may be used at once: read after write.
	draft := a.draft("alice")
	draft.UserPrincipalName = ptr("alice@contoso.com")
	if _, err := a.users().CreateUser(a.ctx, &pb.CreateUserRequest{User: draft}); err != nil {
		t.Error(err)
	}
}

func TestAC7PrivacyProfile(t *testing.T) {
	t.Parallel()
	h := start(t).tenant("contoso", pb.Tenant_workforce)
	organizations := pb.NewOrganizationServiceClient(h.gateway)
	patch := func(url string) error {
		_, err := organizations.UpdateOrganization(h.ctx, &pb.UpdateOrganizationRequest{Id: h.id, Organization: &pb.Organization{PrivacyProfile: &pb.PrivacyProfile{StatementUrl: &url}},
			UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"privacy_profile.statement_url"}}})
		return err
	}
	wantReason(t, patch("ftp://x"), errorspb.Reason_PROPERTY_INVALID)
	if err := patch("https://contoso.com/privacy"); err != nil {
		t.Fatal(err)
	}
	facts, err := pb.NewTenantDirectoryServiceClient(h.dial("invitation-svc")).LookupTenant(t.Context(), &pb.LookupTenantRequest{TenantId: h.id})
	if err != nil || facts.PrivacyStatementUrl != "https://contoso.com/privacy" {
		t.Errorf("%v %v", facts, err)
	}
}

func TestSuspendedTenantIsRefused(t *testing.T) {
	t.Parallel()
	s := start(t)
	h := s.tenant("contoso", pb.Tenant_workforce)
	_, err := pb.NewTenantServiceClient(s.gateway).UpdateTenant(s.operatorContext(), &pb.UpdateTenantRequest{TenantId: h.id, Tenant: &pb.Tenant{State: pb.Tenant_suspended.Enum()},
		UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"state"}}})
	if err != nil {
		t.Fatal(err)
	}
	_, err = pb.NewTokenServiceClient(s.gateway).IssueToken(t.Context(), &pb.IssueTokenRequest{Authority: h.id, GrantType: "client_credentials", ClientId: h.app.AppId,
		ClientSecret: h.app.ClientSecret, Scope: graphOrigin + "/.default"})
	wantReason(t, err, errorspb.Reason_OAUTH_UNKNOWN_TENANT)
}

func TestOperatorPlaneIsApart(t *testing.T) {
	t.Parallel()
	h := start(t).tenant("contoso", pb.Tenant_workforce)
	_, err := pb.NewTenantServiceClient(h.gateway).ListTenants(h.ctx, &pb.ListTenantsRequest{})
	wantReason(t, err, errorspb.Reason_UNAUTHENTICATED)
	_, err = h.users().ListUsers(h.operatorContext(), &pb.ListUsersRequest{})
	wantReason(t, err, errorspb.Reason_UNAUTHENTICATED)
}
