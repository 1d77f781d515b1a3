// Package authn verifies bearer tokens, the same way in every service.
//
// A Graph access token must be signed by a key of directory-svc with that
// key's algorithm, name this deployment as its one audience and its own
// tenant's issuer, and be within its time. Then the account behind it is
// looked up as it is now (at most a second old): a disabled account, a
// suspended tenant, a revoked session or a withdrawn permission counts at
// once, whatever the token says. Operator tokens are a plane of their own.
//
// Every refusal is UNAUTHENTICATED with a sentence that names no secret.
// What a verified caller may do is decided by package rpc and the services.
package authn
