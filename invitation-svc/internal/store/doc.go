// Package store keeps invitations, tickets, flows, passcodes, mails, counters
// and timers in PostgreSQL. It is the only package that knows SQL.
//
// A Tx is bound to one tenant; no query can forget it. Steps of a state
// machine are saved by compare-and-set: a change of what somebody else has
// changed meanwhile answers ErrStale. Start reading at Store and Tx; each
// table family has a file.
package store
