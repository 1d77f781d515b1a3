package application

import (
	"slices"
	"time"

	"entente.dev/directory-svc/internal/object"
	"entente.dev/directory-svc/internal/property"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/fault"
	"github.com/google/uuid"
)

// Application is a registration. Document holds, as JSON, the properties that
// have no column.
type Application struct {
	ID             uuid.UUID
	AppID          uuid.UUID
	DisplayName    string
	UniqueName     *string
	IdentifierURIs []string
	TemplateID     *string
	Document       []byte
	Created        time.Time
	Deleted        *time.Time
}

// ServicePrincipal is an application as it is present in a tenant.
type ServicePrincipal struct {
	ID                 uuid.UUID
	AppID              uuid.UUID
	DisplayName        string
	Type               string
	Enabled            bool
	AssignmentRequired bool
	Names              []string
	Tags               []string
	TemplateID         *string
	// Builtin marks what belongs to the product and cannot be removed.
	Builtin  bool
	Document []byte
	Created  time.Time
	Deleted  *time.Time
}

// Credential is a secret or certificate of an application or service
// principal.
type Credential struct {
	KeyID               uuid.UUID
	Verifier            []byte // of a secret
	Certificate         []byte // DER
	KeyType, KeyUsage   *string
	Hint, DisplayName   *string
	CustomKeyIdentifier []byte
	Start, End          time.Time
}

// DefaultSecretLife is how long a secret lasts that names no end.
const DefaultSecretLife = 2 * 365 * 24 * time.Hour

// CheckCredential decides on the times of a credential.
func CheckCredential(c *Credential) error {
	if !c.End.After(c.Start) {
		return property.Refused("endDateTime", "The end of a credential must come after its start.")
	}
	return nil
}

const maxName = 256

// Check decides whether an application is within the rules of DIR-180.
func Check(a *Application) error {
	if a.DisplayName == "" {
		return property.Required("Application", "displayName")
	}
	if property.TooLong(a.DisplayName, maxName) || property.Padded(a.DisplayName) {
		return property.Invalid("Application", "displayName")
	}
	return nil
}

// Names are the servicePrincipalNames of an application: its client id, then
// its identifier URIs (WIRE-82).
func Names(appID uuid.UUID, uris []string) []string { return append([]string{appID.String()}, uris...) }

// Role is an app role or a scope.
type Role struct {
	ID      uuid.UUID
	Value   string
	Enabled bool
	// Members are the allowedMemberTypes: User, Application.
	Members []string
}

// CheckRoles decides whether the roles may change from old to now: a role
// must be disabled before it is removed or its value changes (DIR-183).
func CheckRoles(old, now []Role) error {
	for _, o := range old {
		i := slices.IndexFunc(now, func(r Role) bool { return r.ID == o.ID })
		if o.Enabled && (i < 0 || now[i].Value != o.Value) {
			return fault.Invalid(errorspb.Reason_APP_ROLE_IN_USE, "Permission (scope or role) cannot be deleted or updated unless disabled first.")
		}
	}
	seen := make(map[uuid.UUID]bool, len(now))
	values := make(map[string]bool, len(now))
	for _, r := range now {
		if r.ID == uuid.Nil || seen[r.ID] || r.Value != "" && values[r.Value] {
			return fault.Invalid(errorspb.Reason_INVALID_REQUEST, "It contains duplicate value. Please provide unique value.")
		}
		seen[r.ID], values[r.Value] = true, true
	}
	return nil
}

// CheckAssignment decides whether a principal of that type may be assigned a
// role of a service principal (DIR-184). The nil role is default access.
func CheckAssignment(roles []Role, id uuid.UUID, principal object.Type) error {
	refused := fault.Invalid(errorspb.Reason_INVALID_REQUEST, "Permission being assigned was not found on application.")
	member := "User"
	if principal == object.ServicePrincipal {
		member = "Application"
	}
	if id == uuid.Nil {
		if slices.ContainsFunc(roles, func(r Role) bool { return r.Enabled && slices.Contains(r.Members, member) }) {
			return refused
		}
		return nil
	}
	i := slices.IndexFunc(roles, func(r Role) bool { return r.ID == id })
	if i < 0 || !roles[i].Enabled || !slices.Contains(roles[i].Members, member) {
		return refused
	}
	return nil
}
