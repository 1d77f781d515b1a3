// Package api answers the RPCs of entente.sync.v1: each handler authorizes,
// loads, lets a rule decide, saves in one transaction with its audit record,
// and answers. Conversions between protos and the values of the rule packages
// live beside the handlers that need them.
package api
