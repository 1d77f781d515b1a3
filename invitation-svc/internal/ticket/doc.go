// Package ticket knows the secret of a redeem link: 256 random bits of which
// only a digest over secret and invitation is ever kept (INV-50), and the two
// classes of it (INV-51). It builds and reads the links that carry a ticket.
//
// A ticket proves nothing about a person. What it opens, and for how long,
// package invitation and the store decide. Start reading at Ticket.
package ticket
