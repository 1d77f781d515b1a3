// Package suitetest runs the suite for tests and lends them clients for it.
//
// Main starts one `entente up --demo` for a whole test binary, or joins a
// running one when ENTENTE_E2E_DATA_DIR names its data folder. Tests then ask
// for what they need: an own tenant (Suite.NewTenant), a Graph client that
// holds every answer against the contract (Suite.Graph), stubs (Suite.Dial), a
// mailbox (Suite.Mailbox) and a person with a browser without JavaScript
// (Suite.Person). Tests that stop or kill the program start one of their own
// with Start.
package suitetest
