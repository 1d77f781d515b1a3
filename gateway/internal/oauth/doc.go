// Package oauth is the HTTP face of token issue: the token endpoint, discovery
// documents, signing keys and the metadata by which clients find their way
// (WIRE-11 to WIRE-19). Grants, claims and keys are directory-svc's; here are
// forms, documents and the shape of OAuth errors.
package oauth
