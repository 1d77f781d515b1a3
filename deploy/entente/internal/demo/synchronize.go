package demo

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"
)

const (
	// synchronizationTemplate is the application template of cross-tenant
	// synchronization; its id is published.
	synchronizationTemplate = "518e5f48-1fc8-4c48-9387-9fdf28b0dfe7"
	configurationName       = "Contoso to Fabrikam"
	// syncLimit is how long the first cycle over a few dozen users may take.
	syncLimit = 2 * time.Minute
)

// synchronizedGroup is whose members go to Fabrikam.
var synchronizedGroup = departments[0]

// synchronize sets up both sides and runs the first cycle.
func synchronize(ctx context.Context, source, target *Graph, step Step) error {
	if err := step("allow the synchronization on both sides", func(func(string, ...any)) (string, error) {
		return "Fabrikam lets Contoso's users in, both redeem automatically", allow(ctx, source, target)
	}); err != nil {
		return err
	}
	var principal, job string
	if err := step("configure the synchronization in Contoso", func(func(string, ...any)) (string, error) {
		var err error
		if principal, job, err = configure(ctx, source, target); err != nil {
			return "", err
		}
		return "job " + job + ", connection tested, group " + synchronizedGroup + " assigned", nil
	}); err != nil {
		return err
	}
	return step("synchronize "+synchronizedGroup+" to Fabrikam", func(say func(string, ...any)) (string, error) {
		return runCycle(ctx, source, target, principal, job, say)
	})
}

// allow writes the two partner policies: Fabrikam's inbound, Contoso's outbound.
func allow(ctx context.Context, source, target *Graph) error {
	const partners = "/v1.0/policies/crossTenantAccessPolicy/partners"
	for _, side := range []struct {
		g       *Graph
		partner string
		consent map[string]bool
	}{
		{target, source.tenant.TenantID, map[string]bool{"inboundAllowed": true}},
		{source, target.tenant.TenantID, map[string]bool{"outboundAllowed": true}},
	} {
		err := side.g.Do(ctx, http.MethodPost, partners, map[string]any{"tenantId": side.partner}, nil)
		if err != nil && !partnerExists(ctx, side.g, partners, side.partner) {
			return err
		}
		err = side.g.Do(ctx, http.MethodPatch, partners+"/"+side.partner, map[string]any{"automaticUserConsentSettings": side.consent}, nil)
		if err != nil {
			return err
		}
	}
	return target.Do(ctx, http.MethodPut, partners+"/"+source.tenant.TenantID+"/identitySynchronization",
		map[string]any{"displayName": "Contoso", "userSyncInbound": map[string]bool{"isSyncAllowed": true}}, nil)
}

func partnerExists(ctx context.Context, g *Graph, partners, id string) bool {
	return g.Do(ctx, http.MethodGet, partners+"/"+id, nil, nil) == nil
}

// servicePrincipal is the configuration in the source tenant.
type servicePrincipal struct {
	ID       string `json:"id"`
	AppRoles []struct {
		ID    string `json:"id"`
		Value string `json:"value"`
	} `json:"appRoles"`
}

// configure makes the configuration, its secrets, its job and the assignment,
// as far as they are missing, and tests the connection.
func configure(ctx context.Context, source, target *Graph) (principal, job string, err error) {
	sp, err := ensureConfiguration(ctx, source)
	if err != nil {
		return "", "", fmt.Errorf("instantiate the template: %w", err)
	}
	root := "/v1.0/servicePrincipals/" + sp.ID + "/synchronization"
	credentials := []map[string]string{
		{"key": "AuthenticationType", "value": "SyncPolicy"}, {"key": "CompanyId", "value": target.tenant.TenantID},
	}
	if err := source.Do(ctx, http.MethodPut, root+"/secrets", map[string]any{"value": credentials}, nil); err != nil {
		return "", "", fmt.Errorf("name the target: %w", err)
	}
	if job, err = ensureJob(ctx, source, root); err != nil {
		return "", "", fmt.Errorf("make the job: %w", err)
	}
	if err := source.Do(ctx, http.MethodPost, root+"/jobs/"+job+"/validateCredentials", map[string]any{"useSavedCredentials": true}, nil); err != nil {
		return "", "", fmt.Errorf("test the connection: %w", err)
	}
	return sp.ID, job, assign(ctx, source, sp)
}

func ensureConfiguration(ctx context.Context, source *Graph) (servicePrincipal, error) {
	found, err := list[servicePrincipal](ctx, source, "/v1.0/servicePrincipals?$filter=displayName%20eq%20'Contoso%20to%20Fabrikam'")
	if err != nil {
		return servicePrincipal{}, err
	}
	if len(found) > 0 {
		return found[0], nil
	}
	var made struct {
		ServicePrincipal servicePrincipal `json:"servicePrincipal"`
	}
	err = source.Do(ctx, http.MethodPost, "/v1.0/applicationTemplates/"+synchronizationTemplate+"/instantiate",
		map[string]string{"displayName": configurationName}, &made)
	return made.ServicePrincipal, err
}

type syncJob struct {
	ID     string `json:"id"`
	Status struct {
		Code                    string     `json:"code"`
		LastExecution           *execution `json:"lastExecution"`
		LastSuccessfulExecution *execution `json:"lastSuccessfulExecution"`
		Quarantine              *struct {
			Reason string `json:"reason"`
		} `json:"quarantine"`
	} `json:"status"`
}

type execution struct {
	State         string `json:"state"`
	CountExported int    `json:"countExported"`
	Error         struct {
		Message string `json:"message"`
	} `json:"error"`
}

func ensureJob(ctx context.Context, source *Graph, root string) (string, error) {
	jobs, err := list[syncJob](ctx, source, root+"/jobs")
	if err != nil {
		return "", err
	}
	if len(jobs) > 0 {
		return jobs[0].ID, nil
	}
	var made syncJob
	err = source.Do(ctx, http.MethodPost, root+"/jobs", map[string]string{"templateId": "Azure2Azure"}, &made)
	return made.ID, err
}

// assign puts the group into the scope of the configuration.
func assign(ctx context.Context, source *Graph, sp servicePrincipal) error {
	group, err := FindGroup(ctx, source, synchronizedGroup)
	if err != nil {
		return fmt.Errorf("find the group: %w", err)
	}
	path := "/v1.0/servicePrincipals/" + sp.ID + "/appRoleAssignedTo"
	assigned, err := list[struct {
		PrincipalID string `json:"principalId"`
	}](ctx, source, path)
	if err != nil {
		return fmt.Errorf("list assignments: %w", err)
	}
	for _, a := range assigned {
		if a.PrincipalID == group {
			return nil
		}
	}
	role := "00000000-0000-0000-0000-000000000000"
	for _, r := range sp.AppRoles {
		role = r.ID
	}
	err = source.Do(ctx, http.MethodPost, path, map[string]string{"principalId": group, "resourceId": sp.ID, "appRoleId": role}, nil)
	if err != nil {
		return fmt.Errorf("assign the group: %w", err)
	}
	return nil
}

// runCycle starts the job and waits until the first cycle has ended.
func runCycle(ctx context.Context, source, target *Graph, principal, job string, say func(string, ...any)) (string, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, syncLimit, errors.New("the first cycle did not end in time"))
	defer cancel()
	path := "/v1.0/servicePrincipals/" + principal + "/synchronization/jobs/" + job
	if err := source.Do(ctx, http.MethodPost, path+"/start", nil, nil); err != nil {
		return "", err
	}
	again := time.NewTicker(pollEvery)
	defer again.Stop()
	for {
		var now syncJob
		if err := source.Do(ctx, http.MethodGet, path, nil, &now); err != nil {
			return "", err
		}
		if q := now.Status.Quarantine; q != nil {
			return "", fmt.Errorf("the job is in quarantine: %s", q.Reason)
		}
		if now.Status.LastSuccessfulExecution != nil {
			break
		}
		say("job is %s", now.Status.Code)
		if last := now.Status.LastExecution; last != nil && last.Error.Message != "" {
			say("job is %s, last cycle %s: %s", now.Status.Code, last.State, last.Error.Message)
		}
		select {
		case <-ctx.Done():
			return "", context.Cause(ctx)
		case <-again.C:
		}
	}
	type user struct {
		UPN string `json:"userPrincipalName"`
	}
	arrived, err := list[user](ctx, target, "/v1.0/users?$select=userPrincipalName&$top=999&$filter=creationType%20eq%20'Invitation'")
	if err != nil {
		return "", err
	}
	if len(arrived) == 0 {
		return "", errors.New("the cycle ended, but nobody arrived in Fabrikam")
	}
	return fmt.Sprintf("%d users arrived, for instance %s", len(arrived), arrived[0].UPN), nil
}
