// Package demo fills an installation with three organizations and runs the
// product's main job in them once: a guest is invited, redeems by passcode in
// the pages, and users are synchronized into a second tenant.
//
// Everything goes through the surfaces anybody else has: tenants through
// /admin/v1, people and policies through Graph with a client-credentials
// token, the redemption through the pages, passcodes from the mail. Nothing
// here knows a table.
//
// Start reads at Seed and Tour.
package demo
