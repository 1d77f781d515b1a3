// Package suite runs all of Entente in one process: the database, the four
// services, the gateway and the mail catcher, on the data folder of one
// installation.
//
// Nothing is special about running together: each service is the same package
// that runs alone, behind the same server with the same interceptors. Inside
// they talk over in-process listeners that name the calling service; outside
// each has a TCP listener with mutual TLS. Up is the way down the page.
package suite
