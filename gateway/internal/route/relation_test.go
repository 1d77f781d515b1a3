package route

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	directorypb "entente.dev/proto/gen/entente/directory/v1"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	odatapb "entente.dev/proto/gen/entente/odata/v1"
	"entente.dev/servicekit/clock"
	"entente.dev/servicekit/fault"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/genproto/googleapis/api/httpbody"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
)

// org is a directory of three people: 1 reports to 2, 2 to 3; everybody is in
// group g. It answers several calls at a time.
type org struct {
	mu    sync.Mutex
	calls []string
	query *odatapb.Query
	most  int
	now   int
	deny  bool
	parts []*httpbody.HttpBody
	sent  []byte
	kind  string
}

func person(id string) *directorypb.User {
	return &directorypb.User{Id: id, DisplayName: proto.String("Name of " + id), UserPrincipalName: proto.String(id + "@contoso.example")}
}

func (o *org) Invoke(_ context.Context, method string, args, reply any, _ ...grpc.CallOption) error {
	o.mu.Lock()
	o.now++
	o.most = max(o.most, o.now)
	o.calls = append(o.calls, method[strings.LastIndexByte(method, '/')+1:])
	if q, ok := args.(interface{ GetQuery() *odatapb.Query }); ok {
		o.query = q.GetQuery()
	}
	o.mu.Unlock()
	defer func() { o.mu.Lock(); o.now--; o.mu.Unlock() }()
	switch out := reply.(type) {
	case *directorypb.User:
		proto.Merge(out, person(args.(*directorypb.GetUserRequest).GetId()))
	case *directorypb.ListUsersResponse:
		out.Value = []*directorypb.User{person("1"), person("2"), person("3")}
	case *directorypb.Group:
		out.Id = "g"
	case *directorypb.DirectoryObject:
		id := args.(interface{ GetId() string }).GetId()
		next := map[string]string{"1": "2", "2": "3", "x": "1"}[id]
		if next == "" {
			return fault.NotFound(errorspb.Reason_NOT_FOUND, "Resource 'manager' does not exist.")
		}
		out.Object = &directorypb.DirectoryObject_User{User: person(next)}
	case *directorypb.ListDirectoryObjectsResponse:
		if o.deny {
			return fault.Denied(errorspb.Reason_ACCESS_DENIED, "Insufficient privileges to complete the operation.")
		}
		if args.(interface{ GetQuery() *odatapb.Query }).GetQuery().GetCount() {
			out.OdataCount = proto.Int32(41)
		}
		out.NextPageToken = "more"
		out.Value = []*directorypb.DirectoryObject{{Object: &directorypb.DirectoryObject_Group{Group: &directorypb.Group{Id: "g", DisplayName: proto.String("Team")}}}}
	case *directorypb.ListRoleAssignmentsResponse:
		out.Value = []*directorypb.UnifiedRoleAssignment{{Id: "a", PrincipalId: proto.String("x")}, {Id: "b", PrincipalId: proto.String("x")}, {Id: "c", PrincipalId: proto.String("gone")}}
	}
	return nil
}

func (o *org) NewStream(context.Context, *grpc.StreamDesc, string, ...grpc.CallOption) (grpc.ClientStream, error) {
	return &fileStream{o: o}, nil
}

// fileStream takes or gives a file.
type fileStream struct {
	grpc.ClientStream
	o *org
}

func (s *fileStream) SendMsg(m any) error {
	if r, ok := m.(*directorypb.StartBulkOperationRequest); ok {
		s.o.sent = append(s.o.sent, r.GetContent()...)
		s.o.kind += r.GetKind()
	}
	return nil
}
func (s *fileStream) CloseSend() error { return nil }
func (s *fileStream) RecvMsg(m any) error {
	switch out := m.(type) {
	case *directorypb.BulkOperation:
		out.Id = "op"
	case *httpbody.HttpBody:
		if len(s.o.parts) == 0 {
			return io.EOF
		}
		if s.o.parts[0] == nil {
			return errors.New("broken")
		}
		proto.Merge(out, s.o.parts[0])
		s.o.parts = s.o.parts[1:]
	}
	return nil
}

func newOrgRouter(t *testing.T, o *org) *Router {
	t.Helper()
	rt, err := New(t.Context(), Config{Conns: Conns{o, o, o, o}, Clock: clock.System(), TokenKey: make([]byte, 32)})
	if err != nil {
		t.Fatal(err)
	}
	return rt
}

func TestRelationsAsReferencesAndCounts(t *testing.T) {
	t.Parallel()
	const refs = `{"@odata.context":"https://host:8443/v1.0/$metadata#Collection($ref)","@odata.nextLink":"https://host:8443/v1.0/%s/$ref?$top=5&$skiptoken=more","value":[{"@odata.id":"https://host:8443/v1.0/directoryObjects/g"}]}`
	for _, relation := range []string{"groups/g/members", "groups/g/owners", "groups/g/transitiveMembers", "users/1/memberOf", "users/1/transitiveMemberOf", "groups/g/memberOf", "applications/a/owners"} {
		o := &org{}
		rt := newOrgRouter(t, o)
		rec := do(rt, "GET", "/v1.0/"+relation+"/$ref?$top=5", "")
		if want := strings.Replace(refs, "%s", relation, 1); rec.Code != 200 || rec.Body.String() != want {
			t.Errorf("%s/$ref: %d\n%s\n%s", relation, rec.Code, rec.Body, want)
		}
		if o.query.GetSelect() != "id" || o.query.GetTop() != 5 {
			t.Errorf("%s/$ref asked %v", relation, o.query)
		}
		rec = do(rt, "GET", "/v1.0/"+relation+"/$count?$filter=x", "", "ConsistencyLevel", "eventual")
		if rec.Code != 200 || rec.Body.String() != "41" || rec.Header().Get("Content-Type") != "text/plain" || o.query.GetFilter() != "x" || !o.query.GetAdvanced() {
			t.Errorf("%s/$count: %d %s %v %v", relation, rec.Code, rec.Body, rec.Header(), o.query)
		}
		if rec := do(rt, "GET", "/v1.0/"+relation+"/$count", ""); rec.Code != 400 || !strings.Contains(rec.Body.String(), `"code":"Request_BadRequest","message":"$count is not currently supported."`) {
			t.Errorf("%s/$count without the header: %d %s", relation, rec.Code, rec.Body)
		}
	}
	rt := newOrgRouter(t, &org{})
	if rec := do(rt, "GET", "/v1.0/users/1/manager/$ref", ""); rec.Body.String() != `{"@odata.context":"https://host:8443/v1.0/$metadata#$ref","@odata.id":"https://host:8443/v1.0/directoryObjects/2"}` {
		t.Errorf("manager: %s", rec.Body)
	}
	if rec := do(rt, "GET", "/v1.0/groups/g/members/microsoft.graph.user/$count", "", "ConsistencyLevel", "eventual"); rec.Body.String() != "41" {
		t.Errorf("count of a cast: %s", rec.Body)
	}
	if rec := do(rt, "GET", "/v1.0/groups/g/members/$ref?$select=mail", ""); rec.Code != 400 {
		t.Errorf("selected references: %d", rec.Code)
	}
	// Writes of references are what they were.
	if rec := do(rt, "POST", "/v1.0/groups/g/members/$ref", `{"@odata.id":"https://x/directoryObjects/1"}`); rec.Code != 204 {
		t.Errorf("add: %d %s", rec.Code, rec.Body)
	}
}

func TestExpandRelations(t *testing.T) {
	t.Parallel()
	get := func(o *org, path string, headers ...string) (int, map[string]any, string) {
		rec := do(newOrgRouter(t, o), "GET", strings.ReplaceAll(path, " ", "%20"), "", headers...)
		var v map[string]any
		if err := json.Unmarshal(rec.Body.Bytes(), &v); err != nil {
			t.Fatalf("%s: %v %s", path, err, rec.Body)
		}
		return rec.Code, v, rec.Body.String()
	}
	o := &org{}
	status, _, body := get(o, "/v1.0/users/1?$select=displayName&$expand=memberOf($select=id)")
	if want := `{"@odata.context":"https://host:8443/v1.0/$metadata#users(displayName)/$entity","displayName":"Name of 1","memberOf":[{"@odata.type":"#microsoft.graph.group","id":"g"}]}`; status != 200 || body != want {
		t.Errorf("memberOf: %d\n%s\n%s", status, body, want)
	}
	if o.query.GetTop() != 20 || o.query.GetSelect() != "id" || !slices.Equal(o.calls, []string{"GetUser", "ListMemberOf"}) {
		t.Errorf("memberOf: %v %v", o.query, o.calls)
	}
	o = &org{}
	status, list, _ := get(o, "/v1.0/users?$expand=transitiveMemberOf")
	if status != 200 || len(o.calls) != 4 || o.most > expandAtOnce {
		t.Errorf("list: %d, calls %v, at once %d", status, o.calls, o.most)
	}
	for _, u := range list["value"].([]any) {
		if groups, _ := u.(map[string]any)["transitiveMemberOf"].([]any); len(groups) != 1 {
			t.Errorf("list: %v", u)
		}
	}
	status, _, body = get(&org{}, "/v1.0/users/1?$select=id&$expand=manager($levels=max;$select=id)", "ConsistencyLevel", "eventual")
	if want := `"id":"1","manager":{"@odata.type":"#microsoft.graph.user","id":"2","manager":{"@odata.type":"#microsoft.graph.user","id":"3"}}}`; status != 200 || !strings.HasSuffix(body, want) {
		t.Errorf("chain: %d %s", status, body)
	}
	o = &org{}
	status, list, body = get(o, "/v1.0/roleManagement/directory/roleAssignments?$expand=principal")
	if status != 200 || len(o.calls) != 3 || !strings.Contains(body, `"principal":{"@odata.type":"#microsoft.graph.user","id":"1"`) {
		t.Errorf("principal: %d %v %s", status, o.calls, body)
	}
	if last := list["value"].([]any)[2].(map[string]any); last["principal"] != nil {
		t.Errorf("a principal that is gone: %v", last)
	}
	if status, _, body := get(&org{deny: true}, "/v1.0/users/1?$expand=memberOf"); status != 403 || !strings.Contains(body, "Authorization_RequestDenied") {
		t.Errorf("denied: %d %s", status, body)
	}
	for _, bad := range []string{
		"/v1.0/users?$expand=memberOf,manager", "/v1.0/users?$expand=colour", "/v1.0/users?$expand=memberOf($expand=owners)", "/v1.0/users?$expand=memberOf($top=5)",
		"/v1.0/users?$expand=memberOf($select=colour)", "/v1.0/users?$expand=memberOf(", "/v1.0/users?$expand=manager($levels=max)", "/v1.0/users/1?$expand=memberOf($levels=max)",
		"/v1.0/users?$expand=memberOf&$search=\"displayName:a\"", "/v1.0/users?$expand=memberOf&$count=true",
	} {
		o := &org{}
		if status, _, body := get(o, strings.ReplaceAll(bad, `"`, "%22"), "ConsistencyLevel", "eventual"); status != 400 || len(o.calls) != 0 {
			t.Errorf("%s: %d %s", bad, status, body)
		}
	}
}

func TestMetadataLevels(t *testing.T) {
	t.Parallel()
	rt := newOrgRouter(t, &org{})
	rec := do(rt, "GET", "/v1.0/users/1?$select=id", "", "Accept", "application/json;odata.metadata=full")
	want := `{"@odata.context":"https://host:8443/v1.0/$metadata#users(id)/$entity","@odata.type":"#microsoft.graph.user","@odata.id":"https://host:8443/v1.0/users/1","@odata.editLink":"users/1","id":"1"}`
	if rec.Body.String() != want || !strings.Contains(rec.Header().Get("Content-Type"), "odata.metadata=full") {
		t.Errorf("full:\n%s\n%s\n%v", rec.Body, want, rec.Header())
	}
	rec = do(rt, "GET", "/v1.0/groups/g/members?$select=id&$format=application/json;odata.metadata=none", "", "Accept", "application/json;odata.metadata=full")
	if want := `{"@odata.nextLink":"https://host:8443/v1.0/groups/g/members?$select=id&$format=application%2Fjson%3Bodata.metadata%3Dnone&$skiptoken=more","value":[{"id":"g"}]}`; rec.Body.String() != want {
		t.Errorf("none:\n%s\n%s", rec.Body, want)
	}
	if rec := do(rt, "GET", "/v1.0/users/1", "", "Accept", "application/json;odata.metadata=minimal"); strings.Contains(rec.Body.String(), "@odata.type") {
		t.Errorf("minimal: %s", rec.Body)
	}
}

func TestResourceUnits(t *testing.T) {
	t.Parallel()
	rt := newOrgRouter(t, &org{})
	for path, want := range map[string]string{
		"/v1.0/users": "2", "/v1.0/users?$select=id": "1", "/v1.0/users/1": "1", "/v1.0/groups/g/members": "3", "/v1.0/groups/g/transitiveMembers": "5",
		"/v1.0/users/1?$expand=memberOf": "2", "/v1.0/groups/g/transitiveMembers?$select=id": "4",
	} {
		if got := do(rt, "GET", path, "").Header().Get("x-ms-resource-unit"); got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
}

func TestFilesInParts(t *testing.T) {
	t.Parallel()
	o := &org{parts: []*httpbody.HttpBody{{ContentType: "text/csv", Data: []byte("a,b\n")}, {Data: []byte("1,2\n")}}}
	rt := newOrgRouter(t, o)
	rec := do(rt, "GET", "/entente/v1/bulkOperations/op/results", "")
	if rec.Code != 200 || rec.Body.String() != "a,b\n1,2\n" || rec.Header().Get("Content-Type") != "text/csv" {
		t.Errorf("results: %d %s %v", rec.Code, rec.Body, rec.Header())
	}
	o.parts = []*httpbody.HttpBody{{Data: []byte("1")}, nil}
	func() {
		defer func() {
			if p := recover(); p != http.ErrAbortHandler { //nolint:errorlint // the value itself is panicked
				t.Errorf("a file that breaks off ended with %v", p)
			}
		}()
		do(rt, "GET", "/entente/v1/bulkOperations/op/results", "")
	}()
	file := strings.Repeat("x", uploadChunk+10)
	rec = do(rt, "POST", "/entente/v1/bulkOperations/createUsers", file, "Content-Type", "text/csv")
	if rec.Code != 202 || !cmp.Equal(string(o.sent), file) || o.kind != "createUsers" || !strings.Contains(rec.Body.String(), `"id":"op"`) {
		t.Errorf("upload: %d %s, %d bytes, kind %q", rec.Code, rec.Body, len(o.sent), o.kind)
	}
	if rec := do(rt, "POST", "/entente/v1/bulkOperations/createUsers", strings.Repeat("x", maxUpload+1), "Content-Type", "text/csv"); rec.Code != 413 && rec.Code != 400 {
		t.Errorf("oversize: %d %s", rec.Code, rec.Body)
	}
}
