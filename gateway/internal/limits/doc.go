// Package limits holds the rate limits of the edge (DIR-15): token buckets per
// tenant, per application in a tenant, and per address of a client.
//
// The buckets of tenants and applications are found by what the token claims,
// unverified, but emptied only by requests whose token a service has accepted:
// nobody can use up the share of a tenant with forged tokens. All other
// requests count against the address they come from, those that the gateway
// refuses itself among them, and so each request counts once. While an address
// has nothing left, whatever comes from it waits: which token is good shows
// only after the work.
//
// The sign-in endpoints, which are the token endpoint and the pages, have a
// limit per address of their own. The specification asks for it in external
// tenants. Which kind a tenant has, nothing tells before somebody is signed
// in: the answer about an authority does not say it, a page has no tenant in
// its address, and whoever looks for passwords would choose the kind that is
// not limited. So it holds for all tenants; programs keep a token for an hour
// and do not come near it. Installations where many people share one address
// raise it.
//
// An address is what the edge believes it to be, behind trusted proxies the
// one they name; of IPv6 it is the network of 64 bits that a subscriber has.
// State is per process and bounded.
package limits
