// Package storetest opens the directory's schema for tests that write rows by
// hand.
package storetest

import (
	"testing"

	"entente.dev/directory-svc/internal/migrations"
	"entente.dev/servicekit/audit"
	"entente.dev/servicekit/pg"
	"entente.dev/servicekit/pg/cluster"
	"entente.dev/servicekit/pg/pgtest"
)

// Services provides the schema in a database of its own.
func Services(t testing.TB) cluster.Service {
	t.Helper()
	return pgtest.Services(t, pgtest.Schema{Name: "directory", Sources: []pg.Source{audit.Migrations, migrations.Source}})["directory"]
}

// Open opens a new database whose changes need no rows in the feed and the
// audit log beside them.
func Open(t testing.TB) *pg.DB {
	t.Helper()
	return pgtest.OpenWith(t, Services(t), Unrecorded)
}

// Unrecorded are the parameters of a connection whose changes need no rows in
// the feed and the audit log beside them (INV-20).
var Unrecorded = map[string]string{"app.fed": "on", "app.audited": "on"}
