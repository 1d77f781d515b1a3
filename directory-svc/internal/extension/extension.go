package extension

import (
	"encoding/base64"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"entente.dev/directory-svc/internal/property"
	"github.com/google/uuid"
)

// maxText is how long a String is (DIR-190).
const maxText = 256

// Definition is a directory extension of an application.
type Definition struct {
	ID            uuid.UUID
	ApplicationID uuid.UUID
	AppName       string
	Name          string // whole: extension_{appId}_{name}
	DataType      string
	Targets       []string
	MultiValued   bool
	Created       time.Time
}

const resource = "ExtensionProperty"

var (
	name      = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]{0,63}$`)
	dataTypes = []string{"Binary", "Boolean", "DateTime", "Integer", "LargeInteger", "String"}
	targets   = []string{"User", "Group", Organization, "AdministrativeUnit", "Application", "Device"}
)

// New completes and checks a definition whose Name is the short one.
func New(d Definition, appID uuid.UUID, id uuid.UUID, now time.Time) (Definition, error) {
	switch {
	case d.Name == "":
		return d, property.Required(resource, "name")
	case d.DataType == "":
		return d, property.Required(resource, "dataType")
	case len(d.Targets) == 0:
		return d, property.Required(resource, "targetObjects")
	case !name.MatchString(d.Name):
		return d, property.Invalid(resource, "name")
	case !slices.Contains(dataTypes, d.DataType):
		return d, property.Invalid(resource, "dataType")
	}
	for _, t := range d.Targets {
		if !slices.Contains(targets, t) {
			return d, property.Invalid(resource, "targetObjects")
		}
	}
	d.ID, d.Created, d.Name = id, now, "extension_"+strings.ReplaceAll(appID.String(), "-", "")+"_"+d.Name
	return d, nil
}

// Organization is the target that is no directory object: the tenant as its
// members see it.
const Organization = "Organization"

// Fits decides whether a value may be set on an object (DIR-191), whose type
// target names as targetObjects does. Values are those of JSON: text, number,
// truth, or a list of them.
func (d Definition) Fits(target string, value any) error {
	if !slices.Contains(d.Targets, target) {
		return property.Refused(d.Name, "The extension '%s' is not for objects of type '%s'.", d.Name, target)
	}
	list, isList := value.([]any)
	if isList != d.MultiValued {
		return property.Invalid(target, d.Name)
	}
	if !isList {
		list = []any{value}
	}
	for _, v := range list {
		if !d.fits(v) {
			return property.Invalid(target, d.Name)
		}
	}
	return nil
}

func (d Definition) fits(value any) bool {
	switch v := value.(type) {
	case bool:
		return d.DataType == "Boolean"
	case float64:
		whole := v == math.Trunc(v)
		return d.DataType == "Integer" && whole && v >= math.MinInt32 && v <= math.MaxInt32 ||
			d.DataType == "LargeInteger" && whole && math.Abs(v) <= 1<<53
	case string:
		switch d.DataType {
		case "String":
			return utf8.RuneCountInString(v) <= maxText
		case "DateTime":
			_, err := time.Parse(time.RFC3339, v)
			return err == nil
		case "Binary":
			raw, err := base64.StdEncoding.DecodeString(v)
			return err == nil && len(raw) <= maxText
		case "LargeInteger":
			_, err := strconv.ParseInt(v, 10, 64)
			return err == nil
		}
	}
	return false
}

// Key is what filters compare of a value.
func Key(value any) string {
	switch v := value.(type) {
	case string:
		return strings.ToLower(v)
	case bool:
		return strconv.FormatBool(v)
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	return ""
}
