// Package migrations holds the numbered SQL files of the schema `sync`. They
// are forward only; a file that was released is never changed.
package migrations

import (
	"embed"

	"entente.dev/servicekit/audit"
	"entente.dev/servicekit/ended"
	"entente.dev/servicekit/pg"
)

//go:embed *.sql
var files embed.FS

// Sources are the series of migrations of this service.
var Sources = []pg.Source{{Name: "sync", FS: files}, audit.Migrations, ended.Migrations}
