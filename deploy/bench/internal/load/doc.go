// Package load drives an operation in a closed loop: each of c workers starts
// the next call when the last has answered, until the time is up.
package load
