// Package migrations holds the schema of directory-svc as numbered SQL files,
// applied in order and never edited once released. Text that filters compare
// has a key column beside it (lower case, collation "C"), because only such
// comparisons may use an index under row-level security.
package migrations
