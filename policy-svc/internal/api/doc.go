// Package api answers the RPCs of policy-svc: it loads, has the rule packages
// decide, saves with the audit record in the same transaction, and answers.
// Who may call is declared in the protos and enforced before a handler runs.
//
// [CrossTenant] and [Collaboration] serve administrators, [Decisions] the
// sibling services.
package api
