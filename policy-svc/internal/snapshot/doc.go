// Package snapshot keeps the policies that decisions read compiled in memory.
//
// A tenant's entry is immutable and of one version. A notification of a change
// drops it at once. It answers without asking the database for as long as it
// was known to be current less than a second ago: because its version was read
// then, or because a beat came back, which the server delivers after the
// notifications of all earlier changes. One beat speaks for every entry, so
// decisions ask the database nothing however many tenants they are about.
// While the database does not answer, an entry may serve for a minute, then
// decisions are refused with POLICY_STALE (POL-119). What a tenant says about another one is read and
// compiled when first asked for, so that ten thousand partners cost nothing.
package snapshot
