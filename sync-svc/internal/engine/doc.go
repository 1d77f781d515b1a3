// Package engine moves users from a source tenant to a target tenant: it loads
// a job, reads objects through directory-svc, lets the rule packages decide,
// writes the target in batches and records the outcome. cycle.go is one cycle
// from beginning to end, batch.go the way of one batch, demand.go the same for
// a single object on request.
//
// Exactly once: a batch is stored before it is sent and removed in the
// transaction that records its outcome. Whoever takes over a job sends the
// stored batch again, which changes nothing in the target, and records it.
// Between engine and target stand a fencing token and the version of the policy
// that allowed the batch.
package engine
