package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"entente.dev/deploy/e2e/suitetest"
)

func TestAdminSynchronizesAssignedUsers(t *testing.T) {
	t.Parallel()
	s := suitetest.Shared(t)
	from, to := s.NewTenant(t, "workforce", "Source"), s.NewTenant(t, "workforce", "Target")
	source, target := s.Graph(t, from), s.Graph(t, to)

	var ids []string
	for i := range 6 {
		body := from.NewUser(fmt.Sprintf("member%d", i))
		body["department"], body["mail"] = "Research", fmt.Sprintf("member%d@%s", i, from.Domain)
		ids = append(ids, suitetest.ID(source.Create("/v1.0/users", body)))
	}
	group := suitetest.ID(source.Create("/v1.0/groups", object{"displayName": "Everybody but one", "mailEnabled": false, "mailNickname": "everybody", "securityEnabled": true}))
	for _, id := range ids[:4] {
		source.Send(http.MethodPost, "/v1.0/groups/"+group+"/members/$ref", object{"@odata.id": s.GraphURL + "/v1.0/directoryObjects/" + id})
	}

	c := configure(t, source, to, false)
	// The connection test names what is missing, one thing after the other.
	saved := object{"useSavedCredentials": true, "templateId": syncTemplate}
	source.Refused(http.MethodPost, c.Job+"/validateCredentials", saved, 400, "AzureDirectoryB2BManagementPolicyCheckFailure")
	partners := "/v1.0/policies/crossTenantAccessPolicy/partners"
	source.Create(partners, object{"tenantId": to.ID, "automaticUserConsentSettings": object{"outboundAllowed": true}})
	source.Refused(http.MethodPost, c.Job+"/validateCredentials", saved, 400, "AzureDirectoryB2BManagementPolicyCheckFailure")
	target.Create(partners, object{"tenantId": from.ID, "automaticUserConsentSettings": object{"inboundAllowed": true}})
	source.Refused(http.MethodPost, c.Job+"/validateCredentials", saved, 400, "AzureActiveDirectoryCrossTenantSyncPolicyCheckFailure")
	target.Send(http.MethodPut, partners+"/"+from.ID+"/identitySynchronization", object{"userSyncInbound": object{"isSyncAllowed": true}})
	source.Send(http.MethodPost, c.Job+"/validateCredentials", saved)
	source.Refused(http.MethodPost, c.Base+"/jobs/validateCredentials", object{
		"templateId": syncTemplate, "useSavedCredentials": false,
		"credentials": []object{{"key": "AuthenticationType", "value": "SyncPolicy"}, {"key": "CompanyId", "value": unused()}},
	}, 400, "ExternalTenantNotFound")

	// One user on demand, before anything else runs.
	c.assign(source, group)
	schema := source.Get(c.Job + "/schema")
	rules, _ := schema["synchronizationRules"].([]any)
	if len(rules) != 1 {
		t.Fatalf("schema = %v", schema)
	}
	rule := suitetest.ID(rules[0].(object))
	demand := func(id string) object {
		answer := source.Act(c.Job+"/provisionOnDemand", object{"parameters": []object{{
			"ruleId": rule, "subjects": []object{{"objectId": id, "objectTypeName": "User"}},
		}}})
		var report []object
		if err := json.Unmarshal([]byte(fmt.Sprint(answer["value"])), &report); err != nil || len(report) != 1 {
			t.Fatalf("on demand: %v: %v", err, answer)
		}
		return report[0]
	}
	if r := demand(ids[0]); !strings.Contains(strings.ToLower(fmt.Sprint(r["statusInfo"])), "success") {
		t.Errorf("on demand = %v", r)
	}
	first := found(t, target, "displayName eq 'member0'", 1)[0]
	if first["userType"] != "Member" || first["externalUserState"] != "Accepted" || first["department"] != "Research" {
		t.Errorf("synchronized user = %v", first)
	}
	if r := demand(ids[5]); !strings.Contains(strings.ToLower(fmt.Sprint(r["statusInfo"])), "skipped") {
		t.Errorf("an unassigned user on demand = %v", r)
	}

	// The initial cycle brings the assigned group.
	source.Send(http.MethodPost, c.Job+"/start", nil)
	found(t, target, "startswith(displayName,'member')", 4)
	if again := found(t, target, "displayName eq 'member0'", 1)[0]; suitetest.ID(again) != suitetest.ID(first) {
		t.Error("the cycle made a second user of one that came on demand")
	}
	var job object
	suitetest.Eventually(t, 20*time.Second, "the initial cycle ends", func() bool {
		job = source.Get(c.Job)
		status, _ := job["status"].(object)
		last, _ := status["lastSuccessfulExecution"].(object)
		return last["state"] == "Succeeded"
	})
	status := job["status"].(object)
	if status["code"] != "Active" || status["quarantine"] != nil {
		t.Errorf("status = %v", status)
	}
	if counts := fmt.Sprint(status["synchronizedEntryCountByType"]); !strings.Contains(counts, "4") {
		t.Errorf("synchronized entries = %s", counts)
	}

	// Incremental: a change, a new member, a leaver, a deletion.
	source.Patch("/v1.0/users/"+ids[1], object{"department": "Development"})
	source.Send(http.MethodPost, "/v1.0/groups/"+group+"/members/$ref", object{"@odata.id": s.GraphURL + "/v1.0/users/" + ids[4]})
	source.Delete("/v1.0/groups/" + group + "/members/" + ids[2] + "/$ref")
	source.Delete("/v1.0/users/" + ids[3])
	if a := source.Do(http.MethodPost, strings.Replace(c.Job, "/v1.0/", "/entente/v1/", 1)+"/runNow", nil); a.Status != 202 {
		t.Errorf("runNow = %d %s", a.Status, a.Raw)
	}
	suitetest.Eventually(t, 30*time.Second, "the incremental cycle", func() bool {
		users, _ := target.All("/v1.0/users?$filter=startswith(displayName,'member')&$select=id,displayName,department")
		var names []string
		for _, u := range users {
			names = append(names, fmt.Sprint(u["displayName"], " ", u["department"]))
		}
		slices.Sort(names)
		return slices.Equal(names, []string{"member0 Research", "member1 Development", "member4 Research"})
	})

	// The log says what was done, in the source only.
	// It is written a moment after the target was.
	suitetest.Eventually(t, 10*time.Second, "the provisioning log", func() bool {
		log, _ := source.All("/v1.0/auditLogs/provisioning")
		actions := map[string]int{}
		for _, row := range log {
			info, _ := row["provisioningStatusInfo"].(object)
			actions[fmt.Sprint(row["provisioningAction"], " ", info["status"])]++
		}
		return actions["create success"] == 5 && actions["update success"] >= 1 && actions["delete success"] == 2
	})
	if foreign, _ := target.All("/v1.0/auditLogs/provisioning"); len(foreign) != 0 {
		t.Errorf("the target sees %d rows of the source's log", len(foreign))
	}

	// The target may stop it at any time; nobody is changed.
	target.Patch(partners+"/"+from.ID+"/identitySynchronization", object{"userSyncInbound": object{"isSyncAllowed": false}})
	report := demand(ids[0])
	if text := fmt.Sprint(report); !strings.Contains(text, "AzureActiveDirectoryCrossTenantSyncPolicyCheckFailure") {
		t.Errorf("on demand without consent = %s", text)
	}
	if users, _ := target.All("/v1.0/users?$filter=startswith(displayName,'member')"); len(users) != 3 {
		t.Errorf("%d users left after the consent ended", len(users))
	}
	source.Send(http.MethodPost, c.Job+"/pause", nil)
	source.Delete(c.Job)
	source.Refused(http.MethodGet, c.Job, nil, 404, "Request_ResourceNotFound")
}

func TestDemoHasRunTheMainJob(t *testing.T) {
	t.Parallel()
	s := suitetest.Shared(t)
	contoso, fabrikam := s.Graph(t, s.Demo(t, "contoso")), s.Graph(t, s.Demo(t, "fabrikam"))
	if external := s.Demo(t, "woodgrove"); external.Type != "external" {
		t.Errorf("woodgrove = %v", external.Type)
	}
	members, _ := contoso.All("/v1.0/users?$filter=userType eq 'Member'&$select=id,department,displayName&$top=999")
	departments := 0
	for _, m := range members {
		if m["department"] != nil {
			departments++
		}
	}
	if len(members) < 200 || departments < 190 {
		t.Errorf("contoso has %d members, %d with a department", len(members), departments)
	}
	if groups, _ := contoso.All("/v1.0/groups"); len(groups) == 0 {
		t.Error("contoso has no groups")
	}
	if guests, _ := contoso.All("/v1.0/users?$filter=userType eq 'Guest' and externalUserState eq 'Accepted'"); len(guests) == 0 {
		t.Error("nobody has redeemed an invitation to contoso")
	}
	if synchronized, _ := fabrikam.All("/v1.0/users?$filter=externalUserState eq 'Accepted'&$top=999"); len(synchronized) == 0 {
		t.Error("nobody was synchronized to fabrikam")
	}
}
