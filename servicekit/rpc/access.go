package rpc

import (
	"slices"
	"strings"
	"sync"

	errorspb "entente.dev/proto/gen/entente/errors/v1"
	optionspb "entente.dev/proto/gen/entente/options/v1"
	"entente.dev/servicekit/caller"
	"entente.dev/servicekit/fault"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
)

// gateway is the one service that calls for people who are not signed in.
const gateway = "gateway"

// AccessOf is the access option of a method, nil where there is none.
func AccessOf(m protoreflect.MethodDescriptor) *optionspb.Access {
	opts, ok := m.Options().(*descriptorpb.MethodOptions)
	if !ok || opts == nil || !proto.HasExtension(opts, optionspb.E_Access) {
		return nil
	}
	access, _ := proto.GetExtension(opts, optionspb.E_Access).(*optionspb.Access)
	return access
}

// Admit decides by a method's access option whether c, whose Service names
// the calling peer, may call it. It is pure: this is the whole rule that
// interceptors enforce, and what it does not admit is refused.
func Admit(a *optionspb.Access, c caller.Caller) error {
	if a == nil || a.Tenancy == optionspb.Access_unset {
		return denied()
	}
	if c.Kind == caller.Operator {
		if a.Operator {
			return nil
		}
		// DIR-16: tokens of one plane are not even tokens on the other.
		return unauthenticated()
	}
	listed := c.Service != "" && slices.Contains(a.Services, c.Service)
	if a.Tenancy == optionspb.Access_named {
		if listed {
			return nil // for itself, or for the originating caller, whom the service decides about
		}
		return refuse(a, c)
	}
	if a.Anonymous && (listed || len(a.Services) == 0 && c.Service == gateway) {
		return nil
	}
	if a.Tenancy == optionspb.Access_caller && c.Tenant.IsZero() {
		return refuse(a, c)
	}
	if listed && (a.Tenancy == optionspb.Access_none || c.Kind != caller.Anonymous) {
		return nil
	}
	switch c.Kind {
	case caller.Application:
		// DIR-10: permissions and roles of an application add up.
		if a.AnyCaller || c.HasAny(a.Application...) || holds(a, c) {
			return nil
		}
	case caller.User:
		if a.AnyCaller || c.HasAny(a.Delegated...) && (len(a.Roles) == 0 || a.UsersByObject || holds(a, c)) {
			return nil
		}
	}
	return refuse(a, c)
}

// holds reports whether the caller has one of the roles that the method asks for.
func holds(a *optionspb.Access, c caller.Caller) bool {
	if a.ScopedRoles {
		return c.HasScopedRole(a.Roles...)
	}
	return c.HasRole(a.Roles...)
}

func refuse(a *optionspb.Access, c caller.Caller) error {
	operators := a.Operator && len(a.Application) == 0 && len(a.Delegated) == 0 && !a.AnyCaller
	if c.Kind == caller.Anonymous || operators && c.Kind != caller.Service {
		return unauthenticated()
	}
	return denied()
}

func denied() error {
	return fault.Denied(errorspb.Reason_ACCESS_DENIED, "Insufficient privileges to complete the operation.")
}

func unauthenticated() error {
	return fault.Unauthenticated(errorspb.Reason_UNAUTHENTICATED, "Access token is empty or not valid for this resource.")
}

// methodRules finds the access option by full method name, once per method.
// Names come from the registered services only: gRPC refuses others before
// interceptors run.
type methodRules struct{ known sync.Map }

func (m *methodRules) of(fullMethod string) *optionspb.Access {
	if a, ok := m.known.Load(fullMethod); ok {
		access, _ := a.(*optionspb.Access)
		return access
	}
	access := lookupAccess(fullMethod)
	m.known.Store(fullMethod, access)
	return access
}

func lookupAccess(fullMethod string) *optionspb.Access {
	name := protoreflect.FullName(strings.ReplaceAll(strings.TrimPrefix(fullMethod, "/"), "/", "."))
	d, err := protoregistry.GlobalFiles.FindDescriptorByName(name)
	if err != nil {
		return nil
	}
	method, ok := d.(protoreflect.MethodDescriptor)
	if !ok {
		return nil
	}
	return AccessOf(method)
}

// open are services of gRPC itself, which carry no option of ours.
func open(fullMethod string) bool {
	return strings.HasPrefix(fullMethod, "/grpc.health.v1.Health/") || strings.HasPrefix(fullMethod, "/grpc.reflection.")
}
