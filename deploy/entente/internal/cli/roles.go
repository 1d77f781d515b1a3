package cli

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"entente.dev/deploy/entente/internal/graph"
)

const rolePath = "/roleManagement/directory/"

var roleActions = []action{
	{"list", "the roles there are", listRoles},
	{"assignments", "who holds which role, and where", listAssignments},
	{"assign <object> <role>", "give a role, by its name or id", assignRole},
	{"unassign <assignment-id>", "take a role away", unassignRole},
}

func listRoles(ctx context.Context, args []string, s Streams) error {
	l := newLister("roles list", s, column{"id", "id"}, column{"name", "displayName"}, column{"description", "description"})
	l.whole = true
	if _, err := l.open(args); err != nil {
		return err
	}
	return l.print(ctx, rolePath+"roleDefinitions")
}

func listAssignments(ctx context.Context, args []string, s Streams) error {
	var principal string
	l := newLister("roles assignments", s, column{"id", "id"}, column{"role", "roleDefinitionId"},
		column{"principal", "principalId"}, column{"scope", "directoryScopeId"}).paged()
	l.whole = true
	l.fs.StringVar(&principal, "of", "", "only those of this user (id or user principal name), group or application")
	if _, err := l.open(args); err != nil {
		return err
	}
	if principal != "" {
		id, err := l.principal(ctx, principal)
		if err != nil {
			return err
		}
		l.filter = "principalId eq '" + strings.ReplaceAll(id, "'", "''") + "'"
	}
	roles, err := l.roles(ctx)
	if err != nil {
		return err
	}
	l.names = map[string]string{}
	for _, r := range roles {
		l.names[r.ID] = r.Name
	}
	return l.print(ctx, rolePath+"roleAssignments")
}

func assignRole(ctx context.Context, args []string, s Streams) error {
	var (
		unit   string
		asJSON bool
	)
	f := newForm("roles assign", s)
	f.fs.StringVar(&unit, "unit", "", "id of the administrative unit that the role is for (default: the whole tenant)")
	f.fs.BoolVar(&asJSON, "json", false, "print the assignment as JSON")
	values, err := f.open(args, "object", "role")
	if err != nil {
		return err
	}
	principal, err := f.principal(ctx, values[0])
	if err != nil {
		return err
	}
	role, err := f.role(ctx, values[1])
	if err != nil {
		return err
	}
	scope := "/"
	if unit != "" {
		scope = "/administrativeUnits/" + unit
	}
	return f.create(ctx, rolePath+"roleAssignments",
		map[string]string{"principalId": principal, "roleDefinitionId": role, "directoryScopeId": scope}, asJSON)
}

// role is a role as people call it.
type role struct {
	ID   string `json:"id"`
	Name string `json:"displayName"`
}

func (f *form) roles(ctx context.Context) ([]role, error) {
	all, err := graph.List[role](ctx, f.client, rolePath+"roleDefinitions", nil, 0)
	return all.Value, err
}

// role answers the id of the role with this name or id.
func (f *form) role(ctx context.Context, name string) (string, error) {
	all, err := f.roles(ctx)
	if err != nil {
		return "", err
	}
	for _, r := range all {
		if strings.EqualFold(r.ID, name) || strings.EqualFold(r.Name, name) {
			return r.ID, nil
		}
	}
	return "", fmt.Errorf("there is no role %q; `entente roles list` lists them", name)
}

func unassignRole(ctx context.Context, args []string, s Streams) error {
	f := newForm("roles unassign", s)
	values, err := f.open(args, "assignment-id")
	if err != nil {
		return err
	}
	if err := f.client.Do(ctx, http.MethodDelete, rolePath+"roleAssignments/"+url.PathEscape(values[0]), nil, nil); err != nil {
		return err
	}
	return f.say("%s is taken away", values[0])
}
