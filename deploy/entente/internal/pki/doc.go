// Package pki is the private certificate authority of one data folder: a key
// and a certificate of its own, a certificate with a service identity
// (spiffe://entente/<service>) per service, and the one that browsers and
// Graph clients see. Nothing outside trusts it unless told to; people give
// ca.pem to the clients they point at the suite.
//
// Certificates are short-lived and renewed when a third of their life is left,
// at start and while running; servers reload the files. Keys never leave the
// folder and are readable by its owner only.
package pki
