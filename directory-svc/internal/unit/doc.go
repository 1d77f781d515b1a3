// Package unit holds the rules of administrative units (DIR-156 to DIR-166):
// what a valid unit looks like, what may be changed, who can be a member, and
// which roles can be scoped to one. What a role over a unit permits is access'
// business.
package unit
