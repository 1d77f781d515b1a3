package service_test

import (
	"fmt"
	"strings"
	"testing"

	pb "entente.dev/proto/gen/entente/directory/v1"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	odatapb "entente.dev/proto/gen/entente/odata/v1"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
	"google.golang.org/protobuf/types/known/structpb"
)

// define makes an extension for users and groups.
func (h *home) define(app *pb.Application, name, dataType string, many bool) *pb.ExtensionProperty {
	h.t.Helper()
	d, err := h.extensions().CreateExtensionProperty(h.ctx, &pb.CreateExtensionPropertyRequest{Id: app.Id, ExtensionProperty: &pb.ExtensionProperty{Name: &name,
		DataType: &dataType, TargetObjects: []string{"User", "Group"}, IsMultiValued: &many}})
	h.must(err)
	return d
}

func (h *home) setExtension(user, name string, value any) error {
	h.t.Helper()
	v, err := structpb.NewValue(value)
	h.must(err)
	_, err = h.users().UpdateUser(h.ctx, &pb.UpdateUserRequest{Id: user, User: &pb.User{Extensions: &structpb.Struct{Fields: map[string]*structpb.Value{name: v}}},
		UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"extensions." + name}}})
	return err
}

func (h *home) extensionOf(user, name string) *structpb.Value {
	h.t.Helper()
	got, err := h.users().GetUser(h.ctx, &pb.GetUserRequest{Id: user, Query: &odatapb.Query{Select: "id," + name}})
	h.must(err)
	return got.Extensions.GetFields()[name]
}

func TestAC48_ExtensionValues(t *testing.T) {
	t.Parallel()
	h := start(t).tenant("contoso", pb.Tenant_workforce)
	app, _ := h.application("HR")
	cost := h.define(app, "costCenter", "String", false).GetName()
	ann := h.user("ann").Id
	wantReason(t, h.setExtension(ann, cost, strings.Repeat("x", 257)), errorspb.Reason_PROPERTY_INVALID)
	wantReason(t, h.setExtension(ann, cost, 7), errorspb.Reason_PROPERTY_INVALID)
	wantReason(t, h.setExtension(ann, cost+"x", "7"), errorspb.Reason_PROPERTY_INVALID)
	h.must(h.setExtension(ann, cost, "Berlin 7"))
	if got := h.extensionOf(ann, cost); got.GetStringValue() != "Berlin 7" {
		t.Errorf("value %v", got)
	}
	plain, err := h.users().GetUser(h.ctx, &pb.GetUserRequest{Id: ann})
	if err != nil || plain.Extensions != nil {
		t.Errorf("without $select: %v, %v", plain.GetExtensions(), err)
	}
	for filter, want := range map[string]int{cost + " eq 'berlin 7'": 1, cost + " eq 'x'": 0, "startsWith(" + cost + ", 'BER')": 1, cost + " eq 'Berlin 7' and displayName eq 'ann'": 1} {
		names, _, err := h.list(&odatapb.Query{Filter: filter})
		if err != nil || len(names) != want {
			t.Errorf("%s: %v, %v", filter, names, err)
		}
	}
	for filter, want := range map[string]int32{cost + " eq 'berlin 7'": 1, cost + " ne 'Berlin 7'": 1, cost + " eq 'x'": 0} {
		n, err := h.users().CountUsers(h.ctx, &pb.CountUsersRequest{Query: &odatapb.Query{Filter: filter, Advanced: true}})
		if err != nil || n.Value != want {
			t.Errorf("%s counts %v, %v", filter, n, err)
		}
	}
	h.must(h.setExtension(ann, cost, nil))
	if got := h.extensionOf(ann, cost); got.GetKind() != nil && got.GetStringValue() != "" {
		t.Errorf("removed value %v", got)
	}

	// A new definition of the same name shows nothing of the former (DIR-192).
	h.must(h.setExtension(ann, cost, "old"))
	former, err := h.extensions().ListExtensionProperties(h.ctx, &pb.ListExtensionPropertiesRequest{Id: app.Id})
	h.must(err)
	_, err = h.extensions().DeleteExtensionProperty(h.ctx, &pb.DeleteExtensionPropertyRequest{Id: app.Id, PropertyId: former.Value[0].Id})
	h.must(err)
	if got := h.extensionOf(ann, cost); got != nil {
		t.Errorf("value without a definition: %v", got)
	}
	h.define(app, "costCenter", "String", false)
	if got := h.extensionOf(ann, cost); got.GetStringValue() != "" {
		t.Errorf("value of the former definition: %v", got)
	}
}

func TestExtensionTypes(t *testing.T) {
	t.Parallel()
	h := start(t).tenant("contoso", pb.Tenant_workforce)
	app, _ := h.application("HR")
	ann := h.user("ann").Id
	for dataType, values := range map[string][2]any{"Boolean": {true, "yes"}, "Integer": {7, 1 << 40}, "LargeInteger": {1 << 40, 1.5}, "DateTime": {"2026-01-31T00:00:00Z", "soon"},
		"Binary": {"AAEC", "?"}} {
		name := h.define(app, "a"+dataType, dataType, false).GetName()
		h.must(h.setExtension(ann, name, values[0]))
		wantReason(t, h.setExtension(ann, name, values[1]), errorspb.Reason_PROPERTY_INVALID)
	}
	tags := h.define(app, "tags", "String", true).GetName()
	h.must(h.setExtension(ann, tags, []any{"red", "green"}))
	names, _, err := h.list(&odatapb.Query{Filter: tags + "/any(t:t eq 'GREEN')"})
	if err != nil || len(names) != 1 {
		t.Errorf("%v, %v", names, err)
	}
	flag := strings.Replace(tags, "_tags", "_aBoolean", 1)
	names, _, err = h.list(&odatapb.Query{Filter: flag + " eq true"})
	if err != nil || len(names) != 1 {
		t.Errorf("%v, %v", names, err)
	}
}

func TestObjectHasAtMostHundredExtensionValues(t *testing.T) {
	t.Parallel()
	h := start(t).tenant("contoso", pb.Tenant_workforce)
	app, _ := h.application("HR")
	fields, paths := make(map[string]*structpb.Value), []string{}
	for i := range 101 {
		name := h.define(app, fmt.Sprint("n", i), "Integer", false).GetName()
		fields[name] = structpb.NewNumberValue(1)
		paths = append(paths, "extensions."+name)
	}
	ann := h.user("ann").Id
	set := func(paths []string) error {
		_, err := h.users().UpdateUser(h.ctx, &pb.UpdateUserRequest{Id: ann, User: &pb.User{Extensions: &structpb.Struct{Fields: fields}}, UpdateMask: &fieldmaskpb.FieldMask{Paths: paths}})
		return err
	}
	h.must(set(paths[:100]))
	wantReason(t, set(paths[100:]), errorspb.Reason_PROPERTY_INVALID)
}

// TestGroupsAreCountedByExtension: the count takes the filters of the list.
func TestGroupsAreCountedByExtension(t *testing.T) {
	t.Parallel()
	h := start(t).tenant("contoso", pb.Tenant_workforce)
	app, _ := h.application("HR")
	name, team := h.define(app, "costCenter", "String", false).GetName(), h.securityGroup("team")
	h.securityGroup("other")
	groups := pb.NewGroupServiceClient(h.gateway)
	_, err := groups.UpdateGroup(h.ctx, &pb.UpdateGroupRequest{Id: team.Id, UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"extensions." + name}},
		Group: &pb.Group{Extensions: &structpb.Struct{Fields: map[string]*structpb.Value{name: structpb.NewStringValue("Berlin 7")}}}})
	h.must(err)
	for filter, want := range map[string]int32{name + " eq 'berlin 7'": 1, name + " ne 'Berlin 7'": 1, name + " eq 'x'": 0, name + " eq null": 1} {
		if n, err := groups.CountGroups(h.ctx, &pb.CountGroupsRequest{Query: &odatapb.Query{Filter: filter, Advanced: true}}); err != nil || n.Value != want {
			t.Errorf("%s counts %v, %v", filter, n, err)
		}
	}
	_, err = groups.CountGroups(h.ctx, &pb.CountGroupsRequest{Query: &odatapb.Query{Filter: name + "x eq 'x'", Advanced: true}})
	wantReason(t, err, errorspb.Reason_BAD_REQUEST)
}
