package audit_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	auditpb "entente.dev/proto/gen/entente/audit/v1"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	odatapb "entente.dev/proto/gen/entente/odata/v1"
	"entente.dev/servicekit/audit"
	"entente.dev/servicekit/caller"
	"entente.dev/servicekit/clock/clocktest"
	"entente.dev/servicekit/fault"
	"entente.dev/servicekit/odata"
	"entente.dev/servicekit/pg"
	"entente.dev/servicekit/pg/pgtest"
	"entente.dev/servicekit/tenant"
	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"
)

type fixture struct {
	db     *pg.DB
	clock  *clocktest.Fake
	server auditpb.AuditServiceServer
	tenant tenant.ID
	admin  caller.Caller
	app    caller.Caller
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{db: pgtest.Open(t, "sample", audit.Migrations), tenant: tenant.New(),
		clock: clocktest.New(time.Date(2024, 5, 1, 12, 0, 0, 123_456_000, time.UTC))}
	tokens, err := odata.NewTokens([]byte(strings.Repeat("k", 32)), f.clock)
	if err != nil {
		t.Fatal(err)
	}
	f.server = audit.NewServer(f.db, tokens, f.clock)
	f.admin = caller.Caller{Kind: caller.User, Tenant: f.tenant, ObjectID: uuid.New(), DisplayName: "Ada", UserPrincipalName: "Ada@contoso.example",
		IP: netip.MustParseAddr("192.0.2.1"), RequestID: "r-1"}
	f.app = caller.Caller{Kind: caller.Application, Tenant: f.tenant, ObjectID: uuid.New(), AppID: uuid.New(), AppDisplayName: "Robot", RequestID: "r-2"}
	return f
}

func (f *fixture) write(t *testing.T, c caller.Caller, e audit.Event) {
	t.Helper()
	ctx := caller.With(t.Context(), c)
	if err := f.db.Write(ctx, f.tenant, func(tx *pg.Tx) error { return audit.Write(ctx, tx, f.clock, e) }); err != nil {
		t.Fatal(err)
	}
}

func (f *fixture) list(ctx context.Context, q *odatapb.Query) (*auditpb.ListAuditEventsResponse, error) {
	return f.server.ListAuditEvents(caller.With(ctx, f.admin), &auditpb.ListAuditEventsRequest{Query: q})
}

func TestRecordIsWhatWasDone(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.write(t, f.admin, audit.Event{Activity: "Update user", Category: "UserManagement", OperationType: "Update",
		Targets: []audit.Target{{ID: "u1", DisplayName: "Ben", Type: "User", UserPrincipalName: "ben@contoso.example",
			Modified: []audit.Modified{{Name: "Department", Old: audit.JSON([]string{"Sales"}), New: audit.JSON("R<&D")}}}},
		Details: []audit.KeyValue{{Key: "k", Value: "v"}}})
	got, err := f.list(t.Context(), nil)
	if err != nil || len(got.Value) != 1 || got.NextPageToken != "" {
		t.Fatalf("%v, %v", got, err)
	}
	e := got.Value[0]
	want := &auditpb.DirectoryAudit{Id: e.Id, ActivityDateTime: e.ActivityDateTime, ActivityDisplayName: proto.String("Update user"),
		Category: proto.String("UserManagement"), CorrelationId: proto.String("r-1"), LoggedByService: proto.String("Core Directory"),
		OperationType: proto.String("Update"), Result: auditpb.OperationResult_success.Enum(), InitiatedBy: e.InitiatedBy,
		AdditionalDetails: []*auditpb.KeyValue{{Key: proto.String("k"), Value: proto.String("v")}},
		TargetResources: []*auditpb.TargetResource{{Id: "u1", DisplayName: proto.String("Ben"), Type: proto.String("User"), UserPrincipalName: proto.String("ben@contoso.example"),
			ModifiedProperties: []*auditpb.ModifiedProperty{{DisplayName: proto.String("Department"), OldValue: proto.String(`["Sales"]`), NewValue: proto.String(`"R<&D"`)}}}}}
	if !proto.Equal(want, e) {
		t.Errorf("got %v\nwant %v", e, want)
	}
	if !e.ActivityDateTime.AsTime().Equal(f.clock.Now()) {
		t.Errorf("time %v", e.ActivityDateTime.AsTime())
	}
	u := e.InitiatedBy.User.AsMap()
	if e.InitiatedBy.App != nil || u["id"] != f.admin.ObjectID.String() || u["ipAddress"] != "192.0.2.1" || u["userType"] != "Member" {
		t.Errorf("initiated by %v", e.InitiatedBy)
	}
	one, err := f.server.GetAuditEvent(caller.With(t.Context(), f.admin), &auditpb.GetAuditEventRequest{Id: strings.ToUpper(e.Id)})
	if err != nil || !proto.Equal(one, e) {
		t.Errorf("by id: %v, %v", one, err)
	}
	stranger := f.admin
	stranger.Tenant = tenant.New()
	for _, id := range []string{e.Id, uuid.NewString(), "x"} {
		_, err := f.server.GetAuditEvent(caller.With(t.Context(), stranger), &auditpb.GetAuditEventRequest{Id: id})
		if !fault.Is(err, errorspb.Reason_NOT_FOUND) {
			t.Errorf("another tenant reads %s: %v", id, err)
		}
	}
}

func TestRecordAndChangeShareTheirFate(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	refused := fault.Denied(errorspb.Reason_ACCESS_DENIED, "Insufficient privileges to complete the operation.").WithCause(errors.New("canary"))
	e := audit.Event{Activity: "Delete user", Category: "UserManagement", Targets: []audit.Target{{ID: "u1", Modified: []audit.Modified{{Name: "x"}}}}}
	ctx := caller.With(t.Context(), f.app)
	err := f.db.Write(ctx, f.tenant, func(tx *pg.Tx) error {
		if err := audit.Write(ctx, tx, f.clock, e); err != nil {
			return err
		}
		return refused
	})
	if !errors.Is(err, refused) {
		t.Fatal(err)
	}
	if got, err := f.list(t.Context(), nil); err != nil || len(got.Value) != 0 {
		t.Errorf("a record of nothing: %v, %v", got, err)
	}
	if err := audit.WriteFailure(ctx, f.db, f.tenant, f.clock, e, refused); err != nil {
		t.Fatal(err)
	}
	got, err := f.list(t.Context(), nil)
	if err != nil || len(got.Value) != 1 || got.Value[0].GetResult() != auditpb.OperationResult_failure ||
		got.Value[0].GetResultReason() != refused.Message || len(got.Value[0].TargetResources[0].ModifiedProperties) != 0 {
		t.Errorf("failure: %v, %v", got, err)
	}
	bad := audit.Event{Activity: "x", Category: "y", Result: "maybe"}
	if err := f.db.Write(ctx, f.tenant, func(tx *pg.Tx) error { return audit.Write(ctx, tx, f.clock, bad) }); err == nil {
		t.Error("an unknown result is accepted")
	}
}

func TestRecordsCannotBeChanged(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.write(t, f.admin, audit.Event{Activity: "Add user", Category: "UserManagement"})
	for _, sql := range []string{"update audit_events set activity = 'x'", "delete from audit_events", "truncate audit_events"} {
		err := f.db.Write(t.Context(), f.tenant, func(tx *pg.Tx) error { return tx.Gorm().Exec(sql).Error })
		if pg.SQLState(err) != "42501" {
			t.Errorf("%s: %v", sql, err)
		}
	}
}

func TestFilters(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.write(t, f.admin, audit.Event{Activity: "Add user", Category: "UserManagement", OperationType: "Add", Targets: []audit.Target{{ID: "u1", DisplayName: "Ben"}, {ID: "g1", DisplayName: "Group"}}})
	f.clock.Advance(time.Minute)
	f.write(t, f.app, audit.Event{Activity: "Add group", Category: "GroupManagement", OperationType: "Add", Targets: []audit.Target{{ID: "g1", DisplayName: "Group"}}})
	f.clock.Advance(time.Minute)
	f.write(t, caller.Caller{Kind: caller.Service, Service: "sync-svc", RequestID: "r-3"},
		audit.Event{Activity: "Delete user", Category: "UserManagement", Service: audit.AccountProvisioning, Result: audit.Failure, Reason: "no"})
	for filter, want := range map[string]string{
		"":                                               "Delete user,Add group,Add user",
		"activityDisplayName eq 'ADD USER'":              "Add user",
		"startswith(activityDisplayName, 'add')":         "Add group,Add user",
		"category eq 'UserManagement'":                   "Delete user,Add user",
		"contains(category, 'group')":                    "Add group",
		"correlationId eq 'r-2'":                         "Add group",
		"loggedByService eq 'Account Provisioning'":      "Delete user",
		"operationType eq 'Add' and result eq 'success'": "Add group,Add user",
		"result eq 'failure'":                            "Delete user",
		"initiatedBy/user/id eq '" + f.admin.ObjectID.String() + "'":             "Add user",
		"initiatedBy/user/userPrincipalName eq 'ada@CONTOSO.example'":            "Add user",
		"startswith(initiatedBy/user/userPrincipalName, 'ada@')":                 "Add user",
		"initiatedBy/app/appId eq '" + f.app.AppID.String() + "'":                "Add group",
		"initiatedBy/app/displayName eq 'robot'":                                 "Add group",
		"targetResources/any(t: t/id eq 'g1')":                                   "Add group,Add user",
		"targetResources/any(t:t/displayName eq 'BEN')":                          "Add user",
		"targetResources/any(t:startswith(t/displayName,'gr') and t/id eq 'u1')": "",
		"activityDateTime ge 2024-05-01T12:01:00Z":                               "Delete user,Add group",
		"activityDateTime eq 2024-05-01T12:01:00Z":                               "Add group",
		"activityDateTime gt 2024-05-01T12:01:00Z":                               "Delete user",
		"activityDateTime le 2024-05-01T12:01:00Z":                               "Add group,Add user",
		"activityDateTime lt 2024-05-01T12:01:00.123456Z":                        "Add user",
		"category eq 'GroupManagement' or (result eq 'failure')":                 "Delete user,Add group",
	} {
		got, err := f.list(t.Context(), &odatapb.Query{Filter: filter})
		if err != nil {
			t.Errorf("%s: %v", filter, err)
			continue
		}
		var names []string
		for _, e := range got.Value {
			names = append(names, e.GetActivityDisplayName())
		}
		if s := strings.Join(names, ","); s != want {
			t.Errorf("%s: %q, want %q", filter, s, want)
		}
	}
	for _, q := range []*odatapb.Query{{Filter: "category ne 'x'"}, {Filter: "not(category eq 'x')"}, {Filter: "resultReason eq 'x'"}, {Filter: "startswith(category, 'x')"},
		{Filter: "targetResources/any()"}, {Orderby: "category"}, {Search: `"a:b"`}, {Expand: "x"}} {
		if _, err := f.list(t.Context(), q); !fault.Is(err, errorspb.Reason_UNSUPPORTED_QUERY) {
			t.Errorf("%v: %v", q, err)
		}
	}
}

func TestPagingWhileRecordsArrive(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for i := range 10 { // several at the same moment
		f.write(t, f.admin, audit.Event{Activity: fmt.Sprint(i), Category: "c"})
		if i%3 == 0 {
			f.clock.Advance(time.Second)
		}
	}
	for _, orderby := range []string{"", "activityDateTime desc", "activityDateTime asc"} {
		seen := make(map[string]int)
		q := &odatapb.Query{Orderby: orderby, Filter: "category eq 'c'", Top: proto.Int32(3), Count: proto.Bool(true), Advanced: true}
		for page := 0; ; page++ {
			got, err := f.list(t.Context(), q)
			if err != nil {
				t.Fatal(err)
			}
			if (got.OdataCount != nil) != (page == 0) || page == 0 && *got.OdataCount != 10 {
				t.Errorf("count %v on page %d", got.OdataCount, page)
			}
			for _, e := range got.Value {
				seen[e.Id]++
			}
			f.write(t, f.admin, audit.Event{Activity: "late", Category: "other"})
			if got.NextPageToken == "" {
				break
			}
			q = proto.CloneOf(q)
			q.Skiptoken = got.NextPageToken
		}
		for id, n := range seen {
			if n != 1 {
				t.Errorf("%s %d times", id, n)
			}
		}
		if len(seen) != 10 {
			t.Errorf("%q: %d records", orderby, len(seen))
		}
	}
	// The gateway goes on from any record, by a condition.
	first, err := f.list(t.Context(), &odatapb.Query{Filter: "category eq 'c'", Top: proto.Int32(4)})
	if err != nil {
		t.Fatal(err)
	}
	last := first.Value[3]
	at := last.ActivityDateTime.AsTime().Format("2006-01-02T15:04:05.000000Z07:00")
	rest, err := f.list(t.Context(), &odatapb.Query{Filter: fmt.Sprintf(
		"category eq 'c' and (activityDateTime lt %s or (activityDateTime eq %s and id lt '%s'))", at, at, last.Id)})
	if err != nil || len(rest.Value) != 6 {
		t.Errorf("%d records behind the fourth, %v", len(rest.Value), err)
	}
}

func TestManyRecordsAreEachAsIfWrittenAlone(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	events := []audit.Event{
		{Activity: "Add user", Category: "UserManagement", OperationType: "Add", Service: audit.AccountProvisioning, Correlation: "cycle",
			Targets: []audit.Target{{ID: "U1", DisplayName: `Ben "B" O'Neil`, Type: "User"}, {ID: "u2", DisplayName: "{x}", Type: "User"}}},
		{Activity: "Update user", Category: "UserManagement", OperationType: "Update", Result: audit.Failure, Reason: "refused",
			Details: []audit.KeyValue{{Key: "k", Value: `"v"`}}},
	}
	for _, e := range events {
		f.write(t, f.admin, e)
	}
	ctx := caller.With(t.Context(), f.admin)
	if err := f.db.Write(ctx, f.tenant, func(tx *pg.Tx) error { return audit.WriteAll(ctx, tx, f.clock, events) }); err != nil {
		t.Fatal(err)
	}
	for _, e := range events {
		got, err := f.list(t.Context(), &odatapb.Query{Filter: "activityDisplayName eq '" + e.Activity + "'"})
		if err != nil || len(got.Value) != 2 {
			t.Fatalf("%s: %d records, %v", e.Activity, len(got.GetValue()), err)
		}
		got.Value[0].Id = got.Value[1].Id
		if !proto.Equal(got.Value[0], got.Value[1]) {
			t.Errorf("%s: %v\nand %v", e.Activity, got.Value[0], got.Value[1])
		}
	}
	if got, err := f.list(t.Context(), &odatapb.Query{Filter: "targetResources/any(t: t/id eq 'u1')"}); err != nil || len(got.Value) != 2 {
		t.Errorf("by target: %d records, %v", len(got.GetValue()), err)
	}
	if err := f.db.Write(ctx, f.tenant, func(tx *pg.Tx) error { return audit.WriteAll(ctx, tx, f.clock, []audit.Event{{}}) }); err == nil {
		t.Error("an empty record passed")
	}
}
