// Package state is the data folder of one installation: where each part keeps
// its files, the lock that lets one runner in at a time, the ports that stay
// the same over restarts, and entente.json, which tells tools how to reach
// what runs.
//
//	DIR/lock           held by the running process, names it
//	DIR/entente.json   addresses, and the demo's credentials (0600)
//	DIR/ports.json     the free ports picked the last time
//	DIR/certificates/  the private authority and its certificates
//	DIR/keys/          master key, operator key, database key
//	DIR/mail/          caught mail
//	DIR/postgres/      the private database cluster
package state
