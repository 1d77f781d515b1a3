// Package batch answers POST /$batch: up to twenty requests in one, each of
// which goes through the same handler as if it had come alone, with its own
// request id, limits, permissions and audit (WIRE-66 to WIRE-68).
//
// plan.go reads and orders a batch, run.go carries it out.
package batch
