// Package e2e tests the suite as a whole, from the outside: one file per
// story of somebody who uses it, against a running `entente up --demo` that
// the tests start themselves, or against the suite whose data folder is named
// by ENTENTE_E2E_DATA_DIR.
//
// suitetest starts the suite and lends clients for it, contract holds every
// answer against the description of the wire, js has the scripts that the
// unmodified JavaScript clients run. Each story makes tenants of its own, so
// that stories can run side by side and again on the same suite.
package e2e
