package main

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"entente.dev/deploy/bench/internal/report"
	"entente.dev/deploy/bench/internal/suite"
)

// template is the application template of cross-tenant synchronization.
const template = "518e5f48-1fc8-4c48-9387-9fdf28b0dfe7"

// job is a synchronization job of a source tenant.
type job struct {
	source suite.Tenant
	path   string
}

// measureSync fills a tenant, synchronizes all of it into an empty one for the
// first time, and then times changed users on their way to the target.
func (f *fixture) measureSync(ctx context.Context) error {
	source, err := f.populate(ctx, "source", f.syncUsers)
	if err != nil {
		return err
	}
	target, err := f.suite.NewTenant(ctx, "target"+f.run)
	if err != nil {
		return err
	}
	if err := consent(ctx, f, source.Tenant, target); err != nil {
		return fmt.Errorf("let %s synchronize into %s: %w", source.Name, target.Name, err)
	}
	j, err := newJob(ctx, f, source.Tenant, target)
	if err != nil {
		return err
	}
	if err := f.suite.ResetPeakMemory(); err != nil {
		return fmt.Errorf("measure memory anew: %w", err)
	}
	began := time.Now()
	if err := f.suite.Call(ctx, source.Tenant, http.MethodPost, j.path+"/start", nil, nil); err != nil {
		return err
	}
	exported, err := j.await(ctx, f)
	if err != nil {
		return err
	}
	took := time.Since(began).Seconds()
	peak, err := f.suite.PeakMemory()
	if err != nil {
		return err
	}
	if exported < source.size {
		return fmt.Errorf("the first cycle exported %d of %d users", exported, source.size)
	}
	name := "initial synchronization of " + spaced(exported) + " users"
	f.fact(name+", logs and audit included", "users/s", "≥ 2 000", float64(exported)/took)
	f.fact(name+": duration", "s", "< 60 for 100 000", took)
	f.fact(name+": peak resident memory of the suite", "MiB", "≤ 256", float64(peak))
	return f.measureChanges(ctx, source, target)
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
func (j job) await(ctx context.Context, f *fixture) (exported int64, err error) {
	_, err = until(ctx, time.Now(), 50*time.Millisecond, func() error {
		var state struct {
			Status struct {
				LastExecution *struct {
					State         string `json:"state"`
					CountExported int64  `json:"countExported"`
				} `json:"lastExecution"`
			} `json:"status"`
		}
		if err := f.suite.Call(ctx, j.source, http.MethodGet, j.path, nil, &state); err != nil {
			return err
		}
		e := state.Status.LastExecution
		switch {
		case e == nil || e.CountExported == 0 || e.State == "":
			return errNotYet
		case e.State != "Succeeded":
			return fmt.Errorf("the first cycle ended in state %s", e.State)
		}
		exported = e.CountExported
		return nil
	})
	return exported, err
}

// measureChanges changes source users, one after the other, and waits each
// time until the target shows it.
func (f *fixture) measureChanges(ctx context.Context, source population, target suite.Tenant) error {
	var seen []float64
	for i := range changes {
		number, title := source.any(int64(i)), fmt.Sprintf("changed %s %d", f.run, i)
		began := time.Now()
		if err := f.suite.Call(ctx, source.Tenant, http.MethodPatch, "/v1.0/users/"+source.id(number), map[string]any{"jobTitle": title}, nil); err != nil {
			return err
		}
		path := filter("mail eq '%s'", source.name(number)) + "&$select=jobTitle"
		took, err := until(ctx, began, 5*time.Millisecond, func() error {
			var page struct {
				Value []struct {
					JobTitle string `json:"jobTitle"`
				} `json:"value"`
			}
			if err := f.suite.Call(ctx, target, http.MethodGet, path, nil, &page); err != nil {
				return err
			}
			if len(page.Value) != 1 || page.Value[0].JobTitle != title {
				return errNotYet
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("await a change in the target: %w", err)
		}
		seen = append(seen, report.Milliseconds(took))
	}
	f.fact("one change among "+spaced(source.size)+" users reaches the target", "ms", "≤ 1 000", seen...)
	return nil
}
