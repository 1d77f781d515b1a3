// Package lifecycle runs the parts of a process together and ends them in
// order, and gives background work its rhythm.
//
// Run starts the parts in the order given and stops them in the reverse one,
// when a signal arrives, the context ends or one of them fails. Loop repeats
// a piece of work with jitter and backs off while it fails.
package lifecycle
