package service_test

import (
	"context"
	"testing"

	pb "entente.dev/proto/gen/entente/directory/v1"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
)

const applicationAdministrator = "9b895d92-2cd3-44c7-9d02-a6ac2d5ea5c3"

// daemon is an application without permissions that holds roles over scopes;
// it answers the context of its calls.
func (h *home) daemon(name string, roles map[string]string) context.Context {
	h.t.Helper()
	app, sp := h.application(name)
	secret, err := pb.NewApplicationServiceClient(h.gateway).AddApplicationPassword(h.ctx, &pb.AddApplicationPasswordRequest{Id: app.Id,
		PasswordCredential: &pb.PasswordCredential{DisplayName: ptr("ci")}})
	h.must(err)
	for role, scope := range roles {
		h.must(h.give(role, sp.Id, scope))
	}
	return h.as(h.token(app.GetAppId(), secret.GetSecretText()))
}

func TestDIR10RolesOfAServicePrincipalAdmitIt(t *testing.T) {
	t.Parallel()
	h := start(t).tenant("contoso", pb.Tenant_workforce)
	part := h.unit("Part", false)
	create := func(ctx context.Context, name string) error {
		_, err := h.users().CreateUser(ctx, &pb.CreateUserRequest{User: h.draft(name)})
		return err
	}
	admin := h.daemon("admin", map[string]string{userAdministrator: "/"})
	h.must(create(admin, "one"))
	for name, ctx := range map[string]context.Context{
		"nothing": h.daemon("nothing", nil),
		"reader":  h.daemon("reader", map[string]string{globalReader: "/"}),
		"part":    h.daemon("part", map[string]string{userAdministrator: "/administrativeUnits/" + part.Id}),
	} {
		wantReason(t, create(ctx, name), errorspb.Reason_ACCESS_DENIED)
	}
	// A role says nothing where it is not asked for.
	_, err := h.roles().CreateRoleAssignment(admin, &pb.CreateRoleAssignmentRequest{RoleAssignment: &pb.UnifiedRoleAssignment{
		PrincipalId: &h.admin, RoleDefinitionId: ptr(userAdministrator), DirectoryScopeId: ptr("/")}})
	wantReason(t, err, errorspb.Reason_ACCESS_DENIED)
	_, err = h.applications().ListApplications(admin, &pb.ListApplicationsRequest{})
	wantReason(t, err, errorspb.Reason_ACCESS_DENIED)
}

// TestRolesOfAServicePrincipalReachObjects: what the role of a person reaches,
// the same role of an application does, over a unit too (DIR-10, DIR-164).
func TestRolesOfAServicePrincipalReachObjects(t *testing.T) {
	t.Parallel()
	h := start(t).tenant("contoso", pb.Tenant_workforce)
	u, protected, vault, chief := h.user("u"), h.user("protected"), h.unit("Vault", true), h.user("chief")
	h.must(h.join(vault.Id, protected.Id))
	h.must(h.give(globalAdministrator, chief.Id, "/"))
	over := "/administrativeUnits/" + vault.Id
	tenantWide := h.daemon("wide", map[string]string{userAdministrator: "/"})
	scoped := h.daemon("scoped", map[string]string{userAdministrator: over})
	scopedReader := h.daemon("reader", map[string]string{userAdministrator: over, directoryReaders: "/"})
	reader := h.daemon("only", map[string]string{directoryReaders: "/"})
	h.must(h.department(tenantWide, u.Id))
	_, err := h.users().DeleteUser(tenantWide, &pb.DeleteUserRequest{Id: chief.Id})
	wantReason(t, err, errorspb.Reason_ACCESS_DENIED)
	wantReason(t, h.department(tenantWide, protected.Id), errorspb.Reason_ACCESS_DENIED)
	wantReason(t, h.department(scoped, protected.Id), errorspb.Reason_ACCESS_DENIED) // it cannot read the directory (DIR-161)
	h.must(h.department(scopedReader, protected.Id))
	wantReason(t, h.department(scopedReader, u.Id), errorspb.Reason_ACCESS_DENIED)
	got, err := h.users().GetUser(reader, &pb.GetUserRequest{Id: u.Id})
	if err != nil || got.GetDisplayName() != "u" {
		t.Errorf("%v %v", got, err)
	}
	wantReason(t, h.department(reader, u.Id), errorspb.Reason_ACCESS_DENIED)
	_, err = h.groups().CreateGroup(reader, &pb.CreateGroupRequest{Group: &pb.Group{DisplayName: ptr("g"), MailNickname: ptr("g"), MailEnabled: ptr(false), SecurityEnabled: ptr(true)}})
	wantReason(t, err, errorspb.Reason_ACCESS_DENIED)
}

const directoryReaders = "88d8e3e3-8f55-4a1e-953a-9b9898b8876b"

func TestRolesForOtherObjectsReachNoDeletedGroup(t *testing.T) {
	t.Parallel()
	h := start(t).tenant("contoso", pb.Tenant_workforce)
	g := h.unified("team", nil)
	_, err := h.groups().DeleteGroup(h.ctx, &pb.DeleteGroupRequest{Id: g.Id})
	h.must(err)
	objects := pb.NewDirectoryObjectServiceClient(h.gateway)
	apps := h.daemon("apps", map[string]string{applicationAdministrator: "/"})
	_, err = objects.RestoreDeletedItem(apps, &pb.RestoreDeletedItemRequest{Id: g.Id})
	wantReason(t, err, errorspb.Reason_ACCESS_DENIED)
	_, err = objects.PurgeDeletedItem(apps, &pb.PurgeDeletedItemRequest{Id: g.Id})
	wantReason(t, err, errorspb.Reason_ACCESS_DENIED)
	_, err = objects.RestoreDeletedItem(h.daemon("groups", map[string]string{groupsAdministrator: "/"}), &pb.RestoreDeletedItemRequest{Id: g.Id})
	h.must(err)
}

func TestAScopedRoleReachesSponsorsInsideItsUnit(t *testing.T) {
	t.Parallel()
	h := start(t).tenant("contoso", pb.Tenant_workforce)
	inside, outside, scoped, elsewhere, boss := h.user("inside"), h.user("outside"), h.user("scoped"), h.user("elsewhere"), h.user("boss")
	part, other := h.unit("Part", false), h.unit("Other", false)
	h.must(h.join(part.Id, inside.Id))
	h.must(h.give(userAdministrator, scoped.Id, "/administrativeUnits/"+part.Id))
	h.must(h.give(userAdministrator, elsewhere.Id, "/administrativeUnits/"+other.Id))
	add := func(who, to string, scopes ...string) error {
		_, err := h.users().AddSponsor(h.person(who, scopes...), &pb.AddSponsorRequest{Id: to, Reference: reference(boss.Id)})
		return err
	}
	remove := func(who, from string) error {
		_, err := h.users().RemoveSponsor(h.person(who), &pb.RemoveSponsorRequest{Id: from, ObjectId: boss.Id})
		return err
	}
	h.must(add(scoped.Id, inside.Id))
	h.must(add(h.admin, outside.Id))
	for name, err := range map[string]error{"outside of the unit": add(scoped.Id, outside.Id), "of another unit": add(elsewhere.Id, inside.Id),
		"without a role": add(boss.Id, inside.Id), "without the scope": add(scoped.Id, inside.Id, "User.Read"),
		"removing outside": remove(scoped.Id, outside.Id), "removing of another unit": remove(elsewhere.Id, inside.Id)} {
		if err == nil {
			t.Errorf("sponsors changed by an administrator %s", name)
		}
		wantReason(t, err, errorspb.Reason_ACCESS_DENIED)
	}
	h.must(remove(scoped.Id, inside.Id))
}
