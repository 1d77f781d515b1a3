package unit

import (
	"time"

	"entente.dev/directory-svc/internal/object"
	"entente.dev/directory-svc/internal/property"
	"entente.dev/directory-svc/internal/role"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/fault"
	"github.com/google/uuid"
)

const (
	resource       = "AdministrativeUnit"
	maxName        = 256
	maxDescription = 1024
)

// Values of membershipType, visibility and the processing state.
const (
	Assigned         = "Assigned"
	Dynamic          = "Dynamic"
	Public           = "Public"
	HiddenMembership = "HiddenMembership"
	On               = "On"
	Paused           = "Paused"
)

// Unit is an administrative unit. Nil means no value.
type Unit struct {
	ID                      uuid.UUID
	DisplayName             string
	Description, Visibility *string
	Dynamic                 bool
	Rule, RuleState         *string
	// Restricted units protect their members from everybody who holds no role
	// over the unit (DIR-164).
	Restricted bool
	Created    time.Time
	Deleted    *time.Time
}

// MembershipType is the property of that name.
func (u *Unit) MembershipType() *string {
	kind := Assigned
	if u.Dynamic {
		kind = Dynamic
	}
	return &kind
}

// SetMembershipType reads the property of that name.
func (u *Unit) SetMembershipType(kind string) error {
	switch kind {
	case Assigned, "":
		u.Dynamic = false
	case Dynamic:
		u.Dynamic = true
	default:
		return property.Invalid(resource, "membershipType")
	}
	return nil
}

// New makes a unit of a draft.
func New(draft Unit, id uuid.UUID, now time.Time) (Unit, error) {
	draft.ID, draft.Created = id, now
	if draft.DisplayName == "" {
		return Unit{}, property.Required(resource, "displayName")
	}
	if draft.Dynamic && draft.RuleState == nil {
		state := On
		draft.RuleState = &state
	}
	return draft, draft.check()
}

// Update makes what old is to become of draft.
func Update(old, draft Unit) (Unit, error) {
	if old.Restricted != draft.Restricted {
		return Unit{}, property.Refused("isMemberManagementRestricted", "Property 'isMemberManagementRestricted' is set at creation and cannot be changed.")
	}
	if value(old.Visibility) != value(draft.Visibility) {
		return Unit{}, property.Refused("visibility", "Property 'visibility' is set at creation and cannot be changed.")
	}
	if !draft.Dynamic && old.Dynamic {
		draft.Rule, draft.RuleState = nil, nil
	}
	if draft.Dynamic && draft.RuleState == nil {
		state := On
		draft.RuleState = &state
	}
	return draft, draft.check()
}

func (u *Unit) check() error {
	switch {
	case u.DisplayName == "" || property.TooLong(u.DisplayName, maxName) || property.Padded(u.DisplayName):
		return property.Invalid(resource, "displayName")
	case property.TooLong(value(u.Description), maxDescription):
		return property.Invalid(resource, "description")
	case u.Visibility != nil && *u.Visibility != Public && *u.Visibility != HiddenMembership:
		return property.Invalid(resource, "visibility")
	case u.RuleState != nil && *u.RuleState != On && *u.RuleState != Paused:
		return property.Invalid(resource, "membershipRuleProcessingState")
	case u.Dynamic && u.Rule == nil:
		return property.Required(resource, "membershipRule")
	case !u.Dynamic && (u.Rule != nil || u.RuleState != nil):
		return property.Refused("membershipRule", "A membership rule needs membershipType 'Dynamic'.")
	}
	return nil
}

func value(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// CheckMember decides whether an object may join the unit by hand (DIR-157,
// DIR-162). unified tells a Microsoft 365 group.
func (u *Unit) CheckMember(t object.Type, unified bool) error {
	switch {
	case u.Dynamic:
		return fault.Invalid(errorspb.Reason_REFERENCE_INVALID, "Membership of a dynamic administrative unit cannot be changed directly.")
	case t != object.User && t != object.Group:
		return fault.Invalid(errorspb.Reason_REFERENCE_INVALID, "An object of type '%s' cannot be a member of an administrative unit.", t)
	case u.Restricted && unified:
		return fault.Invalid(errorspb.Reason_REFERENCE_INVALID, "A Microsoft 365 group cannot be a member of a restricted management administrative unit.")
	}
	return nil
}

// Scope is the directoryScopeId of a role over the unit.
func Scope(id uuid.UUID) string { return ScopePrefix + id.String() }

// ScopePrefix is how scopes over units begin.
const ScopePrefix = "/administrativeUnits/"

// ParseScope reads the id of the unit out of a directoryScopeId.
func ParseScope(scope string) (uuid.UUID, bool) {
	if len(scope) <= len(ScopePrefix) || scope[:len(ScopePrefix)] != ScopePrefix {
		return uuid.Nil, false
	}
	id, err := uuid.Parse(scope[len(ScopePrefix):])
	return id, err == nil
}

// CheckRole decides whether a role can be given over a unit (DIR-160).
func CheckRole(t role.Template) error {
	if t.Scoped {
		return nil
	}
	return fault.Invalid(errorspb.Reason_REFERENCE_INVALID, "The given built-in role is not supported to be assigned to a single resource scope.")
}
