// Package database gets an installation its PostgreSQL: a private server in
// the data folder, or the one that --dsn names. It makes the database, the
// roles and the schemas of the services, and keeps one row of its own that
// says whose database this is, so that two data folders never work on the same
// one and demo data never gets among real data.
package database
