package route

import (
	"encoding/json"
	"strings"
	"testing"

	"entente.dev/proto"
	"google.golang.org/grpc/metadata"
)

// TestResists_43 is row 43 of the security rules: what is served is what the
// OpenAPI document says, and the other way round.
func TestResists_43(t *testing.T) {
	t.Parallel()
	var doc struct {
		Paths map[string]map[string]json.RawMessage
	}
	if err := json.Unmarshal(proto.OpenAPI, &doc); err != nil {
		t.Fatal(err)
	}
	documented := map[string]bool{}
	for path, methods := range doc.Paths {
		for method := range methods {
			documented[strings.ToUpper(method)+" "+path] = true
		}
	}
	for _, op := range newRouter(t, &fakeConn{}).Operations() {
		// Casts are spellings of a list, and merged lists have no RPC.
		if op.RPC == "" || len(op.target) != len(op.steps) {
			continue
		}
		// The document names variables as the wire does.
		template := op.Template
		for _, st := range op.steps {
			if st.variable != "" {
				template = strings.ReplaceAll(template, "{"+st.variable+"}", "{"+jsonName(op.in, st.variable)+"}")
			}
		}
		key := op.Method + " " + template
		if !documented[key] {
			t.Errorf("%s is served and not documented", key)
		}
		delete(documented, key)
	}
	for key := range documented {
		t.Errorf("%s is documented and not served", key)
	}
}

// TestResists_46 is row 46: every spelling of a request reaches the same RPC
// with the same credential, so no alias passes another authorizer.
func TestResists_46(t *testing.T) {
	t.Parallel()
	const id = "7a1b0c00-0000-4000-8000-000000000001"
	var want metadata.MD
	var method string
	for i, path := range []string{
		"/v1.0/users/" + id, "/V1.0/USERS/" + id, "/beta/users/" + id, "/v1.0/users('" + id + "')", "/v1.0/users(" + id + ")", "/v1.0/myorganization/users/" + id,
		"/v1.0/%75sers/" + id, "/v1.0/users/" + id + "/",
	} {
		f := &fakeConn{}
		if rec := do(newRouter(t, f), "GET", path, "", "Authorization", bearer); rec.Code != 200 {
			t.Errorf("%s: %d", path, rec.Code)
		}
		delete(f.md, "entente-api-version")
		if i == 0 {
			want, method = f.md, f.method
		}
		if f.method != method || f.md.Get("authorization")[0] != want.Get("authorization")[0] || len(f.md) != len(want) {
			t.Errorf("%s: %s %v", path, f.method, f.md)
		}
	}
}

// TestResists_35 is row 35: forms of a path that parsers disagree about reach
// nothing.
func TestResists_35(t *testing.T) {
	t.Parallel()
	for _, path := range []string{
		"//v1.0/users", "/v1.0//users", "/v1.0/./users", "/v1.0/../v1.0/users", "/v1.0/x/../users", "/v1.0/users%2f", "/v1.0%2fusers", "/v1.0/users%00", "/v1.0/users;x=1",
		"/v1.0/users/%2e%2e/groups", "/v1.0/users%5c..", "/entente.directory.v1.UserService/ListUsers",
	} {
		f := &fakeConn{}
		if rec := do(newRouter(t, f), "GET", path, ""); rec.Code != 404 || f.method != "" {
			t.Errorf("%s: %d, reached %q", path, rec.Code, f.method)
		}
	}
}
