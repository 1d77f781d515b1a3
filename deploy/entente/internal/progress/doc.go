// Package progress tells the person at the terminal what a long start is
// doing: one line per step with its result and time, and a sign of life while
// a step takes long. On a terminal the running step is redrawn; in a log file
// each step is one line, plus one every ten seconds.
package progress
