// Package ended deletes what a service holds of tenants that ended.
//
// A tenant ends in directory-svc, which deletes its own rows and keeps its id
// (DIR-20). Each other service asks for those ids, remembers them, and deletes
// all rows of every table of its schema that has a tenant_id, logs included.
// Start reading at [Purger].
package ended
