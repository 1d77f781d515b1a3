package store

import (
	"entente.dev/servicekit/audit"
	"entente.dev/servicekit/clock"
)

// Event is something an audit record tells about a configuration.
type Event struct {
	Activity string
	Category string
	// Operation is Add, Update or Delete.
	Operation string
	Reason    string
	// ServicePrincipal and Name are the configuration it is about.
	ServicePrincipal string
	Name             string
	Modified         []Modified
}

// Audit adds an audit record to the transaction.
func (tx *Tx) Audit(c clock.Clock, e Event) error {
	target := audit.Target{ID: e.ServicePrincipal, DisplayName: e.Name, Type: "ServicePrincipal"}
	for _, m := range e.Modified {
		target.Modified = append(target.Modified, audit.Modified{Name: m.Name, Old: quoted(m.Old), New: quoted(m.New)})
	}
	return audit.Write(tx.Context(), tx.Tx, c, audit.Event{Activity: e.Activity, Category: e.Category, Service: audit.AccountProvisioning,
		OperationType: e.Operation, Reason: e.Reason, Targets: []audit.Target{target}})
}

func quoted(s *string) *string {
	if s == nil {
		return nil
	}
	return audit.JSON(*s)
}
