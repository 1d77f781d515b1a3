// Package audit keeps a service's audit rows and serves them.
//
// Write puts a row into the transaction of the change that it describes, so
// that neither exists without the other; it rides along with the commit. The
// serving role may insert and select, nothing else. Who did it comes from the
// caller in the context. NewServer answers entente.audit.v1.AuditService over
// the rows; the gateway merges the services by time.
//
// Old and new values are JSON text (see JSON); secrets never are among them.
package audit
