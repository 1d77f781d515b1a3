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
// over may wait for a later one, or have redeemed it.
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
			if err := revoke(w, by, i.Id, true); !fault.Is(err, errorspb.Reason_ACCESS_DENIED) {
				t.Errorf("%s: %v", when, err)
			}
		}
		if w.Directory.User(w.Tenant.String(), i.InvitedUser.GetId()) == nil {
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

// TestRevokingWithTheUserMayBeRepeated: what ends between the invitation and
// its user is finished by whoever made both, with one record of the end.
func TestRevokingWithTheUserMayBeRepeated(t *testing.T) {
	t.Parallel()
	gone := func(w *invitetest.World, user string) {
		w.T.Helper()
		if w.Directory.User(w.Tenant.String(), user) != nil {
			w.T.Error("the user is still there")
		}
		if n := w.Audited(w.Tenant, "Revoke external user invite", 1); n != 1 {
			w.T.Errorf("%d records", n)
		}
	}
	for name, end := range map[string]struct {
		around string
		cause  func() error
	}{
		"the directory is away": {"before SoftDeleteExternalUser", func() error { return fault.Unavailable(errorspb.Reason_UNAVAILABLE, "away") }},
		"the answer is lost":    {"after SoftDeleteExternalUser", func() error { return fault.Deadline(errorspb.Reason_DEADLINE, "lost") }},
		"killed before":         {"before SoftDeleteExternalUser", func() error { panic(errKilled) }},
		"killed after":          {"after SoftDeleteExternalUser", func() error { panic(errKilled) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := invitetest.New(t)
			i := w.Invite("alice@partner.example", nil)
			w.Directory.Cause(func(around string) error {
				if around != end.around {
					return nil
				}
				return end.cause()
			})
			var err error
			if !dying(func() { err = revoke(w, w.Mia, i.Id, true) }) && err == nil {
				t.Fatal("nothing went wrong")
			}
			w.Directory.Cause(nil)
			w.Restart(w.Clock)
			if state := invitetest.Scalar[int](w, w.Tenant, "select state from invitations"); state != 7 {
				t.Fatalf("state %d", state)
			}
			if err := revoke(w, colleague(w), i.Id, true); !fault.Is(err, errorspb.Reason_ACCESS_DENIED) {
				t.Errorf("a colleague: %v", err)
			}
			for range 2 {
				if err := revoke(w, w.Mia, i.Id, true); err != nil {
					t.Errorf("repeated: %v", err)
				}
			}
			gone(w, i.InvitedUser.GetId())
		})
	}
	t.Run("of a link that was sent again", func(t *testing.T) {
		t.Parallel()
		w := invitetest.New(t)
		i := w.Invite("alice@partner.example", nil)
		if _, err := w.Invites.ResendInvitation(w.As(w.Mia), &pb.ResendInvitationRequest{Id: i.Id}); err != nil {
			t.Fatal(err)
		}
		sent := invitetest.Scalar[string](w, w.Tenant, "select id::text from invitations where state = 2")
		for _, deleteUser := range []bool{false, true} {
			if err := revoke(w, w.Mia, sent, deleteUser); err != nil {
				t.Errorf("%v: %v", deleteUser, err)
			}
		}
		gone(w, i.InvitedUser.GetId())
	})
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

// TestInvitingOnesGuestAgainKeepsIt: the own guest may go with any invitation
// of it, whoever made that one, as long as nobody has become the guest.
func TestInvitingOnesGuestAgainKeepsIt(t *testing.T) {
	t.Parallel()
	again := func(w *invitetest.World, by caller.Caller, change func(*pb.Invitation)) string {
		w.T.Helper()
		i, err := w.Invites.CreateInvitation(w.As(by), invitetest.Request("alice@partner.example", change))
		if err != nil {
			w.T.Fatal(err)
		}
		return i.Id
	}
	for name, inviter := range map[string]func(*invitetest.World) caller.Caller{
		"by oneself":     func(w *invitetest.World) caller.Caller { return w.Mia },
		"by a colleague": colleague,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := invitetest.New(t)
			user := w.Invite("alice@partner.example", nil).InvitedUser.GetId()
			if err := revoke(w, w.Mia, again(w, inviter(w), nil), true); err != nil || w.Directory.User(w.Tenant.String(), user) != nil {
				t.Errorf("%v", err)
			}
		})
	}
	t.Run("reset after it was redeemed", func(t *testing.T) {
		t.Parallel()
		w := invitetest.New(t)
		i := w.Invite("alice@partner.example", nil)
		b := w.Open(i.GetInviteRedeemUrl())
		b.ToConsent()
		b.Must(invitetest.Consent(true), pb.FlowPage_Landed)
		again(w, w.App, func(r *pb.Invitation) {
			r.InvitedUser, r.ResetRedemption = &pb.InvitedUser{Id: proto.String(i.InvitedUser.GetId())}, proto.Bool(true)
		})
		if err := revoke(w, w.Mia, again(w, w.Mia, nil), true); !fault.Is(err, errorspb.Reason_ACCESS_DENIED) || w.Directory.User(w.Tenant.String(), i.InvitedUser.GetId()) == nil {
			t.Errorf("%v", err)
		}
	})
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
