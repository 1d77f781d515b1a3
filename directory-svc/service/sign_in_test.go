package service_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	pb "entente.dev/proto/gen/entente/directory/v1"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	odatapb "entente.dev/proto/gen/entente/odata/v1"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

func (h *home) signIns() pb.SignInServiceClient { return pb.NewSignInServiceClient(h.gateway) }

// recorded writes an interactive success, changed by with.
func (h *home) recorded(user, event string, with func(*pb.RecordSignInRequest)) {
	h.t.Helper()
	req := &pb.RecordSignInRequest{TenantId: h.id, UserId: user, EventId: event, Interactive: true, AppId: h.app.AppId, IpAddress: "192.0.2.7", CorrelationId: "c-" + event}
	if with != nil {
		with(req)
	}
	if _, err := h.signIns().RecordSignIn(h.t.Context(), req); err != nil {
		h.t.Fatal(err)
	}
}

func (h *home) logged(q *odatapb.Query) []*pb.SignIn {
	h.t.Helper()
	got, err := h.signIns().ListSignIns(h.ctx, &pb.ListSignInsRequest{Query: q})
	if err != nil {
		h.t.Fatal(err)
	}
	return got.Value
}

func (h *home) monthly() *pb.MonthlyActiveUsers {
	h.t.Helper()
	got, err := h.signIns().GetMonthlyActiveUsers(h.person(h.admin), &pb.GetMonthlyActiveUsersRequest{})
	if err != nil {
		h.t.Fatal(err)
	}
	return got
}

func TestAC55_MonthlyActiveUsers(t *testing.T) {
	t.Parallel()
	s := start(t)
	h, partner, woodgrove := s.tenant("contoso", pb.Tenant_workforce), s.tenant("fabrikam", pb.Tenant_workforce), s.tenant("woodgrove", pb.Tenant_external)
	host := partner.user("host")
	bound := h.invite("host@fabrikam.example", pb.User_Guest)
	_, err := h.external().BindExternalIdentity(t.Context(), &pb.BindExternalIdentityRequest{TenantId: h.id, UserId: bound.Id, RedemptionId: "r",
		HomeKey: &pb.HomeKey{HomeTenantId: partner.id, HomeObjectId: host.Id}})
	h.must(err)
	h.recorded(bound.Id, "g1", nil)
	h.recorded(bound.Id, "g2", nil)
	h.recorded(bound.Id, "g2", nil) // the same event again
	h.recorded(h.invite("member@fabrikam.example", pb.User_Member).Id, "m", nil)
	draft := h.draft("internal")
	draft.UserType = pb.User_Guest.Enum()
	internal, err := h.users().CreateUser(h.ctx, &pb.CreateUserRequest{User: draft})
	h.must(err)
	h.recorded(internal.Id, "i1", nil)
	h.recorded(h.invite("failed@fabrikam.example", pb.User_Guest).Id, "f", func(r *pb.RecordSignInRequest) { r.ErrorCode = 50126 })
	h.recorded(h.invite("renewed@fabrikam.example", pb.User_Guest).Id, "n", func(r *pb.RecordSignInRequest) { r.Interactive = false })
	woodgrove.recorded(woodgrove.admin, "a", nil)
	_, err = h.users().DeleteUser(h.ctx, &pb.DeleteUserRequest{Id: bound.Id})
	h.must(err)
	if got := h.monthly(); got.Total != 2 || got.ExternalGuests != 1 || got.InternalGuests != 1 || got.FreeTier != 50000 || got.Final || got.Month != h.clock.Now().Format("2006-01") {
		t.Errorf("%v", got)
	}
	if got := woodgrove.monthly(); got.Total != 1 || got.ExternalTenantUsers != 1 {
		t.Errorf("%v", got)
	}
	// One person counts once over the tenants of an account.
	for _, of := range []*home{h, partner, woodgrove} {
		_, err := pb.NewTenantServiceClient(s.gateway).UpdateTenant(s.operatorContext(), &pb.UpdateTenantRequest{TenantId: of.id, Tenant: &pb.Tenant{BillingAccountId: ptr("acme")},
			UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"billing_account_id"}}})
		h.must(err)
	}
	usage, err := h.signIns().GetBillingUsage(s.operatorContext(), &pb.GetBillingUsageRequest{Id: "acme"})
	if err != nil || usage.Total != 3 || usage.Tenants != 3 {
		t.Errorf("%v %v", usage, err)
	}
	_, err = h.signIns().GetBillingUsage(s.operatorContext(), &pb.GetBillingUsageRequest{Id: "nobody"})
	wantReason(t, err, errorspb.Reason_NOT_FOUND)

	// What crosses tenants is in the log of both, each with its own user.
	here, there := h.logged(&odatapb.Query{Filter: "homeTenantId eq '" + partner.id + "'"}), partner.logged(nil)
	if len(here) != 2 || len(there) != 2 || here[0].GetUserId() != bound.Id || there[0].GetUserId() != host.Id || there[0].GetResourceTenantId() != h.id {
		t.Errorf("%v %v", here, there)
	}
}

func TestSignInLog(t *testing.T) {
	t.Parallel()
	h := start(t).tenant("contoso", pb.Tenant_workforce)
	ann, bob := h.user("ann"), h.user("bob")
	for i := range 5 {
		h.recorded(ann.Id, fmt.Sprint("a", i), func(r *pb.RecordSignInRequest) { r.ErrorCode = int32(i % 2 * 50126) })
		h.clock.Advance(time.Second)
	}
	h.recorded(bob.Id, "b", func(r *pb.RecordSignInRequest) { r.Interactive, r.IpAddress = false, "198.51.100.1" })
	all := h.logged(nil)
	if len(all) != 6 || all[0].GetUserId() != bob.Id || all[0].GetAppDisplayName() == "" || all[0].RiskState == nil || all[1].CreatedDateTime.AsTime().Before(all[2].CreatedDateTime.AsTime()) {
		t.Fatalf("%v", all)
	}
	at := all[3].CreatedDateTime.AsTime().Format(time.RFC3339Nano)
	for filter, want := range map[string]int{"userId eq '" + ann.Id + "'": 5, "appId eq '" + h.app.AppId + "'": 6, "ipAddress eq '198.51.100.1'": 1, "status/errorCode eq 50126": 2,
		"correlationId eq 'c-b'": 1, "isInteractive eq false": 1, "startswith(userPrincipalName, 'ANN@')": 5, "userDisplayName eq 'Bob'": 1,
		"createdDateTime ge " + at: 4, "createdDateTime le " + at + " and userId eq '" + ann.Id + "'": 3} {
		if got := h.logged(&odatapb.Query{Filter: filter}); len(got) != want {
			t.Errorf("%s: %d", filter, len(got))
		}
	}
	first, err := h.signIns().ListSignIns(h.ctx, &pb.ListSignInsRequest{Query: &odatapb.Query{Top: ptr(int32(4))}})
	if err != nil || len(first.Value) != 4 {
		t.Fatal(first, err)
	}
	if rest := h.logged(&odatapb.Query{Top: ptr(int32(4)), Skiptoken: first.NextPageToken}); len(rest) != 2 {
		t.Errorf("%v", rest)
	}
	if got := h.logged(&odatapb.Query{Top: ptr(int32(1000)), Orderby: "createdDateTime asc"}); len(got) != 6 || got[5].GetUserId() != bob.Id {
		t.Errorf("%v", got)
	}
	for _, bad := range []*odatapb.Query{{Filter: "userAgent eq 'x'"}, {Filter: "contains(userDisplayName, 'x')"}, {Search: `"x"`}, {Orderby: "userId"}, {Top: ptr(int32(1001))}} {
		if _, err := h.signIns().ListSignIns(h.ctx, &pb.ListSignInsRequest{Query: bad}); err == nil {
			t.Errorf("%v is accepted", bad)
		}
	}
	one, err := h.signIns().GetSignIn(h.ctx, &pb.GetSignInRequest{Id: all[0].Id})
	if err != nil || one.GetUserId() != bob.Id {
		t.Errorf("%v %v", one, err)
	}
	other := h.suite.tenant("fabrikam", pb.Tenant_workforce)
	_, err = other.signIns().GetSignIn(other.ctx, &pb.GetSignInRequest{Id: all[0].Id})
	wantReason(t, err, errorspb.Reason_NOT_FOUND)
	_, err = h.signIns().ListSignIns(h.person(ann.Id), &pb.ListSignInsRequest{})
	wantReason(t, err, errorspb.Reason_ACCESS_DENIED)

	// The users know when they signed in last.
	got, err := h.users().GetUser(h.ctx, &pb.GetUserRequest{Id: ann.Id, Query: &odatapb.Query{Select: "id,signInActivity"}})
	if err != nil || !got.SignInActivity.GetLastSignInDateTime().AsTime().Equal(all[1].CreatedDateTime.AsTime()) || got.SignInActivity.LastNonInteractiveSignInDateTime != nil ||
		got.SignInActivity.GetLastSuccessfulSignInRequestId() != all[1].Id {
		t.Errorf("%v %v", got, err)
	}
	list, err := h.users().ListUsers(h.ctx, &pb.ListUsersRequest{Query: &odatapb.Query{Filter: "signInActivity/lastSignInDateTime ge " + at, Select: "id,signInActivity"}})
	if err != nil || len(list.Value) != 1 || list.Value[0].SignInActivity == nil {
		t.Errorf("%v %v", list, err)
	}
	_, err = h.users().ListUsers(h.ctx, &pb.ListUsersRequest{Query: &odatapb.Query{Filter: "signInActivity/lastSignInDateTime ge " + at + " and accountEnabled eq true"}})
	wantReason(t, err, errorspb.Reason_UNSUPPORTED_QUERY)
	h.recorded(ann.Id, "old", func(r *pb.RecordSignInRequest) { r.At = timestamppb.New(h.clock.Now().Add(-time.Hour)) })
	if again, err := h.users().GetUser(h.ctx, &pb.GetUserRequest{Id: ann.Id, Query: &odatapb.Query{Select: "signInActivity"}}); err != nil ||
		!again.SignInActivity.GetLastSignInDateTime().AsTime().Equal(all[1].CreatedDateTime.AsTime()) {
		t.Errorf("an older one counts as the last: %v %v", again, err)
	}
	if strings.Contains(fmt.Sprint(all), draftPassword) {
		t.Error("a password in the log")
	}
}

// TestSignInTellsHowItCrossedTenants: what was recorded, and otherwise what
// the home of the account says (DIR-221).
func TestSignInTellsHowItCrossedTenants(t *testing.T) {
	t.Parallel()
	s := start(t)
	h, partner := s.tenant("contoso", pb.Tenant_workforce), s.tenant("fabrikam", pb.Tenant_workforce)
	ann, host, guest := h.user("ann"), partner.user("host"), h.invite("host@fabrikam.example", pb.User_Guest)
	_, err := h.external().BindExternalIdentity(t.Context(), &pb.BindExternalIdentityRequest{TenantId: h.id, UserId: guest.Id, RedemptionId: "r",
		HomeKey: &pb.HomeKey{HomeTenantId: partner.id, HomeObjectId: host.Id}})
	h.must(err)
	h.recorded(ann.Id, "own", nil)
	h.recorded(ann.Id, "told", func(r *pb.RecordSignInRequest) { r.CrossTenantAccessType = "serviceProvider" })
	h.recorded(ann.Id, "home", func(r *pb.RecordSignInRequest) { r.HomeTenantId = h.id })
	h.recorded(guest.Id, "guest", nil)
	want := map[string]string{"c-own": "none", "c-told": "serviceProvider", "c-home": "none", "c-guest": "b2bCollaboration"}
	for _, row := range h.logged(nil) {
		if got := row.GetCrossTenantAccessType(); got != want[row.GetCorrelationId()] {
			t.Errorf("%s: %q, want %q", row.GetCorrelationId(), got, want[row.GetCorrelationId()])
		}
		delete(want, row.GetCorrelationId())
	}
	if len(want) > 0 {
		t.Errorf("not logged: %v", want)
	}
	if there := partner.logged(nil); len(there) != 1 || there[0].GetCrossTenantAccessType() != "b2bCollaboration" {
		t.Errorf("in the home tenant: %v", there)
	}
}

func TestActivityOfOthersTakesARole(t *testing.T) {
	t.Parallel()
	h := start(t).tenant("contoso", pb.Tenant_workforce)
	ann, ben, reader := h.user("ann"), h.user("ben"), h.user("reader")
	h.must(h.give("5d6b6bb7-de71-4623-b4af-96380a352509", reader.Id, "/"))
	const activity = "id,signInActivity"
	reads := func(id string) []error {
		me := h.person(id, "Directory.AccessAsUser.All", "AuditLog.Read.All")
		_, one := h.users().GetUser(me, &pb.GetUserRequest{Id: ben.Id, Query: &odatapb.Query{Select: activity}})
		_, selected := h.users().ListUsers(me, &pb.ListUsersRequest{Query: &odatapb.Query{Select: activity}})
		_, filtered := h.users().ListUsers(me, &pb.ListUsersRequest{Query: &odatapb.Query{Filter: "signInActivity/lastSignInDateTime ge 2020-01-01T00:00:00Z"}})
		_, counted := h.users().CountUsers(me, &pb.CountUsersRequest{Query: &odatapb.Query{Filter: "signInActivity/lastSignInDateTime ge 2020-01-01T00:00:00Z", Advanced: true}})
		_, tracked := h.delta().ListUsersDelta(me, &pb.ListDeltaRequest{Query: &odatapb.Query{Select: activity}})
		return []error{one, selected, filtered, counted, tracked}
	}
	for i, err := range reads(ann.Id) {
		if err == nil {
			t.Errorf("read %d is open to everybody", i)
			continue
		}
		wantReason(t, err, errorspb.Reason_ACCESS_DENIED)
	}
	for _, err := range reads(reader.Id) {
		h.must(err)
	}
	_, err := h.users().GetUser(h.person(ann.Id, "User.Read", "AuditLog.Read.All"), &pb.GetUserRequest{Id: ann.Id, Query: &odatapb.Query{Select: activity}})
	h.must(err)
}
