package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	"entente.dev/deploy/bench/internal/suite"
)

// template is the application template of cross-tenant synchronization.
const template = "518e5f48-1fc8-4c48-9387-9fdf28b0dfe7"

// job is a synchronization job of a source tenant.
type job struct {
	source suite.Tenant
	path   string
}

// measureSync creates users in the source, synchronizes them all for the first
// time, and then times one changed user on its way to the target. It works
// from fabrikam to contoso, the direction that the demo leaves free.
func measureSync(ctx context.Context, f *fixture, users int) error {
	source, target := f.other, f.contoso
	fmt.Fprintf(os.Stderr, "creating %d users to synchronize\n", users)
	if err := createUsers(ctx, f, source, users); err != nil {
		return err
	}
	if err := consent(ctx, f, source, target); err != nil {
		return fmt.Errorf("let %s synchronize into %s: %w", source.Name, target.Name, err)
	}
	j, err := newJob(ctx, f, source, target)
	if err != nil {
		return err
	}
	began := time.Now()
	if err := f.suite.Call(ctx, source, http.MethodPost, j.path+"/start", nil, nil); err != nil {
		return err
	}
	exported, err := j.await(ctx, f)
	if err != nil {
		return err
	}
	took := time.Since(began)
	fmt.Printf("\nInitial synchronization: %d users in %s, %.0f users/s, logs and audit included (target ≥ 2 000).\n",
		exported, took.Round(time.Millisecond), float64(exported)/took.Seconds())
	return measureChange(ctx, f, source, target)
}

func createUsers(ctx context.Context, f *fixture, t suite.Tenant, n int) error {
	var next atomic.Int64
	failed := make(chan error, 16)
	for range cap(failed) {
		go func() {
			for {
				i := next.Add(1)
				if i > int64(n) {
					failed <- nil
					return
				}
				user := f.newUser(i)
				name := fmt.Sprintf("source-%s-%d", f.run, i)
				user["mailNickname"], user["userPrincipalName"], user["mail"] = name, name+"@"+t.Domain, name+"@"+t.Domain
				if err := f.suite.Call(ctx, t, http.MethodPost, "/v1.0/users", user, nil); err != nil {
					failed <- err
					return
				}
			}
		}()
	}
	var first error
	for range cap(failed) {
		if err := <-failed; err != nil && first == nil {
			first = err
		}
	}
	return first
}

// consent writes both tenants' sides of what synchronization needs.
func consent(ctx context.Context, f *fixture, source, target suite.Tenant) error {
	const partners = "/v1.0/policies/crossTenantAccessPolicy/partners"
	sides := []struct {
		of, other suite.Tenant
		consent   map[string]any
	}{
		{source, target, map[string]any{"outboundAllowed": true}},
		{target, source, map[string]any{"inboundAllowed": true}},
	}
	for _, side := range sides {
		// The demo may have made the partner for the other direction already.
		path := partners + "/" + side.other.TenantID
		if err := f.suite.Call(ctx, side.of, http.MethodGet, path, nil, nil); err != nil {
			if err := f.suite.Call(ctx, side.of, http.MethodPost, partners, map[string]any{"tenantId": side.other.TenantID}, nil); err != nil {
				return err
			}
		}
		if err := f.suite.Call(ctx, side.of, http.MethodPatch, path, map[string]any{"automaticUserConsentSettings": side.consent}, nil); err != nil {
			return err
		}
	}
	return f.suite.Call(ctx, target, http.MethodPut, partners+"/"+source.TenantID+"/identitySynchronization",
		map[string]any{"userSyncInbound": map[string]any{"isSyncAllowed": true}}, nil)
}

func newJob(ctx context.Context, f *fixture, source, target suite.Tenant) (job, error) {
	var made struct {
		ServicePrincipal struct {
			ID string `json:"id"`
		} `json:"servicePrincipal"`
	}
	if err := f.suite.Call(ctx, source, http.MethodPost, "/v1.0/applicationTemplates/"+template+"/instantiate",
		map[string]any{"displayName": "bench " + f.run}, &made); err != nil {
		return job{}, err
	}
	base := "/v1.0/servicePrincipals/" + made.ServicePrincipal.ID + "/synchronization"
	if err := f.suite.Call(ctx, source, http.MethodPut, base+"/secrets", map[string]any{"value": []map[string]string{
		{"key": "CompanyId", "value": target.TenantID}, {"key": "AuthenticationType", "value": "SyncPolicy"}, {"key": "SyncAll", "value": "true"},
	}}, nil); err != nil {
		return job{}, err
	}
	var j struct {
		ID string `json:"id"`
	}
	if err := f.suite.Call(ctx, source, http.MethodPost, base+"/jobs", map[string]any{"templateId": "Azure2Azure"}, &j); err != nil {
		return job{}, err
	}
	return job{source: source, path: base + "/jobs/" + j.ID}, nil
}

// await polls the job until its first cycle has ended, and answers how many
// objects it exported.
func (j job) await(ctx context.Context, f *fixture) (int64, error) {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		var state struct {
			Status struct {
				LastExecution *struct {
					State         string `json:"state"`
					CountExported int64  `json:"countExported"`
					TimeEnded     string `json:"timeEnded"`
				} `json:"lastExecution"`
				SteadyState string `json:"steadyStateFirstAchievedTime"`
			} `json:"status"`
		}
		if err := f.suite.Call(ctx, j.source, http.MethodGet, j.path, nil, &state); err != nil {
			return 0, err
		}
		if e := state.Status.LastExecution; e != nil && e.CountExported > 0 && e.State != "" {
			if e.State != "Succeeded" {
				return 0, fmt.Errorf("the first cycle ended in state %s", e.State)
			}
			return e.CountExported, nil
		}
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-tick.C:
		}
	}
}

// measureChange changes one source user and waits until the target shows it.
func measureChange(ctx context.Context, f *fixture, source, target suite.Tenant) error {
	name := fmt.Sprintf("source-%s-1", f.run)
	title := "changed " + f.run
	began := time.Now()
	if err := f.suite.Call(ctx, source, http.MethodPatch, "/v1.0/users/"+name+"@"+source.Domain, map[string]any{"jobTitle": title}, nil); err != nil {
		return err
	}
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		var page struct {
			Value []struct {
				JobTitle string `json:"jobTitle"`
			} `json:"value"`
		}
		if err := f.suite.Call(ctx, target, http.MethodGet,
			"/v1.0/users?$filter=mail%20eq%20'"+name+"@"+source.Domain+"'&$select=jobTitle", nil, &page); err != nil {
			return err
		}
		if len(page.Value) == 1 && page.Value[0].JobTitle == title {
			fmt.Printf("One change among them reached the target in %s (target ≤ 1 s).\n", time.Since(began).Round(time.Millisecond))
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}
