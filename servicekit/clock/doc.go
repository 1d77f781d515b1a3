// Package clock is where time comes from. Rules take the moment as an
// argument; whoever has to look it up holds a Clock, so that tests can move
// it (package clocktest). Deadlines and timers stay with the context.
package clock
