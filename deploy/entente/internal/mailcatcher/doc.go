// Package mailcatcher receives the suite's mail instead of the world: an SMTP
// server on loopback that delivers nothing, keeps each mail in the data folder
// (so a restart loses none) and shows it as JSON and as pages.
//
// Start reads at Catcher. Store owns the files (volume.go), message.go takes a mail apart,
// http.go and pages.go are the two faces. A mail is hostile input: its HTML is
// only ever answered under a policy that allows no script, no form and no
// request, inside a sandboxed frame.
package mailcatcher
