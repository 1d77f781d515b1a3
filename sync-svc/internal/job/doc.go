// Package job holds the rules of synchronization jobs: the state machine of
// sync.md §9.1 (state.go), the settings an administrator may save and what
// they mean (settings.go), and the figures a cycle leaves behind (cycle.go).
// It is pure: the moment is an argument, and stored jobs come in as values.
package job
