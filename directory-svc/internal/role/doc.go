// Package role lists the built-in directory roles under Microsoft's ids and
// names (DIR-167, WIRE-89). The list is data; who holds a role is a row, and
// what a role allows is decided in package access.
package role
