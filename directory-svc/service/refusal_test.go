package service_test

import (
	"context"
	"strings"
	"testing"

	pb "entente.dev/proto/gen/entente/directory/v1"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
)

// TestRefusedWritesAreRecordedOnce: whoever tries a write without the right to
// it leaves one record, whether the rules of the RPC refuse it, its handler,
// or its transaction (DIR-14).
func TestRefusedWritesAreRecordedOnce(t *testing.T) {
	t.Parallel()
	h := start(t).tenant("contoso", pb.Tenant_workforce)
	closed := openLevel(defaultGuests)
	closed.AllowedToCreateSecurityGroups, closed.AllowedToCreateApps = false, false
	h.policies.set(closed)
	member, other := h.user("member"), h.user("other")
	g, unit := h.group("g"), h.unit("U", false)
	_, sp := h.application("HR")
	roles, err := h.roles().ListDirectoryRoles(h.ctx, &pb.ListDirectoryRolesRequest{})
	h.must(err)
	as := h.person(member.Id)
	eventually(t, "the policy holds", func() bool {
		_, err := h.groups().CreateGroup(as, &pb.CreateGroupRequest{Group: &pb.Group{DisplayName: ptr("x")}})
		return denied(err) && len(h.audited("Add group", "failure")) > 0
	})
	domains := pb.NewOrganizationServiceClient(h.gateway)
	for activity, act := range map[string]func(context.Context) error{
		"Update user":    func(ctx context.Context) error { return h.department(ctx, other.Id) },
		"Reset password": func(ctx context.Context) error { _, err := h.reset(member, other.Id, nil); return err },
		"Add member to role": func(ctx context.Context) error {
			_, err := h.roles().AddDirectoryRoleMember(ctx, &pb.AddDirectoryRoleMemberRequest{Id: roles.Value[0].Id, Reference: reference(member.Id)})
			return err
		},
		"Add member to administrative unit": func(ctx context.Context) error {
			_, err := h.units().AddAdministrativeUnitMember(ctx, &pb.AddAdministrativeUnitMemberRequest{Id: unit.Id, Reference: reference(member.Id)})
			return err
		},
		"Add member to group": func(ctx context.Context) error {
			_, err := h.groups().AddMember(ctx, &pb.AddGroupReferenceRequest{Id: g.Id, Reference: reference(member.Id)})
			return err
		},
		"Add application": func(ctx context.Context) error {
			_, err := h.applications().CreateApplication(ctx, &pb.CreateApplicationRequest{Application: &pb.Application{DisplayName: ptr("x")}})
			return err
		},
		"Add service principal credentials": func(ctx context.Context) error {
			_, err := h.principals().AddServicePrincipalPassword(ctx, &pb.AddServicePrincipalPasswordRequest{Id: sp.Id})
			return err
		},
		"Add unverified domain": func(ctx context.Context) error {
			_, err := domains.CreateDomain(ctx, &pb.CreateDomainRequest{Domain: &pb.Domain{Id: "x.example"}})
			return err
		},
		"Add contact": func(ctx context.Context) error {
			_, err := h.contacts().CreateContact(ctx, &pb.CreateContactRequest{Contact: &pb.OrgContact{DisplayName: ptr("x"), Mail: ptr("x@x.example")}})
			return err
		},
		"Create group settings": func(ctx context.Context) error {
			_, err := h.settings().CreateGroupSetting(ctx, &pb.CreateGroupSettingRequest{Setting: &pb.GroupSetting{TemplateId: ptr("62375ab9-6b52-47ed-826b-58e47e0e304b")}})
			return err
		},
		"Set Company Information": func(ctx context.Context) error {
			_, err := domains.UpdateOrganization(ctx, &pb.UpdateOrganizationRequest{Id: h.id, Organization: &pb.Organization{PreferredLanguage: ptr("nl")},
				UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"preferred_language"}}})
			return err
		},
	} {
		if err := act(as); !denied(err) {
			t.Errorf("%s: %v", activity, err)
		}
		if rows := h.audited(activity, "failure"); len(rows) != 1 || !strings.Contains(rows[0].String(), member.Id) {
			t.Errorf("%s: %v", activity, rows)
		}
	}
}
