package caller

import (
	"context"
	"net/netip"
	"slices"

	"entente.dev/servicekit/tenant"
	"github.com/google/uuid"
)

// Kind is the class of a caller.
type Kind int

// The kinds. Every one but Anonymous has been verified.
const (
	Anonymous   Kind = iota
	Application      // an application with its own permissions
	User             // a signed-in user through an application
	Service          // a part of the suite doing background work
	Operator         // the operator of the installation
)

// String names the kind, for logs and audit.
func (k Kind) String() string {
	switch k {
	case Application:
		return "application"
	case User:
		return "user"
	case Service:
		return "service"
	case Operator:
		return "operator"
	}
	return "anonymous"
}

// Caller is who is calling. The zero value is an anonymous caller.
type Caller struct {
	Kind Kind
	// Tenant is the tenant of the token; zero for services and the operator.
	Tenant tenant.ID
	// ObjectID is the user's id, or for an application its service principal's.
	ObjectID uuid.UUID
	// AppID is the client id of the application, also for users.
	AppID             uuid.UUID
	AppDisplayName    string
	DisplayName       string
	UserPrincipalName string
	// Guest is true for users with guest rights.
	Guest bool
	// Permissions are application permissions for an Application, delegated
	// scopes for a User.
	Permissions []string
	// Roles are the directory roles held at this moment.
	Roles []Role
	// Service names the peer when it is a part of the suite, whoever the
	// originating caller is: `gateway`, `invitation-svc`, ...
	Service string

	IP              netip.Addr // of the client, zero if unknown
	RequestID       string
	ClientRequestID string
	APIVersion      string // `v1.0` or `beta`; empty outside of Graph
	UserAgent       string
	// Advanced is true when the client sent ConsistencyLevel: eventual.
	Advanced bool
	// TokenID is the `uti` of the token.
	TokenID string
}

// Role is a directory role assigned to the caller.
type Role struct {
	Template   string // display name, for instance `User Administrator`
	TemplateID uuid.UUID
	// Scope is `/` for the tenant or `/administrativeUnits/{id}`.
	Scope string
}

// Has reports whether the caller holds the permission or scope.
func (c Caller) Has(permission string) bool { return slices.Contains(c.Permissions, permission) }

// HasAny reports whether the caller holds one of the permissions or scopes.
func (c Caller) HasAny(permissions ...string) bool { return slices.ContainsFunc(permissions, c.Has) }

// HasRole reports whether the caller holds one of the roles, by display name,
// over the whole tenant.
func (c Caller) HasRole(names ...string) bool {
	return slices.ContainsFunc(c.Roles, func(r Role) bool { return r.Scope == "/" && slices.Contains(names, r.Template) })
}

// HasScopedRole reports whether the caller holds one of the roles, by display
// name, over the tenant or any part of it.
func (c Caller) HasScopedRole(names ...string) bool {
	return slices.ContainsFunc(c.Roles, func(r Role) bool { return slices.Contains(names, r.Template) })
}

// ID names the caller inside its tenant for binding tokens to it: kind and
// object, or the service.
func (c Caller) ID() string {
	if c.Kind == Service {
		return "service:" + c.Service
	}
	return c.Kind.String() + ":" + c.AppID.String() + ":" + c.ObjectID.String()
}

type key struct{}

// With puts the caller into the context.
func With(ctx context.Context, c Caller) context.Context { return context.WithValue(ctx, key{}, c) }

// From is the caller in the context, an anonymous one where none was put.
func From(ctx context.Context) Caller {
	c, _ := ctx.Value(key{}).(Caller)
	return c
}
