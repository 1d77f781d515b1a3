package main

import (
	"context"
	"fmt"
	"net/http"

	"entente.dev/deploy/bench/internal/fill"
	"entente.dev/deploy/bench/internal/load"
	"entente.dev/deploy/bench/internal/report"
	"entente.dev/deploy/bench/internal/suite"
	policypb "entente.dev/proto/gen/entente/policy/v1"
)

// arrivals is how many decisions a second are asked for.
const arrivals = 1000

// decision asks whether a guest of fabrikam may work in a tenant. The decision
// point answers services only; the bench takes the identity of one from the
// data folder.
func (f *fixture) decision() (func(in suite.Tenant) load.Op, error) {
	policy, err := f.suite.Dial("policy", "invitation-svc")
	if err != nil {
		return nil, err
	}
	decisions := policypb.NewDecisionServiceClient(policy)
	return func(in suite.Tenant) load.Op {
		return func(ctx context.Context, n int64) error {
			_, err := decisions.CheckB2B(ctx, &policypb.CheckB2BRequest{
				ResourceTenantId: in.TenantID, HomeTenantId: f.other.TenantID,
				Subject: &policypb.Subject{UserId: f.user(n), GroupsKnown: true},
			})
			return err
		}
	}, nil
}

// measureArrivals asks for decisions at a fixed rate, in a tenant with few
// partners and in one with many, in turns.
func (f *fixture) measureArrivals(ctx context.Context) error {
	decide, err := f.decision()
	if err != nil {
		return err
	}
	tenants := []suite.Tenant{f.contoso}
	if f.partners > 0 {
		crowded, err := f.crowd(ctx, f.partners)
		if err != nil {
			return fmt.Errorf("make a tenant with %d partners: %w", f.partners, err)
		}
		tenants = append(tenants, crowded)
	}
	seen := make([]struct{ rate, p50, p99, p999 []float64 }, len(tenants))
	for round := range f.rounds + 1 {
		for i, t := range tenants {
			length := f.length
			if round == 0 {
				length = f.warm()
			}
			result, err := load.Open(ctx, arrivals, length, &f.sequence, decide(t))
			if err != nil {
				return fmt.Errorf("policy decision at a fixed rate: %w", err)
			}
			if round == 0 {
				continue // what is read for the first time does not count
			}
			s := &seen[i]
			s.rate = append(s.rate, result.Rate)
			s.p50 = append(s.p50, report.Milliseconds(result.P50))
			s.p99 = append(s.p99, report.Milliseconds(result.P99))
			s.p999 = append(s.p999, report.Milliseconds(result.P999))
		}
	}
	for i, s := range seen {
		name := "policy decision at " + spaced(arrivals) + "/s"
		if i > 0 {
			name += ", " + spaced(int64(f.partners)) + " partners"
		}
		f.fact(name+": answered", "calls/s", "", s.rate...)
		f.fact(name+": p50", "ms", "", s.p50...)
		f.fact(name+": p99", "ms", "≤ 1", s.p99...)
		f.fact(name+": p99.9", "ms", "", s.p999...)
	}
	return nil
}

// crowd makes a tenant with n partners and, as the last, fabrikam. All but two
// are copies of rows, for tenants that need not exist: the API takes only some
// writes of policies in ten seconds.
func (f *fixture) crowd(ctx context.Context, n int) (suite.Tenant, error) {
	const partners = "/v1.0/policies/crossTenantAccessPolicy/partners"
	t, err := f.suite.NewTenant(ctx, "crowd"+f.run)
	if err != nil {
		return t, err
	}
	first := f.contoso.TenantID
	if err := f.suite.Call(ctx, t, http.MethodPost, partners, map[string]any{"tenantId": first}, nil); err != nil {
		return t, err
	}
	if _, err := f.db.Rows(ctx, fill.Spec{Schema: "policy", Tenant: t.TenantID, Anchors: []string{first},
		Replace: []fill.Replacement{{Old: first, SQL: fill.ID(first)}}}, 1, int64(n)-1); err != nil {
		return t, err
	}
	if err := f.db.Settle(ctx, "policy"); err != nil {
		return t, err
	}
	// This write also tells the suite that the tenant's policies changed.
	return t, f.suite.Call(ctx, t, http.MethodPost, partners, map[string]any{"tenantId": f.other.TenantID}, nil)
}
