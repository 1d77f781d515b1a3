// Package authntest issues tokens for tests and knows their principals, so
// that a service can be tested behind the real verifier.
package authntest
