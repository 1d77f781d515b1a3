package cli

import (
	"context"
	"net/http"
	"net/url"
)

var groupActions = []action{
	{"list", "the groups of the tenant", listGroups},
	{"get <group-id>", "one group", groups.get},
	{"create", "make a security group, one with a rule, or a Microsoft 365 group", createGroup},
	{"update <group-id>", "change properties", groups.update},
	{"delete <group-id>", "delete; a Microsoft 365 group can be restored for 30 days", groups.remove},
	{"restore <group-id>", "take a deletion back", groups.restore},
	{"members <group-id>", "who belongs to it", listRelation("members", "transitiveMembers")},
	{"add-member <group-id> <object>", "add a user (id or user principal name), group or application", changeRelation("members", true)},
	{"remove-member <group-id> <object>", "take one out", changeRelation("members", false)},
	{"owners <group-id>", "who looks after it", listRelation("owners", "")},
	{"add-owner <group-id> <object>", "add a user or an application", changeRelation("owners", true)},
	{"remove-owner <group-id> <object>", "take one out", changeRelation("owners", false)},
}

func listGroups(ctx context.Context, args []string, s Streams) error {
	var deleted bool
	l := newLister("groups list", s, column{"id", "id"}, column{"name", "displayName"}, column{"security", "securityEnabled"},
		column{"mail", "mailEnabled"}, column{"types", "groupTypes"}, column{"rule", "membershipRule"}).queried()
	l.fs.BoolVar(&deleted, "deleted", false, "those that can be restored")
	if _, err := l.open(args); err != nil {
		return err
	}
	return l.print(ctx, groups.listPath(deleted))
}

func createGroup(ctx context.Context, args []string, s Streams) error {
	var (
		properties                        properties
		name, nickname, description, rule string
		unified, asJSON                   bool
	)
	f := newForm("groups create", s)
	properties.flags(f)
	f.fs.StringVar(&name, "name", "", "name shown to people")
	f.fs.StringVar(&nickname, "nickname", "", "mail nickname")
	f.fs.StringVar(&description, "description", "", "what it is for")
	f.fs.StringVar(&rule, "rule", "", "who belongs to it, such as 'user.department -eq \"Sales\"'")
	f.fs.BoolVar(&unified, "microsoft365", false, "make a Microsoft 365 group")
	f.fs.BoolVar(&asJSON, "json", false, "print the group as JSON")
	if _, err := f.open(args); err != nil {
		return err
	}
	object, err := properties.object(s)
	if err != nil {
		return err
	}
	if properties.body == "" {
		if name == "" || nickname == "" {
			return usagef("groups create needs --name and --nickname, or --body")
		}
		object["securityEnabled"], object["mailEnabled"] = !unified, unified
	}
	for property, value := range map[string]string{"displayName": name, "mailNickname": nickname, "description": description} {
		if value != "" {
			object[property] = value
		}
	}
	types := []string{}
	if unified {
		types = append(types, "Unified")
	}
	if rule != "" {
		types = append(types, "DynamicMembership")
		object["membershipRule"], object["membershipRuleProcessingState"] = rule, "On"
	}
	if len(types) > 0 {
		object["groupTypes"] = types
	}
	return f.create(ctx, "/groups", object, asJSON)
}

// listRelation lists who is related to a group; through, unless it is "", is
// the relation that counts those who are so through other groups.
func listRelation(relation, through string) func(context.Context, []string, Streams) error {
	return func(ctx context.Context, args []string, s Streams) error {
		var nested bool
		l := newLister("groups "+relation, s, column{"id", "id"}, column{"type", "@odata.type"},
			column{"name", "displayName"}, column{"user principal name", "userPrincipalName"}).paged()
		l.whole = true
		if through != "" {
			l.fs.BoolVar(&nested, "transitive", false, "and who belongs to it through other groups")
		}
		values, err := l.open(args, "group-id")
		if err != nil {
			return err
		}
		at := relation
		if nested {
			at = through
		}
		return l.print(ctx, groups.path(values[0], "/", at))
	}
}

// changeRelation relates an object to a group, or no longer.
func changeRelation(relation string, add bool) func(context.Context, []string, Streams) error {
	one := relation[:len(relation)-1]
	return func(ctx context.Context, args []string, s Streams) error {
		name, done := "remove-"+one, "no longer"
		if add {
			name, done = "add-"+one, "now"
		}
		f := newForm("groups "+name, s)
		values, err := f.open(args, "group-id", "object")
		if err != nil {
			return err
		}
		id, err := f.principal(ctx, values[1])
		if err != nil {
			return err
		}
		if add {
			err = f.client.Do(ctx, http.MethodPost, groups.path(values[0], "/", relation, "/$ref"), f.reference(id), nil)
		} else {
			err = f.client.Do(ctx, http.MethodDelete, groups.path(values[0], "/", relation, "/", url.PathEscape(id), "/$ref"), nil, nil)
		}
		if err != nil {
			return err
		}
		return f.say("%s is %s among the %s of %s", values[1], done, relation, values[0])
	}
}
