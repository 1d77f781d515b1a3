// Package endedtest checks, for the whole schema of a service, that the rows
// of a tenant go when it ended.
package endedtest
