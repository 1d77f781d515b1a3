// Package graph is how the suite speaks Microsoft Graph on the wire: JSON out
// of and into protos, the query options, the form of paths and the error
// envelope.
//
// Protos are the resources (their json_name and the options of
// entente.options.v1 say what plain protobuf cannot), so nothing here knows a
// resource by name. Start with plan.go, which compiles a message type once;
// encode.go and decode.go walk that plan. A Call carries what one HTTP request
// said besides its body.
//
// Routing, RPCs and rules are elsewhere: package route binds this one to the
// generated gateway handlers.
package graph
