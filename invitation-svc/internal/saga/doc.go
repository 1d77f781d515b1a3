// Package saga has the acts that reach over more than one transaction: making
// an invitation with its user in the directory (INV-24), and committing a
// redemption (INV-110). Each step leaves a state from which the next can be
// taken again, by the handler that began it or, after a kill, by the timers in
// package jobs. What is asked of the directory is idempotent by the id of the
// invitation or of the redemption.
//
// Start reading at Saga.Invite and Saga.Commit.
package saga
