// Package rpc makes the gRPC servers and clients of the suite.
//
// A server does for every RPC, in this order: request ids, the one log line
// and the metrics, panic to INTERNAL, a deadline with a reserve, verification
// of the caller (package authn through Verifier), required fields (by
// google.api.field_behavior), access (by the method option of
// entente.options.v1, denying what says nothing), the handler, and faults to
// statuses. A client forwards the originating caller and the request ids of
// its context and turns statuses back into faults.
//
// Who the peer is comes from its certificate (URI SAN `spiffe://entente/...`)
// or, in process, from Local. There is no insecure mode. Unary calls in
// process take no frames (Conn), and nothing else about them differs. Start
// reading at NewServer and Dial.
package rpc
