package token

import (
	_ "embed"
	"strings"

	"github.com/google/uuid"
)

// Permission is one permission of Graph, under the ids that clients know
// (WIRE-88). An id is nil where the permission does not exist in that form.
type Permission struct {
	Value       string
	Application uuid.UUID // app role
	Delegated   uuid.UUID // scope
}

// permissionList has a line per permission: its value, the id of the app role
// and the id of the scope, a hyphen standing for none.
//
//go:embed permissions.txt
var permissionList string

// Permissions are all permissions of Graph, by value.
var Permissions = parsePermissions()

var applicationPermissions = byApplicationID()

func parsePermissions() []Permission {
	var out []Permission
	for line := range strings.Lines(permissionList) {
		fields := strings.Fields(line)
		if len(fields) != 3 {
			panic("malformed line in permissions.txt: " + line)
		}
		p := Permission{Value: fields[0]}
		if fields[1] != "-" {
			p.Application = uuid.MustParse(fields[1])
		}
		if fields[2] != "-" {
			p.Delegated = uuid.MustParse(fields[2])
		}
		if p.Application == uuid.Nil && p.Delegated == uuid.Nil {
			continue // a name that has no published id cannot be granted
		}
		out = append(out, p)
	}
	return out
}

func byApplicationID() map[uuid.UUID]string {
	out := make(map[uuid.UUID]string, len(Permissions))
	for _, p := range Permissions {
		if p.Application != uuid.Nil {
			out[p.Application] = p.Value
		}
	}
	return out
}

// ApplicationPermission answers the value of an app role of Graph.
func ApplicationPermission(id uuid.UUID) (string, bool) {
	value, ok := applicationPermissions[id]
	return value, ok
}
