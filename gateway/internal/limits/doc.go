// Package limits holds the rate limits of the edge: a token bucket per tenant
// and one per application in a tenant (DIR-15).
//
// Buckets are found by what the token claims, unverified, but emptied only by
// requests that a service has accepted: nobody can use up the share of a
// tenant with forged tokens. State is per process.
package limits
