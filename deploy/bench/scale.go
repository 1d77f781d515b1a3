package main

import (
	"context"
	"fmt"

	"entente.dev/deploy/bench/internal/report"
)

// smallTenant is the size that larger tenants are compared with.
const smallTenant = 1000

// measureScale compares reads in a tenant of many users with the same reads in
// a small one.
func (f *fixture) measureScale(ctx context.Context) error {
	small, err := f.populate(ctx, "small", smallTenant)
	if err != nil {
		return err
	}
	large, err := f.populate(ctx, "large", f.scale)
	if err != nil {
		return err
	}
	const list = "/v1.0/users?$top=100"
	inSmall, err := f.deep(ctx, small.Tenant, list, small.size/2)
	if err != nil {
		return err
	}
	inLarge, err := f.deep(ctx, large.Tenant, list, large.size/2)
	if err != nil {
		return err
	}
	for _, op := range []struct {
		name, target string
		path         func(p population, n int64) string
	}{
		{"list 100 users, first page", "≤ 1.1", func(population, int64) string { return list }},
		{"list 100 users, half way", "≤ 1.1", func(p population, _ int64) string {
			if p.TenantID == small.TenantID {
				return inSmall
			}
			return inLarge
		}},
		{"get user", "", func(p population, n int64) string { return "/v1.0/users/" + p.id(p.any(n)) }},
		{"users by department eq", "", func(p population, n int64) string {
			return filter("department eq 'department %05d'", p.department(n))
		}},
		{"users by startsWith(displayName)", "", func(p population, n int64) string {
			return filter("startswith(displayName,'person %05d')", p.department(n))
		}},
		{"users by userPrincipalName eq", "", func(p population, n int64) string {
			return filter("userPrincipalName eq '%s'", p.name(p.any(n)))
		}},
	} {
		at := func(p population) func(int64) string { return func(n int64) string { return op.path(p, n) } }
		err := f.compare(ctx, report.Comparison{
			Operation: op.name + ", REST", Target: op.target,
			Small: fmt.Sprintf("%s users", spaced(small.size)), Large: fmt.Sprintf("%s users", spaced(large.size)),
		}, f.get(small.Tenant, at(small)), f.get(large.Tenant, at(large)))
		if err != nil {
			return err
		}
	}
	return nil
}
