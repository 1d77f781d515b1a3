// Package invitetest builds the service around a real database and a real
// SMTP server for tests, with a directory and a policy that keep what they are
// told in memory. Both neighbours can be made to fail, or to die, before or
// after they act.
package invitetest
