package service_test

import (
	"fmt"
	"slices"
	"testing"

	pb "entente.dev/proto/gen/entente/directory/v1"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	odatapb "entente.dev/proto/gen/entente/odata/v1"
	optionspb "entente.dev/proto/gen/entente/options/v1"
	"entente.dev/servicekit/fault"
	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// idsOf lists the ids of a page of objects.
func idsOf(list []*pb.DirectoryObject) []string {
	var out []string
	for _, o := range list {
		switch {
		case o.GetUser() != nil:
			out = append(out, o.GetUser().Id)
		case o.GetGroup() != nil:
			out = append(out, o.GetGroup().Id)
		case o.GetApplication() != nil:
			out = append(out, o.GetApplication().Id)
		case o.GetAdministrativeUnit() != nil:
			out = append(out, o.GetAdministrativeUnit().Id)
		case o.GetOrgContact() != nil:
			out = append(out, o.GetOrgContact().Id)
		}
	}
	slices.Sort(out)
	return out
}

func wantIDs(t *testing.T, list *pb.ListDirectoryObjectsResponse, err error, want ...string) {
	t.Helper()
	slices.Sort(want)
	if got := idsOf(list.GetValue()); err != nil || !slices.Equal(got, want) {
		t.Errorf("got %v %v, want %v", got, err, want)
	}
}

func TestSponsors(t *testing.T) {
	t.Parallel()
	h := start(t).tenant("contoso", pb.Tenant_workforce)
	u, first, g := h.user("alice"), h.user("first"), h.group("g")
	add := func(id string) error {
		_, err := h.users().AddSponsor(h.ctx, &pb.AddSponsorRequest{Id: u.GetUserPrincipalName(), Reference: reference(id)})
		return err
	}
	remove := func(id string) error {
		_, err := h.users().RemoveSponsor(h.ctx, &pb.RemoveSponsorRequest{Id: u.Id, ObjectId: id})
		return err
	}
	list := func(cast string, q *odatapb.Query) (*pb.ListDirectoryObjectsResponse, error) {
		return h.users().ListSponsors(h.ctx, &pb.ListUserRelationRequest{Id: u.Id, Cast: cast, Query: q})
	}
	for _, id := range []string{first.Id, g.Id} {
		if err := add(id); err != nil {
			t.Fatal(err)
		}
	}
	got, err := list("", nil)
	wantIDs(t, got, err, first.Id, g.Id)
	got, err = list("microsoft.graph.group", nil)
	wantIDs(t, got, err, g.Id)
	page, err := list("", &odatapb.Query{Top: proto.Int32(1)})
	if err != nil || len(page.Value) != 1 || page.NextPageToken == "" {
		t.Fatal(page, err)
	}
	rest, err := list("", &odatapb.Query{Top: proto.Int32(1), Skiptoken: page.NextPageToken})
	if err != nil || rest.NextPageToken != "" {
		t.Fatal(rest, err)
	}
	wantIDs(t, &pb.ListDirectoryObjectsResponse{Value: append(page.Value, rest.Value...)}, nil, first.Id, g.Id)

	wantReason(t, add(first.Id), errorspb.Reason_REFERENCE_EXISTS)
	wantReason(t, add(uuid.NewString()), errorspb.Reason_NOT_FOUND)
	wantReason(t, add(h.app.ServicePrincipalId), errorspb.Reason_REFERENCE_INVALID)
	for i := range 3 {
		if err := add(h.user(fmt.Sprint("more", i)).Id); err != nil {
			t.Fatal(err)
		}
	}
	wantReason(t, add(h.user("sixth").Id), errorspb.Reason_PROPERTY_INVALID)

	// A sponsor that is deleted does not show and comes back with its restore.
	if _, err := h.users().DeleteUser(h.ctx, &pb.DeleteUserRequest{Id: first.Id}); err != nil {
		t.Fatal(err)
	}
	if got, err := list("", nil); err != nil || len(got.Value) != 4 {
		t.Errorf("%v %v", got, err)
	}
	if err := remove(g.Id); err != nil {
		t.Fatal(err)
	}
	wantReason(t, remove(g.Id), errorspb.Reason_NOT_FOUND)

	guest, err := h.external().CreateExternalUser(t.Context(), &pb.CreateExternalUserRequest{TenantId: h.id, InvitationId: uuid.NewString(), Email: "a@fabrikam.com",
		UserType: pb.User_Guest, SponsorIds: []string{h.admin}})
	if err != nil {
		t.Fatal(err)
	}
	got, err = h.users().ListSponsors(h.ctx, &pb.ListUserRelationRequest{Id: guest.User.Id})
	wantIDs(t, got, err, h.admin)
}

func TestDirectReportsAndOwnedObjects(t *testing.T) {
	t.Parallel()
	h := start(t).tenant("contoso", pb.Tenant_workforce)
	boss, a, b, g := h.user("boss"), h.user("a"), h.user("b"), h.group("g")
	for _, u := range []*pb.User{a, b} {
		if _, err := h.users().SetManager(h.ctx, &pb.SetManagerRequest{Id: u.Id, Reference: reference(boss.Id)}); err != nil {
			t.Fatal(err)
		}
	}
	reports := func(q *odatapb.Query) (*pb.ListDirectoryObjectsResponse, error) {
		return h.users().ListDirectReports(h.ctx, &pb.ListUserRelationRequest{Id: boss.Id, Query: q})
	}
	got, err := reports(nil)
	wantIDs(t, got, err, a.Id, b.Id)
	if page, err := reports(&odatapb.Query{Top: proto.Int32(1), Count: proto.Bool(true), Advanced: true}); err != nil || len(page.Value) != 1 || page.NextPageToken == "" || page.GetOdataCount() != 2 {
		t.Errorf("%v %v", page, err)
	}
	if _, err := h.users().DeleteUser(h.ctx, &pb.DeleteUserRequest{Id: b.Id}); err != nil {
		t.Fatal(err)
	}
	got, err = reports(nil)
	wantIDs(t, got, err, a.Id)

	if _, err := h.groups().AddOwner(h.ctx, &pb.AddGroupReferenceRequest{Id: g.Id, Reference: reference(boss.Id)}); err != nil {
		t.Fatal(err)
	}
	for cast, want := range map[string][]string{"": {g.Id}, "microsoft.graph.group": {g.Id}, "microsoft.graph.application": nil} {
		got, err := h.users().ListOwnedObjects(h.ctx, &pb.ListUserRelationRequest{Id: boss.Id, Cast: cast})
		wantIDs(t, got, err, want...)
	}
	_, err = reports(&odatapb.Query{Filter: "displayName eq 'a'"})
	wantReason(t, err, errorspb.Reason_UNSUPPORTED_QUERY)
}

// TestReadOnlyPropertiesKeepTheirValue sends every read-only property with
// another value than it has (DIR-4).
func TestReadOnlyPropertiesKeepTheirValue(t *testing.T) {
	t.Parallel()
	h := start(t).tenant("contoso", pb.Tenant_workforce)
	apps, principals := pb.NewApplicationServiceClient(h.gateway), pb.NewServicePrincipalServiceClient(h.gateway)
	u, g := h.user("alice"), h.group("g")
	app, err := apps.CreateApplication(h.ctx, &pb.CreateApplicationRequest{Application: &pb.Application{DisplayName: ptr("shop")}})
	if err != nil {
		t.Fatal(err)
	}
	sp, err := principals.CreateServicePrincipal(h.ctx, &pb.CreateServicePrincipalRequest{ServicePrincipal: &pb.ServicePrincipal{AppId: app.AppId}})
	if err != nil {
		t.Fatal(err)
	}
	for _, resource := range []proto.Message{u, g, app, sp} {
		fields := resource.ProtoReflect().Descriptor().Fields()
		for i := range fields.Len() {
			f := fields.Get(i)
			p, _ := proto.GetExtension(f.Options(), optionspb.E_Property).(*optionspb.Property)
			if !p.GetReadOnly() || p.GetSelect() == optionspb.Property_selectExpanded {
				continue
			}
			sent := resource.ProtoReflect().New()
			if !other(sent, resource.ProtoReflect(), f) {
				continue
			}
			mask := &fieldmaskpb.FieldMask{Paths: []string{string(f.Name())}}
			var err error
			switch m := sent.Interface().(type) {
			case *pb.User:
				_, err = h.users().UpdateUser(h.ctx, &pb.UpdateUserRequest{Id: u.Id, User: m, UpdateMask: mask})
			case *pb.Group:
				_, err = h.groups().UpdateGroup(h.ctx, &pb.UpdateGroupRequest{Id: g.Id, Group: m, UpdateMask: mask})
			case *pb.Application:
				_, err = apps.UpdateApplication(h.ctx, &pb.UpdateApplicationRequest{Id: app.Id, Application: m, UpdateMask: mask})
			case *pb.ServicePrincipal:
				_, err = principals.UpdateServicePrincipal(h.ctx, &pb.UpdateServicePrincipalRequest{Id: sp.Id, ServicePrincipal: m, UpdateMask: mask})
			}
			want := "Property '" + f.JSONName() + "' is read-only and cannot be set."
			if !fault.Is(err, errorspb.Reason_PROPERTY_READ_ONLY) || fault.From(err).Message != want {
				t.Errorf("%s: %v", f.FullName(), err)
			}
		}
	}
}

// other sets a field to a value that it does not have in present.
func other(m, present protoreflect.Message, f protoreflect.FieldDescriptor) bool {
	switch {
	case f.IsMap():
		return false
	case f.IsList() && f.Kind() == protoreflect.StringKind:
		m.Mutable(f).List().Append(protoreflect.ValueOfString("other"))
	case f.IsList():
		m.Mutable(f).List().Append(m.Mutable(f).List().NewElement())
	case f.Kind() == protoreflect.StringKind:
		m.Set(f, protoreflect.ValueOfString("other"))
	case f.Kind() == protoreflect.BoolKind:
		m.Set(f, protoreflect.ValueOfBool(!present.Get(f).Bool()))
	case f.Message() != nil && f.Message().FullName() == "google.protobuf.Timestamp":
		m.Set(f, protoreflect.ValueOfMessage((&timestamppb.Timestamp{Seconds: 1}).ProtoReflect()))
	case f.Kind() == protoreflect.EnumKind:
		m.Set(f, protoreflect.ValueOfEnum(present.Get(f).Enum()+1))
	default:
		return false
	}
	return true
}

func TestPropertiesThatAreNotHeld(t *testing.T) {
	t.Parallel()
	h := start(t).tenant("contoso", pb.Tenant_workforce)
	u := h.user("alice")
	for name, want := range map[string]errorspb.Reason{"aboutMe": errorspb.Reason_NOT_IMPLEMENTED, "MAILBOXSETTINGS": errorspb.Reason_NOT_IMPLEMENTED, "aboutYou": errorspb.Reason_BAD_REQUEST} {
		_, err := h.users().GetUser(h.ctx, &pb.GetUserRequest{Id: u.Id, Query: &odatapb.Query{Select: name}})
		wantReason(t, err, want)
		_, err = h.users().ListUsers(h.ctx, &pb.ListUsersRequest{Query: &odatapb.Query{Select: "id," + name}})
		wantReason(t, err, want)
	}
}
