// Package keys holds the secrets that an installation makes once and keeps: the
// master key under which the services encrypt what they store, the key pair
// that signs operator tokens, and the key that decides the passwords of the
// database roles.
//
// There are no defaults: every secret is random, made on first use, written
// before it is used, and never made anew when its file is unreadable, since
// what it protects would be lost.
package keys
