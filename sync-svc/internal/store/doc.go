// Package store is the only package that knows SQL: jobs and leases (job.go,
// lease.go), settings sealed under the master key (secret.go, vault.go), what
// jobs know about objects (link.go, batch.go), and the provisioning log
// (log.go). A Tx is bound to one tenant; leases alone are global, so that a
// runner finds work in every tenant.
package store
