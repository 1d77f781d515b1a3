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
	"google.golang.org/grpc/health/grpc_health_v1"
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

// arrival is what is asked for at a fixed rate.
type arrival struct {
	name   string
	target string // of its p99
	op     load.Op
}

// measureArrivals asks at a fixed rate for decisions, in a tenant with few
// partners and in one with many, and for an empty answer of the same process,
// in turns. What an empty answer takes is the machine's share of the others.
func (f *fixture) measureArrivals(ctx context.Context) error {
	policy, err := f.suite.Dial("policy", "invitation-svc")
	if err != nil {
		return err
	}
	decide, err := f.decision()
	if err != nil {
		return err
	}
	health, decisions := grpc_health_v1.NewHealthClient(policy), policypb.NewDecisionServiceClient(policy)
	all := []arrival{
		{"empty answer", "", func(ctx context.Context, _ int64) error {
			_, err := health.Check(ctx, &grpc_health_v1.HealthCheckRequest{})
			return err
		}},
		{"policy decision", "≤ 1", decide(f.contoso)},
		{"decision about an invitation", "≤ 1", func(ctx context.Context, n int64) error {
			_, err := decisions.CheckInvite(ctx, &policypb.CheckInviteRequest{
				ResourceTenantId: f.contoso.TenantID, Email: fmt.Sprintf("guest%d@%s", n, f.other.Domain),
				Inviter: &policypb.Inviter{Kind: "application"},
			})
			return err
		}},
	}
	if f.partners > 0 {
		crowded, err := f.crowd(ctx, f.partners)
		if err != nil {
			return fmt.Errorf("make a tenant with %d partners: %w", f.partners, err)
		}
		all = append(all, arrival{"policy decision, " + spaced(int64(f.partners)) + " partners", "≤ 1", decide(crowded)})
	}
	seen := make([]struct{ rate, p50, p99, p999 []float64 }, len(all))
	for round := range f.rounds + 1 {
		for i, a := range all {
			length := f.length
			if round == 0 {
				length = f.warm()
			}
			result, err := load.Open(ctx, arrivals, length, &f.sequence, a.op)
			if err != nil {
				return fmt.Errorf("%s at a fixed rate: %w", a.name, err)
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
		name := all[i].name + " at " + spaced(arrivals) + "/s"
		f.fact(name+": answered", "calls/s", "", s.rate...)
		f.fact(name+": p50", "ms", "", s.p50...)
		f.fact(name+": p99", "ms", all[i].target, s.p99...)
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
