// Package plan decides what becomes of one object: given what the source says,
// what the target holds and what connects them, it names the one action of
// sync.md §10, or why there is none. guard.go holds the brake on mass removals
// of §11.2. Everything is a pure function of its arguments, so the same
// evidence always leads to the same action, in a cycle, on demand or after a
// crash.
package plan
