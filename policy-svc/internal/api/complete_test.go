package api_test

import (
	"reflect"
	"runtime"
	"strings"
	"testing"

	"entente.dev/policy-svc/internal/api"
	policypb "entente.dev/proto/gen/entente/policy/v1"
	"google.golang.org/grpc"
)

// TestEveryRPCIsServed fails for RPCs that fall through to the generated
// refusal.
func TestEveryRPCIsServed(t *testing.T) {
	t.Parallel()
	for _, s := range []struct {
		desc    grpc.ServiceDesc
		handler any
	}{
		{policypb.CrossTenantAccessPolicyService_ServiceDesc, &api.CrossTenant{}},
		{policypb.CollaborationPolicyService_ServiceDesc, &api.Collaboration{}},
		{policypb.DecisionService_ServiceDesc, &api.Decisions{}},
	} {
		for _, m := range s.desc.Methods {
			method, ok := methodNamed(reflect.TypeOf(s.handler), m.MethodName)
			if !ok {
				t.Errorf("%s/%s is missing", s.desc.ServiceName, m.MethodName)
				continue
			}
			// Promoted methods have no source line of their own.
			if file, _ := runtime.FuncForPC(method.Func.Pointer()).FileLine(method.Func.Pointer()); !strings.HasSuffix(file, ".go") {
				t.Errorf("%s/%s is not served", s.desc.ServiceName, m.MethodName)
			}
		}
	}
}

// methodNamed looks in any case: the generator spells B2b as B2B.
func methodNamed(t reflect.Type, name string) (reflect.Method, bool) {
	for i := range t.NumMethod() {
		if strings.EqualFold(t.Method(i).Name, name) {
			return t.Method(i), true
		}
	}
	return reflect.Method{}, false
}
