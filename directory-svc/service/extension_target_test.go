package service_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	pb "entente.dev/proto/gen/entente/directory/v1"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	odatapb "entente.dev/proto/gen/entente/odata/v1"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
	"google.golang.org/protobuf/types/known/structpb"
)

// extended is an object that extensions are for, beside users and groups.
type extended struct {
	target, activity string
	id               string
	update           func(ctx context.Context, values *structpb.Struct, paths ...string) error
	read             func(ctx context.Context, id, names string) (*structpb.Struct, error)
	// list and count are nil where the collection takes no filter; list answers
	// the values of the objects found.
	list  func(filter, names string) ([]*structpb.Struct, error)
	count func(filter string) (int32, error)
}

func (h *home) extendedUnit() extended {
	u := h.unit("North", false)
	return extended{target: "AdministrativeUnit", activity: "Update administrative unit", id: u.Id,
		update: func(ctx context.Context, values *structpb.Struct, paths ...string) error {
			_, err := h.units().UpdateAdministrativeUnit(ctx, &pb.UpdateAdministrativeUnitRequest{Id: u.Id,
				Unit: &pb.AdministrativeUnit{Description: ptr("changed"), Extensions: values}, UpdateMask: &fieldmaskpb.FieldMask{Paths: paths}})
			return err
		},
		read: func(ctx context.Context, id, names string) (*structpb.Struct, error) {
			got, err := h.units().GetAdministrativeUnit(ctx, &pb.GetAdministrativeUnitRequest{Id: id, Query: &odatapb.Query{Select: names}})
			return got.GetExtensions(), err
		},
		list: func(filter, names string) (out []*structpb.Struct, err error) {
			got, err := h.units().ListAdministrativeUnits(h.ctx, &pb.ListAdministrativeUnitsRequest{Query: &odatapb.Query{Filter: filter, Select: names}})
			for _, u := range got.GetValue() {
				out = append(out, u.Extensions)
			}
			return out, err
		},
		count: func(filter string) (int32, error) {
			got, err := h.units().CountAdministrativeUnits(h.ctx, &pb.CountAdministrativeUnitsRequest{Query: &odatapb.Query{Filter: filter, Advanced: true}})
			return got.GetValue(), err
		}}
}

func (h *home) extendedApplication() extended {
	app, _ := h.application("Payroll")
	return extended{target: "Application", activity: "Update application", id: app.Id,
		update: func(ctx context.Context, values *structpb.Struct, paths ...string) error {
			_, err := h.applications().UpdateApplication(ctx, &pb.UpdateApplicationRequest{Id: app.Id,
				Application: &pb.Application{Description: ptr("changed"), Extensions: values}, UpdateMask: &fieldmaskpb.FieldMask{Paths: paths}})
			return err
		},
		read: func(ctx context.Context, id, names string) (*structpb.Struct, error) {
			got, err := h.applications().GetApplication(ctx, &pb.GetApplicationRequest{Id: id, Query: &odatapb.Query{Select: names}})
			return got.GetExtensions(), err
		},
		list: func(filter, names string) (out []*structpb.Struct, err error) {
			got, err := h.applications().ListApplications(h.ctx, &pb.ListApplicationsRequest{Query: &odatapb.Query{Filter: filter, Select: names}})
			for _, a := range got.GetValue() {
				out = append(out, a.Extensions)
			}
			return out, err
		},
		count: func(filter string) (int32, error) {
			got, err := h.applications().CountApplications(h.ctx, &pb.CountApplicationsRequest{Query: &odatapb.Query{Filter: filter, Advanced: true}})
			return got.GetValue(), err
		}}
}

func (h *home) extendedOrganization() extended {
	organizations := pb.NewOrganizationServiceClient(h.gateway)
	return extended{target: "Organization", activity: "Set Company Information", id: h.id,
		update: func(ctx context.Context, values *structpb.Struct, paths ...string) error {
			_, err := organizations.UpdateOrganization(ctx, &pb.UpdateOrganizationRequest{Id: h.id,
				Organization: &pb.Organization{PreferredLanguage: ptr("nl"), Extensions: values}, UpdateMask: &fieldmaskpb.FieldMask{Paths: paths}})
			return err
		},
		read: func(ctx context.Context, id, names string) (*structpb.Struct, error) {
			got, err := organizations.GetOrganization(ctx, &pb.GetOrganizationRequest{Id: id, Query: &odatapb.Query{Select: names}})
			return got.GetExtensions(), err
		}}
}

// set writes one value, or removes it.
func (e extended) set(ctx context.Context, name string, value any) error {
	v, err := structpb.NewValue(value)
	if err != nil {
		return err
	}
	return e.update(ctx, &structpb.Struct{Fields: map[string]*structpb.Value{name: v}}, "extensions."+name)
}

// defineFor makes a text extension for objects of a type.
func (h *home) defineFor(app *pb.Application, name, target string) *pb.ExtensionProperty {
	h.t.Helper()
	d, err := h.extensions().CreateExtensionProperty(h.ctx, &pb.CreateExtensionPropertyRequest{Id: app.Id, ExtensionProperty: &pb.ExtensionProperty{Name: &name,
		DataType: ptr("String"), TargetObjects: []string{target}}})
	h.must(err)
	return d
}

func TestExtensionValuesOfEveryTarget(t *testing.T) {
	t.Parallel()
	for _, of := range []func(*home) extended{(*home).extendedUnit, (*home).extendedApplication, (*home).extendedOrganization} {
		t.Run("", func(t *testing.T) {
			t.Parallel()
			s := start(t)
			h, stranger := s.tenant("contoso", pb.Tenant_workforce), s.tenant("fabrikam", pb.Tenant_workforce)
			e := of(h)
			app, _ := h.application("HR")
			defined := h.defineFor(app, "costCenter", e.target)
			name, wrong := defined.GetName(), h.defineFor(app, "forUsers", "User").GetName()

			// What does not fit is refused, and so is whoever may not write.
			for _, value := range []any{strings.Repeat("x", 257), 7, []any{"x"}} {
				wantReason(t, e.set(h.ctx, name, value), errorspb.Reason_PROPERTY_INVALID)
			}
			wantReason(t, e.set(h.ctx, wrong, "x"), errorspb.Reason_PROPERTY_INVALID)
			wantReason(t, e.set(h.ctx, name+"x", "x"), errorspb.Reason_PROPERTY_INVALID)
			wantReason(t, e.set(h.person(h.user("ann").Id), name, "x"), errorspb.Reason_ACCESS_DENIED)

			h.must(e.set(h.ctx, name, "Berlin 7"))
			got, err := e.read(h.ctx, e.id, "id,"+name)
			if err != nil || got.GetFields()[name].GetStringValue() != "Berlin 7" {
				t.Errorf("selected: %v, %v", got, err)
			}
			if got, err := e.read(h.ctx, e.id, ""); err != nil || got != nil {
				t.Errorf("not selected: %v, %v", got, err)
			}
			log := h.audited(e.activity, "success")
			change := log[0].TargetResources[0].ModifiedProperties
			if i := len(change) - 1; i < 0 || change[i].GetDisplayName() != name || change[i].GetOldValue() != "[]" || change[i].GetNewValue() != `["Berlin 7"]` {
				t.Errorf("audited as %v", change)
			}
			e.filters(t, name)

			// A value beside a property: both are written.
			property := map[string]string{"Organization": "preferred_language"}[e.target]
			if property == "" {
				property = "description"
			}
			h.must(e.update(h.ctx, &structpb.Struct{Fields: map[string]*structpb.Value{name: structpb.NewStringValue("Paris")}}, property, "extensions."+name))
			if got, _ := e.read(h.ctx, e.id, name); got.GetFields()[name].GetStringValue() != "Paris" {
				t.Errorf("after a change of both: %v", got)
			}
			h.must(e.set(h.ctx, name, nil))
			if got, _ := e.read(h.ctx, e.id, name); got.GetFields()[name].GetStringValue() != "" {
				t.Errorf("after null: %v", got)
			}

			// Another tenant sees neither the value nor its definition.
			h.must(e.set(h.ctx, name, "Rome"))
			_, err = e.read(stranger.ctx, e.id, name)
			wantReason(t, err, errorspb.Reason_NOT_FOUND)
			wantReason(t, e.set(stranger.ctx, name, "theirs"), errorspb.Reason_NOT_FOUND)
			theirs := of(stranger)
			wantReason(t, theirs.set(stranger.ctx, name, "theirs"), errorspb.Reason_PROPERTY_INVALID)
			if got, err := theirs.read(stranger.ctx, theirs.id, name); err != nil || len(got.GetFields()) > 0 {
				t.Errorf("by the name of another tenant: %v, %v", got, err)
			}

			_, err = h.extensions().DeleteExtensionProperty(h.ctx, &pb.DeleteExtensionPropertyRequest{Id: app.Id, PropertyId: defined.Id})
			h.must(err)
			if got, err := e.read(h.ctx, e.id, name); err != nil || len(got.GetFields()) > 0 {
				t.Errorf("without a definition: %v, %v", got, err)
			}
		})
	}
}

// filters checks the filters of the list and the count (DIR-191). One object
// of the collection has the value `Berlin 7`.
func (e extended) filters(t *testing.T, name string) {
	t.Helper()
	if e.list == nil {
		return
	}
	for filter, want := range map[string]int{name + " eq 'berlin 7'": 1, name + " eq 'x'": 0, "startsWith(" + name + ", 'BER')": 1, name + " eq 'Berlin 7' and id eq '" + e.id + "'": 1} {
		found, err := e.list(filter, "id,"+name)
		if err != nil || len(found) != want {
			t.Errorf("%s: %v, %v", filter, found, err)
		}
		for _, values := range found {
			if values.GetFields()[name].GetStringValue() != "Berlin 7" {
				t.Errorf("%s shows %v", filter, values)
			}
		}
	}
	_, err := e.list(name+" ne 'x'", "")
	wantReason(t, err, errorspb.Reason_UNSUPPORTED_QUERY)
	all, err := e.count("")
	if err != nil {
		t.Fatal(err)
	}
	for filter, want := range map[string]int32{name + " eq 'Berlin 7'": 1, name + " eq 'x'": 0, name + " ne 'Berlin 7'": all - 1, name + " eq null": all - 1, name + " ne null": 1} {
		if n, err := e.count(filter); err != nil || n != want {
			t.Errorf("%s counts %d of %d, %v", filter, n, all, err)
		}
	}
}

func TestExtensionValuesAtCreation(t *testing.T) {
	t.Parallel()
	h := start(t).tenant("contoso", pb.Tenant_workforce)
	app, _ := h.application("HR")
	ofUnit, ofApp := h.defineFor(app, "unit", "AdministrativeUnit").GetName(), h.defineFor(app, "app", "Application").GetName()
	open := func(name string) *structpb.Struct {
		return &structpb.Struct{Fields: map[string]*structpb.Value{name: structpb.NewStringValue("first")}}
	}
	unit, err := h.units().CreateAdministrativeUnit(h.ctx, &pb.CreateAdministrativeUnitRequest{Unit: &pb.AdministrativeUnit{DisplayName: ptr("North"), Extensions: open(ofUnit)}})
	h.must(err)
	read, err := h.units().GetAdministrativeUnit(h.ctx, &pb.GetAdministrativeUnitRequest{Id: unit.Id, Query: &odatapb.Query{Select: ofUnit}})
	if err != nil || read.Extensions.GetFields()[ofUnit].GetStringValue() != "first" {
		t.Errorf("unit: %v, %v", read, err)
	}
	made, err := h.applications().CreateApplication(h.ctx, &pb.CreateApplicationRequest{Application: &pb.Application{DisplayName: ptr("Payroll"), Extensions: open(ofApp)}})
	h.must(err)
	got, err := h.applications().GetApplication(h.ctx, &pb.GetApplicationRequest{Id: "appId=" + made.GetAppId(), Query: &odatapb.Query{Select: ofApp}})
	if err != nil || got.Extensions.GetFields()[ofApp].GetStringValue() != "first" || made.Extensions != nil {
		t.Errorf("application: %v, %v", got, err)
	}
	for activity, name := range map[string]string{"Add administrative unit": ofUnit, "Add application": ofApp} {
		change := h.audited(activity, "success")[0].TargetResources[0].ModifiedProperties
		if len(change) == 0 || change[len(change)-1].GetDisplayName() != name || change[len(change)-1].GetNewValue() != `["first"]` {
			t.Errorf("%s audited as %v", activity, change)
		}
	}

	// A value that does not fit leaves no object behind; service principals
	// have no extensions.
	_, err = h.units().CreateAdministrativeUnit(h.ctx, &pb.CreateAdministrativeUnitRequest{Unit: &pb.AdministrativeUnit{DisplayName: ptr("South"), Extensions: open(ofApp)}})
	wantReason(t, err, errorspb.Reason_PROPERTY_INVALID)
	_, err = h.applications().CreateApplication(h.ctx, &pb.CreateApplicationRequest{Application: &pb.Application{DisplayName: ptr("Ledger"), Extensions: open(ofUnit)}})
	wantReason(t, err, errorspb.Reason_PROPERTY_INVALID)
	_, err = h.principals().CreateServicePrincipal(h.ctx, &pb.CreateServicePrincipalRequest{ServicePrincipal: &pb.ServicePrincipal{AppId: made.AppId, Extensions: open(ofApp)}})
	wantReason(t, err, errorspb.Reason_PROPERTY_INVALID)
	units, err := h.units().CountAdministrativeUnits(h.ctx, &pb.CountAdministrativeUnitsRequest{Query: &odatapb.Query{Filter: "displayName eq 'South'", Advanced: true}})
	if err != nil || units.Value != 0 {
		t.Errorf("%v, %v", units, err)
	}
}

func TestEveryTargetHasAtMostHundredExtensionValues(t *testing.T) {
	t.Parallel()
	h := start(t).tenant("contoso", pb.Tenant_workforce)
	app, _ := h.application("HR")
	for _, e := range []extended{h.extendedUnit(), h.extendedApplication(), h.extendedOrganization()} {
		d, err := h.extensions().CreateExtensionProperty(h.ctx, &pb.CreateExtensionPropertyRequest{Id: app.Id, ExtensionProperty: &pb.ExtensionProperty{Name: ptr("many" + e.target),
			DataType: ptr("Integer"), TargetObjects: []string{e.target}, IsMultiValued: ptr(true)}})
		h.must(err)
		one := h.defineFor(app, "one"+e.target, e.target).GetName()
		h.must(e.set(h.ctx, d.GetName(), slices.Repeat([]any{1}, 100)))
		wantReason(t, e.set(h.ctx, one, "x"), errorspb.Reason_PROPERTY_INVALID)
		h.must(e.set(h.ctx, d.GetName(), slices.Repeat([]any{1}, 99)))
		h.must(e.set(h.ctx, one, "x"))
		// Values that are hidden do not count.
		wantReason(t, e.set(h.ctx, h.defineFor(app, "more"+e.target, e.target).GetName(), "x"), errorspb.Reason_PROPERTY_INVALID)
		_, err = h.extensions().DeleteExtensionProperty(h.ctx, &pb.DeleteExtensionPropertyRequest{Id: app.Id, PropertyId: d.Id})
		h.must(err)
		h.must(e.set(h.ctx, fmt.Sprint(strings.TrimSuffix(one, "one"+e.target), "more", e.target), "x"))
	}
}

func TestGuestReadsNoExtensionOfTheOrganization(t *testing.T) {
	t.Parallel()
	h := start(t).tenant("contoso", pb.Tenant_workforce)
	app, _ := h.application("HR")
	name, e := h.defineFor(app, "costCenter", "Organization").GetName(), h.extendedOrganization()
	h.must(e.set(h.ctx, name, "Berlin 7"))
	draft := h.draft("gus")
	draft.UserType = pb.User_Guest.Enum()
	guest, err := h.users().CreateUser(h.ctx, &pb.CreateUserRequest{User: draft})
	h.must(err)
	if got, err := e.read(h.person(guest.Id), h.id, name); err != nil || got != nil {
		t.Errorf("%v, %v", got, err)
	}
	if got, err := e.read(h.person(h.user("ann").Id), h.id, name); err != nil || got.GetFields()[name].GetStringValue() != "Berlin 7" {
		t.Errorf("%v, %v", got, err)
	}
}

func TestDeltaTellsExtensionValues(t *testing.T) {
	t.Parallel()
	h := start(t).tenant("contoso", pb.Tenant_workforce)
	app, _ := h.application("HR")
	for _, c := range []struct {
		extended
		call   deltaCall
		values func(*pb.DirectoryObject) *structpb.Struct
	}{
		{h.extendedUnit(), func(r *pb.ListDeltaRequest) (*pb.ListDeltaResponse, error) {
			return h.delta().ListAdministrativeUnitsDelta(h.ctx, r)
		}, func(o *pb.DirectoryObject) *structpb.Struct { return o.GetAdministrativeUnit().GetExtensions() }},
		{h.extendedApplication(), func(r *pb.ListDeltaRequest) (*pb.ListDeltaResponse, error) {
			return h.delta().ListApplicationsDelta(h.ctx, r)
		}, func(o *pb.DirectoryObject) *structpb.Struct { return o.GetApplication().GetExtensions() }},
	} {
		name := h.defineFor(app, "of"+c.target, c.target).GetName()
		_, token := h.follow(c.call, &pb.ListDeltaRequest{Query: &odatapb.Query{Select: "displayName," + name}})
		h.must(c.set(h.ctx, name, "Berlin 7"))
		if e := h.told(c.call, &token, c.id); !slices.Contains(e.Properties, name) || c.values(e.Object).GetFields()[name].GetStringValue() != "Berlin 7" {
			t.Errorf("%s: %v", c.target, e)
		}
	}
}
