// Package flow runs redemptions in browsers: it opens them from links, shows
// where they stand, and takes one input at a time through the state machine
// of package redemption.
//
// A flow belongs to the browser that holds its verifier, a secret that is
// renewed once the person is known and once more at the end (INV-109). What a
// browser cannot wait for goes on by itself (drive): weighing evidence, asking
// policy, committing. Start reading at Flows.Open and Flows.Advance.
package flow
