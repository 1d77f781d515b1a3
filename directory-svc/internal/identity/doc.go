// Package identity knows the identities that a user signs in with (DIR-38 to
// DIR-40): their kinds, which values are well formed, and the home key that
// ties an external user to one account elsewhere (DIR-39).
package identity
