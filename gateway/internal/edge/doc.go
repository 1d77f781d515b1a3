// Package edge is what every HTTP request passes first and every answer last:
// request ids, the address and origin in effect, headers that may pass, limits
// of the request line, compression, the log line, metrics, spans and the end
// of panics. It then chooses among the handlers of the other packages.
//
// Identity never comes from a header other than Authorization, and links never
// from text of the request: an origin is one of those configured.
package edge
