// Package service puts invitation-svc together from a Config: database, acts,
// handlers, background work. It is the one package that other modules import.
package service
