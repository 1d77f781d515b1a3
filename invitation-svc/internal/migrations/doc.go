// Package migrations holds the numbered SQL files of the schema `invitation`.
// They only ever move forward and are never edited once released; package pg
// of servicekit applies them.
package migrations
