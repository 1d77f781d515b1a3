// Package migrations holds the numbered SQL files of the policy schema.
package migrations

import (
	"embed"
	"io/fs"

	"entente.dev/servicekit/pg"
)

//go:embed *.sql
var files embed.FS

// Source is the series of this service.
var Source = pg.Source{Name: "policy", FS: fs.FS(files)}
