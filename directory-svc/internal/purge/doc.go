// Package purge ends soft-deleted objects for good, together with the rows in
// the change feed and in the audit log that say so. Handlers do it on demand,
// a background job when thirty days are over.
package purge
