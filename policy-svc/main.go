// Command policy-svc serves the policies of tenants and decides by them; see
// the README.
package main

import (
	"entente.dev/policy-svc/service"
	"entente.dev/servicekit/process"
)

func main() {
	process.Main(service.Name, map[string]process.Command{
		"serve":   service.ServeCommand,
		"migrate": service.MigrateCommand,
	})
}
