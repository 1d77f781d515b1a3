package api_test

import (
	"testing"

	"entente.dev/invitation-svc/internal/invitetest"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	pb "entente.dev/proto/gen/entente/invitation/v1"
	"entente.dev/servicekit/caller"
	"entente.dev/servicekit/fault"
	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"
)

// portal is an application whose owner is Olga, a member without any right to
// invite of her own.
func portal(w *invitetest.World) (olga caller.Caller, app string, d *invitetest.Delegation) {
	olga = caller.Caller{Kind: caller.User, Tenant: w.Tenant, ObjectID: uuid.New(), DisplayName: "Olga", Permissions: []string{"User.Read"}, RequestID: uuid.NewString()}
	w.Directory.AddPerson(w.Tenant.String(), olga.ObjectID.String(), "Olga", "olga@contoso.example", false)
	app, d = uuid.NewString(), &invitetest.Delegation{Owner: olga.ObjectID.String(), Group: uuid.NewString()}
	w.Directory.Delegations[app] = d
	return olga, app, d
}

func TestAC47_OwnersInviteAsTheDelegationAndThePolicySay(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		policy string
		may    bool
		guest  bool
		want   errorspb.Reason
	}{
		{policy: "everyone"},
		{policy: "adminsAndGuestInviters", want: errorspb.Reason_INVITATIONS_OFF},
		{policy: "adminsAndGuestInviters", may: true},
		{policy: "adminsAndGuestInviters", may: true, guest: true, want: errorspb.Reason_INVITATIONS_OFF},
		{policy: "none", may: true, want: errorspb.Reason_INVITATIONS_OFF},
	} {
		w := invitetest.New(t)
		olga, app, d := portal(w)
		w.Directory.AddPerson(w.Tenant.String(), olga.ObjectID.String(), "Olga", "olga@contoso.example", tc.guest)
		d.May = tc.may
		w.Policy.Set(func(p *invitetest.Policy) { p.InvitesFrom = tc.policy })
		got, err := w.Invites.InviteUser(w.As(olga), &pb.InviteUserRequest{Id: app, InvitedUserEmailAddress: "kim@partner.example"})
		if tc.want != 0 {
			if !fault.Is(err, tc.want) || w.Directory.Users(w.Tenant.String()) != 0 || len(d.Members) != 0 || len(w.Owed(w.Tenant)) != 0 {
				t.Errorf("%+v: %v, members %v", tc, err, d.Members)
			}
			if n := invitetest.Scalar[int](w, w.Tenant, "select count(*) from invitations"); n != 0 {
				t.Errorf("%+v: %d invitations", tc, n)
			}
			continue
		}
		if err != nil {
			t.Errorf("%+v: %v", tc, err)
			continue
		}
		if !got.Added || got.GetGroupId() != d.Group || len(d.Members) != 1 || d.Members[0] != got.InvitedUser.GetId() || got.Status != pb.Invitation_PendingAcceptance {
			t.Errorf("%+v: %v, members %v", tc, got, d.Members)
		}
		// The mail is the only carrier of the link, and goes without being asked for.
		if w.Deliver(w.Tenant); w.Open(invitetest.MailLink(t, w.Sink.Last(t))).Page.State != pb.FlowPage_AwaitOtp {
			t.Error("the mailed link opens nothing")
		}
	}
}

func TestOnlyOwnersInviteIntoAnApplication(t *testing.T) {
	t.Parallel()
	w := invitetest.New(t)
	olga, app, d := portal(w)
	d.May = true
	invite := func(as caller.Caller, role *string) error {
		_, err := w.Invites.InviteUser(w.As(as), &pb.InviteUserRequest{Id: app, InvitedUserEmailAddress: "kim@partner.example", AppRoleId: role, SendInvitationMessage: proto.Bool(false)})
		return err
	}
	if err := invite(w.Mia, nil); !fault.Is(err, errorspb.Reason_ACCESS_DENIED) || w.Directory.Users(w.Tenant.String()) != 0 {
		t.Errorf("somebody who may invite but owns nothing: %v", err)
	}
	if err := invite(olga, proto.String("no role")); !fault.Is(err, errorspb.Reason_BAD_REQUEST) || w.Directory.Users(w.Tenant.String()) != 0 {
		t.Errorf("a role that is no id: %v", err)
	}
	if _, err := w.Invites.CreateInvitation(w.As(olga), invitetest.Request("kim@partner.example", nil)); !fault.Is(err, errorspb.Reason_ACCESS_DENIED) {
		t.Errorf("an owner invites without the application: %v", err)
	}
	// The delegation ends between the two steps: the invitation stays, and a
	// repeat meets the same user.
	w.Directory.Cause(func(around string) error {
		if around == "before AddSelfServiceMember" {
			return fault.Denied(errorspb.Reason_ACCESS_DENIED, "Insufficient privileges to complete the operation.")
		}
		return nil
	})
	part, err := w.Invites.InviteUser(w.As(olga), &pb.InviteUserRequest{Id: app, InvitedUserEmailAddress: "kim@partner.example", SendInvitationMessage: proto.Bool(false)})
	if err != nil || part.Added || part.GetError().GetCode() != "Authorization_RequestDenied" || part.GetError().GetMessage() == "" || part.GroupId != nil ||
		part.InvitedUser.GetId() == "" || w.Directory.Users(w.Tenant.String()) != 1 || len(d.Members) != 0 {
		t.Errorf("an owner no more: %v, %v", part, err)
	}
	w.Directory.Cause(nil)
	if err := invite(olga, nil); err != nil || w.Directory.Users(w.Tenant.String()) != 1 || len(d.Members) != 1 || len(w.Owed(w.Tenant)) != 0 {
		t.Errorf("again: %v, members %v", err, d.Members)
	}
}
