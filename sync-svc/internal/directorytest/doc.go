// Package directorytest is a directory and a policy service in memory, for
// tests of synchronization: tenants with users, groups, assignments and a
// change feed, and bulk provisioning with the idempotence, fencing and version
// checks that the real service promises. Hooks let tests fail a call before or
// after its effect.
package directorytest
