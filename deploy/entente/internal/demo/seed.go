package demo

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
)

// parallel is how many requests the seed has under way: enough to keep two
// cores busy.
const parallel = 8

// EveryoneGroup is the name of the group that holds all members of Contoso.
const EveryoneGroup = "All employees"

// Seed gives the tenant of g its members, their managers and its groups. It
// makes what is missing and nothing twice, so that it may be repeated after a
// crash. say tells how far it is.
func Seed(ctx context.Context, g *Graph, say func(format string, args ...any)) (string, error) {
	ids, made, err := seedMembers(ctx, g, say)
	if err != nil {
		return "", fmt.Errorf("members: %w", err)
	}
	if err := seedManagers(ctx, g, ids, say); err != nil {
		return "", fmt.Errorf("managers: %w", err)
	}
	groups, err := seedGroups(ctx, g, ids, say)
	if err != nil {
		return "", fmt.Errorf("groups: %w", err)
	}
	return fmt.Sprintf("%d members (%d new) in %d departments, %d groups", len(ids), made, len(departments), groups), nil
}

// seedMembers answers the object ids by the people's numbers, and how many
// were made.
func seedMembers(ctx context.Context, g *Graph, say func(string, ...any)) ([]string, int, error) {
	type user struct {
		ID  string `json:"id"`
		UPN string `json:"userPrincipalName"`
	}
	existing, err := list[user](ctx, g, "/v1.0/users?$select=id,userPrincipalName&$top=999")
	if err != nil {
		return nil, 0, err
	}
	idOf := make(map[string]string, len(existing))
	for _, u := range existing {
		idOf[strings.ToLower(u.UPN)] = u.ID
	}
	var (
		all  = people()
		ids  = make([]string, len(all))
		done atomic.Int32
		made atomic.Int32
	)
	err = each(ctx, len(all), func(ctx context.Context, i int) error {
		p := all[i]
		defer func() { say("%d of %d members", done.Add(1), len(all)) }()
		if id, ok := idOf[p.upn(g.tenant.Domain)]; ok {
			ids[i] = id
			return nil
		}
		var created user
		if err := g.Do(ctx, http.MethodPost, "/v1.0/users", p.user(g.tenant.Domain, newPassword()), &created); err != nil {
			return err
		}
		ids[i] = created.ID
		made.Add(1)
		return nil
	})
	return ids, int(made.Load()), err
}

func seedManagers(ctx context.Context, g *Graph, ids []string, say func(string, ...any)) error {
	var done atomic.Int32
	all := people()
	return each(ctx, len(all), func(ctx context.Context, i int) error {
		defer func() { say("%d of %d managers", done.Add(1), len(all)) }()
		if all[i].manager < 0 {
			return nil
		}
		return g.Do(ctx, http.MethodPut, "/v1.0/users/"+ids[i]+"/manager/$ref",
			map[string]string{"@odata.id": g.bind(ids[all[i].manager])}, nil)
	})
}

// seedGroups makes one group per department and one with everybody.
func seedGroups(ctx context.Context, g *Graph, ids []string, say func(string, ...any)) (int, error) {
	members := map[string][]string{EveryoneGroup: ids}
	for i, p := range people() {
		members[p.department] = append(members[p.department], ids[i])
	}
	names := append([]string{EveryoneGroup}, departments...)
	for n, name := range names {
		id, err := ensureGroup(ctx, g, name)
		if err != nil {
			return 0, fmt.Errorf("%s: %w", name, err)
		}
		present, err := list[struct {
			ID string `json:"id"`
		}](ctx, g, "/v1.0/groups/"+id+"/members?$select=id&$top=999")
		if err != nil {
			return 0, fmt.Errorf("%s: %w", name, err)
		}
		in := make(map[string]bool, len(present))
		for _, m := range present {
			in[m.ID] = true
		}
		err = each(ctx, len(members[name]), func(ctx context.Context, i int) error {
			member := members[name][i]
			if in[member] {
				return nil
			}
			return g.Do(ctx, http.MethodPost, "/v1.0/groups/"+id+"/members/$ref", map[string]string{"@odata.id": g.bind(member)}, nil)
		})
		if err != nil {
			return 0, fmt.Errorf("%s: %w", name, err)
		}
		say("%d of %d groups", n+1, len(names))
	}
	return len(names), nil
}

// FindGroup answers the id of the group with this name, "" when there is none.
func FindGroup(ctx context.Context, g *Graph, name string) (string, error) {
	found, err := list[struct {
		ID string `json:"id"`
	}](ctx, g, "/v1.0/groups?$select=id&$filter="+url.QueryEscape("displayName eq '"+strings.ReplaceAll(name, "'", "''")+"'"))
	if err != nil || len(found) == 0 {
		return "", err
	}
	return found[0].ID, nil
}

func ensureGroup(ctx context.Context, g *Graph, name string) (string, error) {
	if id, err := FindGroup(ctx, g, name); err != nil || id != "" {
		return id, err
	}
	var created struct {
		ID string `json:"id"`
	}
	err := g.Do(ctx, http.MethodPost, "/v1.0/groups", map[string]any{
		"displayName": name, "description": "Made by the demo.", "groupTypes": []string{},
		"mailEnabled": false, "securityEnabled": true, "mailNickname": strings.ToLower(strings.ReplaceAll(name, " ", "-")),
	}, &created)
	return created.ID, err
}

// each runs fn for 0 to n-1, a few at a time, until one fails.
func each(ctx context.Context, n int, fn func(ctx context.Context, i int) error) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(parallel)
	for i := range n {
		group.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			return fn(ctx, i)
		})
	}
	return group.Wait()
}
