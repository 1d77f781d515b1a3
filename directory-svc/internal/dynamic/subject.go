package dynamic

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"entente.dev/directory-svc/internal/rule"
	"entente.dev/directory-svc/internal/user"
	"github.com/google/uuid"
)

// Subject is a user as rules see it. Groups are the groups named by memberOf
// rules that hold the user directly.
type Subject struct {
	User   *user.User
	Groups []uuid.UUID
	// Extensions are the values of directory extensions by whole name, folded.
	Extensions map[string]string
}

// renamed are the properties that rules call differently (DIR-146).
var renamed = map[rule.Property]string{
	"dirSyncEnabled":             "onPremisesSyncEnabled",
	"facsimileTelephoneNumber":   "faxNumber",
	"mailNickName":               "mailNickname",
	"mobile":                     "mobilePhone",
	"objectId":                   "id",
	"physicalDeliveryOfficeName": "officeLocation",
	"sipProxyAddress":            "imAddresses",
	"telephoneNumber":            "businessPhones",
}

const extensionAttribute = "extensionAttribute"

// UserProperty is the property of a user behind one of rules.
func UserProperty(p rule.Property) string {
	if name, ok := renamed[p]; ok {
		return name
	}
	if strings.HasPrefix(string(p), extensionAttribute) {
		return "onPremisesExtensionAttributes"
	}
	return fold(string(p))
}

// fold is the form in which names of extensions compare; all other names are
// spelled in one way.
func fold(name string) string {
	if lower := strings.ToLower(name); IsExtension(lower) {
		return lower
	}
	return name
}

// IsExtension tells the folded name of a directory extension from that of a
// property.
func IsExtension(name string) bool { return strings.HasPrefix(name, "extension_") }

var texts = func() map[rule.Property]func(*user.User) *string {
	out := map[rule.Property]func(*user.User) *string{
		"displayName":                  func(u *user.User) *string { return &u.DisplayName },
		"userPrincipalName":            func(u *user.User) *string { return &u.UserPrincipalName },
		"onPremisesDistinguishedName":  func(u *user.User) *string { return u.OnPremises.DistinguishedName },
		"onPremisesSecurityIdentifier": func(u *user.User) *string { return u.OnPremises.SecurityIdentifier },
		"objectId": func(u *user.User) *string {
			id := u.ID.String()
			return &id
		},
		"userType": func(u *user.User) *string {
			name := "Member"
			if u.Type == user.Guest {
				name = "Guest"
			}
			return &name
		},
		"telephoneNumber": func(u *user.User) *string { return first(u.BusinessPhones, "") },
		"sipProxyAddress": func(u *user.User) *string { return first(u.IMAddresses, "sip:") },
	}
	byName := make(map[string]func(*user.User) **string, len(user.Texts))
	for _, t := range user.Texts {
		byName[t.Name] = t.Of
		if _, ok := out[rule.Property(t.Name)]; !ok {
			out[rule.Property(t.Name)] = func(u *user.User) *string { return *t.Of(u) }
		}
	}
	for asked, name := range renamed {
		if of := byName[name]; of != nil {
			out[asked] = func(u *user.User) *string { return *of(u) }
		}
	}
	for i := range len(user.User{}.ExtensionAttributes) {
		out[rule.Property(extensionAttribute+strconv.Itoa(i+1))] = func(u *user.User) *string { return u.ExtensionAttributes[i] }
	}
	return out
}()

// first is the first value that begins with prefix, letter case apart.
func first(values []string, prefix string) *string {
	i := slices.IndexFunc(values, func(v string) bool { return len(v) >= len(prefix) && strings.EqualFold(v[:len(prefix)], prefix) })
	if i < 0 {
		return nil
	}
	return &values[i]
}

// Bool answers a Boolean property.
func (s Subject) Bool(p rule.Property) (value, ok bool) {
	switch p {
	case "accountEnabled":
		return s.User.AccountEnabled, true
	case "dirSyncEnabled":
		if v := s.User.OnPremises.SyncEnabled; v != nil {
			return *v, true
		}
	}
	return false, false
}

// Text answers a text property.
func (s Subject) Text(p rule.Property) (value string, ok bool) {
	if of := texts[p]; of != nil {
		if v := of(s.User); v != nil && *v != "" {
			return *v, true
		}
		return "", false
	}
	value, ok = s.Extensions[strings.ToLower(string(p))]
	return value, ok
}

// Texts answers a collection of texts.
func (s Subject) Texts(p rule.Property) []string {
	switch p {
	case "otherMails":
		return s.User.OtherMails
	case "proxyAddresses":
		out := make([]string, len(s.User.Proxies))
		for i, a := range s.User.Proxies {
			out[i] = a.String()
		}
		return out
	}
	return nil
}

// Time answers a date.
func (s Subject) Time(p rule.Property) (value time.Time, ok bool) {
	if v := s.User.EmployeeHireDate; p == "employeeHireDate" && v != nil {
		return *v, true
	}
	return time.Time{}, false
}

// Plans are the assigned plans, of which the directory keeps none (DIR-35).
func (s Subject) Plans() []rule.Plan { return nil }

// Manager is the user's manager.
func (s Subject) Manager() uuid.UUID {
	if s.User.ManagerID == nil {
		return uuid.Nil
	}
	return *s.User.ManagerID
}

// In reports whether a group holds the user directly.
func (s Subject) In(group uuid.UUID) bool { return slices.Contains(s.Groups, group) }
