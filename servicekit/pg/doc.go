// Package pg opens PostgreSQL for a service and runs its transactions.
//
// Every transaction is bound to one tenant when it opens (Read, Write), or to
// none (Global), in which case row-level security hides all tenant tables and
// only the named global tables answer. GORM, pgx and River share the same
// transaction. Begin, tenant and whatever was put into Tx.Queue travel with
// the commit where nothing has to be read in between, so a write of several
// rows costs one round trip.
//
// Migrations are numbered SQL files, forward only; Migrate applies them as the
// owner of the schema and grants what the serving role needs. Comments on
// tables say what differs from the rule: `@append-only` gives INSERT and
// SELECT alone, `@read-only` SELECT alone, and `@global` excuses a table with
// a tenant_id from forced row-level security, which Migrate otherwise demands.
//
// Turning SQLSTATEs into faults is left to the store of each service; errors
// that every store would say alike (no connection, time is up) are faults
// already. Start reading at Open and Tx.
package pg
