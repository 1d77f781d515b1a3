package graph

import (
	"errors"
	"strings"
	"testing"

	directorypb "entente.dev/proto/gen/entente/directory/v1"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	invitationpb "entente.dev/proto/gen/entente/invitation/v1"
	"entente.dev/servicekit/fault"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/structpb"
)

func TestUnmarshalPatch(t *testing.T) {
	t.Parallel()
	var u directorypb.User
	mask, err := Unmarshal([]byte(`{
		"@odata.type": "#microsoft.graph.user",
		"department@odata.type": "#Edm.String",
		"displayName": "Ada \u0041\ud83d\ude00",
		"mail": null,
		"employeeLeaveDateTime": "",
		"businessPhones": [],
		"accountEnabled": true,
		"employeeHireDate": "2024-02-01T00:00:00Z",
		"employeeOrgData": {"costCenter": "7", "division": null},
		"onPremisesExtensionAttributes": {},
		"extension_0_a": 5,
		"extension_0_b": null
	}`), &u, Body{Patch: true})
	if err != nil {
		t.Fatal(err)
	}
	wantMask := []string{
		"account_enabled", "business_phones", "display_name", "employee_hire_date", "employee_leave_date_time", "employee_org_data.cost_center",
		"employee_org_data.division", "extensions.extension_0_a", "extensions.extension_0_b", "mail", "on_premises_extension_attributes",
	}
	if diff := cmp.Diff(wantMask, mask); diff != "" {
		t.Errorf("mask (-want +got):\n%s", diff)
	}
	want := &directorypb.User{
		DisplayName: proto.String("Ada A😀"), AccountEnabled: proto.Bool(true), EmployeeHireDate: at("2024-02-01T00:00:00Z"),
		EmployeeOrgData: &directorypb.EmployeeOrgData{CostCenter: proto.String("7")},
		Extensions: &structpb.Struct{Fields: map[string]*structpb.Value{
			"extension_0_a": structpb.NewNumberValue(5), "extension_0_b": structpb.NewNullValue(),
		}},
	}
	if diff := cmp.Diff(want, &u, protocmp.Transform()); diff != "" {
		t.Errorf("user (-want +got):\n%s", diff)
	}
}

func TestUnmarshalCreate(t *testing.T) {
	t.Parallel()
	var g directorypb.Group
	mask, err := Unmarshal([]byte(`{"@odata.type":"#microsoft.graph.group","displayName":"team","description":null,"groupTypes":[],"id":null,
		"owners@odata.bind":["https://h/beta/directoryObjects/1"]}`), &g, Body{})
	if err != nil {
		t.Fatal(err)
	}
	if mask != nil {
		t.Errorf("mask %v", mask)
	}
	if g.Description != nil || len(g.GetOwnersBind()) != 1 {
		t.Errorf("group %v", &g)
	}
	var inv invitationpb.Invitation
	if _, err := Unmarshal([]byte(`{"invitedUserEmailAddress":"a@b.example","status":"x","colour":1,"id":"9"}`), &inv, Body{Lenient: true}); err != nil || inv.GetId() != "" {
		t.Errorf("lenient: %v %v", err, &inv)
	}
}

func TestUnmarshalRefuses(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat(`{"a":`, 40) + "1" + strings.Repeat("}", 40)
	for _, c := range []struct {
		name, body string
		reason     errorspb.Reason
		property   string
	}{
		{"unknown property", `{"colour":1}`, errorspb.Reason_PROPERTY_UNKNOWN, "colour"},
		{"unknown nested property", `{"employeeOrgData":{"colour":1}}`, errorspb.Reason_PROPERTY_UNKNOWN, "employeeOrgData.colour"},
		{"relation", `{"manager":{"id":"1"}}`, errorspb.Reason_PROPERTY_READ_ONLY, "manager"},
		{"not held", `{"aboutMe":"a"}`, errorspb.Reason_NOT_IMPLEMENTED, "aboutMe"},
		{"unknown bind", `{"colour@odata.bind":["x"]}`, errorspb.Reason_PROPERTY_UNKNOWN, "colour@odata.bind"},
		{"other type", `{"@odata.type":"#microsoft.graph.group"}`, errorspb.Reason_PROPERTY_INVALID, "@odata.type"},
		{"string for boolean", `{"accountEnabled":"true"}`, errorspb.Reason_PROPERTY_INVALID, "accountEnabled"},
		{"number for string", `{"displayName":1}`, errorspb.Reason_PROPERTY_INVALID, "displayName"},
		{"object for list", `{"businessPhones":{}}`, errorspb.Reason_PROPERTY_INVALID, "businessPhones"},
		{"null in a list", `{"businessPhones":[null]}`, errorspb.Reason_PROPERTY_INVALID, "businessPhones"},
		{"date that is none", `{"employeeHireDate":"yesterday"}`, errorspb.Reason_PROPERTY_INVALID, "employeeHireDate"},
		{"duplicate", `{"displayName":"a","displayName":"b"}`, errorspb.Reason_INVALID_REQUEST, ""},
		{"trailing text", `{} {}`, errorspb.Reason_INVALID_REQUEST, ""},
		{"no object", `[]`, errorspb.Reason_INVALID_REQUEST, ""},
		{"cut off", `{"displayName":"a`, errorspb.Reason_INVALID_REQUEST, ""},
		{"leading zero", `{"extension_0_a":01}`, errorspb.Reason_INVALID_REQUEST, ""},
		{"half a surrogate pair", `{"displayName":"\ud800"}`, errorspb.Reason_INVALID_REQUEST, ""},
		{"no UTF-8", "{\"displayName\":\"\xff\"}", errorspb.Reason_INVALID_REQUEST, ""},
		{"control character", "{\"displayName\":\"a\nb\"}", errorspb.Reason_INVALID_REQUEST, ""},
		{"byte-order mark", "\uFEFF{}", errorspb.Reason_INVALID_REQUEST, ""},
		{"too deep", `{"extension_0_a":` + deep + `}`, errorspb.Reason_INVALID_REQUEST, ""},
		{"too many", `{"businessPhones":["` + strings.Repeat(`a","`, 10_001) + `"]}`, errorspb.Reason_INVALID_REQUEST, ""},
		{"long name", `{"` + strings.Repeat("a", 300) + `":1}`, errorspb.Reason_INVALID_REQUEST, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := Unmarshal([]byte(c.body), &directorypb.User{}, Body{Patch: true})
			var f *fault.Error
			if !errors.As(err, &f) || f.Reason != c.reason || f.Meta["property"] != c.property {
				t.Errorf("got %v, want %v about %q", err, c.reason, c.property)
			}
		})
	}
	if _, err := Unmarshal([]byte(`{"colour":1}`), &directorypb.User{}, Body{BadRequest: true}); !fault.Is(err, errorspb.Reason_BAD_REQUEST) {
		t.Errorf("other family: %v", err)
	}
	if _, err := Unmarshal([]byte(`{`), &directorypb.User{}, Body{BadRequest: true}); !fault.Is(err, errorspb.Reason_BAD_REQUEST) {
		t.Errorf("cut off, other family: %v", err)
	}
	if _, err := Unmarshal([]byte(`{"id":"AB"}`), &directorypb.User{}, Body{Patch: true, Keys: map[string]string{"id": "ab"}}); err != nil {
		t.Errorf("key of the path: %v", err)
	}
	if _, err := Unmarshal([]byte(`{"tenant_id":"x"}`), &directorypb.UpdateTenantRequest{}, Body{}); !fault.Is(err, errorspb.Reason_PROPERTY_UNKNOWN) {
		t.Errorf("proto name: %v", err)
	}
}

// What a client may not set is compared by the service in a PATCH, which has
// the present value, and refused at once in a POST (WIRE-49, DIR-4).
func TestUnmarshalReadOnly(t *testing.T) {
	t.Parallel()
	body := []byte(`{"createdDateTime":"2024-02-01T00:00:00Z","creationType":null}`)
	var u directorypb.User
	mask, err := Unmarshal(body, &u, Body{Patch: true})
	if err != nil || !cmp.Equal(mask, []string{"created_date_time"}) || u.GetCreatedDateTime().GetSeconds() != 1706745600 {
		t.Errorf("patch: %v %v %v", mask, &u, err)
	}
	_, err = Unmarshal(body, &directorypb.User{}, Body{})
	var f *fault.Error
	if !errors.As(err, &f) || f.Reason != errorspb.Reason_PROPERTY_READ_ONLY || f.Message != "Property 'createdDateTime' is read-only and cannot be set." {
		t.Errorf("post: %v", err)
	}
	if _, err := Unmarshal([]byte(`{"createdDateTime":null}`), &directorypb.User{}, Body{}); err != nil {
		t.Errorf("null in a post: %v", err)
	}
}

// FuzzUnmarshal looks for panics, endless loops and bodies that are read twice
// with different results.
func FuzzUnmarshal(f *testing.F) {
	for _, s := range []string{
		`{}`, `{"displayName":"a"}`, `{"employeeOrgData":{"costCenter":null}}`, `{"extension_a_b":[1,{"x":-1.5e3}]}`,
		`{"businessPhones":["1"],"identities":[{"issuer":"x"}]}`, `{"displayName":"\ud83d\ude00"}`, `{"a":{"b":[[[]]]}}`, `{"employeeHireDate":"2024-02-01T00:00:00Z"}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var a, b directorypb.User
		maskA, errA := Unmarshal(data, &a, Body{Patch: true})
		maskB, errB := Unmarshal(data, &b, Body{Patch: true})
		if (errA == nil) != (errB == nil) || !cmp.Equal(maskA, maskB) || !proto.Equal(&a, &b) {
			t.Fatalf("unstable: %v %v", errA, errB)
		}
		if errA != nil {
			if fault.From(errA).Reason == errorspb.Reason_INTERNAL {
				t.Fatalf("internal: %v", errA)
			}
			return
		}
		// What was read can be written.
		Append(nil, &a, View{Base: "https://h/v1.0", Select: "*"})
	})
}

func BenchmarkUnmarshalUser(b *testing.B) {
	body := []byte(`{"accountEnabled":true,"displayName":"Ada","mailNickname":"ada","userPrincipalName":"ada@contoso.example","passwordProfile":{"password":"xWwvJ]6NMw+bWH-d","forceChangePasswordNextSignIn":true},"businessPhones":["1"]}`)
	b.ReportAllocs()
	for b.Loop() {
		var u directorypb.User
		if _, err := Unmarshal(body, &u, Body{}); err != nil {
			b.Fatal(err)
		}
	}
}
