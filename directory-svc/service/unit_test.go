package service_test

import (
	"context"
	"fmt"
	"testing"

	pb "entente.dev/proto/gen/entente/directory/v1"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	odatapb "entente.dev/proto/gen/entente/odata/v1"
	"github.com/google/uuid"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
)

const (
	userAdministrator   = "fe930be7-5e62-47db-91af-98c3a49a38b1"
	globalAdministrator = "62e90394-69f5-4237-9190-012177145e10"
	globalReader        = "f2ef992c-3afb-46b9-b7cf-a126ee74c451"
	groupsAdministrator = "fdd7a751-b60b-444a-984c-02652fe8fa1c"
)

func (h *home) units() pb.AdministrativeUnitServiceClient {
	return pb.NewAdministrativeUnitServiceClient(h.gateway)
}
func (h *home) roles() pb.RoleServiceClient { return pb.NewRoleServiceClient(h.gateway) }

func (h *home) unit(name string, restricted bool) *pb.AdministrativeUnit {
	h.t.Helper()
	u, err := h.units().CreateAdministrativeUnit(h.ctx, &pb.CreateAdministrativeUnitRequest{Unit: &pb.AdministrativeUnit{DisplayName: &name, IsMemberManagementRestricted: &restricted}})
	if err != nil {
		h.t.Fatal(err)
	}
	return u
}

func (h *home) join(unit, object string) error {
	_, err := h.units().AddAdministrativeUnitMember(h.ctx, &pb.AddAdministrativeUnitMemberRequest{Id: unit, Reference: reference(object)})
	return err
}

func (h *home) give(role, principal, scope string) error {
	_, err := h.roles().CreateRoleAssignment(h.ctx, &pb.CreateRoleAssignmentRequest{RoleAssignment: &pb.UnifiedRoleAssignment{
		PrincipalId: &principal, RoleDefinitionId: &role, DirectoryScopeId: &scope}})
	return err
}

func (h *home) must(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

// rename changes the department of a user as somebody.
func (h *home) department(ctx context.Context, id string) error {
	_, err := h.users().UpdateUser(ctx, &pb.UpdateUserRequest{Id: id, User: &pb.User{Department: ptr("x")}, UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"department"}}})
	return err
}

func TestAC44_RestrictedUnitProtectsItsMembers(t *testing.T) {
	t.Parallel()
	h := start(t).tenant("contoso", pb.Tenant_workforce)
	protected, chief, scoped, elsewhere := h.user("protected"), h.user("chief"), h.user("scoped"), h.user("elsewhere")
	vault, plain := h.unit("Vault", true), h.unit("Plain", false)
	h.must(h.join(vault.Id, protected.Id))
	h.must(h.join(plain.Id, protected.Id))
	h.must(h.give(globalAdministrator, chief.Id, "/"))
	h.must(h.give(userAdministrator, scoped.Id, "/administrativeUnits/"+vault.Id))
	h.must(h.give(userAdministrator, elsewhere.Id, "/administrativeUnits/"+plain.Id))

	got, err := h.users().GetUser(h.ctx, &pb.GetUserRequest{Id: protected.Id, Query: &odatapb.Query{Select: "isManagementRestricted"}})
	if err != nil || !got.GetIsManagementRestricted() {
		t.Errorf("isManagementRestricted = %v, %v", got.GetIsManagementRestricted(), err)
	}
	for who, ctx := range map[string]context.Context{"a Global Administrator of the tenant": h.person(chief.Id), "an application with User.ReadWrite.All": h.ctx,
		"a User Administrator over another unit of the user": h.person(elsewhere.Id)} {
		wantReason(t, h.department(ctx, protected.Id), errorspb.Reason_ACCESS_DENIED)
		if _, err := h.users().DeleteUser(ctx, &pb.DeleteUserRequest{Id: protected.Id}); err == nil {
			t.Errorf("%s deleted the user", who)
		}
	}
	h.must(h.department(h.person(scoped.Id), protected.Id))
	wantReason(t, h.department(h.person(scoped.Id), elsewhere.Id), errorspb.Reason_ACCESS_DENIED)

	// Somebody protected still changes what is the own to change.
	_, err = h.users().UpdateUser(h.person(protected.Id, "User.ReadWrite"), &pb.UpdateUserRequest{Id: protected.Id, User: &pb.User{MobilePhone: ptr("1")},
		UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"mobile_phone"}}})
	h.must(err)

	_, err = h.units().RemoveAdministrativeUnitMember(h.person(chief.Id), &pb.RemoveAdministrativeUnitMemberRequest{Id: vault.Id, ObjectId: protected.Id})
	h.must(err)
	h.must(h.department(h.person(chief.Id), protected.Id))

	// The end of the unit ends the restriction, its return brings it back.
	h.must(h.join(vault.Id, protected.Id))
	wantReason(t, h.department(h.ctx, protected.Id), errorspb.Reason_ACCESS_DENIED)
	_, err = h.units().DeleteAdministrativeUnit(h.ctx, &pb.DeleteAdministrativeUnitRequest{Id: vault.Id})
	h.must(err)
	h.must(h.department(h.ctx, protected.Id))
	_, err = pb.NewDirectoryObjectServiceClient(h.gateway).RestoreDeletedItem(h.ctx, &pb.RestoreDeletedItemRequest{Id: vault.Id})
	h.must(err)
	wantReason(t, h.department(h.ctx, protected.Id), errorspb.Reason_ACCESS_DENIED)
}

func TestAC45_UnitsRefuse(t *testing.T) {
	t.Parallel()
	h := start(t).tenant("contoso", pb.Tenant_workforce)
	groups := pb.NewGroupServiceClient(h.gateway)
	team, err := groups.CreateGroup(h.ctx, &pb.CreateGroupRequest{Group: &pb.Group{DisplayName: ptr("Team"), MailEnabled: ptr(true), SecurityEnabled: ptr(false),
		MailNickname: ptr("team"), GroupTypes: []string{"Unified"}}})
	h.must(err)
	vault, u := h.unit("Vault", true), h.user("ann")
	wantReason(t, h.join(vault.Id, team.Id), errorspb.Reason_REFERENCE_INVALID)
	_, err = h.units().UpdateAdministrativeUnit(h.ctx, &pb.UpdateAdministrativeUnitRequest{Id: vault.Id, Unit: &pb.AdministrativeUnit{IsMemberManagementRestricted: ptr(false)},
		UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"is_member_management_restricted"}}})
	wantReason(t, err, errorspb.Reason_PROPERTY_INVALID)
	wantReason(t, h.give(globalReader, u.Id, "/administrativeUnits/"+vault.Id), errorspb.Reason_REFERENCE_INVALID)
	h.must(h.give(userAdministrator, u.Id, "/administrativeUnits/"+vault.Id))
	wantReason(t, h.give(userAdministrator, u.Id, "/administrativeUnits/"+vault.Id), errorspb.Reason_CONFLICTING_OBJECT)
	wantReason(t, h.give(userAdministrator, u.Id, "/administrativeUnits/"+u.Id), errorspb.Reason_NOT_FOUND)
	for i := range 30 {
		h.must(h.join(h.unit(fmt.Sprint("U", i), false).Id, u.Id))
	}
	one := h.unit("One more", false)
	wantReason(t, h.join(one.Id, u.Id), errorspb.Reason_QUOTA_EXCEEDED)
	h.must(h.join(one.Id, team.Id))
	wantReason(t, h.join(one.Id, team.Id), errorspb.Reason_REFERENCE_EXISTS)
	wantReason(t, h.join(one.Id, uuid.NewString()), errorspb.Reason_NOT_FOUND)
}

func TestUnitOfAnotherTenantIsUnknown(t *testing.T) {
	t.Parallel()
	s := start(t)
	a, b := s.tenant("contoso", pb.Tenant_workforce), s.tenant("fabrikam", pb.Tenant_workforce)
	foreign, own := b.unit("Theirs", false), a.unit("Ours", false)
	_, err := a.units().GetAdministrativeUnit(a.ctx, &pb.GetAdministrativeUnitRequest{Id: foreign.Id})
	wantReason(t, err, errorspb.Reason_NOT_FOUND)
	_, err = a.units().DeleteAdministrativeUnit(a.ctx, &pb.DeleteAdministrativeUnitRequest{Id: foreign.Id})
	wantReason(t, err, errorspb.Reason_NOT_FOUND)
	wantReason(t, a.join(own.Id, b.user("eve").Id), errorspb.Reason_NOT_FOUND)
	wantReason(t, a.give(userAdministrator, a.user("ann").Id, "/administrativeUnits/"+foreign.Id), errorspb.Reason_NOT_FOUND)
	found, err := a.units().ListAdministrativeUnits(a.ctx, &pb.ListAdministrativeUnitsRequest{})
	if err != nil || len(found.Value) != 1 || found.Value[0].Id != own.Id {
		t.Errorf("units of the tenant: %v, %v", found.GetValue(), err)
	}
}

func TestScopedAdministratorCreatesGroupsInsideTheUnit(t *testing.T) {
	t.Parallel()
	h := start(t).tenant("contoso", pb.Tenant_workforce)
	ann, unit := h.user("ann"), h.unit("North", false)
	active, err := h.roles().ActivateDirectoryRole(h.ctx, &pb.ActivateDirectoryRoleRequest{Role: &pb.DirectoryRole{RoleTemplateId: ptr(groupsAdministrator)}})
	h.must(err)
	given, err := h.units().AddScopedRoleMember(h.ctx, &pb.AddScopedRoleMemberRequest{Id: unit.Id,
		Membership: &pb.ScopedRoleMembership{RoleId: &active.Id, RoleMemberInfo: &pb.RoleMemberInfo{Id: ann.Id}}})
	if err != nil || given.GetAdministrativeUnitId() != unit.Id || given.GetRoleId() != active.Id || given.RoleMemberInfo.GetDisplayName() != "ann" {
		t.Fatalf("%v, %v", given, err)
	}
	made, err := h.units().CreateAdministrativeUnitMember(h.person(ann.Id), &pb.CreateAdministrativeUnitMemberRequest{Id: unit.Id,
		Group: &pb.Group{DisplayName: ptr("Inside"), MailEnabled: ptr(false), SecurityEnabled: ptr(true), MailNickname: ptr("inside")}})
	h.must(err)
	members, err := h.units().ListAdministrativeUnitMembers(h.ctx, &pb.ListAdministrativeUnitMembersRequest{Id: unit.Id, Cast: "microsoft.graph.group"})
	if err != nil || len(members.Value) != 1 || members.Value[0].GetGroup().Id != made.GetGroup().Id {
		t.Errorf("members %v, %v", members.GetValue(), err)
	}
	of, err := pb.NewGroupServiceClient(h.gateway).ListMemberOf(h.ctx, &pb.ListGroupRelationRequest{Id: made.GetGroup().Id})
	if err != nil || len(of.Value) != 1 || of.Value[0].GetAdministrativeUnit().GetId() != unit.Id {
		t.Errorf("memberOf %v, %v", of.GetValue(), err)
	}
	list, err := h.units().ListUserScopedRoleMemberOf(h.ctx, &pb.ListUserScopedRoleMemberOfRequest{Id: ann.Id})
	if err != nil || len(list.Value) != 1 || list.Value[0].Id != given.Id {
		t.Errorf("scopedRoleMemberOf %v, %v", list.GetValue(), err)
	}
	_, err = h.units().RemoveScopedRoleMember(h.ctx, &pb.RemoveScopedRoleMemberRequest{Id: unit.Id, MembershipId: given.Id})
	h.must(err)
	list, err = h.units().ListScopedRoleMembers(h.ctx, &pb.ListScopedRoleMembersRequest{Id: unit.Id})
	if err != nil || len(list.Value) != 0 {
		t.Errorf("scopedRoleMembers %v, %v", list.GetValue(), err)
	}
	_, err = h.units().CreateAdministrativeUnitMember(h.person(h.user("ben").Id), &pb.CreateAdministrativeUnitMemberRequest{Id: unit.Id,
		Group: &pb.Group{DisplayName: ptr("Again"), MailEnabled: ptr(false), SecurityEnabled: ptr(true), MailNickname: ptr("again")}})
	wantReason(t, err, errorspb.Reason_ACCESS_DENIED)
}

func TestDirectoryRoleMembers(t *testing.T) {
	t.Parallel()
	h := start(t).tenant("contoso", pb.Tenant_workforce)
	ann := h.user("ann")
	active, err := h.roles().ActivateDirectoryRole(h.ctx, &pb.ActivateDirectoryRoleRequest{Role: &pb.DirectoryRole{RoleTemplateId: ptr(userAdministrator)}})
	h.must(err)
	_, err = h.roles().AddDirectoryRoleMember(h.ctx, &pb.AddDirectoryRoleMemberRequest{Id: active.Id, Reference: reference(ann.Id)})
	h.must(err)
	for _, key := range []string{active.Id, "roleTemplateId='" + userAdministrator + "'"} {
		got, err := h.roles().ListDirectoryRoleMembers(h.ctx, &pb.ListDirectoryRoleMembersRequest{Id: key, Cast: "microsoft.graph.user"})
		if err != nil || len(got.Value) != 1 || got.Value[0].GetUser().Id != ann.Id {
			t.Errorf("%s: %v, %v", key, got.GetValue(), err)
		}
	}
	remove := &pb.RemoveDirectoryRoleMemberRequest{Id: active.Id, ObjectId: ann.Id}
	_, err = h.roles().RemoveDirectoryRoleMember(h.ctx, remove)
	h.must(err)
	_, err = h.roles().RemoveDirectoryRoleMember(h.ctx, remove)
	wantReason(t, err, errorspb.Reason_NOT_FOUND)
}
