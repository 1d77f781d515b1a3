// Package caller says who is calling: the verified originating user or
// application, the operator, or a service on its own account, together with
// the facts of the request that decisions and audit rows need.
//
// A server interceptor of package rpc puts the Caller into the context after
// verification; handlers read it with From and pass what they need of it on
// as arguments. Nothing here verifies anything.
package caller
