// Package suite starts the program under measurement on a database server of
// the bench's choosing and signs in as the applications of its demo tenants.
package suite
