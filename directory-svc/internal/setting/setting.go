package setting

import (
	"slices"
	"strconv"
	"strings"

	"entente.dev/directory-svc/internal/property"
	"github.com/google/uuid"
)

// Names of settings that rules obey.
const (
	EnableGroupCreation         = "EnableGroupCreation"
	GroupCreationAllowedGroupID = "GroupCreationAllowedGroupId"
	AllowToAddGuests            = "AllowToAddGuests"
	AllowGuestsToAccessGroups   = "AllowGuestsToAccessGroups"
	AllowGuestsToBeGroupOwner   = "AllowGuestsToBeGroupOwner"
	EnableBannedPasswordCheck   = "EnableBannedPasswordCheck"
	BannedPasswordList          = "BannedPasswordList"
	LockoutThreshold            = "LockoutThreshold"
	LockoutDurationInSeconds    = "LockoutDurationInSeconds"
)

// Value is one setting of a template.
type Value struct {
	Name, Default, Type, Description string
	valid                            func(string) bool
}

// Template is a set of settings that exists at most once per scope.
type Template struct {
	ID                       uuid.UUID
	DisplayName, Description string
	Values                   []Value
	// ForGroups tells that the settings belong to single groups, not to the
	// tenant.
	ForGroups bool
}

const (
	boolean = "System.Boolean"
	guid    = "System.Guid"
	text    = "System.String"
	integer = "System.Int32"
)

func flag(name string, on bool, description string) Value {
	return Value{name, strconv.FormatBool(on), boolean, description, func(s string) bool { _, err := strconv.ParseBool(s); return err == nil }}
}

func free(name, description string) Value {
	return Value{name, "", text, description, func(s string) bool { return len(s) <= 4096 }}
}

func number(name string, standard, low, high int, description string) Value {
	return Value{name, strconv.Itoa(standard), integer, description, func(s string) bool {
		n, err := strconv.Atoi(s)
		return err == nil && n >= low && n <= high
	}}
}

// The templates.
var (
	GroupUnified = Template{ID: uuid.MustParse("62375ab9-6b52-47ed-826b-58e47e0e304b"), DisplayName: "Group.Unified", Description: "Settings of Microsoft 365 groups in the tenant.", Values: []Value{
		flag(EnableGroupCreation, true, "Whether members without a role may create Microsoft 365 groups."),
		{GroupCreationAllowedGroupID, "", guid, "Security group whose members may create Microsoft 365 groups all the same.", func(s string) bool {
			_, err := uuid.Parse(s)
			return s == "" || err == nil
		}},
		flag(AllowToAddGuests, true, "Whether guests may be added to Microsoft 365 groups."),
		flag(AllowGuestsToAccessGroups, true, "Whether guests may read Microsoft 365 groups."),
		flag(AllowGuestsToBeGroupOwner, false, "Whether guests may own Microsoft 365 groups."),
		free("PrefixSuffixNamingRequirement", "Naming convention; stored, not enforced."),
		free("CustomBlockedWordsList", "Words that names should not hold; stored, not enforced."),
		free("ClassificationList", "Classifications to choose from; stored, not enforced."),
		free("UsageGuidelinesUrl", "Link to the guidelines for groups."),
		free("GuestUsageGuidelinesUrl", "Link to the guidelines for guests."),
	}}
	GroupUnifiedGuest = Template{ID: uuid.MustParse("08d542b9-071f-4e16-94b0-74abb372e3d9"), DisplayName: "Group.Unified.Guest", Description: "Settings of one Microsoft 365 group.", ForGroups: true,
		Values: []Value{flag(AllowToAddGuests, true, "Whether guests may be added to the group.")}}
	PasswordRule = Template{ID: uuid.MustParse("5cf42378-d67d-4f36-ba46-e8b86229381d"), DisplayName: "Password Rule Settings", Description: "Banned passwords and smart lockout.", Values: []Value{
		flag(EnableBannedPasswordCheck, true, "Whether the tenant's own list of banned passwords is used."),
		{BannedPasswordList, "", text, "At most 1000 terms of 4 to 16 characters, separated by tabs.", validTerms},
		number(LockoutThreshold, 10, 1, 50, "Failures before an account locks."),
		number(LockoutDurationInSeconds, 60, 5, 18000, "Length of the first lock."),
	}}
	// Templates are all of them.
	Templates = []Template{GroupUnified, GroupUnifiedGuest, PasswordRule}
)

func validTerms(s string) bool {
	terms := Terms(s)
	return len(terms) <= 1000 && !slices.ContainsFunc(terms, func(t string) bool { n := len([]rune(t)); return n < 4 || n > 16 })
}

// Terms splits a list of banned passwords.
func Terms(list string) []string {
	return strings.FieldsFunc(list, func(r rune) bool { return r == '\t' })
}

// ByID finds a template.
func ByID(id uuid.UUID) (Template, bool) {
	for _, t := range Templates {
		if t.ID == id {
			return t, true
		}
	}
	return Template{}, false
}

// Check decides whether values may be set (DIR-135): each name belongs to the
// template and each value fits.
func (t Template) Check(values map[string]string) error {
	for name, value := range values {
		i := slices.IndexFunc(t.Values, func(v Value) bool { return v.Name == name })
		if i < 0 {
			return property.Refused("values", "The setting '%s' is not part of the template '%s'.", name, t.DisplayName)
		}
		if !t.Values[i].valid(value) {
			return property.Refused("values", "The value of the setting '%s' is not valid.", name)
		}
	}
	return nil
}

// Complete gives the settings that values leave out their defaults, in the
// order of the template.
func (t Template) Complete(values map[string]string) [][2]string {
	out := make([][2]string, len(t.Values))
	for i, v := range t.Values {
		out[i] = [2]string{v.Name, v.Default}
		if given, ok := values[v.Name]; ok {
			out[i][1] = given
		}
	}
	return out
}

// Settings are the values that hold for a scope; those that were never set
// have their defaults.
type Settings map[string]string

// In makes settings of what is stored of a template; nil means nothing is.
func (t Template) In(stored map[string]string) Settings {
	out := make(Settings, len(t.Values))
	for _, pair := range t.Complete(stored) {
		out[pair[0]] = pair[1]
	}
	return out
}

// On reads a switch.
func (s Settings) On(name string) bool { on, _ := strconv.ParseBool(s[name]); return on }

// Int reads a number.
func (s Settings) Int(name string) int { n, _ := strconv.Atoi(s[name]); return n }
