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
