// Package token knows the tokens of the installation: which claims an access
// token carries (WIRE-15), how client credentials are checked (WIRE-12 to
// WIRE-19), and the ring of signing keys. It computes; reading clients and
// keeping keys is for others.
package token
