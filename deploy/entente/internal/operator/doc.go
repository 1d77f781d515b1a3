// Package operator speaks to an installation as its operator: it signs operator
// tokens with the installation's key and calls /admin/v1 with them, as any
// other HTTP client could.
package operator
