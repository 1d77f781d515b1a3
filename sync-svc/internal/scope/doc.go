// Package scope decides who is synchronized: the scoping filters an
// administrator writes (sync.md §6) and the rows that make a user entitled
// (sync.md §5). It is pure: what is known about a user comes in, the decision
// and the reason of every row come out, so that a log can show them all.
//
// Start at entitlement.go; filter.go has the filters.
package scope
