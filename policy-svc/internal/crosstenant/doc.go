// Package crosstenant knows the cross-tenant access policy: what its settings
// may hold (POL-11 to POL-22), how a partner's settings inherit from the
// tenant's default and that from the system (POL-43 to POL-45), and what two
// tenants' policies decide together about inviting, signing in, connecting
// directly and synchronizing (POL-46 to POL-69).
//
// Everything here is a pure function of its arguments: no clock, no database,
// no look-up. Who is asked about (a [User] with what is known of its groups)
// and what both tenants say (a [Pair] of [Stance] values) is collected before.
//
// Start with [Setting] for the shapes, [Policy.Toward] for inheritance, and
// [Pair.Invite] for a decision. Audit values are made in audit.go.
package crosstenant
