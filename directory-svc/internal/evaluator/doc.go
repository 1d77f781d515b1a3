// Package evaluator keeps the members of dynamic groups and administrative
// units what their rules say (DIR-141). It follows the change feed of each
// tenant: a change of a user is weighed against the rules that ask about what
// changed; a rule that is new or changed is evaluated over all users, a page
// at a time, beside it.
//
// Every step is one transaction that reads, decides, writes and moves the
// position in the feed, so a step that is cut off has not happened. One
// process at a time steps in a tenant. A rule that is being evaluated over all
// users already takes part in following the feed, so no change falls between
// the two.
package evaluator
