// Package access decides what a caller may do to an object (DIR-175 to
// DIR-179). The interceptor has already checked permissions, scopes and roles
// of the method; what is left depends on the object: whether it is the caller,
// which roles its holder has, which properties change. The tables of the
// specification are data here, and the functions are pure.
package access
