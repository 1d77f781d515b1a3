package object

// Type is the type of a directory object. The numbers are stored.
type Type int16

// The types.
const (
	User             Type = 1
	Group            Type = 2
	ServicePrincipal Type = 3
	Application      Type = 4
	Contact          Type = 5
	Role             Type = 6
	Unit             Type = 7
)

var names = map[Type]string{
	User:             "user",
	Group:            "group",
	ServicePrincipal: "servicePrincipal",
	Application:      "application",
	Contact:          "orgContact",
	Role:             "directoryRole",
	Unit:             "administrativeUnit",
}

// String is the name of the type in Graph, without its namespace.
func (t Type) String() string { return names[t] }

// Title is the name that Graph's audit records and principal types use.
func (t Type) Title() string {
	switch t {
	case User:
		return "User"
	case Group:
		return "Group"
	case ServicePrincipal:
		return "ServicePrincipal"
	case Application:
		return "Application"
	case Role:
		return "Role"
	case Unit:
		return "AdministrativeUnit"
	}
	return "Other"
}

// Parse reads the name in Graph.
func Parse(s string) (Type, bool) {
	for t, name := range names {
		if name == s {
			return t, true
		}
	}
	return 0, false
}
