package service_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	auditpb "entente.dev/proto/gen/entente/audit/v1"
	pb "entente.dev/proto/gen/entente/directory/v1"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	odatapb "entente.dev/proto/gen/entente/odata/v1"
	"entente.dev/servicekit/fault"
	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
)

func (h *home) list(q *odatapb.Query) ([]string, *pb.ListUsersResponse, error) {
	answer, err := h.users().ListUsers(h.ctx, &pb.ListUsersRequest{Query: q})
	var names []string
	for _, u := range answer.GetValue() {
		names = append(names, u.GetDisplayName())
	}
	return names, answer, err
}

func (h *home) invite(email string, kind pb.User_UserType) *pb.User {
	h.t.Helper()
	answer, err := h.external().CreateExternalUser(h.t.Context(), &pb.CreateExternalUserRequest{TenantId: h.id, InvitationId: uuid.NewString(), Email: email, UserType: kind})
	if err != nil {
		h.t.Fatal(err)
	}
	return answer.User
}

func (h *home) external() pb.ExternalUserServiceClient {
	return pb.NewExternalUserServiceClient(h.dial("invitation-svc"))
}

func TestAC27PendingGuests(t *testing.T) {
	t.Parallel()
	h := start(t).tenant("contoso", pb.Tenant_workforce)
	h.user("member")
	g := h.invite("lstokes@fabrikam.com", pb.User_Guest)
	h.invite("m@fabrikam.com", pb.User_Member)
	names, _, err := h.list(&odatapb.Query{Filter: "userType eq 'Guest' and externalUserState eq 'PendingAcceptance'"})
	if err != nil || len(names) != 1 || names[0] != g.GetDisplayName() {
		t.Errorf("%v %v", names, err)
	}
}

func TestAC49AndAC51AdvancedQueries(t *testing.T) {
	t.Parallel()
	h := start(t).tenant("contoso", pb.Tenant_workforce)
	draft := h.draft("david")
	draft.DisplayName = ptr("Li, David")
	if _, err := h.users().CreateUser(h.ctx, &pb.CreateUserRequest{User: draft}); err != nil {
		t.Fatal(err)
	}
	h.user("zoe")
	const parameters = " is not supported because the required parameters might be missing. Try adding $count=true query parameter and ConsistencyLevel:eventual header."
	for _, c := range []struct {
		query   *odatapb.Query
		reason  errorspb.Reason
		message string
	}{
		{&odatapb.Query{Filter: "endsWith(mail,'x')"}, errorspb.Reason_UNSUPPORTED_QUERY, "Operator 'endswith'" + parameters},
		{&odatapb.Query{Filter: "accountEnabled eq true", Orderby: "displayName"}, errorspb.Reason_UNSUPPORTED_QUERY, parameters},
		{&odatapb.Query{Search: `"displayName:david"`}, errorspb.Reason_UNSUPPORTED_QUERY, "ConsistencyLevel"},
		{&odatapb.Query{Filter: "nope eq 'x'"}, errorspb.Reason_BAD_REQUEST, "'nope'"},
	} {
		_, _, err := h.list(c.query)
		wantReason(t, err, c.reason)
		if f := fault.From(err); f == nil || !strings.Contains(f.Message, c.message) {
			t.Errorf("%v: %v", c.query, err)
		}
	}
	_, err := h.users().CountUsers(h.ctx, &pb.CountUsersRequest{})
	wantReason(t, err, errorspb.Reason_INVALID_REQUEST)
	if f := fault.From(err); f == nil || f.Message != "$count is not currently supported." {
		t.Error(err)
	}
	counted, err := h.users().CountUsers(h.ctx, &pb.CountUsersRequest{Query: &odatapb.Query{Advanced: true}})
	if err != nil || counted.Value != 3 {
		t.Errorf("%v %v", counted, err)
	}
	_, answer, err := h.list(&odatapb.Query{Count: ptr(true)})
	if err != nil || answer.OdataCount != nil {
		t.Errorf("$count=true alone: %v %v", answer.GetOdataCount(), err)
	}
	names, answer, err := h.list(&odatapb.Query{Count: ptr(true), Advanced: true, Filter: "endswith(userPrincipalName,'" + h.domain + "')", Orderby: "displayName desc"})
	if err != nil || len(names) != 3 || names[0] != "zoe" || answer.GetOdataCount() != 3 {
		t.Errorf("%v %v %v", names, answer.GetOdataCount(), err)
	}
	names, _, err = h.list(&odatapb.Query{Advanced: true, Search: `"displayName:David Li"`})
	if err != nil || !slices.Equal(names, []string{"Li, David"}) {
		t.Errorf("%v %v", names, err)
	}
	names, _, err = h.list(&odatapb.Query{Advanced: true, Search: `"displayName:avid"`})
	if err != nil || len(names) != 0 {
		t.Errorf("%v %v", names, err)
	}
}

func TestAC50PagesWhileOthersWrite(t *testing.T) {
	t.Parallel()
	h := start(t).tenant("contoso", pb.Tenant_workforce)
	for _, top := range []int32{0, 1000} {
		_, _, err := h.list(&odatapb.Query{Top: &top})
		wantReason(t, err, errorspb.Reason_INVALID_REQUEST)
		if f := fault.From(err); f == nil || f.Message != fmt.Sprintf("Invalid page size specified: '%d'. Must be between 1 and 999 inclusive.", top) {
			t.Errorf("$top=%d: %v", top, err)
		}
	}
	const users = 2500
	made := make([]string, users)
	var makers sync.WaitGroup
	for worker := range 8 {
		makers.Go(func() {
			for i := worker; i < users; i += 8 {
				u, err := h.users().CreateUser(h.ctx, &pb.CreateUserRequest{User: h.draft(fmt.Sprintf("u%04d", i))})
				if err != nil {
					t.Error(err)
					return
				}
				made[i] = u.Id
			}
		})
	}
	if makers.Wait(); t.Failed() {
		t.FailNow()
	}
	present := make(map[string]int)
	for _, id := range made {
		present[id] = 0
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := 0; ctx.Err() == nil; i++ {
			u, err := h.users().CreateUser(h.ctx, &pb.CreateUserRequest{User: h.draft(fmt.Sprintf("x%d", i))})
			if err == nil {
				_, _ = h.users().DeleteUser(h.ctx, &pb.DeleteUserRequest{Id: u.Id})
			}
		}
	})
	for _, orderby := range []string{"", "displayName"} {
		for id := range present {
			present[id] = 0
		}
		q, pages := &odatapb.Query{Top: ptr(int32(999)), Orderby: orderby}, 0
		for {
			_, answer, err := h.list(q)
			if err != nil {
				t.Fatal(err)
			}
			pages++
			for _, u := range answer.Value {
				if _, ok := present[u.Id]; ok {
					present[u.Id]++
				}
			}
			if answer.NextPageToken == "" {
				break
			}
			q.Skiptoken = answer.NextPageToken
		}
		for id, n := range present {
			if n != 1 {
				t.Fatalf("orderby %q: user %s came %d times", orderby, id, n)
			}
		}
		if pages != 3 {
			t.Errorf("%d pages", pages)
		}
	}
	cancel()
	wg.Wait()
	// A token of another query, or of another tenant, is refused.
	_, answer, err := h.list(&odatapb.Query{Top: ptr(int32(10))})
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = h.list(&odatapb.Query{Skiptoken: answer.NextPageToken, Filter: "accountEnabled eq true"})
	wantReason(t, err, errorspb.Reason_INVALID_PAGE_TOKEN)
	_, _, err = h.list(&odatapb.Query{Skiptoken: answer.NextPageToken[:len(answer.NextPageToken)-2] + "xx"})
	wantReason(t, err, errorspb.Reason_INVALID_PAGE_TOKEN)
}

func TestAC17AndAC52Customers(t *testing.T) {
	t.Parallel()
	s := start(t)
	h, workforce := s.tenant("woodgrove", pb.Tenant_external), s.tenant("contoso", pb.Tenant_workforce)
	customer := &pb.User{DisplayName: ptr("Cora"), Identities: []*pb.ObjectIdentity{{SignInType: ptr("emailAddress"), Issuer: ptr(h.domain), IssuerAssignedId: ptr("Cora@mail.example")}}}
	u, err := h.users().CreateUser(h.ctx, &pb.CreateUserRequest{User: customer})
	if err != nil || u.GetPasswordProfile().GetPassword() == "" || u.GetCreationType() != pb.User_LocalAccount || u.GetPasswordPolicies() != "DisablePasswordExpiration" {
		t.Fatalf("%v %v", u, err)
	}
	got, err := h.users().GetUser(h.ctx, &pb.GetUserRequest{Id: u.Id})
	if err != nil || got.PasswordProfile != nil {
		t.Errorf("%v %v", got, err)
	}
	_, err = h.users().CreateUser(h.ctx, &pb.CreateUserRequest{User: customer})
	wantReason(t, err, errorspb.Reason_OBJECT_CONFLICT) // AC-19
	_, err = workforce.users().CreateUser(workforce.ctx, &pb.CreateUserRequest{User: customer})
	wantReason(t, err, errorspb.Reason_TENANT_TYPE_UNSUPPORTED)
	_, _, err = h.list(&odatapb.Query{Filter: "identities/any(c:c/issuerAssignedId eq 'cora@mail.example')"})
	wantReason(t, err, errorspb.Reason_UNSUPPORTED_QUERY)
	names, _, err := h.list(&odatapb.Query{Filter: "identities/any(c:c/issuerAssignedId eq 'cora@mail.example' and c/issuer eq 'whatever.example')"})
	if err != nil || len(names) != 1 {
		t.Errorf("%v %v", names, err)
	}
}

func TestAC11TerraformBody(t *testing.T) {
	t.Parallel()
	h := start(t).tenant("contoso", pb.Tenant_workforce)
	draft := h.draft("terra")
	draft.EmployeeOrgData = &pb.EmployeeOrgData{}
	draft.OtherMails = []string{}
	draft.GivenName = ptr("")
	u, err := h.users().CreateUser(h.ctx, &pb.CreateUserRequest{User: draft})
	if err != nil || u.GivenName != nil || u.EmployeeOrgData != nil {
		t.Errorf("%v %v", u, err)
	}
}

func TestAC13Manager(t *testing.T) {
	t.Parallel()
	h := start(t).tenant("contoso", pb.Tenant_workforce)
	u := h.user("alice")
	_, err := h.users().GetManager(h.ctx, &pb.GetManagerRequest{Id: u.Id})
	wantReason(t, err, errorspb.Reason_NOT_FOUND)
	_, err = h.users().SetManager(h.ctx, &pb.SetManagerRequest{Id: u.Id, Reference: reference(u.Id)})
	wantReason(t, err, errorspb.Reason_REFERENCE_INVALID)
	_, err = h.users().RemoveManager(h.ctx, &pb.RemoveManagerRequest{Id: u.Id})
	wantReason(t, err, errorspb.Reason_NOT_FOUND)
	c, err := h.contact("Lee", "lee@fabrikam.com")
	h.must(err)
	_, err = h.users().SetManager(h.ctx, &pb.SetManagerRequest{Id: u.Id, Reference: reference(c.Id)})
	h.must(err)
	manager, err := h.users().GetManager(h.ctx, &pb.GetManagerRequest{Id: u.Id})
	if err != nil || manager.GetOrgContact().GetId() != c.Id {
		t.Errorf("%v %v", manager, err)
	}
}

// TestWhatWasReadMayBeSentBack updates objects with themselves, as clients do
// that send whole objects (WIRE-49).
func TestWhatWasReadMayBeSentBack(t *testing.T) {
	t.Parallel()
	h := start(t).tenant("contoso", pb.Tenant_workforce)
	apps, principals := pb.NewApplicationServiceClient(h.gateway), pb.NewServicePrincipalServiceClient(h.gateway)
	mask := func(m proto.Message) *fieldmaskpb.FieldMask {
		out := &fieldmaskpb.FieldMask{}
		m.ProtoReflect().Range(func(f protoreflect.FieldDescriptor, _ protoreflect.Value) bool {
			out.Paths = append(out.Paths, string(f.Name()))
			return true
		})
		return out
	}
	u, g := h.user("alice"), h.group("g")
	app, err := apps.CreateApplication(h.ctx, &pb.CreateApplicationRequest{Application: &pb.Application{DisplayName: ptr("shop"), Web: &pb.WebApplication{HomePageUrl: ptr("https://shop.example")}}})
	if err != nil {
		t.Fatal(err)
	}
	sp, err := principals.CreateServicePrincipal(h.ctx, &pb.CreateServicePrincipalRequest{ServicePrincipal: &pb.ServicePrincipal{AppId: app.AppId}})
	if err != nil {
		t.Fatal(err)
	}
	u.CreatedDateTime.Nanos = 0 // the wire has whole seconds
	for name, err := range map[string]error{
		"user":              second(h.users().UpdateUser(h.ctx, &pb.UpdateUserRequest{Id: u.Id, User: u, UpdateMask: mask(u)})),
		"group":             second(h.groups().UpdateGroup(h.ctx, &pb.UpdateGroupRequest{Id: g.Id, Group: g, UpdateMask: mask(g)})),
		"application":       second(apps.UpdateApplication(h.ctx, &pb.UpdateApplicationRequest{Id: app.Id, Application: app, UpdateMask: mask(app)})),
		"service principal": second(principals.UpdateServicePrincipal(h.ctx, &pb.UpdateServicePrincipalRequest{Id: sp.Id, ServicePrincipal: sp, UpdateMask: mask(sp)})),
	} {
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err = h.groups().UpdateGroup(h.ctx, &pb.UpdateGroupRequest{Id: g.Id, Group: &pb.Group{Mail: ptr("x@y.example")}, UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"mail"}}})
	wantReason(t, err, errorspb.Reason_PROPERTY_READ_ONLY)
}

func TestExpandManager(t *testing.T) {
	t.Parallel()
	h := start(t).tenant("contoso", pb.Tenant_workforce)
	u, boss := h.user("alice"), h.user("boss")
	if _, err := h.users().SetManager(h.ctx, &pb.SetManagerRequest{Id: u.Id, Reference: reference(boss.Id)}); err != nil {
		t.Fatal(err)
	}
	got, err := h.users().GetUser(h.ctx, &pb.GetUserRequest{Id: u.Id, Query: &odatapb.Query{Expand: "manager($select=id)", Select: "id"}})
	if err != nil || got.GetManager().GetId() != boss.Id {
		t.Errorf("%v %v", got, err)
	}
	_, list, err := h.list(&odatapb.Query{Expand: "manager", Filter: "displayName eq 'alice'"})
	if err != nil || list.Value[0].GetManager().GetId() != boss.Id {
		t.Errorf("%v %v", list, err)
	}
	_, err = h.users().UpdateUser(h.ctx, &pb.UpdateUserRequest{Id: uuid.NewString()})
	wantReason(t, err, errorspb.Reason_NOT_FOUND)
}

func TestAC25AndAC26GuestLife(t *testing.T) {
	t.Parallel()
	h := start(t).tenant("contoso", pb.Tenant_workforce)
	g := h.invite("lstokes@fabrikam.com", pb.User_Guest)
	conflicts, err := h.external().FindInviteConflicts(t.Context(), &pb.FindInviteConflictsRequest{TenantId: h.id, Email: "LStokes@fabrikam.com"})
	if err != nil || len(conflicts.Conflicts) != 1 || !conflicts.Conflicts[0].External || conflicts.Conflicts[0].InvitedEmail == "" {
		t.Fatalf("%v %v", conflicts, err)
	}
	bind := func(user, object string) (*pb.User, error) {
		return h.external().BindExternalIdentity(t.Context(), &pb.BindExternalIdentityRequest{TenantId: h.id, UserId: user, RedemptionId: uuid.NewString(), Method: "organization",
			HomeKey: &pb.HomeKey{HomeTenantId: "6d1f0b9e-0000-4000-8000-000000000001", HomeObjectId: object}})
	}
	bound, err := bind(g.Id, "1")
	if err != nil || bound.GetExternalUserState() != pb.User_Accepted || len(bound.Identities) != 2 || bound.Identities[0].GetIssuer() != "ExternalAzureAD" || bound.Identities[0].IssuerAssignedId != nil {
		t.Fatalf("%v %v", bound, err)
	}
	if again, err := bind(g.Id, "1"); err != nil || again.GetExternalUserState() != pb.User_Accepted {
		t.Errorf("%v %v", again, err)
	}
	_, err = bind(h.invite("other@fabrikam.com", pb.User_Guest).Id, "1")
	wantReason(t, err, errorspb.Reason_IDENTITY_BOUND)
	// AC-28, AC-25: no password; visible and a member, it keeps all else.
	patch := func(u *pb.User, paths ...string) error {
		_, err := h.users().UpdateUser(h.ctx, &pb.UpdateUserRequest{Id: g.Id, User: u, UpdateMask: &fieldmaskpb.FieldMask{Paths: paths}})
		return err
	}
	forged := []*pb.ObjectIdentity{{SignInType: ptr("federated"), Issuer: ptr("evil.example"), IssuerAssignedId: ptr("x")}}
	wantReason(t, patch(&pb.User{Identities: forged}, "identities"), errorspb.Reason_TENANT_TYPE_UNSUPPORTED)
	wantReason(t, patch(&pb.User{PasswordProfile: &pb.PasswordProfile{Password: ptr("Xk4!rm-qp92Zt")}}, "password_profile"), errorspb.Reason_EXTERNAL_ACCOUNT)
	if err := patch(&pb.User{ShowInAddressList: ptr(true), UserType: pb.User_Member.Enum()}, "show_in_address_list", "user_type"); err != nil {
		t.Fatal(err)
	}
	after, err := h.users().GetUser(h.ctx, &pb.GetUserRequest{Id: g.Id})
	if err != nil || after.GetUserType() != pb.User_Member || len(after.ProxyAddresses) != 1 || after.GetUserPrincipalName() != g.GetUserPrincipalName() || after.GetExternalUserState() != pb.User_Accepted {
		t.Errorf("%v %v", after, err)
	}
}

func TestInviteIsIdempotent(t *testing.T) {
	t.Parallel()
	h := start(t).tenant("contoso", pb.Tenant_workforce)
	req := &pb.CreateExternalUserRequest{TenantId: h.id, InvitationId: uuid.NewString(), Email: "a@fabrikam.com", UserType: pb.User_Guest, SponsorIds: []string{h.admin}}
	results := make([]*pb.CreateExternalUserResponse, 8)
	var wg sync.WaitGroup
	for i := range results {
		wg.Go(func() {
			answer, err := h.external().CreateExternalUser(t.Context(), req)
			if err != nil {
				t.Error(err)
			}
			results[i] = answer
		})
	}
	wg.Wait()
	for _, r := range results {
		if r.GetUser().GetId() != results[0].GetUser().GetId() {
			t.Fatal("one invitation made two users")
		}
	}
}

// TestTheLaterInvitationOwnsTheUser: undoing the invitation that made a user
// leaves the user alone once another one has claimed it.
func TestTheLaterInvitationOwnsTheUser(t *testing.T) {
	t.Parallel()
	h := start(t).tenant("contoso", pb.Tenant_workforce)
	first, second := uuid.NewString(), uuid.NewString()
	made, err := h.external().CreateExternalUser(t.Context(), &pb.CreateExternalUserRequest{TenantId: h.id, InvitationId: first, Email: "a@fabrikam.com", UserType: pb.User_Guest})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.external().ClaimExternalUser(t.Context(), &pb.ClaimExternalUserRequest{TenantId: h.id, UserId: made.User.Id, InvitationId: second}); err != nil {
		t.Fatal(err)
	}
	undo := func(invitation string) (gone bool) {
		if _, err := h.external().SoftDeleteExternalUser(t.Context(), &pb.SoftDeleteExternalUserRequest{TenantId: h.id, UserId: made.User.Id,
			Reason: "compensation", InvitationId: invitation}); err != nil {
			t.Fatal(err)
		}
		u, err := h.external().GetExternalUser(t.Context(), &pb.GetExternalUserRequest{TenantId: h.id, UserId: made.User.Id})
		if err != nil {
			t.Fatal(err)
		}
		return u.DeletedDateTime != nil
	}
	if undo(first) {
		t.Error("the first invitation pulled away the user of the second")
	}
	if !undo(second) {
		t.Error("the second invitation left its user behind")
	}
	for name, id := range map[string]string{"deleted": made.User.Id, "member": h.admin, "unknown": uuid.NewString()} {
		if _, err := h.external().ClaimExternalUser(t.Context(), &pb.ClaimExternalUserRequest{TenantId: h.id, UserId: id, InvitationId: uuid.NewString()}); err == nil {
			t.Errorf("%s: claimed", name)
		}
	}
	stranger := h.suite.tenant("fabrikam", pb.Tenant_workforce)
	_, err = h.external().ClaimExternalUser(t.Context(), &pb.ClaimExternalUserRequest{TenantId: stranger.id, UserId: made.User.Id, InvitationId: uuid.NewString()})
	wantReason(t, err, errorspb.Reason_NOT_FOUND)
}

// TestAnInvitationTakesBackNobodyElse: with an invitation that is revoked goes
// only the user that still waits for that very invitation (INV-35).
func TestAnInvitationTakesBackNobodyElse(t *testing.T) {
	t.Parallel()
	h := start(t).tenant("contoso", pb.Tenant_workforce)
	first, second := uuid.NewString(), uuid.NewString()
	made, err := h.external().CreateExternalUser(t.Context(), &pb.CreateExternalUserRequest{TenantId: h.id, InvitationId: first, Email: "a@fabrikam.com", UserType: pb.User_Guest})
	if err != nil {
		t.Fatal(err)
	}
	id := made.User.Id
	revoke := func(invitation string) error {
		_, err := h.external().SoftDeleteExternalUser(t.Context(), &pb.SoftDeleteExternalUserRequest{TenantId: h.id, UserId: id, Reason: "revoke", InvitationId: invitation})
		return err
	}
	wantReason(t, revoke(""), errorspb.Reason_ACCESS_DENIED)
	wantReason(t, revoke(second), errorspb.Reason_ACCESS_DENIED)
	if _, err := h.external().ClaimExternalUser(t.Context(), &pb.ClaimExternalUserRequest{TenantId: h.id, UserId: id, InvitationId: second}); err != nil {
		t.Fatal(err)
	}
	wantReason(t, revoke(first), errorspb.Reason_ACCESS_DENIED)
	_, err = h.external().BindExternalIdentity(t.Context(), &pb.BindExternalIdentityRequest{TenantId: h.id, UserId: id, RedemptionId: uuid.NewString(),
		Method: "oneTimePasscode", HomeKey: &pb.HomeKey{Issuer: "mail", Subject: "a@fabrikam.com"}})
	if err != nil {
		t.Fatal(err)
	}
	wantReason(t, revoke(second), errorspb.Reason_ACCESS_DENIED)
	events, err := auditpb.NewAuditServiceClient(h.gateway).ListAuditEvents(h.ctx, &auditpb.ListAuditEventsRequest{
		Query: &odatapb.Query{Filter: "activityDisplayName eq 'Delete external user' and result eq 'failure'"}})
	if err != nil || len(events.Value) != 4 {
		t.Errorf("refusals recorded: %v, %v", events, err)
	}
	if _, err := h.external().ResetExternalIdentity(t.Context(), &pb.ResetExternalIdentityRequest{TenantId: h.id, UserId: id, Email: "a@fabrikam.com"}); err != nil {
		t.Fatal(err)
	}
	if err := revoke(second); err != nil {
		t.Fatal(err)
	}
	u, err := h.external().GetExternalUser(t.Context(), &pb.GetExternalUserRequest{TenantId: h.id, UserId: id})
	if err != nil || u.DeletedDateTime == nil {
		t.Errorf("%v, %v", u, err)
	}
	wantReason(t, revoke(second), errorspb.Reason_NOT_FOUND)
}

func TestAC30MailOfAnother(t *testing.T) {
	t.Parallel()
	h := start(t).tenant("contoso", pb.Tenant_workforce)
	draft := h.draft("alice")
	draft.Mail = ptr("shared@mail.example")
	if _, err := h.users().CreateUser(h.ctx, &pb.CreateUserRequest{User: draft}); err != nil {
		t.Fatal(err)
	}
	bob := h.user("bob")
	_, err := h.users().UpdateUser(h.ctx, &pb.UpdateUserRequest{Id: bob.Id, User: &pb.User{Mail: ptr("SHARED@mail.example"), Department: ptr("x")}, UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"mail", "department"}}})
	wantReason(t, err, errorspb.Reason_OBJECT_CONFLICT)
	got, err := h.users().GetUser(h.ctx, &pb.GetUserRequest{Id: bob.Id})
	if err != nil || got.Mail != nil || got.Department != nil {
		t.Errorf("%v %v", got, err)
	}
	// The refusal left a record of failure.
	events, err := auditpb.NewAuditServiceClient(h.gateway).ListAuditEvents(h.ctx, &auditpb.ListAuditEventsRequest{Query: &odatapb.Query{Filter: "activityDisplayName eq 'Update user' and result eq 'failure'"}})
	if err != nil || len(events.Value) != 1 || events.Value[0].TargetResources[0].GetId() != bob.Id {
		t.Errorf("%v %v", events, err)
	}
}

func TestAC56AuditOfTypeChange(t *testing.T) {
	t.Parallel()
	h := start(t).tenant("contoso", pb.Tenant_workforce)
	u := h.user("alice")
	_, err := h.users().UpdateUser(h.ctx, &pb.UpdateUserRequest{Id: u.Id, User: &pb.User{UserType: pb.User_Guest.Enum()}, UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"user_type"}}})
	if err != nil {
		t.Fatal(err)
	}
	events, err := auditpb.NewAuditServiceClient(h.gateway).ListAuditEvents(h.ctx, &auditpb.ListAuditEventsRequest{Query: &odatapb.Query{Filter: "activityDisplayName eq 'Update user'"}})
	if err != nil || len(events.Value) != 1 {
		t.Fatalf("%v %v", events, err)
	}
	e := events.Value[0]
	p := e.TargetResources[0].ModifiedProperties
	if len(p) != 1 || p[0].GetDisplayName() != "userType" || p[0].GetOldValue() != `["Member"]` || p[0].GetNewValue() != `["Guest"]` ||
		e.GetCorrelationId() != "11111111-1111-4111-8111-111111111111" || e.InitiatedBy.GetApp().GetServicePrincipalId() != h.app.ServicePrincipalId {
		t.Errorf("%v", e)
	}
}

func TestSearchByTokenOfOtherObjects(t *testing.T) {
	t.Parallel()
	h := start(t).tenant("contoso", pb.Tenant_workforce)
	app, sp := h.application("Sales Portal")
	g := h.group("team")
	_, err := h.groups().UpdateGroup(h.ctx, &pb.UpdateGroupRequest{Id: g.Id, Group: &pb.Group{Description: ptr("All of the self-service Desk")},
		UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"description"}}})
	h.must(err)
	apps, principals := pb.NewApplicationServiceClient(h.gateway), h.principals()
	find := func(search string) (int, int) {
		q := &odatapb.Query{Search: search, Advanced: true}
		a, err := apps.ListApplications(h.ctx, &pb.ListApplicationsRequest{Query: q})
		h.must(err)
		p, err := principals.ListServicePrincipals(h.ctx, &pb.ListServicePrincipalsRequest{Query: q})
		h.must(err)
		n, err := apps.CountApplications(h.ctx, &pb.CountApplicationsRequest{Query: q})
		if err != nil || int(n.Value) != len(a.Value) {
			t.Errorf("%s counts %v, %v", search, n, err)
		}
		return len(a.Value), len(p.Value)
	}
	for search, want := range map[string]int{"displayName:portal": 1, "displayName:PORT sal": 1, "displayName:ortal": 0, "displayName:sales portal": 1} {
		if a, p := find(`"` + search + `"`); a != want || p != want {
			t.Errorf("%s finds %d applications, %d service principals", search, a, p)
		}
	}
	_, err = apps.UpdateApplication(h.ctx, &pb.UpdateApplicationRequest{Id: app.Id, Application: &pb.Application{DisplayName: ptr("Night Shop")}, UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"display_name"}}})
	h.must(err)
	_, err = principals.UpdateServicePrincipal(h.ctx, &pb.UpdateServicePrincipalRequest{Id: sp.Id, ServicePrincipal: &pb.ServicePrincipal{DisplayName: ptr("Night Shop")}, UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"display_name"}}})
	h.must(err)
	if a, p := find(`"displayName:shop"`); a != 1 || p != 1 {
		t.Errorf("renamed: %d applications, %d service principals", a, p)
	}
	for search, want := range map[string]int{"description:desk": 1, "description:selfservice": 1, "description:esk": 0} {
		q := &odatapb.Query{Search: `"` + search + `"`, Advanced: true}
		l, err := h.groups().ListGroups(h.ctx, &pb.ListGroupsRequest{Query: q})
		if err != nil || len(l.Value) != want {
			t.Errorf("%s: %v, %v", search, l, err)
		}
	}
}
