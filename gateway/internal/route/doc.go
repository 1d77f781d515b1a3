// Package route leads an HTTP request of the Graph, native and operator APIs
// to its RPC and the answer back.
//
// The generated grpc-gateway handlers do the work; three things are put around
// them, because Graph's paths, queries and bodies are no plain protobuf JSON:
//
//   - tree.go finds the operation of a path in Graph's spelling (any case of
//     fixed segments, keys in parentheses, casts, functions, /beta and tenant
//     segments);
//   - conn.go is the connection the handlers call: it fills body, mask and
//     query into the request with package graph and adds the metadata that
//     travels along;
//   - answer.go writes answers and errors.
//
// Four things stand beside the handlers and are true of every path they fit:
// derive.go adds references and counts to relations, expand.go asks relations
// on behalf of $expand, delta.go knows change tracking, stream.go passes files
// on.
//
// services.go lists what is served. audit.go is the one operation made of
// several RPCs. Rules and decisions are in the services.
package route
