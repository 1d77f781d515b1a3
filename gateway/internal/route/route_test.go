package route

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"entente.dev/gateway/internal/graph"
	directorypb "entente.dev/proto/gen/entente/directory/v1"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	invitationpb "entente.dev/proto/gen/entente/invitation/v1"
	optionspb "entente.dev/proto/gen/entente/options/v1"
	policypb "entente.dev/proto/gen/entente/policy/v1"
	"entente.dev/servicekit/clock/clocktest"
	"entente.dev/servicekit/fault"
	"entente.dev/servicekit/rpc"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/testing/protocmp"
)

// fakeConn stands for all services: it records the call and answers by method.
type fakeConn struct {
	method string
	req    proto.Message
	md     metadata.MD
	answer func(method string, reply proto.Message) error
	header metadata.MD // what the service says beside its answer
}

func (f *fakeConn) Invoke(ctx context.Context, method string, args, reply any, opts ...grpc.CallOption) error {
	f.method, f.req = method, args.(proto.Message)
	f.md, _ = metadata.FromOutgoingContext(ctx)
	for _, o := range opts {
		if h, ok := o.(grpc.HeaderCallOption); ok {
			*h.HeaderAddr = f.header
		}
	}
	if f.answer == nil {
		return nil
	}
	return f.answer(method, reply.(proto.Message))
}

func (f *fakeConn) NewStream(context.Context, *grpc.StreamDesc, string, ...grpc.CallOption) (grpc.ClientStream, error) {
	return nil, errors.New("no streams")
}

func newRouter(t testing.TB, f *fakeConn) *Router {
	t.Helper()
	rt, err := New(t.Context(), Config{Conns: Conns{f, f, f, f}, Clock: clocktest.New(time.Date(2026, 11, 21, 7, 0, 0, 0, time.UTC)), TokenKey: make([]byte, 32)})
	if err != nil {
		t.Fatal(err)
	}
	return rt
}

// bearer holds a token that could be one, without claims.
const bearer = "Bearer x.e30.y"

func do(rt http.Handler, method, target, body string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	r.Header.Set("Authorization", bearer)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	r = r.WithContext(graph.WithCall(r.Context(), &graph.Call{RequestID: "r", ClientRequestID: "c", Origin: "https://host:8443", IP: "192.0.2.1"}))
	rec := httptest.NewRecorder()
	rt.ServeHTTP(rec, r)
	return rec
}

// Every path of every service of the protos is served, and reaches its own
// RPC: neither a missing registration nor the order of patterns hides one.
func TestEveryPathReachesItsRPC(t *testing.T) {
	t.Parallel()
	f := &fakeConn{}
	rt := newRouter(t, f)
	served := map[string]bool{}
	for _, op := range rt.Operations() {
		served[op.RPC] = true
		if op.serve != nil {
			continue
		}
		values := make([]string, 0, 3)
		for _, s := range op.steps {
			if s.variable != "" {
				values = append(values, "7a1b0c00-0000-4000-8000-000000000001")
			}
		}
		body := ""
		if op.body != nil || op.whole {
			body = "{}"
		}
		f.method = ""
		rec := do(rt, op.Method, op.path(values), body, "Authorization", bearer)
		if f.method != op.RPC || rec.Code >= 300 {
			t.Errorf("%s %s reached %q instead of %s: %d %s", op.Method, op.Template, f.method, op.RPC, rec.Code, rec.Body)
		}
	}
	protoregistry.GlobalFiles.RangeFiles(func(fd protoreflect.FileDescriptor) bool {
		for i := range fd.Services().Len() {
			sd := fd.Services().Get(i)
			for j := range sd.Methods().Len() {
				md := sd.Methods().Get(j)
				if !proto.HasExtension(md.Options(), annotations.E_Http) {
					continue
				}
				if a, _ := proto.GetExtension(md.Options(), optionspb.E_Access).(*optionspb.Access); a.GetAnonymous() {
					t.Errorf("%s has a path and needs no token, which the router asks for everywhere", md.FullName())
				}
				if name := "/" + string(sd.FullName()) + "/" + string(md.Name()); !served[name] {
					t.Errorf("%s has a path and is not served", name)
				}
			}
		}
		return true
	})
}

func TestSpellingsOfAPath(t *testing.T) {
	t.Parallel()
	const id = "7a1b0c00-0000-4000-8000-000000000001"
	for _, c := range []struct {
		target string
		want   proto.Message
	}{
		{"/v1.0/users/" + id, &directorypb.GetUserRequest{Id: id}},
		{"/BETA/Users/a%23EXT%23@contoso.example", &directorypb.GetUserRequest{Id: "a#EXT#@contoso.example"}},
		{"/v1.0/users('O''Neil@contoso.example')", &directorypb.GetUserRequest{Id: "O'Neil@contoso.example"}},
		{"/v1.0/users/$count", &directorypb.CountUsersRequest{}},
		{"/v1.0/applications(appId='x')", &directorypb.GetApplicationRequest{Id: "appId=x"}},
		{"/v1.0/servicePrincipals(appId='x')/owners", &directorypb.ListServicePrincipalOwnersRequest{Id: "appId=x"}},
		{"/v1.0/directoryRoles(roleTemplateId='x')", &directorypb.GetDirectoryRoleRequest{Id: "roleTemplateId=x"}},
		{"/v1.0/directory/deleteditems/graph.user", &directorypb.ListDeletedItemsRequest{Cast: "microsoft.graph.user"}},
		{"/v1.0/directory/deletedItems/" + id, &directorypb.GetDeletedItemRequest{Id: id}},
		{"/v1.0/tenantRelationships/findTenantInformationByDomainName(domainName='a.example')", &directorypb.FindTenantInformationByDomainNameRequest{DomainName: "a.example"}},
		{"/v1.0/tenantRelationships/microsoft.graph.findTenantInformationByTenantId(tenantId='" + id + "')", &directorypb.FindTenantInformationByTenantIdRequest{TenantId: id}},
		{"/v1.0/groups/" + id + "/members/graph.user", &directorypb.ListGroupRelationRequest{Id: id, Cast: "microsoft.graph.user"}},
		{"/v1.0/groups/" + id + "/members/microsoft.graph.servicePrincipal", &directorypb.ListGroupRelationRequest{Id: id, Cast: "microsoft.graph.servicePrincipal"}},
		{"/v1.0/groups/" + id + "/members", &directorypb.ListGroupRelationRequest{Id: id}},
		{"/v1.0/policies/authorizationPolicy", &policypb.GetAuthorizationPolicyRequest{}},
		{"/beta/policies/authorizationpolicy", &policypb.ListAuthorizationPoliciesRequest{}},
		{"/beta/" + id + "/policies/authorizationPolicy/authorizationPolicy", &policypb.GetAuthorizationPolicyRequest{Id: "authorizationPolicy"}},
		{"/beta/policies/authorizationPolicy('authorizationPolicy')", &policypb.GetAuthorizationPolicyRequest{Id: "authorizationPolicy"}},
		{"/admin/v1/tenants?state=suspended&prefix=con&tenantId=x", &directorypb.ListTenantsRequest{State: directorypb.Tenant_suspended, Prefix: "con"}},
	} {
		f := &fakeConn{}
		rec := do(newRouter(t, f), "GET", c.target, "")
		if rec.Code != 200 {
			t.Errorf("%s: %d %s", c.target, rec.Code, rec.Body)
			continue
		}
		if diff := cmp.Diff(c.want, f.req, protocmp.Transform(), protocmp.IgnoreFields(f.req, queryField(f.req)...)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.target, diff)
		}
	}
}

func queryField(m proto.Message) []protoreflect.Name {
	if m.ProtoReflect().Descriptor().Fields().ByName("query") == nil {
		return nil
	}
	return []protoreflect.Name{"query"}
}

func TestRefusedRequests(t *testing.T) {
	t.Parallel()
	app := "Bearer x.eyJpZHR5cCI6ImFwcCIsIm9pZCI6IjEifQ.y"
	for _, c := range []struct {
		name, method, target, body string
		status                     int
		code, message              string
	}{
		{"unknown segment", "GET", "/v1.0/colours", "", 404, "ResourceNotFound", "Resource not found for the segment 'colours'."},
		{"unknown relation", "GET", "/v1.0/users/x/colours", "", 404, "ResourceNotFound", "Resource not found for the segment 'colours'."},
		{"wrong method", "PUT", "/v1.0/users", "{}", 405, "Request_BadRequest", "Specified HTTP method is not allowed for the request target."},
		{"unknown option", "GET", "/v1.0/users?$colour=1", "", 400, "BadRequest", "The query option '$colour' is not recognized."},
		{"page size", "GET", "/v1.0/users?$top=1000", "", 400, "Request_BadRequest", "Invalid page size specified: '1000'. Must be between 1 and 999 inclusive."},
		{"unknown property selected", "GET", "/v1.0/users?$select=id,colour", "", 400, "BadRequest", "Could not find a property named 'colour' on type 'microsoft.graph.user'."},
		{"unknown navigation property", "GET", "/v1.0/users?$expand=colour($select=id)", "", 400, "BadRequest", "Could not find a navigation property named 'colour' on type 'microsoft.graph.user'."},
		{"unknown cast", "GET", "/v1.0/groups/x/members/microsoft.graph.colour", "", 404, "ResourceNotFound", ""},
		{"option without effect", "DELETE", "/v1.0/users/x?$filter=a", "", 400, "Request_UnsupportedQuery", "The query option '$filter' is not supported by this operation."},
		{"no JSON", "POST", "/v1.0/users", "{", 400, "Request_BadRequest", "Unable to read JSON request payload. Please ensure Content-Type header is set and payload is of valid JSON format."},
		{"nothing", "POST", "/v1.0/users", "", 400, "Request_BadRequest", "Empty Payload. JSON content expected."},
		{"unknown property", "POST", "/v1.0/users", `{"colour":1}`, 400, "Request_BadRequest", "Invalid property 'colour'."},
		{"read-only property", "POST", "/v1.0/users", `{"createdDateTime":"2024-01-01T00:00:00Z"}`, 400, "Request_BadRequest", "Property 'createdDateTime' is read-only and cannot be set."},
		{"oversize body", "POST", "/v1.0/users", `{"displayName":"` + strings.Repeat("a", 1<<20) + `"}`, 413, "RequestEntityTooLarge", "The request body exceeds the limit of 1048576 bytes."},
		{"oversize invitation", "POST", "/v1.0/invitations", `{"x":"` + strings.Repeat("a", 64<<10) + `"}`, 413, "RequestEntityTooLarge", "The request body exceeds the limit of 65536 bytes."},
		{"me of an application", "GET", "/v1.0/me", "", 400, "BadRequest", "/me request is only valid with delegated authentication flow."},
		{"no JSON for an invitation", "POST", "/v1.0/invitations", "{", 400, "BadRequest", ""},
		{"list of invitations", "GET", "/v1.0/invitations", "", 404, "Request_ResourceNotFound", ""},
		{"one invitation", "PATCH", "/beta/invitations/x", "{}", 404, "Request_ResourceNotFound", "Resource 'x' does not exist or one of its queried reference-property objects are not present."},
		{"two slashes", "GET", "/v1.0//users", "", 404, "ResourceNotFound", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := &fakeConn{}
			rec := do(newRouter(t, f), c.method, c.target, c.body, "Authorization", app)
			var e struct {
				Error struct {
					Code, Message string
					InnerError    map[string]string
				}
			}
			if err := json.Unmarshal(rec.Body.Bytes(), &e); err != nil {
				t.Fatalf("%v: %s", err, rec.Body)
			}
			if rec.Code != c.status || e.Error.Code != c.code || c.message != "" && e.Error.Message != c.message {
				t.Errorf("got %d %s %q", rec.Code, e.Error.Code, e.Error.Message)
			}
			if e.Error.InnerError["request-id"] != "r" || e.Error.InnerError["client-request-id"] != "c" {
				t.Errorf("ids %v", e.Error.InnerError)
			}
			if f.method != "" {
				t.Errorf("the service was called: %s", f.method)
			}
		})
	}
}

// A query string cannot set fields of a request: the mask of a PATCH comes
// from its body alone.
func TestURLDoesNotSetFields(t *testing.T) {
	t.Parallel()
	f := &fakeConn{}
	rec := do(newRouter(t, f), "PATCH", "/v1.0/users/x?updateMask=mail&update_mask=mail&user.mail=y&id=z", `{"department":null}`)
	want := &directorypb.UpdateUserRequest{Id: "x", User: &directorypb.User{}}
	got := f.req.(*directorypb.UpdateUserRequest)
	if diff := cmp.Diff(want, got, protocmp.Transform(), protocmp.IgnoreFields(got, "update_mask")); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"department"}, got.GetUpdateMask().GetPaths()); diff != "" {
		t.Error(diff)
	}
	if rec.Code != 204 || rec.Body.Len() != 0 || rec.Header().Get("Content-Type") != "" {
		t.Errorf("%d %q %v", rec.Code, rec.Body, rec.Header())
	}
}

// unread is a body that nobody may look at.
type unread struct{ t *testing.T }

func (u unread) Read([]byte) (int, error) {
	u.t.Error("the body was read")
	return 0, errors.New("unread")
}

// What no operation takes is not taken in.
func TestBodiesThatNobodyReads(t *testing.T) {
	t.Parallel()
	rt := newRouter(t, &fakeConn{})
	for _, method := range []string{"GET", "DELETE"} {
		r := httptest.NewRequest(method, "/v1.0/users/x", unread{t})
		r.ContentLength = 1 << 30
		r.Header.Set("Authorization", bearer)
		rec := httptest.NewRecorder()
		if rt.ServeHTTP(rec, r); rec.Code >= 300 {
			t.Errorf("%s: %d %s", method, rec.Code, rec.Body)
		}
	}
}

// Without a token nobody learns which paths there are, nor what is wrong with
// a request (DIR-11).
func TestTokenGoesFirst(t *testing.T) {
	t.Parallel()
	f := &fakeConn{}
	rt := newRouter(t, f)
	for _, authorization := range []string{"", "x", "Basic eDp5", "Bearer", "Bearer ", "Bearer x", "Bearer x.y", "Bearer x.!.z", "Bearer x.e30.", "Bearer x.e30.y.z"} {
		for _, c := range []struct {
			method, target, body string
			status               int
		}{
			{"GET", "/v1.0/users", "", 401}, {"GET", "/v1.0/colours", "", 401}, {"GET", "/v1.0", "", 401}, {"PUT", "/v1.0/users", "{}", 401}, {"GET", "/beta/users?$colour=1", "", 401},
			{"POST", "/v1.0/users", "{", 401}, {"POST", "/v1.0/users", strings.Repeat("x", maxBody+1), 401}, {"GET", "/v1.0//users", "", 401}, {"GET", "/V1.0/me", "", 401},
			{"GET", "/v1.0()/users", "", 401}, {"GET", "/v1%2e0/users/%00", "", 401}, {"GET", "/v1.0/invitations", "", 401}, {"GET", "/entente/v1/colours", "", 401}, {"GET", "/admin/v1/colours", "", 401},
			{"GET", "/entente/v2/users", "", 401}, {"POST", "/entente/v1/bulkOperations/createUsers", "x", 401}, {"GET", "/colours", "", 404}, {"GET", "/", "", 404},
		} {
			rec := do(rt, c.method, c.target, c.body, "Authorization", authorization)
			if rec.Code != c.status || f.method != "" || (c.status == 401) != strings.Contains(rec.Body.String(), `"code":"InvalidAuthenticationToken"`) || rec.Header().Get("Allow") != "" {
				t.Errorf("%q %s %s: %d %s, reached %q", authorization, c.method, c.target, rec.Code, rec.Body, f.method)
			}
		}
	}
}

func TestMetadataIsBuiltFromNothing(t *testing.T) {
	t.Parallel()
	f := &fakeConn{}
	const tenant = "7a1b0c00-0000-4000-8000-000000000001"
	do(newRouter(t, f), "GET", "/beta/"+tenant+"/users", "",
		"Authorization", bearer, "ConsistencyLevel", "eventual", "Entente-Request-Id", "forged", "Grpc-Metadata-Entente-Path-Tenant", "y",
		"X-Forwarded-For", "203.0.113.9", "Grpc-Timeout", "1n", "User-Agent", "sdk/1")
	want := metadata.MD{
		rpc.MDAuthorization: {bearer}, rpc.MDRequestID: {"r"}, rpc.MDClientRequestID: {"c"}, rpc.MDClientIP: {"192.0.2.1"},
		rpc.MDPathTenant: {tenant}, rpc.MDAPIVersion: {"beta"}, rpc.MDConsistency: {"eventual"}, rpc.MDUserAgent: {"sdk/1"},
	}
	if diff := cmp.Diff(want, f.md); diff != "" {
		t.Error(diff)
	}
	if q := f.req.(*directorypb.ListUsersRequest).GetQuery(); !q.GetAdvanced() {
		t.Error("the consistency level is not in the query")
	}
}

func TestVersionsAndWarningsOfPoliciesTravel(t *testing.T) {
	t.Parallel()
	f := &fakeConn{header: metadata.Pairs("etag", `W/"3"`, "entente-policy-warning", "widens-default", "server-detail", "x")}
	rec := do(newRouter(t, f), "PATCH", "/v1.0/policies/crossTenantAccessPolicy/default", `{}`, "Authorization", bearer, "If-Match", `W/"2"`)
	if got := f.md.Get("if-match"); len(got) != 1 || got[0] != `W/"2"` {
		t.Errorf("If-Match reached the service as %q", got)
	}
	if h := rec.Header(); h.Get("ETag") != `W/"3"` || h.Get("Entente-Policy-Warning") != "widens-default" || h.Get("Server-Detail") != "" {
		t.Errorf("headers of the answer: %v", h)
	}
}

func TestAnswers(t *testing.T) {
	t.Parallel()
	f := &fakeConn{answer: func(_ string, reply proto.Message) error {
		switch m := reply.(type) {
		case *directorypb.User:
			m.Id, m.DisplayName = "7", proto.String("Ada")
		case *directorypb.CountResponse:
			m.Value = 42
		case *directorypb.ListUsersResponse:
			m.Value, m.NextPageToken = []*directorypb.User{{Id: "7"}}, "n+1"
		case *invitationpb.Invitation:
			m.Id = "8"
		case *directorypb.CreatedTenant:
			m.TenantId = "t"
		}
		return nil
	}}
	rt := newRouter(t, f)
	rec := do(rt, "POST", "/beta/users", `{"displayName":"Ada"}`)
	if rec.Code != 201 || rec.Header().Get("Location") != "https://host:8443/beta/users/7" || rec.Header().Get("Content-Type") != graph.ContentType {
		t.Errorf("create: %d %v", rec.Code, rec.Header())
	}
	if !strings.HasPrefix(rec.Body.String(), `{"@odata.context":"https://host:8443/beta/$metadata#users/$entity","id":"7"`) {
		t.Errorf("create: %s", rec.Body)
	}
	rec = do(rt, "GET", "/v1.0/users/$count", "", "ConsistencyLevel", "eventual")
	if rec.Body.String() != "42" || rec.Header().Get("Content-Type") != "text/plain" {
		t.Errorf("count: %q %v", rec.Body, rec.Header())
	}
	rec = do(rt, "GET", "/v1.0/myorganization/users?$filter=displayName+eq+'x'&$select=id&$top=1&$skiptoken=old", "")
	want := `{"@odata.context":"https://host:8443/v1.0/$metadata#users(id)","@odata.nextLink":"https://host:8443/v1.0/myorganization/users?$filter=displayName%20eq%20%27x%27&$select=id&$top=1&$skiptoken=n%2B1","value":[{"id":"7"}]}`
	if rec.Body.String() != want {
		t.Errorf("page:\n%s\n%s", rec.Body, want)
	}
	rec = do(rt, "POST", "/admin/v1/tenants", `{"displayName":"C"}`, "Idempotency-Key", "k")
	if rec.Code != 201 || rec.Header().Get("Location") != "https://host:8443/admin/v1/tenants/t" || strings.Contains(rec.Body.String(), "@odata") {
		t.Errorf("tenant: %d %v %s", rec.Code, rec.Header(), rec.Body)
	}
	if f.req.(*directorypb.CreateTenantRequest).GetIdempotencyKey() != "k" {
		t.Error("the idempotency key is lost")
	}
}

func TestErrorsOfServices(t *testing.T) {
	t.Parallel()
	f := &fakeConn{answer: func(string, proto.Message) error {
		return fault.NotFound(errorspb.Reason_NOT_FOUND, "Resource 'x' does not exist or one of its queried reference-property objects are not present.")
	}}
	rec := do(newRouter(t, f), "GET", "/v1.0/users/x", "")
	if rec.Code != 404 || !strings.Contains(rec.Body.String(), `"code":"Request_ResourceNotFound"`) {
		t.Errorf("%d %s", rec.Code, rec.Body)
	}
	f.answer = func(string, proto.Message) error { return errors.New("pq: secret detail") }
	rec = do(newRouter(t, f), "GET", "/v1.0/users/x", "")
	if rec.Code != 500 || strings.Contains(rec.Body.String(), "secret") {
		t.Errorf("%d %s", rec.Code, rec.Body)
	}
}

func TestMeOfAUser(t *testing.T) {
	t.Parallel()
	f := &fakeConn{}
	// {"scp":"User.Read","oid":"7a1b0c00-0000-4000-8000-000000000001"}
	token := "Bearer x.eyJzY3AiOiJVc2VyLlJlYWQiLCJvaWQiOiI3YTFiMGMwMC0wMDAwLTQwMDAtODAwMC0wMDAwMDAwMDAwMDEifQ.y"
	do(newRouter(t, f), "GET", "/v1.0/me/manager", "", "Authorization", token)
	if got := f.req.(*directorypb.GetManagerRequest).GetId(); got != "7a1b0c00-0000-4000-8000-000000000001" {
		t.Errorf("id %q", got)
	}
}

func BenchmarkGetUser(b *testing.B) {
	f := &fakeConn{answer: func(_ string, reply proto.Message) error {
		u := reply.(*directorypb.User)
		u.Id, u.DisplayName, u.UserPrincipalName = "7", proto.String("Ada"), proto.String("ada@contoso.example")
		return nil
	}}
	rt := newRouter(b, f)
	b.ReportAllocs()
	for b.Loop() {
		do(rt, "GET", "/v1.0/users/7a1b0c00-0000-4000-8000-000000000001", "", "Authorization", bearer)
	}
}
