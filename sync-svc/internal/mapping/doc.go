// Package mapping holds what a synchronization schema says and does: the model
// of rules and attribute mappings (schema.go), the attributes a user has on
// either side (attributes.go), the template every job begins with
// (template.go), the validation of what an administrator saves (validate.go),
// and the compiled form that turns one source object into the values its
// target should have (program.go).
//
// It is pure. Source and target objects come in behind expression.Object;
// whether anything is written is the business of package plan.
package mapping
