// Package cluster runs a private PostgreSQL from installed binaries: the one
// that `entente up` starts when it is given no server, and the one that tests
// use. It makes the data directory, starts and stops the server, and provides
// the two roles and the schema of each service.
//
// Started as root it runs the server as the account `postgres` (else
// `nobody`), since PostgreSQL refuses root. The server dies with the process
// that started it and recovers by itself at the next start.
package cluster
