// Package pgtest gives tests a migrated database on a real PostgreSQL: the
// server named by ENTENTE_TEST_DSN, else one that the test process starts for
// itself and that ends with it.
//
// Each set of migrations is applied once per process to a template, of which
// every test gets a clone; the pool logs in as the serving role, so
// row-level security and grants are those of production.
package pgtest
