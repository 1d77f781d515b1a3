// Package store keeps the directory in PostgreSQL: rows, queries and
// transactions. It is the only package that knows SQL. Every transaction is
// bound to one tenant, whose rows are the only ones it can see; the tables of
// tenants, domains and signing keys are global.
//
// A write queues its statements, so that the change, its rows in the change
// feed and in the audit log and the commit travel together.
package store
