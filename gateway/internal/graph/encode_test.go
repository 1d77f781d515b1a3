package graph

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	directorypb "entente.dev/proto/gen/entente/directory/v1"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	policypb "entente.dev/proto/gen/entente/policy/v1"
	syncpb "entente.dev/proto/gen/entente/sync/v1"
	"entente.dev/servicekit/fault"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// golden compares got, indented, with testdata/name.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	var v any
	if err := json.Unmarshal(got, &v); err != nil {
		t.Fatalf("not JSON: %v\n%s", err, got)
	}
	pretty, err := json.MarshalIndent(json.RawMessage(got), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	pretty = append(pretty, '\n')
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, pretty, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(pretty)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

func at(s string) *timestamppb.Timestamp {
	v, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		panic(err)
	}
	return timestamppb.New(v)
}

func sampleUser() *directorypb.User {
	ext, _ := structpb.NewStruct(map[string]any{"extension_00000000000000000000000000000001_badge": 7, "extension_00000000000000000000000000000001_site": "x"})
	return &directorypb.User{
		Id:                "7a1b0c00-0000-4000-8000-000000000001",
		DisplayName:       proto.String("Ada \"L\" Löv\n"),
		UserPrincipalName: proto.String("ada@contoso.example"),
		AccountEnabled:    proto.Bool(true),
		BusinessPhones:    []string{"+31 20 1"},
		CreatedDateTime:   at("2024-02-01T00:00:00.25Z"),
		EmployeeHireDate:  at("2024-02-01T00:00:00Z"),
		PasswordProfile:   &directorypb.PasswordProfile{Password: proto.String("canary")},
		Identities:        []*directorypb.ObjectIdentity{{SignInType: proto.String("userPrincipalName"), Issuer: proto.String("contoso.example")}},
		Extensions:        ext,
	}
}

func view(selected string) View {
	return View{
		Base: "https://host:8443/v1.0", Select: selected,
		Link: func(token string, delta bool) string {
			return "https://host:8443/v1.0/users?$skiptoken=" + token
		},
	}
}

func TestAppend(t *testing.T) {
	t.Parallel()
	user := sampleUser()
	for _, c := range []struct {
		name string
		m    proto.Message
		v    View
	}{
		{"user_default", user, view("")},
		{"user_selected", user, view("id,accountEnabled,department,createdDateTime,employeeHireDate,identities,passwordProfile,onPremisesExtensionAttributes,extension_00000000000000000000000000000001_badge,extension_00000000000000000000000000000001_none")},
		{"users_page", &directorypb.ListUsersResponse{Value: []*directorypb.User{user, {Id: "2"}}, NextPageToken: "abc", OdataCount: proto.Int32(5)}, view("id,displayName")},
		{"users_empty", &directorypb.ListUsersResponse{}, view("")},
		{"group", &directorypb.Group{Id: "g"}, view("")},
		{"manager", &directorypb.DirectoryObject{Object: &directorypb.DirectoryObject_User{User: user}}, view("id")},
		{"members", &directorypb.ListDirectoryObjectsResponse{Value: []*directorypb.DirectoryObject{
			{Object: &directorypb.DirectoryObject_User{User: &directorypb.User{Id: "u"}}},
			{Object: &directorypb.DirectoryObject_Group{Group: &directorypb.Group{Id: "g", MailEnabled: proto.Bool(false)}}},
		}}, view("id,mailEnabled")},
		{"revoked", &directorypb.RevokeSignInSessionsResponse{Value: true}, View{Base: "https://host/v1.0", Context: "Edm.Boolean"}},
		{"job", &syncpb.SynchronizationJob{Id: "Azure2Azure.x"}, view("")},
		{"plain", &directorypb.CreatedTenant{TenantId: "t", State: directorypb.Tenant_active}, View{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			golden(t, c.name+".json", Append(nil, c.m, c.v))
		})
	}
}

func TestCheckSelect(t *testing.T) {
	t.Parallel()
	md := (&directorypb.ListUsersResponse{}).ProtoReflect().Descriptor()
	got, err := CheckSelect(md, []string{"DISPLAYNAME", " id", "extension_a_b", "onPremisesExtensionAttributes/extensionAttribute1"}, false)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"displayName", "id", "extension_a_b", "onPremisesExtensionAttributes"}, got); diff != "" {
		t.Error(diff)
	}
	if got, err := CheckSelect(md, []string{"id", "extension_a_b", "ID", "id", "extension_a_b", "extension_A_b"}, false); err != nil || !cmp.Equal(got, []string{"id", "extension_a_b", "extension_A_b"}) {
		t.Errorf("named twice: %v, %v", got, err)
	}
	if _, err := CheckSelect(md, []string{"id", "colour"}, false); !fault.Is(err, errorspb.Reason_BAD_REQUEST) {
		t.Errorf("unknown property: %v", err)
	}
	mixed := (&directorypb.ListDirectoryObjectsResponse{}).ProtoReflect().Descriptor()
	if _, err := CheckSelect(mixed, []string{"userPrincipalName", "mailEnabled", "appId"}, false); err != nil {
		t.Errorf("mixed: %v", err)
	}
}

// What clients select is remembered in few and short forms.
func TestProjectionsAreBounded(t *testing.T) {
	t.Parallel()
	contact := &directorypb.OrgContact{Id: "c"}
	p := planOf(contact.ProtoReflect().Descriptor())
	remembered := func() (n int) {
		p.projections.Range(func(any, any) bool { n++; return true })
		return n
	}
	Append(nil, contact, View{Select: "id" + strings.Repeat(",displayName", 100)})
	if n := remembered(); n != 0 {
		t.Errorf("a long one is remembered: %d", n)
	}
	for i := range 2 * maxProjections {
		Append(nil, contact, View{Select: "id,x" + strconv.Itoa(i)})
	}
	if n := remembered(); n != maxProjections {
		t.Errorf("%d are remembered", n)
	}
}

func TestExpand(t *testing.T) {
	t.Parallel()
	partner := &policypb.CrossTenantAccessPolicyConfigurationPartner{TenantId: proto.String("t"), IdentitySynchronization: &policypb.CrossTenantIdentitySyncPolicyPartner{TenantId: proto.String("t")}}
	md := partner.ProtoReflect().Descriptor()
	names, err := CheckExpand(md, "IdentitySynchronization($select=tenantId,displayName)")
	if err != nil || names != "identitySynchronization" {
		t.Fatalf("%q %v", names, err)
	}
	if got := string(Append(nil, partner, View{Select: "tenantId"})); got != `{"tenantId":"t"}` {
		t.Errorf("not expanded: %s", got)
	}
	if got := string(Append(nil, partner, View{Select: "tenantId", Expand: names})); !strings.HasPrefix(got, `{"tenantId":"t","identitySynchronization":{"`) {
		t.Errorf("expanded: %s", got)
	}
	if _, err := CheckExpand(md, "inboundTrust"); !fault.Is(err, errorspb.Reason_BAD_REQUEST) {
		t.Errorf("a plain property: %v", err)
	}
}

func TestDurationsRoundTrip(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"PT0S", "PT40M", "P1D", "P1DT2H", "PT1M30S", "PT0.5S", "-PT1H"} {
		d, ok := parseDuration(s)
		if !ok || formatDuration(d) != s {
			t.Errorf("%s: %v %v %s", s, d, ok, formatDuration(d))
		}
	}
	for _, s := range []string{"", "P", "PT", "P1Y", "40M", "PT1X", "P1DT", "PT9999999999999999H"} {
		if d, ok := parseDuration(s); ok {
			t.Errorf("%q read as %v", s, d)
		}
	}
}

func hundredUsers() *directorypb.ListUsersResponse {
	page := &directorypb.ListUsersResponse{NextPageToken: "token"}
	for range 100 {
		page.Value = append(page.Value, &directorypb.User{
			Id: "7a1b0c00-0000-4000-8000-000000000001", DisplayName: proto.String("Ada Lovelace"), GivenName: proto.String("Ada"),
			Surname: proto.String("Lovelace"), Mail: proto.String("ada@contoso.example"), UserPrincipalName: proto.String("ada@contoso.example"),
			JobTitle: proto.String("Countess"), OfficeLocation: proto.String("London"),
		})
	}
	return page
}

func BenchmarkAppend100Users(b *testing.B) {
	page, v := hundredUsers(), view("")
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf = Append(buf[:0], page, v)
	}
}

func BenchmarkProtojson100Users(b *testing.B) {
	page := hundredUsers()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := protojson.Marshal(page); err != nil {
			b.Fatal(err)
		}
	}
}

// TestBetaByDefault: a property that /beta answers unasked is there under
// /v1.0 when it is named (INV-167).
func TestBetaByDefault(t *testing.T) {
	t.Parallel()
	row := &directorypb.SignIn{Id: "s", CrossTenantAccessType: proto.String("none")}
	const member = `"crossTenantAccessType":"none"`
	for _, c := range []struct {
		selected    string
		beta, shown bool
	}{{"", false, false}, {"", true, true}, {"id", true, false}, {"id,crossTenantAccessType", false, true}, {"id,crossTenantAccessType", true, true}} {
		v := view(c.selected)
		v.Beta = c.beta
		if got := string(Append(nil, row, v)); strings.Contains(got, member) != c.shown {
			t.Errorf("$select=%s, beta %v: %s", c.selected, c.beta, got)
		}
	}
	if _, err := CheckSelect(row.ProtoReflect().Descriptor(), []string{"crossTenantAccessType"}, false); err != nil {
		t.Error(err)
	}
}
