// Package lockout decides when wrong passwords lock an account (DIR-91): after
// how many, for how long, which repeats do not count, and which locations are
// familiar. Counting is kept by others.
package lockout
