package proto_test

import (
	"strings"
	"testing"

	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	_ "entente.dev/proto/gen/entente/audit/v1"
	_ "entente.dev/proto/gen/entente/directory/v1"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	_ "entente.dev/proto/gen/entente/invitation/v1"
	optionspb "entente.dev/proto/gen/entente/options/v1"
	_ "entente.dev/proto/gen/entente/policy/v1"
	_ "entente.dev/proto/gen/entente/sync/v1"
)

// methods calls fn for every RPC of the suite.
func methods(fn func(protoreflect.MethodDescriptor)) {
	protoregistry.GlobalFiles.RangeFiles(func(f protoreflect.FileDescriptor) bool {
		if strings.HasPrefix(f.Path(), "entente/") {
			for i := range f.Services().Len() {
				for j := range f.Services().Get(i).Methods().Len() {
					fn(f.Services().Get(i).Methods().Get(j))
				}
			}
		}
		return true
	})
}

func accessOf(m protoreflect.MethodDescriptor) *optionspb.Access {
	access, _ := proto.GetExtension(m.Options(), optionspb.E_Access).(*optionspb.Access)
	return access
}

func TestEveryRPCSaysWhoMayCallIt(t *testing.T) {
	t.Parallel()
	seen := 0
	methods(func(m protoreflect.MethodDescriptor) {
		seen++
		a := accessOf(m)
		if a.GetTenancy() == optionspb.Access_unset {
			t.Errorf("%s declares no tenancy", m.FullName())
		}
		if len(a.GetApplication())+len(a.GetDelegated())+len(a.GetServices()) == 0 && !a.GetOperator() && !a.GetAnonymous() && !a.GetAnyCaller() {
			t.Errorf("%s admits nobody", m.FullName())
		}
		if a.GetAnonymous() && len(a.GetServices()) == 0 {
			t.Errorf("%s is open to anybody who reaches its port: name the services that may call", m.FullName())
		}
	})
	if seen == 0 {
		t.Fatal("no RPC is registered")
	}
}

// An RPC that names tenants in its request would let a client read another
// tenant if the facade had a path to it.
func TestRPCsThatNameTenantsHaveNoPath(t *testing.T) {
	t.Parallel()
	methods(func(m protoreflect.MethodDescriptor) {
		a := accessOf(m)
		if a.GetTenancy() != optionspb.Access_named {
			return
		}
		if rule, _ := proto.GetExtension(m.Options(), annotations.E_Http).(*annotations.HttpRule); rule != nil {
			t.Errorf("%s names tenants and has the path %v", m.FullName(), rule.GetPattern())
		}
		if len(a.GetApplication())+len(a.GetDelegated()) > 0 || a.GetAnyCaller() {
			t.Errorf("%s names tenants and admits callers other than services", m.FullName())
		}
	})
}

func TestPathsAreUnique(t *testing.T) {
	t.Parallel()
	paths := map[string]protoreflect.FullName{}
	methods(func(m protoreflect.MethodDescriptor) {
		rule, _ := proto.GetExtension(m.Options(), annotations.E_Http).(*annotations.HttpRule)
		if rule == nil {
			return
		}
		for _, r := range append([]*annotations.HttpRule{rule}, rule.GetAdditionalBindings()...) {
			key := route(r)
			if other, taken := paths[key]; taken {
				t.Errorf("%s belongs to %s and %s", key, other, m.FullName())
			}
			paths[key] = m.FullName()
		}
	})
}

// route is method and path of a rule with the names of variables left out.
func route(r *annotations.HttpRule) string {
	var method, path string
	switch p := r.GetPattern().(type) {
	case *annotations.HttpRule_Get:
		method, path = "GET", p.Get
	case *annotations.HttpRule_Post:
		method, path = "POST", p.Post
	case *annotations.HttpRule_Put:
		method, path = "PUT", p.Put
	case *annotations.HttpRule_Patch:
		method, path = "PATCH", p.Patch
	case *annotations.HttpRule_Delete:
		method, path = "DELETE", p.Delete
	}
	segments := strings.Split(path, "/")
	for i, s := range segments {
		if strings.HasPrefix(s, "{") {
			segments[i] = "{}"
		}
	}
	return method + " " + strings.Join(segments, "/")
}

func TestEveryReasonHasAGraphError(t *testing.T) {
	t.Parallel()
	values := errorspb.Reason_REASON_UNSPECIFIED.Descriptor().Values()
	for i := range values.Len() {
		v := values.Get(i)
		g, _ := proto.GetExtension(v.Options(), optionspb.E_GraphError).(*optionspb.GraphError)
		if g.GetStatus() < 400 || g.GetStatus() > 599 || g.GetCode() == "" {
			t.Errorf("%s has no Graph error: %v", v.Name(), g)
		}
	}
}
