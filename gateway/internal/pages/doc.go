// Package pages renders the login origin for people: the redemption of an
// invitation, one handler per state of the flow that invitation-svc keeps.
//
// The pages need no JavaScript and run none. A GET changes nothing about an
// invitation, so a mail scanner that follows the link does no harm; what a
// person does is a POST with the token of the form and the cookie of the
// browser. Skipping a step is impossible because the state is not here.
//
// handler.go has the addresses, flow.go what a state shows, render.go the
// headers of every page.
package pages
