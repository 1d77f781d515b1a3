package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"runtime"
	"sync/atomic"
	"time"

	"entente.dev/deploy/bench/internal/fill"
	"entente.dev/deploy/bench/internal/load"
	"entente.dev/deploy/bench/internal/report"
	"entente.dev/deploy/bench/internal/suite"
)

// fixture is what the operations work on.
type fixture struct {
	options
	report  *report.Report
	suite   *suite.Suite
	db      fill.DB
	contoso suite.Tenant
	other   suite.Tenant
	userIDs []string
	run     string // makes names unique over repeated runs on one database
	// sequence numbers all calls of the bench.
	sequence atomic.Int64
}

func newFixture(ctx context.Context, o options, s *suite.Suite, db fill.DB, run string) (*fixture, error) {
	f := &fixture{options: o, report: &report.Report{Arguments: os.Args[1:], Started: time.Now().UTC(), CPUs: runtime.NumCPU()}, suite: s, db: db, run: run}
	for _, t := range s.Tenants {
		switch t.Name {
		case "contoso":
			f.contoso = t
		case "fabrikam":
			f.other = t
		}
	}
	if f.contoso.TenantID == "" || f.other.TenantID == "" {
		return nil, fmt.Errorf("the demo tenants contoso and fabrikam are missing in entente.json")
	}
	var page struct {
		Value []struct {
			ID string `json:"id"`
		} `json:"value"`
	}
	if err := s.Call(ctx, f.contoso, http.MethodGet, "/v1.0/users?$top=200&$select=id", nil, &page); err != nil {
		return nil, err
	}
	for _, u := range page.Value {
		f.userIDs = append(f.userIDs, u.ID)
	}
	return f, nil
}

func (f *fixture) user(n int64) string { return f.userIDs[int(n)%len(f.userIDs)] }

func (f *fixture) newUser(n int64) map[string]any {
	name := fmt.Sprintf("bench-%s-%d", f.run, n)
	return map[string]any{
		"accountEnabled": true, "displayName": "Bench " + name, "mailNickname": name,
		"userPrincipalName": name + "@" + f.contoso.Domain, "department": "Bench",
		"passwordProfile": map[string]any{"password": password},
	}
}

const password = "Xk7#pQ9w-Lr2v"

// get is the operation that reads a path of a tenant.
func (f *fixture) get(t suite.Tenant, path func(n int64) string) load.Op {
	return func(ctx context.Context, n int64) error {
		return f.suite.Call(ctx, t, http.MethodGet, path(n), nil, nil)
	}
}

// post is the operation that sends a body to a path of Contoso.
func (f *fixture) post(path string, body func(n int64) any) load.Op {
	return func(ctx context.Context, n int64) error {
		return f.suite.Call(ctx, f.contoso, http.MethodPost, path, body(n), nil)
	}
}

func always(s string) func(int64) string { return func(int64) string { return s } }

// compare lets two operations take turns and reports how their times relate.
func (f *fixture) compare(ctx context.Context, c report.Comparison, small, large load.Op) error {
	if _, _, err := load.Alternate(ctx, f.warm(), &f.sequence, small, large); err != nil {
		return fmt.Errorf("%s: %w", c.Operation, err)
	}
	for range f.rounds {
		a, b, err := load.Alternate(ctx, f.length, &f.sequence, small, large)
		if err != nil {
			return fmt.Errorf("%s: %w", c.Operation, err)
		}
		c.SmallMs = append(c.SmallMs, report.Milliseconds(a.P50))
		c.LargeMs = append(c.LargeMs, report.Milliseconds(b.P50))
	}
	f.report.Comparisons = append(f.report.Comparisons, c)
	fmt.Fprintf(os.Stderr, "%s: %.2f times as long on %s\n", c.Operation, report.Median(c.Ratios()), c.Large)
	return nil
}

// fact reports a figure.
func (f *fixture) fact(name, unit, target string, values ...float64) {
	f.report.Facts = append(f.report.Facts, report.Fact{Name: name, Unit: unit, Target: target, Values: values})
	fmt.Fprintf(os.Stderr, "%s: %.2f %s\n", name, report.Median(values), unit)
}

// warm is the length of a turn that does not count.
func (f *fixture) warm() time.Duration { return min(f.length, time.Second) }

// errNotYet is how until's function says that it must be asked again.
var errNotYet = errors.New("not yet")

// until asks until something holds and answers how long that took since began.
func until(ctx context.Context, began time.Time, every time.Duration, ask func() error) (time.Duration, error) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		err := ask()
		if err == nil {
			return time.Since(began), nil
		}
		if !errors.Is(err, errNotYet) {
			return 0, err
		}
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-tick.C:
		}
	}
}
