package store

import (
	"entente.dev/servicekit/clock"
)

// Event is something an audit record tells.
type Event struct {
	Activity string
	Category string
	// Operation is Add, Update, Delete or the like.
	Operation string
	Reason    string
	// ServicePrincipal and Name are the configuration it is about.
	ServicePrincipal string
	Name             string
	Modified         []Modified
}

// Audit adds an audit record to the transaction.
func (tx *Tx) Audit(c clock.Clock, e Event) error {
	return nil
}
