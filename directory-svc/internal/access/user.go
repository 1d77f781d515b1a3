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

// Revoke decides whether the caller may end the user's sessions (DIR-54,
// DIR-178).
func Revoke(c caller.Caller, t Target) error {
	if c.Kind == caller.User && c.ObjectID == t.ID || passwords.allows(c, t, "User.RevokeSessions.All", "User.ReadWrite.All", "Directory.ReadWrite.All") {
		return nil
	}
	return property.Denied()
}

// Class is what kind of right the change of a property needs.
type Class int

// The classes, from DIR-44 and the ✱ marks of DIR-35.
const (
	Basic     Class = iota
	Sensitive       // accountEnabled, userPrincipalName, onPremisesImmutableId
	Contact         // phones and other mails
	Password
	UserType
	Identities
)

var classOf = map[string]Class{
	"accountEnabled":        Sensitive,
	"userPrincipalName":     Sensitive,
	"onPremisesImmutableId": Sensitive,
	"otherMails":            Contact,
	"businessPhones":        Contact,
	"mobilePhone":           Contact,
	"passwordProfile":       Password,
	"userType":              UserType,
	"identities":            Identities,
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
		if self && slices.Contains(allowed, p) || mayChange(c, t, classOf[p]) {
			continue
		}
		return property.Denied()
	}
	return nil
}

// narrow are the permissions that allow one class alone.
var narrow = map[Class]string{
	Sensitive:  "User.EnableDisableAccount.All",
	Contact:    "User-Phone.ReadWrite.All",
	Password:   "User-PasswordProfile.ReadWrite.All",
	Identities: "User.ManageIdentities.All",
}

func mayChangeAny(c caller.Caller, t Target) bool {
	for class := Basic; class <= Identities; class++ {
		if mayChange(c, t, class) {
			return true
		}
	}
	return false
}

func mayChange(c caller.Caller, t Target, class Class) bool {
	if c.Kind == caller.Application {
		// Directory.ReadWrite.All never covers passwords (DIR-10).
		if class == Password {
			return passwords.allows(c, t, "User-PasswordProfile.ReadWrite.All")
		}
		broad := []string{"User.ReadWrite.All", "Directory.ReadWrite.All"}
		if n := narrow[class]; n != "" {
			broad = append(broad, n)
		}
		if class == Basic {
			return c.HasAny(broad...)
		}
		return sensitive.allows(c, t, broad...)
	}
	if !c.HasAny("User.ReadWrite.All", "Directory.ReadWrite.All", "Directory.AccessAsUser.All", narrow[class]) {
		return false
	}
	switch class {
	case Sensitive:
		return sensitive.allows(c, t)
	case Contact, Password:
		return passwords.allows(c, t)
	case UserType:
		return c.HasRole(ga, ua, role.DirectoryWriters) && (c.ObjectID != t.ID || c.HasRole(ga)) && sensitive.allows(c, Target{Roles: t.Roles})
	case Identities:
		return c.HasRole(ga, ua) && sensitive.allows(c, t)
	}
	return c.HasRole(ga, ua, role.DirectoryWriters)
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

// ReadUser decides how much of the user id the caller may see.
func ReadUser(c caller.Caller, id uuid.UUID, in Tenant) Reading {
	if c.Kind != caller.User {
		return Everything
	}
	switch {
	case c.ObjectID == id:
		return Everything
	case !c.HasAny("User.ReadBasic.All", "User.Read.All", "User.ReadWrite.All", "Directory.Read.All", "Directory.ReadWrite.All", "Directory.AccessAsUser.All"):
		return Nothing // User.Read covers the own profile alone
	case c.HasRole(readerRoles...):
	case in.External, in.Policy.NoOtherUsers && !guest(c, in), OwnOnly(c, in):
		return Nothing
	case guest(c, in):
		return Card
	}
	if !c.HasAny("User.Read.All", "User.ReadWrite.All", "Directory.Read.All", "Directory.ReadWrite.All", "Directory.AccessAsUser.All") {
		return Short
	}
	return Everything
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
	return slices.ContainsFunc(properties, func(p string) bool { return classOf[p] != Basic })
}

// ResetPassword decides whether the caller may reset the password of the user
// (DIR-79, DIR-178).
func ResetPassword(c caller.Caller, t Target) error {
	if passwords.allows(c, t) {
		return nil
	}
	return property.Denied()
}
