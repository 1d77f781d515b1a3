package service_test

import (
	"fmt"
	"testing"
	"time"

	pb "entente.dev/proto/gen/entente/directory/v1"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	odatapb "entente.dev/proto/gen/entente/odata/v1"
	"github.com/google/uuid"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

func (h *home) signIns() pb.SignInServiceClient { return pb.NewSignInServiceClient(h.gateway) }

// signedIn records a sign-in of a user; code 0 is success.
func (h *home) signedIn(user string, code int32, at time.Time) string {
	h.t.Helper()
	event := uuid.NewString()
	h.must(h.record(&pb.RecordSignInRequest{TenantId: h.id, EventId: event, UserId: user, AppId: h.app.AppId, IpAddress: "192.0.2.7", Interactive: true, ErrorCode: code,
		CorrelationId: event, At: timestamppb.New(at), CrossTenantAccessType: "none"}))
	return event
}

func (h *home) record(r *pb.RecordSignInRequest) error {
	_, err := h.signIns().RecordSignIn(h.t.Context(), r)
	return err
}

func (h *home) log(filter string) []*pb.SignIn {
	h.t.Helper()
	got, err := h.signIns().ListSignIns(h.ctx, &pb.ListSignInsRequest{Query: &odatapb.Query{Filter: filter}})
	h.must(err)
	return got.Value
}

func TestAC55_MonthlyActiveUsers(t *testing.T) {
	t.Parallel()
	s := start(t)
	h, customers := s.tenant("contoso", pb.Tenant_workforce), s.tenant("woodgrove", pb.Tenant_external)
	now := s.clock.Now()
	guest, member := h.invite("g@fabrikam.com", pb.User_Guest), h.invite("m@fabrikam.com", pb.User_Member)
	draft := h.draft("inner")
	draft.UserType = pb.User_Guest.Enum()
	internal, err := h.users().CreateUser(h.ctx, &pb.CreateUserRequest{User: draft})
	h.must(err)
	failed := h.invite("f@fabrikam.com", pb.User_Guest)
	h.signedIn(guest.Id, 0, now)
	h.signedIn(guest.Id, 0, now.Add(time.Second))
	h.signedIn(member.Id, 0, now)
	h.signedIn(internal.Id, 0, now)
	h.signedIn(failed.Id, 50126, now)
	customers.signedIn(customers.admin, 0, now)
	count := func(h *home, external, internal, customers int32) {
		t.Helper()
		got, err := h.signIns().GetMonthlyActiveUsers(h.ctx, &pb.GetMonthlyActiveUsersRequest{Month: now.Format("2006-01")})
		if err != nil || got.ExternalGuests != external || got.InternalGuests != internal || got.ExternalTenantUsers != customers || got.Total != external+internal+customers || got.Final {
			t.Errorf("%v, %v", got, err)
		}
	}
	count(h, 1, 1, 0)
	count(customers, 0, 0, 1)
	_, err = h.users().DeleteUser(h.ctx, &pb.DeleteUserRequest{Id: guest.Id})
	h.must(err)
	count(h, 1, 1, 0)
	_, err = h.signIns().GetMonthlyActiveUsers(h.ctx, &pb.GetMonthlyActiveUsersRequest{Month: "May"})
	wantReason(t, err, errorspb.Reason_PROPERTY_INVALID)
	_, err = h.signIns().GetMonthlyActiveUsers(h.person(internal.Id, "Reports.Read.All"), &pb.GetMonthlyActiveUsersRequest{})
	wantReason(t, err, errorspb.Reason_ACCESS_DENIED)
}

func TestSignInLog(t *testing.T) {
	t.Parallel()
	s := start(t)
	h, other := s.tenant("contoso", pb.Tenant_workforce), s.tenant("fabrikam", pb.Tenant_workforce)
	ann, ben := h.user("ann"), h.user("ben")
	now := s.clock.Now()
	event := h.signedIn(ann.Id, 0, now.Add(-time.Minute))
	h.signedIn(ben.Id, 50126, now)
	h.must(h.record(&pb.RecordSignInRequest{TenantId: h.id, EventId: event, UserId: ann.Id})) // the same once more
	all := h.log("")
	if len(all) != 2 || all[0].GetUserId() != ben.Id || all[1].GetUserId() != ann.Id || all[0].Status.GetErrorCode() != 50126 || all[1].GetAppDisplayName() == "" {
		t.Fatalf("%v", all)
	}
	for filter, want := range map[string]int{"userId eq '" + ann.Id + "'": 1, "status/errorCode eq 0": 1, "status/errorCode eq 50126": 1, "ipAddress eq '192.0.2.7'": 2,
		"startsWith(userPrincipalName,'AN')": 1, "correlationId eq '" + event + "'": 1, "isInteractive eq true": 2, "createdDateTime ge " + now.Format(time.RFC3339): 1,
		"appId eq '" + h.app.AppId + "' and userDisplayName eq 'ben'": 1} {
		if got := h.log(filter); len(got) != want {
			t.Errorf("%s: %d", filter, len(got))
		}
	}
	got, err := h.signIns().GetSignIn(h.ctx, &pb.GetSignInRequest{Id: all[1].Id})
	if err != nil || got.GetUserPrincipalName() != ann.GetUserPrincipalName() {
		t.Errorf("%v, %v", got, err)
	}
	_, err = other.signIns().GetSignIn(other.ctx, &pb.GetSignInRequest{Id: all[1].Id})
	wantReason(t, err, errorspb.Reason_NOT_FOUND)
	_, err = h.signIns().ListSignIns(h.person(ann.Id), &pb.ListSignInsRequest{})
	wantReason(t, err, errorspb.Reason_ACCESS_DENIED)

	u, err := h.users().GetUser(h.ctx, &pb.GetUserRequest{Id: ann.Id, Query: &odatapb.Query{Select: "signInActivity"}})
	if err != nil || u.SignInActivity.GetLastSuccessfulSignInRequestId() != event || !u.SignInActivity.GetLastSignInDateTime().AsTime().Equal(now.Add(-time.Minute)) {
		t.Errorf("%v, %v", u.GetSignInActivity(), err)
	}
	u, err = h.users().GetUser(h.ctx, &pb.GetUserRequest{Id: ben.Id, Query: &odatapb.Query{Select: "signInActivity"}})
	if err != nil || u.SignInActivity.LastSuccessfulSignInDateTime != nil || u.SignInActivity.LastSignInDateTime == nil {
		t.Errorf("%v, %v", u.GetSignInActivity(), err)
	}
}

func TestSignInOfAGuestIsAlsoInTheHomeLog(t *testing.T) {
	t.Parallel()
	s := start(t)
	h, fabrikam := s.tenant("contoso", pb.Tenant_workforce), s.tenant("fabrikam", pb.Tenant_workforce)
	eve := fabrikam.user("eve")
	guest := h.invite("eve@"+fabrikam.domain, pb.User_Guest)
	_, err := h.external().BindExternalIdentity(t.Context(), &pb.BindExternalIdentityRequest{TenantId: h.id, UserId: guest.Id, RedemptionId: "r",
		HomeKey: &pb.HomeKey{HomeTenantId: fabrikam.id, HomeObjectId: eve.Id}})
	h.must(err)
	h.must(h.record(&pb.RecordSignInRequest{TenantId: h.id, EventId: "e", UserId: guest.Id, HomeTenantId: fabrikam.id, CrossTenantAccessType: "b2bCollaboration"}))
	for where, log := range map[string][]*pb.SignIn{guest.Id: h.log(""), eve.Id: fabrikam.log("")} {
		if len(log) != 1 || log[0].GetUserId() != where || log[0].GetResourceTenantId() != h.id || log[0].GetHomeTenantId() != fabrikam.id {
			t.Errorf("%v", log)
		}
	}
}

func TestBillingCountsAPersonOnce(t *testing.T) {
	t.Parallel()
	s := start(t)
	a, b := s.tenant("contoso", pb.Tenant_workforce), s.tenant("fabrikam", pb.Tenant_workforce)
	tenants := pb.NewTenantServiceClient(s.gateway)
	for i, h := range []*home{a, b} {
		_, err := tenants.UpdateTenant(s.operatorContext(), &pb.UpdateTenantRequest{TenantId: h.id, Tenant: &pb.Tenant{BillingAccountId: ptr("acme")}, UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"billing_account_id"}}})
		h.must(err)
		g := h.invite("kim@partner.example", pb.User_Guest)
		_, err = h.external().BindExternalIdentity(t.Context(), &pb.BindExternalIdentityRequest{TenantId: h.id, UserId: g.Id, RedemptionId: fmt.Sprint(i),
			HomeKey: &pb.HomeKey{Issuer: "mail", Subject: "kim@partner.example"}})
		h.must(err)
		h.signedIn(g.Id, 0, s.clock.Now())
	}
	usage, err := a.signIns().GetBillingUsage(s.operatorContext(), &pb.GetBillingUsageRequest{Id: "acme"})
	if err != nil || usage.Total != 1 || usage.Tenants != 2 {
		t.Errorf("%v, %v", usage, err)
	}
	_, err = a.signIns().GetBillingUsage(a.ctx, &pb.GetBillingUsageRequest{Id: "acme"})
	if err == nil {
		t.Error("an application of a tenant read the usage of an account")
	}
}
