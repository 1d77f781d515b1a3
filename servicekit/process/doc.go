// Package process is what the main program of a service needs around the
// service: the log, traces and metrics, the gRPC listener with TLS, an admin
// listener on loopback (metrics, pprof, health), and an end in good order:
// calls that run are finished, new ones refused, then background work ends.
//
// A service embeds Config in its own, makes a Process with New, wires itself,
// and gives its server to Serve. Main picks the subcommand.
package process
