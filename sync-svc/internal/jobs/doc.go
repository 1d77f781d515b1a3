// Package jobs gives the engine its rhythm: the Runner claims active jobs by
// lease and keeps each until it is paused, following the change feed so that a
// change reaches the target within a second; the Purger removes provisioning
// log records and deleted jobs after their retention; the Severer ends jobs
// toward tenants that are gone.
//
// A job is held rather than queued for every cycle: following a feed needs
// somebody who listens, and the lease with its fencing token is what keeps two
// processes from writing the same target.
package jobs
