package service_test

import (
	"testing"

	pb "entente.dev/proto/gen/entente/directory/v1"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"github.com/google/uuid"
)

// TestDIR230Authorize asks for a sibling service what the handlers would
// decide.
func TestDIR230Authorize(t *testing.T) {
	t.Parallel()
	s := start(t)
	h, other := s.tenant("contoso", pb.Tenant_workforce), s.tenant("fabrikam", pb.Tenant_workforce)
	helper, plain, u, guest := h.user("helper"), h.user("plain"), h.user("u"), h.invite("a@fabrikam.example", pb.User_Guest)
	h.must(h.give(userAdministrator, helper.Id, "/"))
	team, app := h.unified("team", plain), func() *pb.Application { a, _ := h.application("HR"); return a }()
	principals := pb.NewPrincipalServiceClient(h.dial("policy-svc"))
	ask := func(who string, act pb.AuthorizeRequest_Action, object string, properties ...string) (bool, error) {
		answer, err := principals.Authorize(t.Context(), &pb.AuthorizeRequest{TenantId: h.id, PrincipalId: who, Action: act, ObjectId: object, Properties: properties})
		if err == nil && !answer.Allowed && answer.Reason == "" {
			t.Errorf("%s of %s: refused without a reason", act, object)
		}
		return answer.GetAllowed(), err
	}
	for _, c := range []struct {
		who, object string
		act         pb.AuthorizeRequest_Action
		properties  []string
		want        bool
	}{
		{helper.Id, u.Id, pb.AuthorizeRequest_deleteUser, nil, true},
		{helper.Id, h.admin, pb.AuthorizeRequest_deleteUser, nil, false},
		{helper.Id, h.admin, pb.AuthorizeRequest_resetPassword, nil, false},
		{helper.Id, u.Id, pb.AuthorizeRequest_resetPassword, nil, true},
		{plain.Id, u.Id, pb.AuthorizeRequest_updateUser, []string{"department"}, false},
		{plain.Id, plain.Id, pb.AuthorizeRequest_updateUser, []string{"mobilePhone"}, true},
		{plain.Id, plain.Id, pb.AuthorizeRequest_revokeSessions, nil, true},
		{plain.Id, team.Id, pb.AuthorizeRequest_changeMembers, nil, true},
		{plain.Id, team.Id, pb.AuthorizeRequest_deleteGroup, nil, true},
		{u.Id, team.Id, pb.AuthorizeRequest_updateGroup, nil, false},
		{plain.Id, u.Id, pb.AuthorizeRequest_readUser, nil, true},
		{guest.Id, u.Id, pb.AuthorizeRequest_readUser, nil, true},
		{helper.Id, app.Id, pb.AuthorizeRequest_updateApplication, nil, false},
		{h.app.ServicePrincipalId, app.Id, pb.AuthorizeRequest_holdCredentials, nil, true},
		{h.app.ServicePrincipalId, u.Id, pb.AuthorizeRequest_deleteUser, nil, true},
	} {
		if got, err := ask(c.who, c.act, c.object, c.properties...); err != nil || got != c.want {
			t.Errorf("%s %s %s: %v %v", c.who, c.act, c.object, got, err)
		}
	}
	h.must(h.update(h.person(h.admin), helper.Id, &pb.User{AccountEnabled: ptr(false)}, "account_enabled"))
	if got, err := ask(helper.Id, pb.AuthorizeRequest_deleteUser, u.Id); err != nil || got {
		t.Errorf("somebody disabled: %v %v", got, err)
	}
	_, err := ask(other.user("x").Id, pb.AuthorizeRequest_readUser, u.Id)
	wantReason(t, err, errorspb.Reason_NOT_FOUND)
	_, err = ask(plain.Id, pb.AuthorizeRequest_readUser, other.user("y").Id)
	wantReason(t, err, errorspb.Reason_NOT_FOUND)
	_, err = ask(plain.Id, pb.AuthorizeRequest_readUser, uuid.NewString())
	wantReason(t, err, errorspb.Reason_NOT_FOUND)
}
