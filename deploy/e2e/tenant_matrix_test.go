package e2e

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	"entente.dev/deploy/e2e/contract"
	"entente.dev/deploy/e2e/suitetest"
	optionspb "entente.dev/proto/gen/entente/options/v1"
)

// The matrix crosses everything that the service descriptors declare with
// callers that must be refused. A new RPC or route joins by being declared.

// fill sets the required fields of a request, so that what refuses a call is
// not its shape. value gives the text of a field.
func fill(m *dynamicpb.Message, value func(protoreflect.FieldDescriptor) string) {
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		f := fields.Get(i)
		behaviors, _ := proto.GetExtension(f.Options(), annotations.E_FieldBehavior).([]annotations.FieldBehavior)
		if !slices.Contains(behaviors, annotations.FieldBehavior_REQUIRED) {
			continue
		}
		switch {
		case f.IsList() || f.IsMap():
			if f.Kind() == protoreflect.StringKind {
				m.Mutable(f).List().Append(protoreflect.ValueOfString(value(f)))
			}
		case f.Message() != nil:
			child := dynamicpb.NewMessage(f.Message())
			fill(child, value)
			m.Set(f, protoreflect.ValueOfMessage(child))
		case f.Kind() == protoreflect.StringKind:
			m.Set(f, protoreflect.ValueOfString(value(f)))
		case f.Kind() == protoreflect.EnumKind:
			m.Set(f, protoreflect.ValueOfEnum(f.Enum().Values().Get(1).Number()))
		case f.Kind() == protoreflect.BoolKind:
			m.Set(f, protoreflect.ValueOfBool(true))
		case f.Kind() == protoreflect.BytesKind:
			m.Set(f, protoreflect.ValueOfBytes([]byte("x")))
		case f.Kind() == protoreflect.Int32Kind:
			m.Set(f, protoreflect.ValueOfInt32(1))
		case f.Kind() == protoreflect.Int64Kind:
			m.Set(f, protoreflect.ValueOfInt64(1))
		}
	}
}

var variable = regexp.MustCompile(`\{([a-z_]*)[^}]*\}`)

// request makes the REST form of a route with what the holdings have for its
// path; foreign counts the keys, owned those that the holdings know.
func request(r contract.Route, own holdings) (path string, body any, owned, foreign int) {
	segments := strings.Split(r.Pattern, "/")
	filled := slices.Clone(segments)
	for i, s := range segments {
		if !variable.MatchString(s) {
			continue
		}
		foreign++
		id, ok := own.id(segments, i)
		if !ok {
			id = unused()
		} else {
			owned++
		}
		filled[i] = variable.ReplaceAllString(s, id)
	}
	path = strings.Join(filled, "/")
	if r.Body == "" {
		return path, nil, owned, foreign
	}
	m := dynamicpb.NewMessage(r.RPC.Input())
	fill(m, func(protoreflect.FieldDescriptor) string { return unused() })
	for _, v := range variable.FindAllStringSubmatch(r.Pattern, -1) {
		if f := m.Descriptor().Fields().ByName(protoreflect.Name(v[1])); f != nil {
			m.Clear(f)
		}
	}
	var content proto.Message = m
	if r.Body != "*" {
		f := m.Descriptor().Fields().ByName(protoreflect.Name(r.Body))
		content = m.Get(f).Message().Interface()
	}
	text, err := protojson.Marshal(content)
	if err != nil {
		return path, "{}", owned, foreign
	}
	hasName := content.ProtoReflect().Descriptor().Fields().ByName("display_name") != nil
	if r.Method == http.MethodPatch && string(text) == "{}" && hasName {
		return path, object{"displayName": "changed"}, owned, foreign // nothing to change needs no right
	}
	return path, text, owned, foreign
}

// property of an access option: a caller with every application permission is admitted.
func forApplications(a *optionspb.Access) bool {
	return a.GetAnyCaller() || len(a.GetApplication()) > 0
}

func TestEveryRPCDeclaresItsAccess(t *testing.T) {
	t.Parallel()
	if len(contract.Methods()) < 100 || len(contract.Routes()) < 100 {
		t.Fatalf("%d RPCs and %d routes: the descriptors are not linked", len(contract.Methods()), len(contract.Routes()))
	}
	for _, m := range contract.Methods() {
		a := contract.Access(m)
		if a == nil || a.Tenancy == optionspb.Access_unset {
			t.Errorf("%s declares no access", m.FullName())
			continue
		}
		if a.Tenancy == optionspb.Access_named && (len(a.Services) == 0 && !a.Operator || forApplications(a)) {
			t.Errorf("%s names tenants, but is not kept to services", m.FullName())
		}
	}
}

// powerless makes an application in a tenant that holds no permission.
func powerless(t *testing.T, s *suitetest.Suite, tenant suitetest.Tenant) string {
	t.Helper()
	g := s.Graph(t, tenant)
	app := g.Create("/v1.0/applications", object{"displayName": "without permission"})
	secret := g.Act("/v1.0/applications/"+suitetest.ID(app)+"/addPassword", object{})
	g.Create("/v1.0/servicePrincipals", object{"appId": app["appId"]})
	return s.AppToken(t, tenant.ID, fmt.Sprint(app["appId"]), fmt.Sprint(secret["secretText"]))
}

func TestRoutesRefuseWhoMayNotCall(t *testing.T) {
	t.Parallel()
	s := suitetest.Shared(t)
	tenant := s.NewTenant(t, "workforce", "Matrix")
	nobody, weak := s.Bearer(t, ""), s.Bearer(t, powerless(t, s, tenant))
	operator, full := s.Operator(t), s.Graph(t, tenant)
	for _, r := range contract.Routes() {
		path, body, _, _ := request(r, nil)
		name := r.Method + " " + r.Pattern
		if !r.Access.GetAnonymous() {
			if a := nobody.Do(r.Method, path, body); a.Status != 401 || suitetest.Code(a) != "InvalidAuthenticationToken" {
				t.Errorf("%s without a token = %d %s", name, a.Status, suitetest.Code(a))
			}
		}
		switch {
		case r.Access.GetAnonymous(), r.Access.GetAnyCaller():
		case r.Access.GetOperator():
			for who, g := range map[string]*suitetest.Graph{"an application without permission": weak, "an application with every permission": full} {
				if a := g.Do(r.Method, path, body); a.Status != 401 {
					t.Errorf("%s by %s = %d %s", name, who, a.Status, suitetest.Code(a))
				}
			}
		default:
			if a := weak.Do(r.Method, path, body); a.Status != 403 || suitetest.Code(a) != "Authorization_RequestDenied" ||
				suitetest.Message(a) != "Insufficient privileges to complete the operation." {
				t.Errorf("%s without permission = %d %s %q", name, a.Status, suitetest.Code(a), suitetest.Message(a))
			}
		}
		if !r.Access.GetOperator() && !r.Access.GetAnonymous() {
			if a := operator.Do(r.Method, path, body); a.Status != 401 {
				t.Errorf("%s by the operator = %d %s", name, a.Status, suitetest.Code(a))
			}
		}
	}
	// What the gateway answers by itself obeys the same rules.
	for _, path := range []string{"/v1.0/auditLogs/directoryAudits", "/beta/auditLogs/directoryAudits"} {
		nobody.Refused(http.MethodGet, path, nil, 401, "InvalidAuthenticationToken")
		weak.Refused(http.MethodGet, path, nil, 403, "Authorization_RequestDenied")
		operator.Refused(http.MethodGet, path, nil, 401, "InvalidAuthenticationToken")
	}
	for _, bulk := range []string{"/entente/v1/bulkOperations/exportUsers", "/entente/v1/bulkOperations/inviteUsers", "/entente/v1/bulkInvitations"} {
		nobody.Refused(http.MethodPost, bulk, nil, 401, "InvalidAuthenticationToken")
		weak.Refused(http.MethodPost, bulk, nil, 403, "Authorization_RequestDenied")
		operator.Refused(http.MethodPost, bulk, nil, 401, "InvalidAuthenticationToken")
	}
}

func TestRoutesKeepTenantsApart(t *testing.T) {
	t.Parallel()
	s := suitetest.Shared(t)
	tenant, stranger := s.NewTenant(t, "workforce", "Matrix Owner"), s.NewTenant(t, "workforce", "Matrix Stranger")
	own := settle(t, s, tenant, stranger)
	g, h := s.Graph(t, tenant), s.Graph(t, stranger)
	before := snapshot(g, own)
	for _, r := range contract.Routes() {
		if r.Access.GetOperator() || !forApplications(r.Access) {
			continue
		}
		path, body, owned, foreign := request(r, own)
		name := r.Method + " " + r.Pattern
		switch {
		case owned > 0 && strings.Contains(r.Pattern, "/organization/{id}") && r.Method == http.MethodGet:
			h.Refused(r.Method, path, body, 404, "Request_ResourceNotFound")
		case owned > 0:
			a := h.Do(r.Method, path, body)
			strict := r.Method == http.MethodGet || r.Method == http.MethodDelete
			// 501 is what nobody gets, whosever the ids are.
			if a.Status != 404 && (strict || a.Status != 400 && a.Status != 501) {
				t.Errorf("%s with another tenant's ids = %d %s\n%s", name, a.Status, suitetest.Code(a), a.Raw)
			}
		case foreign == 0 && r.Method == http.MethodGet:
			a := h.Do(r.Method, path, nil)
			for kind, id := range own {
				if strings.Contains(string(a.Raw), id) {
					t.Errorf("%s shows %s of another tenant", name, kind)
				}
			}
		}
	}
	unchanged(t, "a stranger", before, snapshot(g, own))
}

// hosts says which service answers the RPCs of a package.
func hosts(m protoreflect.MethodDescriptor) string {
	switch pkg := strings.Split(string(m.FullName()), ".")[1]; pkg {
	case "invitation", "policy", "sync":
		return pkg
	}
	return "directory" // the audit service is everywhere; one host stands for all
}

// invoke sends one message to an RPC of any kind and reads the first answer.
func invoke(ctx context.Context, conn *grpc.ClientConn, m protoreflect.MethodDescriptor, in, out proto.Message) error {
	path := "/" + string(m.Parent().FullName()) + "/" + string(m.Name())
	if !m.IsStreamingClient() && !m.IsStreamingServer() {
		return conn.Invoke(ctx, path, in, out)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := conn.NewStream(ctx, &grpc.StreamDesc{ClientStreams: m.IsStreamingClient(), ServerStreams: m.IsStreamingServer()}, path)
	if err != nil {
		return err
	}
	if err := stream.SendMsg(in); err != nil && !errors.Is(err, io.EOF) { // at the end of the stream the answer says why
		return err
	}
	if err := stream.CloseSend(); err != nil {
		return err
	}
	if err := stream.RecvMsg(out); !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}

func TestStubsRefuseWhoMayNotCall(t *testing.T) {
	t.Parallel()
	s := suitetest.Shared(t)
	tenant := s.NewTenant(t, "workforce", "Matrix Stubs")
	weak := powerless(t, s, tenant)
	full := s.AppToken(t, tenant.ID, tenant.ClientID, tenant.ClientSecret)
	operator := s.Operator(t).Token
	plain, service := map[string]*grpc.ClientConn{}, map[string]*grpc.ClientConn{}
	for _, host := range []string{"directory", "invitation", "policy", "sync"} {
		plain[host], service[host] = s.Dial(t, host), s.DialAs(t, host, "sync-svc")
	}
	call := func(conn *grpc.ClientConn, m protoreflect.MethodDescriptor, token string) codes.Code {
		in, out := dynamicpb.NewMessage(m.Input()), dynamicpb.NewMessage(m.Output())
		fill(in, func(protoreflect.FieldDescriptor) string { return unused() })
		return status.Code(invoke(suitetest.Context(t, token), conn, m, in, out))
	}
	refused := []codes.Code{codes.Unauthenticated, codes.PermissionDenied}
	for _, m := range contract.Methods() {
		a, conn := contract.Access(m), plain[hosts(m)]
		for who, token := range map[string]string{"nobody": "", "an application without permission": weak, "an application with every permission": full, "the operator": operator} {
			admitted := false
			switch who {
			case "an application without permission":
				admitted = a.GetAnyCaller()
			case "an application with every permission":
				admitted = forApplications(a) && a.GetTenancy() == optionspb.Access_caller || a.GetAnyCaller()
			case "the operator":
				admitted = a.GetOperator()
			}
			if admitted {
				continue
			}
			if code := call(conn, m, token); !slices.Contains(refused, code) {
				t.Errorf("%s by %s = %s", m.FullName(), who, code)
			}
		}
		// A service identity opens only what lists it; an unlisted one is nobody.
		if !slices.Contains(a.GetServices(), "sync-svc") {
			if code := call(service[hosts(m)], m, ""); !slices.Contains(refused, code) {
				t.Errorf("%s by sync-svc = %s", m.FullName(), code)
			}
		}
	}
}

func TestStubsKeepTenantsApart(t *testing.T) {
	t.Parallel()
	s := suitetest.Shared(t)
	tenant, stranger := s.NewTenant(t, "workforce", "Stub Owner"), s.NewTenant(t, "workforce", "Stub Stranger")
	own := settle(t, s, tenant, stranger)
	token := s.AppToken(t, stranger.ID, stranger.ClientID, stranger.ClientSecret)
	before := snapshot(s.Graph(t, tenant), own)
	conns := map[string]*grpc.ClientConn{}
	for _, host := range []string{"directory", "invitation", "policy", "sync"} {
		conns[host] = s.Dial(t, host)
	}
	byField := map[string]string{
		"service_principal_id": own["servicePrincipals"], "job_id": own["jobs"], "object_id": own["users"], "assignment_id": own["appRoleAssignedTo"],
		"group_id": own["groups"], "membership_id": own["scopedRoleMembers"], "property_id": own["extensionProperties"], "credential_id": own["federatedIdentityCredentials"],
	}
	for _, m := range contract.Methods() {
		a := contract.Access(m)
		if !forApplications(a) || a.GetTenancy() != optionspb.Access_caller {
			continue
		}
		named := false
		in, out := dynamicpb.NewMessage(m.Input()), dynamicpb.NewMessage(m.Output())
		fill(in, func(f protoreflect.FieldDescriptor) string {
			if id, ok := byField[string(f.Name())]; ok {
				named = true
				return id
			}
			if f.Name() != "id" {
				return unused()
			}
			for _, r := range contract.Routes() { // `id` is what stands before it in the path
				if r.RPC == m {
					segments := strings.Split(r.Pattern, "/")
					for i, s := range segments {
						if s == "{id}" && own[segments[i-1]] != "" {
							named = true
							return own[segments[i-1]]
						}
					}
				}
			}
			return unused()
		})
		err := invoke(suitetest.Context(t, token), conns[hosts(m)], m, in, out)
		if named {
			if code := status.Code(err); code != codes.NotFound && code != codes.InvalidArgument && code != codes.Unimplemented {
				t.Errorf("%s with another tenant's ids = %v", m.FullName(), err)
			}
			continue
		}
		text := out.String()
		for kind, id := range own {
			if err == nil && strings.Contains(text, id) {
				t.Errorf("%s shows %s of another tenant", m.FullName(), kind)
			}
		}
	}
	unchanged(t, "a stranger", before, snapshot(s.Graph(t, tenant), own))
}
