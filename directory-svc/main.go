// Command directory-svc serves the directory of the suite: tenants, users,
// groups, applications and tokens. See the README.
package main

import (
	"entente.dev/directory-svc/service"
	"entente.dev/servicekit/process"
)

func main() {
	process.Main(service.Name, map[string]process.Command{
		"serve":   service.ServeCommand,
		"migrate": service.MigrateCommand,
	})
}
