package graph

import (
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/fault"
	"github.com/google/go-cmp/cmp"
)

// Every reason has a row and a golden example; a reason without one fails.
func TestEveryReasonHasAnEnvelope(t *testing.T) {
	t.Parallel()
	for n, name := range errorspb.Reason_name {
		f := fault.Invalid(errorspb.Reason(n), "Text of %s.", name).WithMeta("property", "mail")
		status, code, _ := f.Graph()
		if status < 400 || status > 599 || code == "" {
			t.Errorf("%s: %d %q", name, status, code)
		}
		now := time.Date(2026, 11, 21, 7, 10, 38, 0, time.UTC)
		golden(t, filepath.Join("errors", strings.ToLower(name)+".json"), AppendError(nil, f, now, "r", "c"))
	}
	files, err := os.ReadDir(filepath.Join("testdata", "errors"))
	if err != nil || len(files) != len(errorspb.Reason_name) {
		t.Errorf("%d golden errors for %d reasons: %v", len(files), len(errorspb.Reason_name), err)
	}
}

func TestWriteError(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 21, 7, 10, 38, 0, time.UTC)
	rec := httptest.NewRecorder()
	WriteError(rec, fault.Exhausted(errorspb.Reason_THROTTLED, "Slow down.").WithRetryAfter(1500*time.Millisecond), now, "r", "c")
	if rec.Code != 429 || rec.Header().Get("Retry-After") != "2" {
		t.Errorf("%d %v", rec.Code, rec.Header())
	}
	rec = httptest.NewRecorder()
	WriteError(rec, fault.Unauthenticated(errorspb.Reason_UNAUTHENTICATED, "Access token is missing."), now, "r", "c")
	if rec.Code != 401 || !strings.HasPrefix(rec.Header().Get("WWW-Authenticate"), "Bearer ") {
		t.Errorf("%d %v", rec.Code, rec.Header())
	}
	rec = httptest.NewRecorder()
	WriteError(rec, os.ErrPermission, now, "r", "c")
	if rec.Code != 500 || strings.Contains(rec.Body.String(), "permission") {
		t.Errorf("detail leaked: %s", rec.Body)
	}
}

func TestParseOptions(t *testing.T) {
	t.Parallel()
	o, err := ParseOptions("%24filter=displayName+eq+%27x%27&$SELECT=id,%20mail&$top=5&client-request-id=1&$count=true", false)
	if err != nil {
		t.Fatal(err)
	}
	if o.Query.Filter != "displayName eq 'x'" || o.Query.GetTop() != 5 || !o.Query.GetCount() || !cmp.Equal(o.Select, []string{"id", "mail"}) {
		t.Errorf("%v %v", o.Query, o.Select)
	}
	if got, want := o.Next("a+b"), "$filter=displayName%20eq%20%27x%27&$select=id%2C%20mail&$top=5&$count=true&$skiptoken=a%2Bb"; got != want {
		t.Errorf("next %s", got)
	}
	again, err := ParseOptions(o.Next("a+b"), false)
	if err != nil || again.Query.Skiptoken != "a+b" || again.Query.Filter != o.Query.Filter {
		t.Errorf("the link does not read back: %v %v", again.Query, err)
	}
	if o, err := ParseOptions("filter=id eq 'x'&select=id", true); err != nil || o.Query.Filter == "" || len(o.Select) != 1 {
		t.Errorf("beta without the sign: %v %v", o.Query, err)
	}
	if o, err := ParseOptions("filter=x&updateMask=mail", false); err != nil || o.Query.Filter != "" || o.Plain.Get("updateMask") != "mail" {
		t.Errorf("v1.0 without the sign: %v %v", o.Query, err)
	}
	for _, raw := range []string{"$colour=1", "$top=0", "$top=1000", "$top=x", "$filter=%zz", "$count=maybe", "$filter=a&$Filter=b", "$skip=-1", "$format=xml"} {
		if _, err := ParseOptions(raw, false); err == nil {
			t.Errorf("%s accepted", raw)
		}
	}
}

func TestParsePath(t *testing.T) {
	t.Parallel()
	const id = "7A1B0C00-0000-4000-8000-000000000001"
	for _, c := range []struct {
		path string
		want Path
	}{
		{"/v1.0/users", Path{Family: "v1.0", Segments: []Segment{{Name: "users"}}}},
		{"/Beta/" + id + "/users/", Path{Family: "beta", Tenant: strings.ToLower(id), Segments: []Segment{{Name: "users"}}}},
		{"/v1.0/MyOrganization/users", Path{Family: "v1.0", Segments: []Segment{{Name: "users"}}}},
		{"/v1.0/users/a%23EXT%23@b.example", Path{Family: "v1.0", Segments: []Segment{{Name: "users"}, {Name: "a#EXT#@b.example"}}}},
		{"/v1.0/users('O''Neil')/manager", Path{Family: "v1.0", Segments: []Segment{{Name: "users", Call: true, Key: "O'Neil"}, {Name: "manager"}}}},
		{"/v1.0/applications(appId='1')", Path{Family: "v1.0", Segments: []Segment{{Name: "applications", Call: true, Args: []Arg{{"appId", "1"}}}}}},
		{"/v1.0/users/delta()", Path{Family: "v1.0", Segments: []Segment{{Name: "users"}, {Name: "delta", Call: true}}}},
		{"/v1.0/f(a='x,y',b=1)", Path{Family: "v1.0", Segments: []Segment{{Name: "f", Call: true, Args: []Arg{{"a", "x,y"}, {"b", "1"}}}}}},
		{"/entente/v1/invitations", Path{Family: "entente/v1", Segments: []Segment{{Name: "invitations"}}}},
		{"/admin/v1/tenants/" + id, Path{Family: "admin/v1", Segments: []Segment{{Name: "tenants"}, {Name: id}}}},
		{"/other", Path{Segments: []Segment{{Name: "other"}}}},
	} {
		got, err := ParsePath(c.path)
		if err != nil {
			t.Errorf("%s: %v", c.path, err)
			continue
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.path, diff)
		}
	}
	for _, p := range []string{"", "users", "/v1.0//users", "/v1.0/../users", "/v1.0/./users", "/v1.0/a%2Fb", "/v1.0/%zz", "/v1.0/users('a", "/v1.0/f(a='x)", "/v1.0/f(a=)", "/v1.0/x%00"} {
		if got, err := ParsePath(p); err == nil && (p != "/v1.0/users('a" || got.Segments[0].Call) {
			t.Errorf("%q read as %+v", p, got)
		}
	}
}

// FuzzParsePath looks for panics and for segments that could mean two things.
func FuzzParsePath(f *testing.F) {
	for _, s := range []string{"/v1.0/users('a')", "/beta/f(a='x',b=1)", "/v1.0/a%2Fb", "/v1.0/users/$count", "/v1.0/f(a='''')"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := ParsePath(s)
		if err != nil {
			return
		}
		for _, seg := range p.Segments {
			if seg.Name == "" || strings.Contains(seg.Name, "/") {
				t.Fatalf("%q: %+v", s, seg)
			}
		}
	})
}
