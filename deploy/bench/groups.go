package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"entente.dev/deploy/bench/internal/fill"
	"entente.dev/deploy/bench/internal/floor"
	"entente.dev/deploy/bench/internal/report"
	"entente.dev/deploy/bench/internal/suite"
)

// measureMembers measures what a tenant of many users costs beside reading
// users: a group of them all, the changes since a moment, and groups by rule.
func (f *fixture) measureMembers(ctx context.Context, bottom *floor.Bench) error {
	p, err := f.populate(ctx, "members", f.members)
	if err != nil {
		return err
	}
	group, err := f.gather(ctx, p)
	if err != nil {
		return fmt.Errorf("make a group of %d members: %w", p.size, err)
	}
	transitive := "/v1.0/groups/" + group + "/transitiveMembers?$top=100"
	size := spaced(p.size)
	operations := []operation{
		{"users by indexed property of " + size + ", REST", floor.Keyset, "", f.get(p.Tenant, func(n int64) string {
			return filter("department eq 'department %05d'", p.department(n))
		})},
		{"page of transitive members of " + size + ", REST", floor.Keyset, "", f.get(p.Tenant, always(transitive))},
	}
	const delta = "/v1.0/users/delta?$select=id,displayName"
	served, err := f.serves(ctx, p.Tenant, delta)
	if err != nil {
		return err
	}
	if served {
		operations = append(operations, operation{"delta page of " + size + " users, REST", floor.Keyset, "", f.get(p.Tenant, always(delta))})
	} else {
		f.report.Missing = append(f.report.Missing, "delta page: the suite does not serve it")
	}
	if err := f.measure(ctx, bottom, operations); err != nil {
		return err
	}
	for _, relation := range []string{"members", "transitiveMembers"} {
		first := "/v1.0/groups/" + group + "/" + relation + "?$top=100"
		half, err := f.deep(ctx, p.Tenant, first, p.size/2)
		if err != nil {
			return err
		}
		if err := f.compare(ctx, report.Comparison{Operation: "page of " + relation + " of " + size + ", REST", Small: "first page", Large: "half way", Target: "flat"},
			f.get(p.Tenant, always(first)), f.get(p.Tenant, always(half))); err != nil {
			return err
		}
	}
	return f.measureRules(ctx, p)
}

// gather makes a group of all numbered users: one is added through the API,
// the others are copies of the rows that this wrote.
func (f *fixture) gather(ctx context.Context, p population) (string, error) {
	group, err := f.newGroup(ctx, p.Tenant, "everyone", nil)
	if err != nil {
		return "", err
	}
	if err := f.suite.Call(ctx, p.Tenant, http.MethodPost, "/v1.0/groups/"+group+"/members/$ref",
		map[string]any{"@odata.id": f.suite.GraphURL + "/v1.0/directoryObjects/" + p.prototype}, nil); err != nil {
		return "", err
	}
	if _, err := f.db.Rows(ctx, fill.Spec{Schema: "directory", Tenant: p.TenantID, Anchors: []string{group, p.prototype},
		Replace: []fill.Replacement{{Old: p.prototype, SQL: fill.ID(p.prototype)}}}, 1, p.size); err != nil {
		return "", err
	}
	return group, f.db.Settle(ctx, "directory")
}

// newGroup makes a security group, with further properties.
func (f *fixture) newGroup(ctx context.Context, t suite.Tenant, name string, more map[string]any) (string, error) {
	body := map[string]any{"displayName": name, "mailNickname": name, "mailEnabled": false, "securityEnabled": true}
	for k, v := range more {
		body[k] = v
	}
	var made struct {
		ID string `json:"id"`
	}
	err := f.suite.Call(ctx, t, http.MethodPost, "/v1.0/groups", body, &made)
	return made.ID, err
}

// serves tells whether a path answers at all.
func (f *fixture) serves(ctx context.Context, t suite.Tenant, path string) (bool, error) {
	err := f.suite.Call(ctx, t, http.MethodGet, path, nil, nil)
	var refused *suite.Refusal
	if errors.As(err, &refused) {
		switch refused.Status {
		case http.StatusBadRequest, http.StatusNotFound, http.StatusNotImplemented:
			return false, nil
		}
	}
	return err == nil, err
}

// changes is how many single changes are timed.
const changes = 5

// measureRules times a new rule over all users of the tenant, and single
// changes that move a user into a group.
func (f *fixture) measureRules(ctx context.Context, p population) error {
	rule := func(value string) map[string]any {
		return map[string]any{"groupTypes": []string{"DynamicMembership"}, "membershipRule": `user.department -eq "` + value + `"`,
			"membershipRuleProcessingState": "On"}
	}
	began := time.Now()
	group, err := f.newGroup(ctx, p.Tenant, "of-department", rule(fmt.Sprintf("department %05d", p.department(0))))
	if err != nil {
		return err
	}
	limit, cancel := context.WithTimeout(ctx, f.patience)
	defer cancel()
	took, err := until(limit, began, 20*time.Millisecond, func() error { return f.hasMembers(ctx, p.Tenant, group, ofDepartment) })
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		f.report.Missing = append(f.report.Missing, "dynamic membership: a rule that holds for users brought none into its group")
		return nil
	}
	if err != nil {
		return err
	}
	f.fact("dynamic membership: a new rule over "+spaced(p.size)+" users", "s", "", took.Seconds())
	if group, err = f.newGroup(ctx, p.Tenant, "of-moved", rule("moved")); err != nil {
		return err
	}
	var seen []float64
	for i := range changes {
		began := time.Now()
		if err := f.suite.Call(ctx, p.Tenant, http.MethodPatch, "/v1.0/users/"+p.id(p.any(int64(i))), map[string]any{"department": "moved"}, nil); err != nil {
			return err
		}
		took, err := until(ctx, began, 5*time.Millisecond, func() error { return f.hasMembers(ctx, p.Tenant, group, i+1) })
		if err != nil {
			return err
		}
		seen = append(seen, took.Seconds())
	}
	f.fact("dynamic membership: one changed user among "+spaced(p.size), "s", "≤ 1", seen...)
	return nil
}

// hasMembers is errNotYet until a group has n members.
func (f *fixture) hasMembers(ctx context.Context, t suite.Tenant, group string, n int) error {
	var page struct {
		Value []struct{} `json:"value"`
	}
	err := f.suite.Call(ctx, t, http.MethodGet, "/v1.0/groups/"+group+"/members?$select=id&$top=999", nil, &page)
	if err == nil && len(page.Value) < n {
		return errNotYet
	}
	return err
}
