// Command sync-svc keeps users of one tenant in step with their accounts in
// another; see the README.
package main

import (
	"entente.dev/servicekit/process"

	"entente.dev/sync-svc/service"
)

func main() {
	process.Main(service.Name, map[string]process.Command{
		"serve":   service.ServeCommand,
		"migrate": service.MigrateCommand,
	})
}
