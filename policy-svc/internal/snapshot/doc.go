// Package snapshot keeps the policies that decisions read compiled in memory.
//
// A tenant's entry is immutable and of one version. It answers without asking
// the database for as long as it was found current less than half a second
// ago; a notification of a change drops it at once. While the database does
// not answer, an entry may serve for a minute, then decisions are refused with
// POLICY_STALE (POL-119). What a tenant says about another one is read and
// compiled when first asked for, so that ten thousand partners cost nothing.
package snapshot
