// Package access says who may read or change a configuration, once the
// interceptor has checked permissions and scopes: administrators of
// applications by their directory role, others by owning the service principal.
package access
