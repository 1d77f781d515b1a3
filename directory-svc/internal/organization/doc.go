// Package organization knows tenants and their domains (DIR-16 to DIR-33):
// the kinds of tenant, which requests to create one are well formed, and which
// domain names a tenant may use. It decides; the operator API and the store
// carry the decisions out.
package organization
