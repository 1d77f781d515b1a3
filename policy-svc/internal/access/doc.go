// Package access holds the rights that depend on what a request says. Which
// permissions, scopes and roles an RPC needs at all is declared in the protos.
package access
