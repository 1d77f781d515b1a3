// Package quarantine decides when a job has failed so much that it should
// rest, when it may try again, and when it gives up (sync.md §11.1). It is
// arithmetic on counts and times.
package quarantine
