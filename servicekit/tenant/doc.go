// Package tenant has the identifier of a tenant, the one product noun that
// every row, call and token in the suite carries.
//
// An ID is a UUID in a type of its own, so that it cannot be mistaken for the
// id of an object. Whose tenant a call acts in is decided by package caller;
// that a transaction sees one tenant only is the work of package pg.
package tenant
