package expression

import "encoding/json"

func rolesArgument(n *Node) string {
	if n.Args[0].Kind != AttributeNode || n.Args[0].Name != "appRoleAssignments" {
		return "its argument is [appRoleAssignments]"
	}
	return ""
}

func singleRole(*Node, []eval) (eval, error) {
	return func(r *run) (Value, error) {
		if len(r.env.Roles) == 0 {
			return NullValue, nil
		}
		return TextValue(r.env.Roles[0].DisplayName), nil
	}, nil
}

func rolesComplex(*Node, []eval) (eval, error) {
	return func(r *run) (Value, error) {
		if len(r.env.Roles) == 0 {
			return NullValue, nil
		}
		list := make([]string, len(r.env.Roles))
		for i, role := range r.env.Roles {
			b, err := json.Marshal(struct {
				ID          string `json:"id"`
				Value       string `json:"value"`
				DisplayName string `json:"displayName"`
			}(role))
			if err != nil {
				return NullValue, failed("a role cannot be written")
			}
			list[i] = string(b)
		}
		return ListValue(list), nil
	}, nil
}
