// Package quota holds the limits of a tenant (DIR-235): what each counts, its
// default, what the operator may set instead, and the refusal of what does not
// fit. It knows no table; who counts is the caller.
package quota
