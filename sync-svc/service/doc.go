// Package service wires sync-svc: database, engine, runner, handlers. It is
// the one package that other modules may import. A process calls Migrate as the
// owner of the schema, then New, Register on its gRPC server, and Run beside it.
package service
