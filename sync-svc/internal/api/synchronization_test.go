package api

import (
	"encoding/json"
	"strings"
	"testing"

	directorypb "entente.dev/proto/gen/entente/directory/v1"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	odatapb "entente.dev/proto/gen/entente/odata/v1"
	syncpb "entente.dev/proto/gen/entente/sync/v1"
	"entente.dev/servicekit/fault"
	"entente.dev/servicekit/tenant"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
	"google.golang.org/protobuf/types/known/structpb"

	"entente.dev/sync-svc/internal/directorytest"
	"entente.dev/sync-svc/internal/mapping"
	"entente.dev/sync-svc/internal/store"
)

func (w *world) validate(kv ...string) error {
	w.Helper()
	_, err := w.s.ValidateCredentials(w.ctx, &syncpb.ValidateCredentialsRequest{ServicePrincipalId: w.sp, Credentials: pair(kv...)})
	return err
}

func TestA1ToA5ConnectionTest(t *testing.T) {
	w := newWorld(t)
	good := []string{"AuthenticationType", "SyncPolicy", "CompanyId", w.to.String()}
	if err := w.validate(good...); err != nil {
		t.Fatalf("A1: %v", err)
	}
	cases := []struct {
		name    string
		fails   []string
		secrets []string
		reason  errorspb.Reason
		targets []string
	}{
		{"A2: outbound missing", []string{"source.outbound"}, good, errorspb.Reason_AUTOMATIC_REDEMPTION_MISSING, []string{"source.outbound"}},
		{"A3: inbound missing", []string{"target.inbound"}, good, errorspb.Reason_AUTOMATIC_REDEMPTION_MISSING, []string{"target.inbound"}},
		{"A3: both missing", []string{"source.outbound", "target.inbound", "target.userSyncInbound"}, good, errorspb.Reason_AUTOMATIC_REDEMPTION_MISSING, []string{"source.outbound", "target.inbound"}},
		{"A4: synchronization not allowed", []string{"target.userSyncInbound"}, good, errorspb.Reason_INBOUND_SYNC_NOT_ALLOWED, nil},
		{"A5: unknown tenant", nil, []string{"AuthenticationType", "SyncPolicy", "CompanyId", uuid.NewString()}, errorspb.Reason_TARGET_TENANT_NOT_FOUND, nil},
		{"A5: the source itself", nil, []string{"AuthenticationType", "SyncPolicy", "CompanyId", w.from.String()}, errorspb.Reason_INVALID_REQUEST, nil},
		{"no authentication type", nil, []string{"CompanyId", w.to.String()}, errorspb.Reason_INVALID_REQUEST, nil},
		{"no target", nil, []string{"AuthenticationType", "SyncPolicy"}, errorspb.Reason_INVALID_REQUEST, nil},
	}
	for _, c := range cases {
		w.policy.Fail(c.fails...)
		err := w.validate(c.secrets...)
		if !fault.Is(err, c.reason) {
			t.Errorf("%s: %v, want %s", c.name, err, c.reason)
			continue
		}
		var targets []string
		for _, v := range fault.From(err).Violations {
			targets = append(targets, v.Field)
			if v.Code != "AzureActiveDirectoryCrossTenantSyncPolicyCheckFailure" {
				t.Errorf("%s: detail code %s", c.name, v.Code)
			}
		}
		if diff := cmp.Diff(c.targets, targets); diff != "" {
			t.Errorf("%s: details (-want +got):\n%s", c.name, diff)
		}
	}
	w.policy.Fail()
	for range 3 {
		_ = w.validate(good...)
	}
	if err := w.validate(good...); !fault.Is(err, errorspb.Reason_THROTTLED) {
		t.Errorf("SYN-33: the eleventh test in a minute: %v", err)
	}
}

func TestA6A7NewConfigurationsAreThereAtOnce(t *testing.T) {
	w := newWorld(t)
	templates, err := w.s.ListTemplates(w.ctx, &syncpb.ListTemplatesRequest{ServicePrincipalId: w.sp})
	if err != nil || len(templates.GetValue()) != 1 || templates.GetValue()[0].GetId() != "Azure2Azure" {
		t.Fatalf("A6: templates %v, %v", templates, err)
	}
	jobs, err := w.s.ListJobs(w.ctx, &syncpb.ListJobsRequest{ServicePrincipalId: w.sp})
	if err != nil || len(jobs.GetValue()) != 0 {
		t.Fatalf("A6: jobs %v, %v", jobs, err)
	}
	j := w.get(w.job().GetId())
	if j.GetSchedule().GetState() != syncpb.SynchronizationScheduleState_Disabled || j.GetStatus().GetCode() != syncpb.SynchronizationStatusCode_Paused ||
		j.GetSchedule().GetInterval() != "PT40M" || j.GetStatus().Quarantine != nil || j.GetSchedule().Expiration != nil || len(j.GetStatus().GetProgress()) != 0 {
		t.Errorf("A7: job %v", j)
	}
	settings := map[string]string{}
	for _, s := range j.GetSynchronizationJobSettings() {
		settings[s.GetName()] = s.GetValue()
	}
	if diff := cmp.Diff(map[string]string{"AzureIngestionAttributeOptimization": "False", "LookaheadQueryEnabled": "False"}, settings); diff != "" {
		t.Errorf("SYN-15: settings (-want +got):\n%s", diff)
	}
	if _, err := w.s.CreateJob(w.ctx, &syncpb.CreateJobRequest{ServicePrincipalId: w.sp, Job: &syncpb.SynchronizationJob{TemplateId: proto.String("Azure2Azure")}}); fault.From(err).Kind != fault.KindInvalid {
		t.Errorf("SYN-15: a second job: %v", err)
	}
	if _, err := w.s.CreateJob(w.ctx, &syncpb.CreateJobRequest{ServicePrincipalId: w.sp, Job: &syncpb.SynchronizationJob{TemplateId: proto.String("x")}}); fault.From(err).Kind != fault.KindInvalid {
		t.Errorf("SYN-15: another template: %v", err)
	}
}

func TestA8OneJobPerTarget(t *testing.T) {
	w := newWorld(t)
	w.job()
	w.connect()
	first := w.sp
	second := w.dir.AddApp(w.from, mapping.ApplicationTemplateID)
	w.sp = second.String()
	w.job()
	_, err := w.s.PutSecrets(w.ctx, &syncpb.PutSecretsRequest{ServicePrincipalId: w.sp, Value: pair("AuthenticationType", "SyncPolicy", "CompanyId", w.to.String())})
	if !fault.Is(err, errorspb.Reason_TARGET_ALREADY_CONFIGURED) {
		t.Errorf("A8: %v", err)
	}
	got, err := w.s.GetSecrets(w.ctx, &syncpb.GetSecretsRequest{ServicePrincipalId: w.sp})
	if err != nil || len(got.GetValue()) != 0 {
		t.Errorf("A8: refused secrets were saved: %v, %v", got, err)
	}
	_ = first
}

func TestA10StartBeforeSecrets(t *testing.T) {
	w := newWorld(t)
	id := w.job().GetId()
	if _, err := w.s.StartJob(w.ctx, &syncpb.StartJobRequest{ServicePrincipalId: w.sp, JobId: id}); err != nil {
		t.Fatal(err)
	}
	if got := w.get(id).GetStatus().GetCode(); got != syncpb.SynchronizationStatusCode_NotConfigured {
		t.Errorf("code %s", got)
	}
	if leases, err := w.store.Claim(t.Context(), uuid.New(), w.clock.Now(), 1, 5); err != nil || len(leases) != 0 {
		t.Errorf("a job without target is claimed: %v, %v", leases, err)
	}
	w.assigned("u")
	w.connect()
	if got := w.get(id).GetStatus().GetCode(); got != syncpb.SynchronizationStatusCode_NotRun {
		t.Errorf("code %s after the secrets", got)
	}
	w.cycle()
	status := w.get(id).GetStatus()
	if status.GetCode() != syncpb.SynchronizationStatusCode_Active || status.GetLastExecution().GetCountExported() != 1 ||
		status.GetLastExecution().GetState() != syncpb.SynchronizationTaskExecutionResult_Succeeded || status.GetSynchronizedEntryCountByType()[0].GetValue() != 1 {
		t.Errorf("status %v", status)
	}
}

func TestA11StartTwiceChangesNothing(t *testing.T) {
	w := newWorld(t)
	id := w.job().GetId()
	w.connect()
	start := func() int64 {
		t.Helper()
		if _, err := w.s.StartJob(w.ctx, &syncpb.StartJobRequest{ServicePrincipalId: w.sp, JobId: id}); err != nil {
			t.Fatal(err)
		}
		var generation int64
		if err := w.store.Write(t.Context(), tenant.ID(w.from), func(tx *store.Tx) error {
			var err error
			generation, _, err = tx.Generation(id)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		return generation
	}
	if first, second := start(), start(); first != second {
		t.Errorf("generation %d, then %d", first, second)
	}
	if _, err := w.s.PauseJob(w.ctx, &syncpb.PauseJobRequest{ServicePrincipalId: w.sp, JobId: id}); err != nil {
		t.Fatal(err)
	}
	if got := w.get(id); got.GetSchedule().GetState() != syncpb.SynchronizationScheduleState_Paused || got.GetStatus().GetCode() != syncpb.SynchronizationStatusCode_Paused {
		t.Errorf("after pause: %v", got)
	}
}

func TestA12SecretsReadBack(t *testing.T) {
	w := newWorld(t)
	put := func(kv ...string) map[string]string {
		t.Helper()
		if _, err := w.s.PutSecrets(w.ctx, &syncpb.PutSecretsRequest{ServicePrincipalId: w.sp, Value: pair(kv...)}); err != nil {
			t.Fatal(err)
		}
		got, err := w.s.GetSecrets(w.ctx, &syncpb.GetSecretsRequest{ServicePrincipalId: w.sp})
		if err != nil {
			t.Fatal(err)
		}
		m := map[string]string{}
		for _, p := range got.GetValue() {
			m[p.GetKey()] = p.GetValue()
		}
		return m
	}
	if diff := cmp.Diff(map[string]string{"SecretToken": "*", "SyncAll": "true"}, put("SecretToken", "hush", "SyncAll", "true")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]string{"SyncAll": "true"}, put("SecretToken", "", "SyncAll", "true")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestA25A27SchemaFaultsChangeNothing(t *testing.T) {
	w := newWorld(t)
	id := w.job().GetId()
	schema := func() *syncpb.SynchronizationSchema {
		t.Helper()
		s, err := w.s.GetSchema(w.ctx, &syncpb.GetSchemaRequest{ServicePrincipalId: w.sp, JobId: id})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	before := schema()
	bad := proto.CloneOf(before)
	users := bad.GetSynchronizationRules()[0].GetObjectMappings()[0]
	users.GetAttributeMappings()[0].MatchingPriority = proto.Int32(2)
	users.GetAttributeMappings()[3].TargetAttributeName = proto.String("otherMails")
	users.Scope = &syncpb.Filter{Groups: []*syncpb.FilterGroup{{Name: proto.String("g"), Clauses: []*syncpb.FilterClause{{SourceOperandName: proto.String("city"),
		OperatorName: proto.String("REGEX MATCH"), TargetOperand: &syncpb.FilterOperand{Values: []string{"(?=x)"}}}}}}}
	_, err := w.s.PutSchema(w.ctx, &syncpb.PutSchemaRequest{ServicePrincipalId: w.sp, JobId: id, Schema: bad})
	if !fault.Is(err, errorspb.Reason_SCHEMA_INVALID) || len(fault.From(err).Violations) < 3 {
		t.Fatalf("faults %v", err)
	}
	if diff := cmp.Diff(before.String(), schema().String()); diff != "" {
		t.Errorf("the schema changed:\n%s", diff)
	}
	good := proto.CloneOf(before)
	good.GetSynchronizationRules()[0].GetObjectMappings()[0].GetAttributeMappings()[3].Source = &syncpb.AttributeMappingSource{Expression: proto.String(`ToUpper([city])`)}
	if _, err := w.s.PutSchema(w.ctx, &syncpb.PutSchemaRequest{ServicePrincipalId: w.sp, JobId: id, Schema: good}); err != nil {
		t.Fatal(err)
	}
	after := schema()
	source := after.GetSynchronizationRules()[0].GetObjectMappings()[0].GetAttributeMappings()[3].GetSource()
	if after.GetVersion() != "v1.2" || source.GetName() != "ToUpper" || source.GetType() != syncpb.AttributeMappingSourceType_Function || source.GetParameters()[0].GetValue().GetName() != "city" {
		t.Errorf("version %s, source %v", after.GetVersion(), source)
	}
	if _, err := w.s.DeleteSchema(w.ctx, &syncpb.DeleteSchemaRequest{ServicePrincipalId: w.sp, JobId: id}); err != nil {
		t.Fatal(err)
	}
	if got := schema().GetSynchronizationRules(); !proto.Equal(got[0], before.GetSynchronizationRules()[0]) {
		t.Error("SYN-22: defaults were not restored")
	}
}

func TestA50RestartFlags(t *testing.T) {
	w := newWorld(t)
	id := w.job().GetId()
	restart := func(flags string) error {
		_, err := w.s.RestartJob(w.ctx, &syncpb.RestartJobRequest{ServicePrincipalId: w.sp, JobId: id, Criteria: &syncpb.RestartJobRequest_Criteria{ResetScope: proto.String(flags)}})
		return err
	}
	if err := restart("Foo"); fault.From(err).Kind != fault.KindInvalid {
		t.Errorf("Foo: %v", err)
	}
	if err := restart("watermark, escrows"); err != nil {
		t.Error(err)
	}
	if _, err := w.s.RestartJob(w.ctx, &syncpb.RestartJobRequest{ServicePrincipalId: w.sp, JobId: id}); err != nil {
		t.Error(err)
	}
}

// demandBodyOf reads the document inside an answer.
func (w *world) demand(id string, object uuid.UUID) (map[string]any, error) {
	w.Helper()
	schema, err := w.s.GetSchema(w.ctx, &syncpb.GetSchemaRequest{ServicePrincipalId: w.sp, JobId: id})
	if err != nil {
		w.Fatal(err)
	}
	answer, err := w.s.ProvisionOnDemand(w.ctx, &syncpb.ProvisionOnDemandRequest{ServicePrincipalId: w.sp, JobId: id, Parameters: []*syncpb.ProvisionOnDemandRequest_Parameter{{
		RuleId: proto.String(schema.GetSynchronizationRules()[0].GetId()), Subjects: []*syncpb.ProvisionOnDemandRequest_Subject{{ObjectId: proto.String(object.String()), ObjectTypeName: proto.String("user")}}}}})
	if err != nil {
		return nil, err
	}
	var list []map[string]any
	if err := json.Unmarshal([]byte(answer.GetValue()), &list); err != nil || len(list) != 1 || answer.GetKey() != demandKey {
		w.Fatalf("A60: key %s, value %s: %v", answer.GetKey(), answer.GetValue(), err)
	}
	return list[0], nil
}

func status(body map[string]any) (status, code string) {
	info := body["statusInfo"].(map[string]any)
	return info["status"].(string), info["errorCode"].(string)
}

func stepDetails(body map[string]any, name string) map[string]any {
	for _, s := range body["provisioningSteps"].([]any) {
		if step := s.(map[string]any); step["name"] == name {
			return step["details"].(map[string]any)
		}
	}
	return nil
}

func TestA58ToA61OnDemand(t *testing.T) {
	w := newWorld(t)
	id := w.job().GetId()
	object, outsider := w.assigned("u"), w.user("outsider")
	if _, err := w.demand(id, object); !fault.Is(err, errorspb.Reason_CREDENTIALS_MISSING) {
		t.Errorf("SYN-217: without secrets: %v", err)
	}
	w.connect()
	body, err := w.demand(id, object)
	if err != nil {
		t.Fatal(err)
	}
	if s, _ := status(body); s != "Success" || body["action"] != "Create" || w.dir.Find(w.to, w.from, object) == nil {
		t.Errorf("create on demand: %v", body)
	}
	if details := stepDetails(body, "EntryImport"); details["alternativeSecurityIds"] != "None" || details["IsSoftDeleted"] != "False" || details["appRoleAssignments"] != "msiam_access" {
		t.Errorf("SYN-224: import step %v", details)
	}
	body, err = w.demand(id, object)
	if err != nil {
		t.Fatal(err)
	}
	if s, code := status(body); s != "Skipped" || code != "RedundantExport" {
		t.Errorf("A60: %s %s", s, code)
	}
	body, err = w.demand(id, outsider)
	if err != nil {
		t.Fatal(err)
	}
	if s, code := status(body); s != "Skipped" || code != "NotEffectivelyEntitled" || stepDetails(body, "EntrySynchronizationScoping")["Assigned to the application"] != "False" {
		t.Errorf("A59: %s %s %v", s, code, stepDetails(body, "EntrySynchronizationScoping"))
	}
	w.dir.Change(w.from, outsider, func(u *directorytest.User) { u.Deleted = true })
	if _, err := w.demand(id, outsider); !fault.Is(err, errorspb.Reason_NOT_FOUND) {
		t.Errorf("A61: a soft-deleted subject: %v", err)
	}
	w.policy.Fail("target.inbound")
	body, err = w.demand(id, object)
	if err != nil {
		t.Fatal(err)
	}
	if s, code := status(body); s != "Failure" || code != "AzureDirectoryB2BManagementPolicyCheckFailure" || len(body["provisioningSteps"].([]any)) != 1 {
		t.Errorf("SYN-222: %v", body)
	}
	if _, err := w.demand(id, object); !fault.Is(err, errorspb.Reason_THROTTLED) || fault.From(err).RetryAfter <= 0 {
		t.Errorf("A58: the sixth call: %v", err)
	}
	two := &syncpb.ProvisionOnDemandRequest{ServicePrincipalId: w.sp, JobId: id, Parameters: []*syncpb.ProvisionOnDemandRequest_Parameter{{Subjects: []*syncpb.ProvisionOnDemandRequest_Subject{{}, {}}}}}
	if _, err := w.s.ProvisionOnDemand(w.ctx, two); fault.From(err).Kind != fault.KindInvalid {
		t.Errorf("A61: two subjects: %v", err)
	}
	log, err := w.s.ListProvisioningEvents(w.ctx, &syncpb.ListProvisioningEventsRequest{})
	if err != nil || len(log.GetValue()) != 3 {
		t.Fatalf("SYN-216: %d records, %v", len(log.GetValue()), err)
	}
	if kind := log.GetValue()[0].GetInitiatedBy().GetFields()["initiatorType"].GetStringValue(); kind != "user" {
		t.Errorf("SYN-216: initiatorType %s", kind)
	}
}

func TestA48OnDemandRepairs(t *testing.T) {
	w := newWorld(t)
	id := w.job().GetId()
	w.connect()
	object := w.assigned("u")
	manager := w.assigned("boss")
	w.dir.Change(w.from, object, func(u *directorytest.User) { u.Manager = manager.String() }, "manager")
	for _, who := range []uuid.UUID{object, manager} {
		if _, err := w.demand(id, who); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := w.dir.Find(w.to, w.from, object).Manager, w.dir.Find(w.to, w.from, manager).User.GetId(); got != want {
		t.Errorf("SYN-225: manager %q, want %q", got, want)
	}
	w.dir.Assign(w.from, uuid.MustParse(w.sp), object, false)
	body, err := w.demand(id, object)
	if err != nil {
		t.Fatal(err)
	}
	if u := w.dir.Find(w.to, w.from, object); !u.Deleted || body["action"] != "Delete" {
		t.Errorf("SYN-225: an unassigned user on demand: deleted %t, %v", u.Deleted, body["action"])
	}
}

func TestUpdateJob(t *testing.T) {
	w := newWorld(t)
	id := w.job().GetId()
	w.connect()
	patch := func(j *syncpb.SynchronizationJob, paths ...string) error {
		_, err := w.s.UpdateJob(w.ctx, &syncpb.UpdateJobRequest{ServicePrincipalId: w.sp, JobId: id, Job: j, UpdateMask: &fieldmaskpb.FieldMask{Paths: paths}})
		return err
	}
	active := syncpb.SynchronizationScheduleState_Active
	if err := patch(&syncpb.SynchronizationJob{Schedule: &syncpb.SynchronizationSchedule{Interval: proto.String("PT5M"), State: &active}}, "schedule.interval", "schedule.state"); err != nil {
		t.Fatal(err)
	}
	if err := patch(&syncpb.SynchronizationJob{SynchronizationJobSettings: []*syncpb.KeyValuePair{{Name: proto.String("entente.deprovisionDisabled"), Value: proto.String("False")}}}, "synchronization_job_settings"); err != nil {
		t.Fatal(err)
	}
	j := w.get(id)
	if j.GetSchedule().GetInterval() != "PT5M" || j.GetSchedule().GetState() != active || len(j.GetSynchronizationJobSettings()) != 3 {
		t.Errorf("job %v", j)
	}
	for name, value := range map[string]string{"entente.nope": "True", "entente.adoptPending": "maybe", "LookaheadQueryEnabled": strings.Repeat("x", 65<<10)} {
		settings := []*syncpb.KeyValuePair{{Name: &name, Value: &value}}
		if err := patch(&syncpb.SynchronizationJob{SynchronizationJobSettings: settings}, "synchronization_job_settings"); fault.From(err).Kind != fault.KindInvalid {
			t.Errorf("setting %s: %v", name, err)
		}
	}
	if n := len(w.get(id).GetSynchronizationJobSettings()); n != 3 {
		t.Errorf("%d settings after refusals", n)
	}
	for _, bad := range []string{"PT30S", "P2D", "x", "PT"} {
		if err := patch(&syncpb.SynchronizationJob{Schedule: &syncpb.SynchronizationSchedule{Interval: proto.String(bad)}}, "schedule.interval"); fault.From(err).Kind != fault.KindInvalid {
			t.Errorf("interval %s: %v", bad, err)
		}
	}
	if err := patch(&syncpb.SynchronizationJob{TemplateId: proto.String("x")}, "template_id"); fault.From(err).Kind != fault.KindInvalid {
		t.Errorf("SYN-17: another property: %v", err)
	}
	if err := patch(&syncpb.SynchronizationJob{Id: "x"}, "id"); !fault.Is(err, errorspb.Reason_PROPERTY_READ_ONLY) {
		t.Errorf("another id: %v", err)
	}
	if err := patch(j, "id", "template_id"); err != nil {
		t.Errorf("what was read: %v", err)
	}
}

func TestOtherTenantsSeeNothing(t *testing.T) {
	w := newWorld(t)
	id := w.job().GetId()
	foreign := w.as(w.to, "Synchronization.ReadWrite.All", "AuditLog.Read.All")
	if _, err := w.s.GetJob(foreign, &syncpb.GetJobRequest{ServicePrincipalId: w.sp, JobId: id}); !fault.Is(err, errorspb.Reason_NOT_FOUND) {
		t.Errorf("another tenant's administrator: %v", err)
	}
	if _, err := w.s.GetJob(w.as(w.from, "User.Read.All"), &syncpb.GetJobRequest{ServicePrincipalId: w.sp, JobId: id}); !fault.Is(err, errorspb.Reason_ACCESS_DENIED) {
		t.Errorf("without permission: %v", err)
	}
	if _, err := w.s.DeleteJob(w.ctx, &syncpb.DeleteJobRequest{ServicePrincipalId: w.sp, JobId: id}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.s.GetJob(w.ctx, &syncpb.GetJobRequest{ServicePrincipalId: w.sp, JobId: id}); !fault.Is(err, errorspb.Reason_NOT_FOUND) {
		t.Errorf("SYN-18: a deleted job: %v", err)
	}
	w.job() // another one may follow
}

func TestA67ProvisioningLogQueries(t *testing.T) {
	w := newWorld(t)
	id := w.job().GetId()
	w.connect("SyncAll", "true")
	for _, alias := range []string{"a", "b", "c", "d", "e"} {
		w.user(alias)
	}
	guest := directorypb.User_Guest
	w.user("g", func(u *directorytest.User) { u.User.UserType = &guest })
	if _, err := w.s.StartJob(w.ctx, &syncpb.StartJobRequest{ServicePrincipalId: w.sp, JobId: id}); err != nil {
		t.Fatal(err)
	}
	w.cycle()
	count := func(filter string) int {
		t.Helper()
		r, err := w.s.ListProvisioningEvents(w.ctx, &syncpb.ListProvisioningEventsRequest{Query: &odatapb.Query{Filter: filter}})
		if err != nil {
			t.Fatalf("%s: %v", filter, err)
		}
		return len(r.GetValue())
	}
	for filter, want := range map[string]int{
		"": 6,
		"provisioningStatusInfo/status eq 'skipped'":                                  1,
		"provisioningAction eq 'create' and jobId eq '" + id + "'":                    5,
		"servicePrincipal/id eq '" + w.sp + "'":                                       6,
		"sourceIdentity/displayName eq 'a'":                                           1,
		"activityDateTime gt 2026-04-30 and activityDateTime lt 2026-05-02T00:00:00Z": 6,
		"activityDateTime gt 2026-05-02":                                              0,
		"((contains(tolower(servicePrincipal/id),'" + w.sp[:8] + "') or contains(tolower(servicePrincipal/displayName),'fabri')) and activityDateTime gt 2026-04-30 and activityDateTime lt 2026-05-02)": 6,
	} {
		if got := count(filter); got != want {
			t.Errorf("A67: %s gives %d, want %d", filter, got, want)
		}
	}
	for _, bad := range []string{"provisioningSteps/any()", "nope eq 'x'", "activityDateTime gt"} {
		if _, err := w.s.ListProvisioningEvents(w.ctx, &syncpb.ListProvisioningEventsRequest{Query: &odatapb.Query{Filter: bad}}); fault.From(err).Kind != fault.KindInvalid {
			t.Errorf("SYN-231: %s: %v", bad, err)
		}
	}
	seen, pages := map[string]bool{}, 0
	query := &odatapb.Query{Top: proto.Int32(2), Orderby: "activityDateTime desc"}
	for {
		r, err := w.s.ListProvisioningEvents(w.ctx, &syncpb.ListProvisioningEventsRequest{Query: query})
		if err != nil {
			t.Fatal(err)
		}
		pages++
		for _, v := range r.GetValue() {
			if seen[v.GetId()] {
				t.Error("A67: a record comes twice")
			}
			seen[v.GetId()] = true
		}
		if r.GetNextPageToken() == "" {
			break
		}
		query.Skiptoken = r.GetNextPageToken()
	}
	if len(seen) != 6 || pages != 3 {
		t.Errorf("A67: %d records on %d pages", len(seen), pages)
	}
	if r, err := w.s.ListProvisioningEvents(w.as(w.to, "AuditLog.Read.All"), &syncpb.ListProvisioningEventsRequest{}); err != nil || len(r.GetValue()) != 0 {
		t.Errorf("A68: the target sees %d records, %v", len(r.GetValue()), err)
	}
}

func TestParseExpression(t *testing.T) {
	w := newWorld(t)
	parse := func(text string, properties ...*syncpb.ParseExpressionRequest_TestInput_Attribute) *syncpb.ParseExpressionResponse {
		t.Helper()
		req := &syncpb.ParseExpressionRequest{ServicePrincipalId: w.sp, JobId: "x", Expression: proto.String(text)}
		if properties != nil {
			req.TestInputObject = &syncpb.ParseExpressionRequest_TestInput{Properties: properties}
		}
		r, err := w.s.ParseExpression(w.ctx, req)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	name := func(key, value string) *syncpb.ParseExpressionRequest_TestInput_Attribute {
		return &syncpb.ParseExpressionRequest_TestInput_Attribute{Key: &key, Value: structpb.NewStringValue(value)}
	}
	r := parse(`Join(", ", [surname], [givenName])`, name("surname", "Doe"), name("givenName", "John"))
	if !r.GetParsingSucceeded() || !r.GetEvaluationSucceeded() || len(r.GetEvaluationResult()) != 1 || r.GetEvaluationResult()[0] != "Doe, John" || len(r.GetParsedExpression().GetParameters()) != 3 {
		t.Errorf("answer %v", r)
	}
	if r := parse(`Joyn("a")`); r.GetParsingSucceeded() || !strings.Contains(r.GetError().GetMessage(), "Join") {
		t.Errorf("answer %v", r)
	}
	if r := parse(`Item([x], 3)`, name("x", "y")); !r.GetParsingSucceeded() || r.GetEvaluationSucceeded() || r.GetError() == nil {
		t.Errorf("answer %v", r)
	}
	functions, err := w.s.ListFunctions(w.ctx, &syncpb.ListFunctionsRequest{ServicePrincipalId: w.sp, JobId: "x"})
	if err != nil || len(functions.GetValue()) != 46 {
		t.Errorf("%d functions, %v", len(functions.GetValue()), err)
	}
	operators, err := w.s.ListFilterOperators(w.ctx, &syncpb.ListFilterOperatorsRequest{ServicePrincipalId: w.sp, JobId: "x"})
	if err != nil || len(operators.GetValue()) != 14 {
		t.Errorf("%d operators, %v", len(operators.GetValue()), err)
	}
}

func TestA72ObjectConnections(t *testing.T) {
	w := newWorld(t)
	id := w.job().GetId()
	w.connect()
	object := w.assigned("u")
	if _, err := w.demand(id, object); err != nil {
		t.Fatal(err)
	}
	target := w.dir.Find(w.to, w.from, object).User.GetId()
	for _, by := range []string{object.String(), target} {
		c, err := w.s.GetObjectConnection(w.ctx, &syncpb.GetObjectConnectionRequest{ServicePrincipalId: w.sp, JobId: id, ObjectId: by})
		if err != nil || c.GetSourceAnchor() != object.String() || c.GetTargetAnchor() != target {
			t.Errorf("by %s: %v, %v", by, c, err)
		}
	}
	remove := func() error {
		_, err := w.s.DeleteObjectConnection(w.ctx, &syncpb.DeleteObjectConnectionRequest{ServicePrincipalId: w.sp, JobId: id, ObjectId: object.String()})
		return err
	}
	if _, err := w.s.StartJob(w.ctx, &syncpb.StartJobRequest{ServicePrincipalId: w.sp, JobId: id}); err != nil {
		t.Fatal(err)
	}
	if err := remove(); !fault.Is(err, errorspb.Reason_CONFLICT) {
		t.Errorf("while active: %v", err)
	}
	if _, err := w.s.PauseJob(w.ctx, &syncpb.PauseJobRequest{ServicePrincipalId: w.sp, JobId: id}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := remove(); err != nil {
			t.Error(err)
		}
	}
}
