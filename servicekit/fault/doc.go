// Package fault has the one error type of the suite. A fault says what kind
// of failure it is (one kind per gRPC code in use), why by a reason of
// entente.errors.v1, and what the client may be told. Its cause stays inside
// the process, for the log.
//
// A fault crosses services unchanged: package rpc turns it into a status and
// back, so Is works in the caller of an RPC as it does in the handler. An
// error that is not a fault becomes Internal and loses its text.
package fault
