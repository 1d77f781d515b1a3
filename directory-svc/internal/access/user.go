package access

import (
	"slices"

	"entente.dev/directory-svc/internal/property"
	"entente.dev/directory-svc/internal/role"
	"entente.dev/servicekit/caller"
	"github.com/google/uuid"
)

// Target is the user an act is about.
type Target struct {
	ID uuid.UUID
	// Roles are the names of the directory roles the user holds, also through
	// groups.
	Roles []string
	// Privileged marks members and owners of role-assignable groups.
	Privileged bool
}

func (t Target) roles() []string {
	if t.Privileged {
		return append(slices.Clone(t.Roles), role.GlobalAdministrator)
	}
	return t.Roles
}

// Tenant is what the rights of users without a role depend on.
type Tenant struct {
	// External tenants let users see themselves alone (DIR-22).
	External bool
	// Policy is the authorization policy.
	Policy Policy
}

// rolesOf are the caller's roles over the whole tenant. An application with
// one of the permissions counts as a User Administrator for targets without a
// role (DIR-179).
func rolesOf(c caller.Caller, permissions ...string) []string {
	var names []string
	for _, r := range c.Roles {
		if r.Scope == role.TenantScope {
			names = append(names, r.Template)
		}
	}
	if c.Kind == caller.Application && c.HasAny(permissions...) {
		names = append(names, application)
	}
	return names
}

// application stands for an application permission in the matrices: it covers
// targets that hold no role and nobody else.
const application = "application permission"

func (m matrix) allows(c caller.Caller, t Target, permissions ...string) bool {
	held := rolesOf(c, permissions...)
	roles := t.roles()
	if slices.Contains(held, application) && m.reaches([]string{ua}, roles) && harmless(roles) {
		return true
	}
	return m.reaches(held, roles)
}

func harmless(roles []string) bool {
	return !slices.ContainsFunc(roles, func(name string) bool {
		r, known := rowOf[name]
		return !known || r != plain && r != readers
	})
}

// Delete decides whether the caller may delete or restore the user.
func Delete(c caller.Caller, t Target) error {
	if sensitive.allows(c, t, "User.ReadWrite.All", "User.DeleteRestore.All") {
		return nil
	}
	return property.Denied()
}

// Purge decides whether the caller may end a soft-deleted user for good
// (DIR-100).
func Purge(c caller.Caller, t Target) error {
	if c.Kind == caller.User && !c.HasRole(ga, ua) {
		return property.Denied()
	}
	return Delete(c, t)
}

// Revoke decides whether the caller may end the user's sessions (DIR-54,
// DIR-178).
func Revoke(c caller.Caller, t Target) error {
	if c.Kind == caller.User && c.ObjectID == t.ID || passwords.allows(c, t, "User.RevokeSessions.All", "User.ReadWrite.All", "Directory.ReadWrite.All") {
		return nil
	}
	return property.Denied()
}

// class is what kind of right the change of a property needs.
type class int

// The classes, from DIR-44 and the ✱ marks of DIR-35.
const (
	basic     class = iota
	guarded         // accountEnabled, userPrincipalName, onPremisesImmutableId
	reachable       // phones and other mails
	secret          // passwordProfile
	kind            // userType
	signIn          // identities
	lifecycle       // employeeLeaveDateTime
)

var classOf = map[string]class{
	"accountEnabled":        guarded,
	"userPrincipalName":     guarded,
	"onPremisesImmutableId": guarded,
	"otherMails":            reachable,
	"businessPhones":        reachable,
	"mobilePhone":           reachable,
	"passwordProfile":       secret,
	"userType":              kind,
	"identities":            signIn,
	"employeeLeaveDateTime": lifecycle,
}

// own are the properties that users may change on themselves (DIR-176).
var own = []string{"mobilePhone", "preferredLanguage"}

// ownCustomer is the same in an external tenant (DIR-82).
var ownCustomer = []string{"city", "country", "displayName", "givenName", "jobTitle", "postalCode", "state", "streetAddress", "surname", "preferredLanguage"}

// Update decides whether the caller may change the named properties of the
// user (DIR-44, DIR-176 to DIR-179). A change that names none still takes a
// caller who could make one.
func Update(c caller.Caller, t Target, in Tenant, properties []string) error {
	self := c.Kind == caller.User && c.ObjectID == t.ID
	allowed := own
	if in.External {
		allowed = ownCustomer
	}
	if len(properties) == 0 && !self && !mayChangeAny(c, t) {
		return property.Denied()
	}
	for _, p := range properties {
		if self && slices.Contains(allowed, p) || mayChange(c, t, p) {
			continue
		}
		return property.Denied()
	}
	return nil
}

// narrow are the permissions that allow the change of some properties alone
// (DIR-44).
var narrow = map[string]string{
	"accountEnabled":  "User.EnableDisableAccount.All",
	"businessPhones":  "User-Phone.ReadWrite.All",
	"mobilePhone":     "User-Phone.ReadWrite.All",
	"mail":            "User-Mail.ReadWrite.All",
	"otherMails":      "User-Mail.ReadWrite.All",
	"passwordProfile": "User-PasswordProfile.ReadWrite.All",
	"identities":      "User.ManageIdentities.All",
}

const readWriteLifecycle = "User-LifeCycleInfo.ReadWrite.All"

// permitted are the permissions with which an application or, in the name of a
// user, a client changes a property. Directory.ReadWrite.All never covers
// passwords (DIR-10), and an application needs a permission of its own for
// them (DIR-179).
func permitted(c caller.Caller, p string) []string {
	var out []string
	switch classOf[p] {
	case lifecycle:
		return []string{readWriteLifecycle}
	case secret:
		if c.Kind == caller.User {
			out = []string{"User.ReadWrite.All", accessAsUser}
		}
	default:
		out = []string{"User.ReadWrite.All", "Directory.ReadWrite.All", accessAsUser}
	}
	if n := narrow[p]; n != "" {
		out = append(out, n)
	}
	return out
}

func mayChangeAny(c caller.Caller, t Target) bool {
	if mayChange(c, t, "") {
		return true
	}
	for p := range classOf {
		if mayChange(c, t, p) {
			return true
		}
	}
	return false
}

func mayChange(c caller.Caller, t Target, p string) bool {
	permissions := permitted(c, p)
	if c.Kind == caller.User && !c.HasAny(permissions...) {
		return false
	}
	byPermission := c.Kind == caller.Application && c.HasAny(permissions...)
	switch classOf[p] {
	case lifecycle:
		return byPermission || c.HasAny(permissions...) && c.HasRole(ga, ua, role.DirectoryWriters)
	case guarded:
		return sensitive.allows(c, t, permissions...)
	case reachable, secret:
		return passwords.allows(c, t, permissions...)
	case kind:
		if c.ObjectID == t.ID {
			return false
		}
		return (byPermission || c.HasRole(ga, ua)) && sensitive.allows(c, t, permissions...) || c.HasRole(role.DirectoryWriters) && harmless(t.roles())
	case signIn:
		return (byPermission || c.HasRole(ga, ua)) && sensitive.allows(c, t, permissions...)
	}
	return byPermission || c.HasRole(ga, ua, role.DirectoryWriters) || basicOnly(c, ua)
}

// basicOnly reports whether the caller holds the role over a unit that holds
// the target, who has a role itself: what is not sensitive stays within its
// reach (DIR-161).
func basicOnly(c caller.Caller, template string) bool {
	return slices.ContainsFunc(c.Roles, func(r caller.Role) bool { return r.Scope == basicScope && r.Template == template })
}

// Reading is how much of a user the caller may see.
type Reading int

// The degrees of DIR-175.
const (
	Nothing Reading = iota
	Card            // id, displayName, mail, userPrincipalName, userType
	Short           // the default properties without phones, title and office (User.ReadBasic.All)
	Everything
)

// readers of users by role.
var readerRoles = []string{ga, ua, paa, aa, hda, pwa, role.GlobalReader, role.DirectoryReaders, role.DirectoryWriters, role.GroupsAdministrator, role.PrivilegedRoleAdministrator,
	role.ApplicationAdministrator, role.CloudApplicationAdministrator, role.HybridIdentityAdministrator}

// readsUsers are the permissions that read users besides the caller; without
// them User.Read covers the own profile alone.
var readsUsers = []string{"User.Read.All", "User.ReadWrite.All", "Directory.Read.All", "Directory.ReadWrite.All", accessAsUser}

const readsBasics = "User.ReadBasic.All"

// ReadUser decides how much of the user id the caller may see.
func ReadUser(c caller.Caller, id uuid.UUID, in Tenant) Reading {
	whole := c.HasAny(readsUsers...)
	if c.Kind != caller.User {
		switch {
		case whole, c.HasRole(readerRoles...):
			return Everything
		case c.Has(readsBasics):
			return Short
		}
		return Nothing
	}
	switch {
	case c.ObjectID == id:
		return Everything
	case !whole && !c.Has(readsBasics):
		return Nothing
	case c.HasRole(readerRoles...):
	case in.External, in.Policy.NoOtherUsers && !guest(c, in), OwnOnly(c, in):
		return Nothing
	case guest(c, in):
		return Card
	}
	if !whole {
		return Short
	}
	return Everything
}

// WritesLifecycle reports whether the caller may say when an employee leaves.
func WritesLifecycle(c caller.Caller) bool { return c.Has(readWriteLifecycle) }

// SeesLifecycle reports whether the caller may see when employees leave
// (DIR-35, DIR-175).
func SeesLifecycle(c caller.Caller) bool {
	return c.HasAny("User-LifeCycleInfo.Read.All", readWriteLifecycle) && (c.Kind != caller.User || c.HasRole(ga))
}

// ListUsers decides whether the caller may list users, and how much of each.
func ListUsers(c caller.Caller, in Tenant) (Reading, error) {
	if c.Kind == caller.User && (guest(c, in) || in.External || in.Policy.NoOtherUsers) && !c.HasRole(readerRoles...) {
		return Nothing, property.Denied()
	}
	return ReadUser(c, uuid.Nil, in), nil
}

// Directory decides whether the caller may read lists of other objects:
// groups, applications, roles.
func Directory(c caller.Caller, in Tenant) error {
	if c.Kind == caller.User && (guest(c, in) || in.External) && !c.HasRole(readerRoles...) {
		return property.Denied()
	}
	return nil
}

// NeedsTarget reports whether the decision about a change of the properties
// depends on the roles of the user.
func NeedsTarget(properties []string) bool {
	return slices.ContainsFunc(properties, func(p string) bool { return classOf[p] != basic })
}

// ResetPassword decides whether the caller may reset the password of the user
// (DIR-79, DIR-178).
func ResetPassword(c caller.Caller, t Target) error {
	if passwords.allows(c, t) {
		return nil
	}
	return property.Denied()
}

// Convert decides whether the caller may give an external user a password here
// (DIR-55): it is a reset of a password besides.
func Convert(c caller.Caller, t Target) error {
	const permission = "User-ConvertToInternal.ReadWrite.All"
	if c.HasAny(permission, accessAsUser) && (c.Kind == caller.Application || c.HasRole(ga, ua)) && passwords.allows(c, t, permission) {
		return nil
	}
	return property.Denied()
}
