// Package load drives operations in three ways: Run in a closed loop, in which
// each worker starts the next call when the last has answered; Open at a fixed
// rate of arrivals, whether or not the last has answered; Alternate one call of
// each of two operations in turn, to compare them.
package load
