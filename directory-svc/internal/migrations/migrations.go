package migrations

import (
	"embed"

	"entente.dev/servicekit/pg"
)

//go:embed *.sql
var files embed.FS

// Source is the series of files for servicekit/pg.
var Source = pg.Source{Name: "directory", FS: files}
