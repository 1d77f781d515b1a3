// Package graph speaks to the Graph facade of a suite as an application: it
// gets a token by client credentials and sends requests with it, as any other
// HTTP client could. Start at Client.
package graph
