package saga_test

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

// colleague is another member who may invite.
func colleague(w *invitetest.World) caller.Caller {
	noa := w.Mia
	noa.ObjectID = uuid.New()
	w.Directory.AddPerson(w.Tenant.String(), noa.ObjectID.String(), "Noa", "noa@contoso.example", false)
	return noa
}

func revoke(w *invitetest.World, by caller.Caller, id string, deleteUser bool) error {
	_, err := w.Invites.RevokeInvitation(w.As(by), &pb.RevokeInvitationRequest{Id: id, DeleteUser: proto.Bool(deleteUser)})
	return err
}

// TestARevokedInvitationDeletesNobodyLater: the user of an invitation that is
// over may have redeemed a later one.
func TestARevokedInvitationDeletesNobodyLater(t *testing.T) {
	t.Parallel()
	w := invitetest.New(t)
	i := w.Invite("alice@partner.example", nil)
	if err := revoke(w, w.Mia, i.Id, false); err != nil {
		t.Fatal(err)
	}
	again, err := w.Invites.CreateInvitation(w.As(w.App), invitetest.Request("alice@partner.example", nil))
	if err != nil {
		t.Fatal(err)
	}
	refuse := func(when string) {
		for _, by := range []caller.Caller{w.Mia, w.App} {
			if err := revoke(w, by, i.Id, true); !fault.Is(err, errorspb.Reason_CONFLICT) {
				t.Errorf("%s: %v", when, err)
			}
		}
		if w.Directory.User(w.Tenant.String(), i.InvitedUser.GetId()) == nil || w.Directory.Count("SoftDeleteExternalUser") != 0 {
			t.Fatalf("%s: the user is gone", when)
		}
	}
	refuse("invited again")
	b := w.Open(again.GetInviteRedeemUrl())
	b.ToConsent()
	b.Must(invitetest.Consent(true), pb.FlowPage_Landed)
	refuse("redeemed")
	if err := revoke(w, w.Mia, i.Id, false); err != nil {
		t.Errorf("repeated without the user: %v", err)
	}
}

// TestInvitingAgainIsNoWayAroundDeleting: a guest is the own one of whoever
// made the user, not of whoever invites it again (DIR-45).
func TestInvitingAgainIsNoWayAroundDeleting(t *testing.T) {
	t.Parallel()
	w := invitetest.New(t)
	user := w.Invite("alice@partner.example", nil).InvitedUser.GetId()
	noa := colleague(w)
	again, err := w.Invites.CreateInvitation(w.As(noa), invitetest.Request("alice@partner.example", nil))
	if err != nil {
		t.Fatal(err)
	}
	if err := revoke(w, noa, again.Id, true); !fault.Is(err, errorspb.Reason_ACCESS_DENIED) || w.Directory.User(w.Tenant.String(), user) == nil {
		t.Errorf("somebody else's guest: %v", err)
	}
	if got, err := w.Invites.GetInvitation(w.As(noa), &pb.GetInvitationRequest{Id: again.Id}); err != nil || got.GetState() != "Pending" {
		t.Errorf("the refusal ended the invitation: %v, %v", got, err)
	}
	if err := revoke(w, w.App, again.Id, true); err != nil || w.Directory.User(w.Tenant.String(), user) != nil {
		t.Errorf("by the right to delete users: %v", err)
	}
}

// TestAResentInvitationIsStillOnesOwn: sending a link again changes nothing
// about who made the user.
func TestAResentInvitationIsStillOnesOwn(t *testing.T) {
	t.Parallel()
	w := invitetest.New(t)
	i := w.Invite("alice@partner.example", nil)
	if _, err := w.Invites.ResendInvitation(w.As(w.Mia), &pb.ResendInvitationRequest{Id: i.Id}); err != nil {
		t.Fatal(err)
	}
	sent := invitetest.Scalar[string](w, w.Tenant, "select id::text from invitations where state = 2")
	if err := revoke(w, colleague(w), sent, true); !fault.Is(err, errorspb.Reason_ACCESS_DENIED) {
		t.Errorf("a colleague: %v", err)
	}
	if err := revoke(w, w.Mia, sent, true); err != nil || w.Directory.User(w.Tenant.String(), i.InvitedUser.GetId()) != nil {
		t.Errorf("the one who made the user: %v", err)
	}
}

// TestWhoIsInvitedAgainMeanwhileStays: between the end of an invitation and the
// deletion, somebody else may invite the same person.
func TestWhoIsInvitedAgainMeanwhileStays(t *testing.T) {
	t.Parallel()
	for name, request := range map[string]func(user string) *pb.CreateInvitationRequest{
		"invited again": func(string) *pb.CreateInvitationRequest { return invitetest.Request("alice@partner.example", nil) },
		"reset": func(user string) *pb.CreateInvitationRequest {
			return invitetest.Request("alice@partner.example", func(i *pb.Invitation) {
				i.InvitedUser, i.ResetRedemption = &pb.InvitedUser{Id: &user}, proto.Bool(true)
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := invitetest.New(t)
			i := w.Invite("alice@partner.example", nil)
			user := i.InvitedUser.GetId()
			w.Directory.Cause(func(around string) error {
				if around != "before SoftDeleteExternalUser" {
					return nil
				}
				w.Directory.Cause(nil)
				_, err := w.Invites.CreateInvitation(w.As(w.App), request(user))
				return err
			})
			if err := revoke(w, w.Mia, i.Id, true); !fault.Is(err, errorspb.Reason_ACCESS_DENIED) || w.Directory.User(w.Tenant.String(), user) == nil {
				t.Errorf("%v", err)
			}
		})
	}
}
