package group

import (
	"slices"
	"time"

	"entente.dev/directory-svc/internal/address"
	"entente.dev/directory-svc/internal/object"
	"entente.dev/directory-svc/internal/organization"
	"entente.dev/directory-svc/internal/property"
	"entente.dev/directory-svc/internal/user"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/fault"
	"github.com/google/uuid"
)

// Values of groupTypes.
const (
	Unified           = "Unified"
	DynamicMembership = "DynamicMembership"
)

// HiddenMembership is the visibility of groups whose members others do not see.
const HiddenMembership = "HiddenMembership"

// Limits of DIR-123, DIR-128, DIR-133.
const (
	maxName        = 256
	maxDescription = 1024
	maxNickname    = 64
)

const resource = "Group"

// Group is a security group or a Microsoft 365 group. Nil means no value.
type Group struct {
	ID              uuid.UUID
	DisplayName     string
	Description     *string
	MailNickname    string
	Mail            *string
	UniqueName      *string
	Unified         bool
	Dynamic         bool
	MailEnabled     bool
	SecurityEnabled bool
	Visibility      *string
	Rule            *string
	RuleState       *string
	RoleAssignable  bool
	Classification, Theme, PreferredLanguage,
	PreferredDataLocation *string
	Behaviors, Provisioning []string
	AllowExternalSenders    bool
	AutoSubscribeNewMembers bool
	HideFromAddressLists    bool
	HideFromOutlookClients  bool
	// Restricted says that a restricted administrative unit holds the group
	// (DIR-163); the database keeps it.
	Restricted       bool
	Proxies          []address.Proxy
	Created          time.Time
	Renewed, Deleted *time.Time
}

// HidesMembers reports whether the members are nobody's business but theirs
// (DIR-136).
func (g *Group) HidesMembers() bool { return g.Visibility != nil && *g.Visibility == HiddenMembership }

// Types is the groupTypes property.
func (g *Group) Types() []string {
	types := []string{}
	if g.Unified {
		types = append(types, Unified)
	}
	if g.Dynamic {
		types = append(types, DynamicMembership)
	}
	return types
}

// SetTypes reads the groupTypes property.
func (g *Group) SetTypes(types []string) error {
	for _, t := range types {
		if t != Unified && t != DynamicMembership {
			return property.Invalid(resource, "groupTypes")
		}
	}
	g.Unified, g.Dynamic = slices.Contains(types, Unified), slices.Contains(types, DynamicMembership)
	return nil
}

// Given tells which required properties a create carried.
type Given struct{ MailEnabled, SecurityEnabled, MailNickname bool }

// New completes and checks a group that is created (DIR-123 to DIR-125).
func New(g Group, given Given, id uuid.UUID, t *organization.Tenant, now time.Time) (Group, error) {
	for _, required := range []struct {
		name    string
		missing bool
	}{
		{"displayName", g.DisplayName == ""},
		{"mailEnabled", !given.MailEnabled},
		{"mailNickname", !given.MailNickname},
		{"securityEnabled", !given.SecurityEnabled},
	} {
		if required.missing {
			return Group{}, property.Required(resource, required.name)
		}
	}
	if g.Unified && t.Type == organization.External {
		return Group{}, fault.Invalid(errorspb.Reason_TENANT_TYPE_UNSUPPORTED, "Microsoft 365 groups are not supported in this tenant type.")
	}
	g.ID, g.Created, g.Renewed = id, now, &now
	if g.Unified {
		if g.Visibility == nil {
			public := "Public"
			g.Visibility = &public
		}
		g.setMail(t)
	} else if g.RoleAssignable && g.Visibility == nil {
		private := "Private"
		g.Visibility = &private
	}
	if g.Dynamic && g.RuleState == nil {
		on := "On"
		g.RuleState = &on
	}
	if err := Check(&g); err != nil {
		return Group{}, err
	}
	return g, nil
}

func (g *Group) setMail(t *organization.Tenant) {
	mail := g.MailNickname + "@" + t.DefaultDomain()
	g.Mail = &mail
	g.Proxies = address.SetPrimary(g.Proxies, mail)
}

// Update checks a change of old into g (DIR-127, DIR-139).
func Update(old, g Group, t *organization.Tenant) (Group, error) {
	switch {
	case g.RoleAssignable != old.RoleAssignable:
		return Group{}, property.Refused("isAssignableToRole", "Property 'isAssignableToRole' cannot be changed.")
	case g.Unified != old.Unified:
		return Group{}, property.Refused("groupTypes", "A group cannot become or cease to be a Microsoft 365 group.")
	case g.MailEnabled != old.MailEnabled:
		return Group{}, property.Refused("mailEnabled", "Property 'mailEnabled' cannot be changed.")
	case g.HidesMembers() != old.HidesMembers():
		return Group{}, property.Refused("visibility", "The visibility '%s' can be set at creation only.", HiddenMembership)
	}
	if g.Unified && g.MailNickname != old.MailNickname {
		g.setMail(t)
	}
	if g.Dynamic && g.RuleState == nil {
		on := "On"
		g.RuleState = &on
	}
	if old.Dynamic && !g.Dynamic { // the rule goes, unless a new one was given
		if g.RuleState = nil; g.Rule == old.Rule {
			g.Rule = nil
		}
	}
	return g, Check(&g)
}

// Check decides whether the values of g are within the rules.
func Check(g *Group) error {
	switch {
	case g.MailEnabled != g.Unified, !g.SecurityEnabled && !g.Unified:
		return fault.Invalid(errorspb.Reason_INVALID_REQUEST, "The service does not currently support writes of mail-enabled groups: "+
			"mail-enabled security groups and distribution lists cannot be created.")
	case g.DisplayName == "", property.TooLong(g.DisplayName, maxName), property.Padded(g.DisplayName):
		return property.Invalid(resource, "displayName")
	case len(g.MailNickname) > maxNickname, !user.IsNickname(g.MailNickname):
		return property.Invalid(resource, "mailNickname")
	case g.Description != nil && property.TooLong(*g.Description, maxDescription):
		return property.Invalid(resource, "description")
	case g.Visibility != nil && !slices.Contains([]string{"Public", "Private", "HiddenMembership"}, *g.Visibility):
		return property.Invalid(resource, "visibility")
	case g.Dynamic && g.Rule == nil, !g.Dynamic && g.Rule != nil:
		return property.Invalid(resource, "membershipRule")
	case g.RuleState != nil && *g.RuleState != "On" && *g.RuleState != "Paused":
		return property.Invalid(resource, "membershipRuleProcessingState")
	case g.RoleAssignable && (!g.SecurityEnabled || g.Dynamic || g.Visibility == nil || *g.Visibility != "Private"):
		return property.Invalid(resource, "isAssignableToRole")
	}
	return nil
}

// CheckMember decides whether an object may be a member of g (the table of
// DIR-128, DIR-131, DIR-132). nested is the candidate when it is a group.
func CheckMember(g *Group, id uuid.UUID, t object.Type, nested *Group) error {
	if g.Dynamic {
		return fault.Invalid(errorspb.Reason_DYNAMIC_MEMBERSHIP, "Membership of a dynamic group cannot be changed directly.")
	}
	allowed := false
	switch t {
	case object.User:
		allowed = true
	case object.Group:
		allowed = !g.Unified && !g.RoleAssignable && nested != nil && !nested.Unified && id != g.ID
	case object.ServicePrincipal:
		allowed = !g.Unified
	case object.Contact:
		allowed = !g.Unified && !g.RoleAssignable
	}
	if !allowed {
		return fault.Invalid(errorspb.Reason_REFERENCE_INVALID, "An object of type '%s' cannot be a member of this group.", t)
	}
	return nil
}

// CheckOwner decides whether an object may own a group (DIR-133).
func CheckOwner(t object.Type) error {
	if t != object.User && t != object.ServicePrincipal {
		return fault.Invalid(errorspb.Reason_REFERENCE_INVALID, "An object of type '%s' cannot be an owner.", t)
	}
	return nil
}

// CheckOwnerRemoval decides whether an owner may go: the last user stays.
func CheckOwnerRemoval(t object.Type, userOwners int) error {
	if t == object.User && userOwners <= 1 {
		return fault.Invalid(errorspb.Reason_REFERENCE_INVALID, "The group must have at least one owner, hence this owner cannot be removed.")
	}
	return nil
}

// ReplaceProxies replaces the addresses of a Microsoft 365 group; mail follows
// the primary one, which it must have (DIR-119).
func ReplaceProxies(g Group, proxies []address.Proxy) (Group, error) {
	if !g.Unified || !address.HasPrimary(proxies) {
		return Group{}, property.Refused("proxyAddresses", "Only Microsoft 365 groups have proxy addresses, one of them primary.")
	}
	g.Proxies, g.Mail = proxies, address.MailOf(proxies)
	return g, nil
}
