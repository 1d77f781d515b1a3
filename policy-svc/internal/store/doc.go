// Package store keeps the policies of tenants in PostgreSQL and is the only
// package that knows SQL. Each write of a tenant's policies begins with
// [Tx.LockRoot], which serializes it with others and raises the version that
// decisions name (POL-118). Tables are described in the migrations.
package store
