package migrations

import (
	"embed"

	"entente.dev/servicekit/pg"
)

//go:embed *.sql
var files embed.FS

// Source is the series of this service.
var Source = pg.Source{Name: "invitation", FS: files}
