// Package jobs runs background work per event (mail, expiry, cycles) on
// River, whose tables live in the schema of the service.
//
// A job is inserted in the transaction of its cause and exists if and only if
// that commits. Its arguments carry the tenant; the worker opens that
// tenant's transactions itself. Work may run more than once and must not
// mind. Directory changes do not become jobs: the change feed is for those.
package jobs
