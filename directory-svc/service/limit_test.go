package service_test

import (
	"fmt"
	"testing"
	"time"

	pb "entente.dev/proto/gen/entente/directory/v1"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
)

// limit has the operator set limits of the tenant.
func (h *home) limit(l *pb.Tenant_Limits, paths ...string) error {
	_, err := pb.NewTenantServiceClient(h.gateway).UpdateTenant(h.operatorContext(), &pb.UpdateTenantRequest{TenantId: h.id, Tenant: &pb.Tenant{Limits: l},
		UpdateMask: &fieldmaskpb.FieldMask{Paths: paths}})
	return err
}

func TestOperatorSetsLimits(t *testing.T) {
	t.Parallel()
	s := start(t)
	h, other := s.tenant("contoso", pb.Tenant_workforce), s.tenant("fabrikam", pb.Tenant_workforce)
	if err := h.limit(&pb.Tenant_Limits{OwnersPerObject: ptr(int32(1)), RoleAssignableGroups: ptr(int32(0))}, "limits.owners_per_object", "limits.role_assignable_groups"); err != nil {
		t.Fatal(err)
	}
	a, b := h.user("a"), h.user("b")
	g := h.group("g").Id
	own := func(u *pb.User) error {
		_, err := h.groups().AddOwner(h.ctx, &pb.AddGroupReferenceRequest{Id: g, Reference: reference(u.Id)})
		return err
	}
	h.must(own(a))
	err := own(b)
	wantReason(t, err, errorspb.Reason_REFERENCE_INVALID)
	if err := h.limit(nil, "limits.owners_per_object"); err != nil {
		t.Fatal(err)
	}
	h.must(own(b))
	shown, err := pb.NewTenantServiceClient(s.gateway).GetTenant(s.operatorContext(), &pb.GetTenantRequest{TenantId: h.id})
	if err != nil || shown.Limits.OwnersPerObject != nil || shown.Limits.RoleAssignableGroups == nil || *shown.Limits.RoleAssignableGroups != 0 {
		t.Errorf("%v %v", shown.GetLimits(), err)
	}
	if shown, err = pb.NewTenantServiceClient(s.gateway).GetTenant(s.operatorContext(), &pb.GetTenantRequest{TenantId: other.id}); err != nil || shown.Limits.RoleAssignableGroups != nil {
		t.Errorf("the other tenant: %v %v", shown.GetLimits(), err)
	}
	wantReason(t, h.limit(&pb.Tenant_Limits{OwnersPerObject: ptr(int32(-1))}, "limits.owners_per_object"), errorspb.Reason_PROPERTY_INVALID)
	wantReason(t, h.limit(&pb.Tenant_Limits{}, "limits.cows"), errorspb.Reason_PROPERTY_INVALID)
}

func TestObjectsOfATenantAreLimited(t *testing.T) {
	t.Parallel()
	s := start(t)
	h, other := s.tenant("contoso", pb.Tenant_workforce), s.tenant("fabrikam", pb.Tenant_workforce)
	// Every tenant is born with four: the administrator, the principal of
	// Graph, and the application of the tests with its principal.
	if err := h.limit(&pb.Tenant_Limits{DirectoryObjects: ptr(int32(6))}, "limits.directory_objects"); err != nil {
		t.Fatal(err)
	}
	first := h.user("a")
	h.group("g")
	_, err := h.users().CreateUser(h.ctx, &pb.CreateUserRequest{User: h.draft("c")})
	wantReason(t, err, errorspb.Reason_QUOTA_EXCEEDED)
	if rows := h.audited("Add user", "failure"); len(rows) != 1 {
		t.Errorf("the refusal is not recorded: %v", rows)
	}
	_, err = h.contact("C", "c@x.example")
	wantReason(t, err, errorspb.Reason_QUOTA_EXCEEDED)
	other.user("c") // another tenant is not touched
	// A soft-deleted object counts one, a purged one a quarter for 30 days.
	if _, err := h.users().DeleteUser(h.ctx, &pb.DeleteUserRequest{Id: first.Id}); err != nil {
		t.Fatal(err)
	}
	_, err = h.users().CreateUser(h.ctx, &pb.CreateUserRequest{User: h.draft("c")})
	wantReason(t, err, errorspb.Reason_QUOTA_EXCEEDED)
	for i := range 4 {
		if i > 0 {
			next := h.user(fmt.Sprint("n", i))
			if _, err := h.users().DeleteUser(h.ctx, &pb.DeleteUserRequest{Id: next.Id}); err != nil {
				t.Fatal(err)
			}
			first = next
		}
		if _, err := pb.NewDirectoryObjectServiceClient(h.gateway).PurgeDeletedItem(h.ctx, &pb.PurgeDeletedItemRequest{Id: first.Id}); err != nil {
			t.Fatal(err)
		}
	}
	_, err = h.users().CreateUser(h.ctx, &pb.CreateUserRequest{User: h.draft("c")})
	wantReason(t, err, errorspb.Reason_QUOTA_EXCEEDED) // four purged ones count one
	s.clock.Advance(31 * 24 * time.Hour)
	h.ctx = s.as(h.token(h.app.AppId, h.app.ClientSecret))
	h.user("c")
}

// TestWhatIsThereStaysWhenALimitIsLowered: what has more than it could get now
// is changed, deleted and lessened as before.
func TestWhatIsThereStaysWhenALimitIsLowered(t *testing.T) {
	t.Parallel()
	h := start(t).tenant("contoso", pb.Tenant_workforce)
	u := h.user("u")
	sponsors := []*pb.User{h.user("a"), h.user("b"), h.user("c")}
	for _, s := range sponsors {
		_, err := h.users().AddSponsor(h.ctx, &pb.AddSponsorRequest{Id: u.Id, Reference: reference(s.Id)})
		h.must(err)
	}
	h.must(h.limit(&pb.Tenant_Limits{SponsorsPerUser: ptr(int32(1))}, "limits.sponsors_per_user"))
	h.must(h.department(h.ctx, u.Id))
	_, err := h.users().AddSponsor(h.ctx, &pb.AddSponsorRequest{Id: u.Id, Reference: reference(h.user("d").Id)})
	wantReason(t, err, errorspb.Reason_PROPERTY_INVALID)
	_, err = h.users().RemoveSponsor(h.ctx, &pb.RemoveSponsorRequest{Id: u.Id, ObjectId: sponsors[0].Id})
	h.must(err)
	h.must(h.update(h.ctx, u.Id, &pb.User{AccountEnabled: ptr(false)}, "account_enabled"))
	_, err = h.users().DeleteUser(h.ctx, &pb.DeleteUserRequest{Id: u.Id})
	h.must(err)
}

// TestAnAccountIsExternalInSoManyTenants: the limit of its home counts over all
// tenants, and who leaves one may come into another (DIR-235).
func TestAnAccountIsExternalInSoManyTenants(t *testing.T) {
	t.Parallel()
	s := start(t)
	source, a, b, c := s.tenant("fabrikam", pb.Tenant_workforce), s.tenant("contoso", pb.Tenant_workforce), s.tenant("woodgrove", pb.Tenant_workforce), s.tenant("tailspin", pb.Tenant_workforce)
	source.must(source.limit(&pb.Tenant_Limits{ExternalTenantsPerUser: ptr(int32(2))}, "limits.external_tenants_per_user"))
	object := source.user("ann").Id
	key := &pb.HomeKey{HomeTenantId: source.id, HomeObjectId: object}
	come := func(to *home) (*pb.User, error) {
		answer, err := to.external().CreateExternalUser(t.Context(), &pb.CreateExternalUserRequest{TenantId: to.id, InvitationId: to.id, Email: "ann@fabrikam.com", UserType: pb.User_Guest, HomeKey: key})
		return answer.GetUser(), err
	}
	first, err := come(a)
	source.must(err)
	_, err = come(b)
	source.must(err)
	_, err = come(c)
	wantReason(t, err, errorspb.Reason_QUOTA_EXCEEDED)
	pending := c.invite("ann@fabrikam.com", pb.User_Guest)
	bind := func() error {
		_, err := c.external().BindExternalIdentity(t.Context(), &pb.BindExternalIdentityRequest{TenantId: c.id, UserId: pending.Id, RedemptionId: "r", HomeKey: key})
		return err
	}
	wantReason(t, bind(), errorspb.Reason_QUOTA_EXCEEDED)
	apply := func() string {
		answer, err := pb.NewProvisioningServiceClient(c.dial("sync-svc")).ApplyExternalUsers(t.Context(), &pb.ApplyExternalUsersRequest{ResourceTenantId: c.id, HomeTenantId: source.id,
			JobId: "job", FencingToken: 1, PolicyVersion: 1, Items: []*pb.ApplyExternalUsersRequest_Item{{Operation: pb.ApplyExternalUsersRequest_Item_create, HomeObjectId: object,
				HomeUserPrincipalName: "ann2@fabrikam.com", Attributes: &pb.User{DisplayName: ptr("Ann"), Mail: ptr("ann2@fabrikam.com")}, Mask: []string{"display_name", "mail"}}}})
		source.must(err)
		return answer.Results[0].Outcome + answer.Results[0].ErrorCode
	}
	if got := apply(); got != "failedQuotaExceeded" {
		t.Errorf("synchronization: %s", got)
	}
	_, err = a.users().DeleteUser(a.ctx, &pb.DeleteUserRequest{Id: first.Id})
	source.must(err)
	source.must(bind())
}

// TestQuotaOfABatch: of a batch of synchronization what fits is written and the
// rest fails, item by item.
func TestQuotaOfABatch(t *testing.T) {
	t.Parallel()
	s := start(t)
	h, source := s.tenant("contoso", pb.Tenant_workforce), s.tenant("fabrikam", pb.Tenant_workforce)
	h.must(h.limit(&pb.Tenant_Limits{DirectoryObjects: ptr(int32(9))}, "limits.directory_objects")) // four are there
	req := &pb.ApplyExternalUsersRequest{ResourceTenantId: h.id, HomeTenantId: source.id, JobId: "job", FencingToken: 1, PolicyVersion: 1}
	for i := range 8 {
		mail := fmt.Sprintf("u%d@fabrikam.com", i)
		req.Items = append(req.Items, &pb.ApplyExternalUsersRequest_Item{Operation: pb.ApplyExternalUsersRequest_Item_create, HomeObjectId: fmt.Sprint("o", i), HomeUserPrincipalName: mail,
			Attributes: &pb.User{DisplayName: &mail, Mail: &mail}, Mask: []string{"display_name", "mail"}})
	}
	answer, err := pb.NewProvisioningServiceClient(h.dial("sync-svc")).ApplyExternalUsers(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	outcomes := make(map[string]int)
	for _, r := range answer.Results {
		outcomes[r.Outcome+r.ErrorCode]++
	}
	if outcomes["created"] != 5 || outcomes["failedQuotaExceeded"] != 3 {
		t.Errorf("%v", outcomes)
	}
}
