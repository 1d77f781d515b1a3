// Command invitation-svc serves invitations and their redemption; see the
// README.
package main

import (
	"entente.dev/invitation-svc/service"
	"entente.dev/servicekit/process"
)

func main() {
	process.Main(service.Name, map[string]process.Command{
		"serve":   service.ServeCommand,
		"migrate": service.MigrateCommand,
	})
}
