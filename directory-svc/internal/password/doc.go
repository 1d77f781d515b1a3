// Package password knows which passwords are acceptable (DIR-85 to DIR-89),
// makes new ones (DIR-78), and turns them into verifiers.
//
// A verifier is made in two steps. Keyed is a MAC under a key derived from the
// installation's master key: without that key a stolen table cannot be
// guessed at, and it costs microseconds, so that creating users does not queue
// behind memory-hard hashing. Hardened is argon2id over the MAC; a background
// job lifts every keyed verifier to it soon after it is set. Both verify.
package password
