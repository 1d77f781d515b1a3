// Package usage says who counts as a monthly active user (DIR-219, DIR-220):
// whether a sign-in counts, as what, and which person stands behind a user
// when tenants are added up.
package usage
