package property

import (
	"unicode/utf8"

	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/fault"
)

// Required refuses a create that lacks the property name.
func Required(resource, name string) *fault.Error {
	return fault.Invalid(errorspb.Reason_PROPERTY_REQUIRED, "A value is required for property '%s' of resource '%s'.", name, resource).
		WithMeta("property", name)
}

// Invalid refuses a value that breaks the rules of the property name.
func Invalid(resource, name string) *fault.Error {
	return fault.Invalid(errorspb.Reason_PROPERTY_INVALID, "Invalid value specified for property '%s' of resource '%s'.", name, resource).
		WithMeta("property", name)
}

// Refused refuses a value with a sentence of its own.
func Refused(name, format string, args ...any) *fault.Error {
	return fault.Invalid(errorspb.Reason_PROPERTY_INVALID, format, args...).WithMeta("property", name)
}

// ReadOnly refuses a property that clients cannot set.
func ReadOnly(name string) *fault.Error {
	return fault.Invalid(errorspb.Reason_PROPERTY_READ_ONLY, "Property '%s' is read-only and cannot be set.", name).
		WithMeta("property", name)
}

// Conflict refuses a value that another object holds. Uniqueness is 400 in
// Graph, with the property as target (DIR-8).
func Conflict(name string) *fault.Error {
	const format = "Another object with the same value for property %s already exists."
	f := fault.Exists(errorspb.Reason_OBJECT_CONFLICT, format, name).WithMeta("property", name)
	return f.WithViolation(name, f.Message, "ObjectConflict")
}

// ReferenceExists refuses a link of a relation that is there already.
func ReferenceExists(relation string) *fault.Error {
	return fault.Exists(errorspb.Reason_REFERENCE_EXISTS,
		"One or more added object references already exist for the following modified properties: '%s'.", relation)
}

// NotFound says that the key names no object of the caller's tenant. It is
// the same for a foreign id and for one that never existed (DIR-3).
func NotFound(key string) *fault.Error {
	return fault.NotFound(errorspb.Reason_NOT_FOUND,
		"Resource '%s' does not exist or one of its queried reference-property objects are not present.", key).
		WithMeta("key", key)
}

// Denied is the one answer to a missing right.
func Denied() *fault.Error {
	return fault.Denied(errorspb.Reason_ACCESS_DENIED, "Insufficient privileges to complete the operation.")
}

// TooLong reports whether text has more than limit characters.
func TooLong(text string, limit int) bool {
	return len(text) > limit && utf8.RuneCountInString(text) > limit
}

// Padded reports leading or trailing white space, which DIR-12 refuses.
func Padded(text string) bool {
	if text == "" {
		return false
	}
	first, last := text[0], text[len(text)-1]
	return first == ' ' || first == '\t' || first == '\n' || first == '\r' ||
		last == ' ' || last == '\t' || last == '\n' || last == '\r'
}
