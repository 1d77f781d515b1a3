// Package jobs is the background work of the directory: hardening password
// verifiers, purging what was soft-deleted thirty days ago, and rotating
// signing keys. Each job does a bounded piece of work per call, may be killed
// at any line, and is repeated without harm.
package jobs
