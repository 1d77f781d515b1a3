// Package address knows mail addresses, domain names and the proxy addresses
// of recipients: what is well formed, how addresses compare (DIR-12), and how
// an object's list of addresses follows its mail property (DIR-115 to
// DIR-118). Whether an address is free is for the database to say.
package address
