// Package api has the gRPC handlers: InvitationService for administrators and
// applications, FlowService for the pages of the gateway. A handler reads its
// request, calls an act of package saga or a step of package flow, and turns
// the outcome into a message; it decides nothing.
package api
