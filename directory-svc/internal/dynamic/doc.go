// Package dynamic says which membership rules a change concerns (DIR-141,
// DIR-146, DIR-153): what a rule asks of a user in the user's own terms, which
// changes of users and links can alter its answer, and which rules may stand
// beside each other. It looks nothing up and writes nothing.
package dynamic
