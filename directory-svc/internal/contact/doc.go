// Package contact holds the rules of mail contacts: people with an address
// and no account (DIR-112 to DIR-117). A contact cannot sign in and holds no
// right; it owns an address, which no other live object of the tenant may
// have.
package contact
