package service_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	pb "entente.dev/proto/gen/entente/directory/v1"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	odatapb "entente.dev/proto/gen/entente/odata/v1"
	"entente.dev/servicekit/fault"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
)

const (
	helpdeskAdministrator       = "729827e3-9c14-49f7-bb1b-9608f156bbb8"
	authenticationAdministrator = "c4e39bd9-1100-46d3-8c65-fb160da0071f"
	passwordMethod              = "28c10230-6103-485e-b985-444c60001490"
	draftPassword               = "Xk4!rm-qp92Zt"
)

func (h *home) credentials() pb.CredentialServiceClient {
	return pb.NewCredentialServiceClient(h.gateway)
}

// signIn tries a password.
func (h *home) signIn(name, password string) *pb.VerifyPasswordResponse {
	h.t.Helper()
	got, err := h.credentials().VerifyPassword(h.t.Context(), &pb.VerifyPasswordRequest{TenantId: h.id, LoginName: name, Password: password, Ip: "192.0.2.7"})
	if err != nil {
		h.t.Fatal(err)
	}
	return got
}

func (h *home) wants(name, password string, want pb.VerifyPasswordResponse_Result) *pb.VerifyPasswordResponse {
	h.t.Helper()
	got := h.signIn(name, password)
	if got.Result != want {
		h.t.Errorf("%s with %q: %v, want %v", name, password, got, want)
	}
	return got
}

func TestAC15_SmartLockout(t *testing.T) {
	t.Parallel()
	h := start(t).tenant("contoso", pb.Tenant_workforce)
	u := h.user("ann")
	name := u.GetUserPrincipalName()
	for _, who := range []string{name, "nobody@" + h.domain} { // a lock does not say who exists
		for range 30 {
			h.wants(who, "the same", pb.VerifyPasswordResponse_BadCredentials)
		}
		for i := range 9 {
			h.wants(who, fmt.Sprint("wrong", i), pb.VerifyPasswordResponse_BadCredentials)
		}
		got := h.wants(who, draftPassword, pb.VerifyPasswordResponse_Locked)
		if got.ErrorCode != 50053 || !got.LockedUntil.AsTime().Equal(h.clock.Now().Add(time.Minute)) {
			t.Errorf("%v", got)
		}
		h.wants(" "+who+" ", draftPassword, pb.VerifyPasswordResponse_Locked)
	}
	h.clock.Advance(time.Minute)
	h.wants(name, "wrong again", pb.VerifyPasswordResponse_BadCredentials)
	if got := h.wants(name, draftPassword, pb.VerifyPasswordResponse_Locked); !got.LockedUntil.AsTime().Equal(h.clock.Now().Add(2 * time.Minute)) {
		t.Errorf("%v", got)
	}
	h.clock.Advance(2 * time.Minute)
	h.wants(name, draftPassword, pb.VerifyPasswordResponse_MustChange)
	h.wants(name, "wrong again", pb.VerifyPasswordResponse_BadCredentials)
	h.wants(name, draftPassword, pb.VerifyPasswordResponse_MustChange)
}

func TestAC15_ManyTriesAtOnceCountLikeManyInARow(t *testing.T) {
	t.Parallel()
	h := start(t).tenant("contoso", pb.Tenant_workforce)
	u := h.user("ann")
	var wg sync.WaitGroup
	for i := range 40 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for j := range 3 {
				_, err := h.credentials().VerifyPassword(t.Context(), &pb.VerifyPasswordRequest{TenantId: h.id, LoginName: u.GetUserPrincipalName(), Password: fmt.Sprint(i, "/", j), Ip: fmt.Sprintf("198.51.%d.1", i)})
				if err != nil {
					t.Error(err)
				}
			}
		}()
	}
	wg.Wait()
	for range 12 { // at least ten were let in, or are counted now
		h.signIn(u.GetUserPrincipalName(), fmt.Sprint(h.clock.Now(), time.Now()))
	}
	if got := h.wants(u.GetUserPrincipalName(), draftPassword, pb.VerifyPasswordResponse_Locked); got.LockedUntil.AsTime().Sub(h.clock.Now()) != time.Minute {
		t.Errorf("%v", got)
	}
}

func (h *home) reset(as *pb.User, id string, password *string) (*pb.PasswordResetResponse, error) {
	return h.credentials().ResetPassword(h.person(as.Id), &pb.ResetPasswordRequest{Id: id, MethodId: passwordMethod, NewPassword: password})
}

func TestAC16_ResetUnlocks(t *testing.T) {
	t.Parallel()
	h := start(t).tenant("contoso", pb.Tenant_workforce)
	u, admin := h.user("ann"), h.user("helper")
	h.must(h.give(helpdeskAdministrator, admin.Id, "/"))
	for i := range 10 {
		h.signIn(u.GetUserPrincipalName(), fmt.Sprint("wrong", i))
	}
	h.wants(u.GetUserPrincipalName(), draftPassword, pb.VerifyPasswordResponse_Locked)
	got, err := h.reset(admin, u.Id, nil)
	if err != nil {
		t.Fatal(err)
	}
	h.wants(u.GetUserPrincipalName(), draftPassword, pb.VerifyPasswordResponse_BadCredentials)
	h.wants(u.GetUserPrincipalName(), got.GetNewPassword(), pb.VerifyPasswordResponse_MustChange)
	operation, err := h.credentials().GetAuthenticationOperation(h.person(admin.Id), &pb.GetAuthenticationOperationRequest{Id: u.Id, OperationId: got.OperationId})
	if err != nil || operation.Status != "succeeded" {
		t.Errorf("%v %v", operation, err)
	}
	// The temporary one is good for the change alone; a weak one is no change.
	replace := func(next string) error {
		_, err := h.credentials().ReplacePassword(t.Context(), &pb.ReplacePasswordRequest{TenantId: h.id, UserId: u.Id, CurrentPassword: got.GetNewPassword(), NewPassword: next})
		return err
	}
	wantReason(t, replace("short"), errorspb.Reason_PASSWORD_REFUSED)
	if replace(got.GetNewPassword()) == nil {
		t.Error("the same password again")
	}
	h.must(replace("Another-G00d-0ne"))
	h.wants(u.GetUserPrincipalName(), "Another-G00d-0ne", pb.VerifyPasswordResponse_Success)
	h.wants(u.GetUserPrincipalName(), got.GetNewPassword(), pb.VerifyPasswordResponse_BadCredentials)
	if _, err := h.credentials().ResetPassword(h.person(admin.Id), &pb.ResetPasswordRequest{Id: u.Id, MethodId: u.Id}); !fault.Is(err, errorspb.Reason_NOT_FOUND) {
		t.Errorf("another method: %v", err)
	}
	if _, err := h.reset(admin, admin.Id, nil); err == nil {
		t.Error("the own password")
	}
	_, err = h.credentials().ResetPassword(h.ctx, &pb.ResetPasswordRequest{Id: u.Id, MethodId: passwordMethod})
	wantReason(t, err, errorspb.Reason_ACCESS_DENIED)
}

func TestAC36_WhoResetsWhom(t *testing.T) {
	t.Parallel()
	h := start(t).tenant("contoso", pb.Tenant_workforce)
	made := make(map[string]*pb.User)
	for name, role := range map[string]string{"hda": helpdeskAdministrator, "ua": userAdministrator, "aa": authenticationAdministrator, "aa2": authenticationAdministrator} {
		made[name] = h.user(name)
		h.must(h.give(role, made[name].Id, "/"))
	}
	name := "roles"
	g, err := h.groups().CreateGroup(h.ctx, &pb.CreateGroupRequest{Group: &pb.Group{DisplayName: &name, MailEnabled: ptr(false), MailNickname: &name, SecurityEnabled: ptr(true), IsAssignableToRole: ptr(true)}})
	if err != nil {
		t.Fatal(err)
	}
	made["member"] = h.user("member")
	h.must(h.addMember(g.Id, made["member"].Id))
	for _, c := range []struct {
		by, of string
		ok     bool
	}{{"hda", "ua", false}, {"ua", "hda", true}, {"aa", "aa2", true}, {"ua", "member", false}} {
		if _, err := h.reset(made[c.by], made[c.of].Id, nil); (err == nil) != c.ok || err != nil && !fault.Is(err, errorspb.Reason_ACCESS_DENIED) {
			t.Errorf("%s of %s: %v", c.by, c.of, err)
		}
	}
}

func TestChangeOwnPassword(t *testing.T) {
	t.Parallel()
	h := start(t).tenant("contoso", pb.Tenant_workforce)
	u, other := h.user("ann"), h.user("bob")
	change := func(id, present, next string) error {
		_, err := h.credentials().ChangePassword(h.person(u.Id), &pb.ChangePasswordRequest{Id: id, CurrentPassword: present, NewPassword: next})
		return err
	}
	wantReason(t, change(other.Id, draftPassword, "Another-G00d-0ne"), errorspb.Reason_ACCESS_DENIED)
	for _, refused := range []error{change(u.Id, "wrong", "Another-G00d-0ne"), change(u.Id, draftPassword, draftPassword), change(u.Id, draftPassword, "weak")} {
		if k, _ := fault.Of(refused); k != fault.KindInvalid {
			t.Errorf("%v", refused)
		}
	}
	h.must(change(u.Id, draftPassword, "Another-G00d-0ne"))
	h.wants(u.GetUserPrincipalName(), "Another-G00d-0ne", pb.VerifyPasswordResponse_Success)
	for i := range 10 {
		if change(u.Id, fmt.Sprint("wrong", i), "Still-G00d-0ne!") == nil {
			t.Error("changed")
		}
	}
	// They count; where the user has signed in from before is counted apart.
	got, err := h.credentials().VerifyPassword(t.Context(), &pb.VerifyPasswordRequest{TenantId: h.id, LoginName: u.GetUserPrincipalName(), Password: "Another-G00d-0ne", Ip: "203.0.113.9"})
	if err != nil || got.Result != pb.VerifyPasswordResponse_Locked {
		t.Errorf("%v %v", got, err)
	}
	h.wants(u.GetUserPrincipalName(), "Another-G00d-0ne", pb.VerifyPasswordResponse_Success)
}

func TestAC17_AC18_TemporaryPasswordsOfCustomers(t *testing.T) {
	t.Parallel()
	h := start(t).tenant("woodgrove", pb.Tenant_external)
	draft := &pb.User{DisplayName: ptr("Ann"), Identities: []*pb.ObjectIdentity{{SignInType: ptr("emailAddress"), Issuer: ptr(h.domain), IssuerAssignedId: ptr("ann@mail.example")}}}
	u, err := h.users().CreateUser(h.ctx, &pb.CreateUserRequest{User: draft})
	if err != nil {
		t.Fatal(err)
	}
	secret := u.PasswordProfile.GetPassword()
	got, err := h.users().GetUser(h.ctx, &pb.GetUserRequest{Id: u.Id, Query: &odatapb.Query{Select: "passwordProfile,creationType,passwordPolicies"}})
	if err != nil || len(secret) != 16 || got.PasswordProfile.GetPassword() != "" || got.GetCreationType() != pb.User_LocalAccount || got.GetPasswordPolicies() != "DisablePasswordExpiration" {
		t.Errorf("%v %v", got, err)
	}
	work := h.suite.tenant("contoso", pb.Tenant_workforce)
	_, err = work.users().CreateUser(work.ctx, &pb.CreateUserRequest{User: draft})
	wantReason(t, err, errorspb.Reason_TENANT_TYPE_UNSUPPORTED)

	h.clock.Advance(400 * 24 * time.Hour)
	h.ctx = h.person(h.admin)
	r := h.wants("ANN@mail.example", secret, pb.VerifyPasswordResponse_MustChange)
	if _, err := h.credentials().ReplacePassword(t.Context(), &pb.ReplacePasswordRequest{TenantId: h.id, UserId: r.UserId, CurrentPassword: secret, NewPassword: "Mine-4lone-now"}); err != nil {
		t.Fatal(err)
	}
	h.wants("ann@mail.example", secret, pb.VerifyPasswordResponse_BadCredentials)
	h.wants("ann@mail.example", "Mine-4lone-now", pb.VerifyPasswordResponse_Success)
	h.wants(u.GetUserPrincipalName(), "Mine-4lone-now", pb.VerifyPasswordResponse_Success)
	h.patch(u.Id, &pb.User{AccountEnabled: ptr(false)}, "account_enabled")
	if got := h.wants("ann@mail.example", "Mine-4lone-now", pb.VerifyPasswordResponse_Disabled); got.ErrorCode != 50057 {
		t.Errorf("%v", got)
	}
	h.wants("ann@mail.example", "wrong", pb.VerifyPasswordResponse_BadCredentials)
}

func TestAC19_SignInNamesAreFreeAfterDeletion(t *testing.T) {
	t.Parallel()
	h := start(t).tenant("woodgrove", pb.Tenant_external)
	create := func() (*pb.User, error) {
		return h.users().CreateUser(h.ctx, &pb.CreateUserRequest{User: &pb.User{DisplayName: ptr("Ann"),
			Identities: []*pb.ObjectIdentity{{SignInType: ptr("emailAddress"), Issuer: ptr(h.domain), IssuerAssignedId: ptr("ann@mail.example")}}}})
	}
	first, err := create()
	h.must(err)
	if _, err := create(); !fault.Is(err, errorspb.Reason_OBJECT_CONFLICT) || fault.From(err).Meta["property"] != "identities" {
		t.Errorf("%v", err)
	}
	_, err = h.users().DeleteUser(h.ctx, &pb.DeleteUserRequest{Id: first.Id})
	h.must(err)
	_, err = create()
	h.must(err)
	_, err = pb.NewDirectoryObjectServiceClient(h.gateway).RestoreDeletedItem(h.ctx, &pb.RestoreDeletedItemRequest{Id: first.Id})
	wantReason(t, err, errorspb.Reason_OBJECT_CONFLICT)
}

func TestAC20_CustomersKeepTheirOwnProfile(t *testing.T) {
	t.Parallel()
	h := start(t).tenant("woodgrove", pb.Tenant_external)
	u, err := h.users().CreateUser(h.ctx, &pb.CreateUserRequest{User: &pb.User{DisplayName: ptr("Ann"),
		Identities: []*pb.ObjectIdentity{{SignInType: ptr("userName"), Issuer: ptr(h.domain), IssuerAssignedId: ptr("ann")}}}})
	h.must(err)
	me := h.person(u.Id, "User.ReadWrite")
	patch := func(in *pb.User, path string) error {
		_, err := h.users().UpdateUser(me, &pb.UpdateUserRequest{Id: u.Id, User: in, UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{path}}})
		return err
	}
	wantReason(t, patch(&pb.User{Department: ptr("x")}, "department"), errorspb.Reason_ACCESS_DENIED)
	h.must(patch(&pb.User{City: ptr("Oslo")}, "city"))
	_, err = h.users().ListUsers(h.person(u.Id), &pb.ListUsersRequest{})
	wantReason(t, err, errorspb.Reason_ACCESS_DENIED)
	got, err := h.users().GetUser(me, &pb.GetUserRequest{Id: u.Id, Query: &odatapb.Query{Select: "city"}})
	if err != nil || got.GetCity() != "Oslo" {
		t.Errorf("%v %v", got, err)
	}
}

func TestAC14_TheTenantsOwnBannedWords(t *testing.T) {
	t.Parallel()
	h := start(t).tenant("fabrikam", pb.Tenant_workforce)
	if _, err := pb.NewGroupSettingServiceClient(h.gateway).CreateGroupSetting(h.ctx, &pb.CreateGroupSettingRequest{Setting: &pb.GroupSetting{
		TemplateId: ptr("5cf42378-d67d-4f36-ba46-e8b86229381d"), Values: []*pb.SettingValue{{Name: ptr("BannedPasswordList"), Value: ptr("contoso\tblank")}, {Name: ptr("LockoutThreshold"), Value: ptr("3")}}}}); err != nil {
		t.Fatal(err)
	}
	create := func(name, secret string) (*pb.User, error) {
		draft := h.draft(name)
		draft.PasswordProfile.Password = &secret
		return h.users().CreateUser(h.ctx, &pb.CreateUserRequest{User: draft})
	}
	_, err := create("a", "C0ntos0Blank12")
	wantReason(t, err, errorspb.Reason_PASSWORD_REFUSED)
	if code := fault.From(err).Meta["code"]; code != "PasswordBanned" {
		t.Error(code)
	}
	u, err := create("b", "ContoS0Bl@nkf9!")
	h.must(err)
	for i := range 3 {
		h.signIn(u.GetUserPrincipalName(), fmt.Sprint("wrong", i))
	}
	h.wants(u.GetUserPrincipalName(), "ContoS0Bl@nkf9!", pb.VerifyPasswordResponse_Locked)
}

func TestAC28_AC29_ExternalAccountsBecomeInternal(t *testing.T) {
	t.Parallel()
	h := start(t).tenant("contoso", pb.Tenant_workforce)
	guest, g := h.invite("guest@fabrikam.example", pb.User_Guest), h.group("team")
	h.must(h.addMember(g.Id, guest.Id))
	_, err := h.users().UpdateUser(h.ctx, &pb.UpdateUserRequest{Id: guest.Id, User: &pb.User{PasswordProfile: &pb.PasswordProfile{Password: ptr("Another-G00d-0ne")}},
		UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"password_profile"}}})
	wantReason(t, err, errorspb.Reason_EXTERNAL_ACCOUNT)
	name := "converted@" + h.domain
	convert := func(id, name, secret string, mail *string) (*pb.ConversionUserDetails, error) {
		return h.credentials().ConvertExternalToInternalMemberUser(h.ctx, &pb.ConvertExternalToInternalMemberUserRequest{Id: id, UserPrincipalName: name,
			PasswordProfile: &pb.PasswordProfile{Password: &secret, ForceChangePasswordNextSignIn: ptr(false)}, Mail: mail})
	}
	for _, bad := range []struct {
		name, secret string
		mail         *string
	}{{"x@elsewhere.example", "Another-G00d-0ne", nil}, {"", "Another-G00d-0ne", nil}, {name, "weak", nil}, {name, "Another-G00d-0ne", ptr("")}, {name, "Another-G00d-0ne", ptr("a@elsewhere.example")}} {
		if _, err := convert(guest.Id, bad.name, bad.secret, bad.mail); fault.From(err) == nil || fault.From(err).Kind != fault.KindInvalid {
			t.Errorf("%+v: %v", bad, err)
		}
	}
	holder := h.invite("holder@fabrikam.example", pb.User_Guest)
	h.must(h.give(helpdeskAdministrator, holder.Id, "/"))
	if _, err := convert(holder.Id, "holder@"+h.domain, "Another-G00d-0ne", nil); err == nil {
		t.Error("a role holder is converted")
	}
	done, err := convert(guest.Id, name, "Another-G00d-0ne", nil)
	if err != nil || done.GetUserPrincipalName() != name || done.ConvertedToInternalUserDateTime == nil {
		t.Fatalf("%v %v", done, err)
	}
	got, err := h.users().GetUser(h.ctx, &pb.GetUserRequest{Id: guest.Id, Query: &odatapb.Query{Select: "userType,externalUserState,identities"}})
	if err != nil || got.GetUserType() != pb.User_Member || got.ExternalUserState != nil || len(got.Identities) != 1 {
		t.Errorf("%v %v", got, err)
	}
	h.wants(name, "Another-G00d-0ne", pb.VerifyPasswordResponse_Success)
	if !slices.Equal(h.memberIDs(g.Id), []string{guest.Id}) {
		t.Error("the group is lost")
	}
	if _, err := convert(guest.Id, name, "Another-G00d-0ne", nil); err == nil {
		t.Error("converted twice")
	}
}
