package saga_test

import (
	"strings"
	"testing"
	"time"

	"entente.dev/invitation-svc/internal/invitetest"
	"entente.dev/invitation-svc/internal/saga"
	directorypb "entente.dev/proto/gen/entente/directory/v1"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	pb "entente.dev/proto/gen/entente/invitation/v1"
	"entente.dev/servicekit/fault"
	"entente.dev/servicekit/pg"
	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"
)

const annsMail = "ann@partner.example"

// convert invites Ann, an internal user, by her mail.
func convert(w *invitetest.World) (*pb.Invitation, string, error) {
	id := uuid.NewString()
	w.Directory.AddUser(w.Tenant.String(), id, annsMail)
	i, err := w.Invites.CreateInvitation(w.As(w.App), invitetest.Request(annsMail, func(i *pb.Invitation) { i.InvitedUser = &pb.InvitedUser{Id: &id} }))
	return i, id, err
}

// INV-33, INV-34: the user stays who it is until the redemption binds.
func TestAnInternalUserIsInvited(t *testing.T) {
	t.Parallel()
	w := invitetest.New(t)
	i, id, err := convert(w)
	if err != nil || i.InvitedUser.GetId() != id || i.GetStatus() != pb.Invitation_PendingAcceptance || i.GetInvitedUserType() != "Member" {
		t.Fatalf("%v, %v", i, err)
	}
	if w.Directory.Bound(w.Tenant.String(), id) != "" || w.Audited(w.Tenant, "Invite internal user to B2B collaboration", 1) != 1 || w.Audited(w.Tenant, "Invite external user", 1) != 0 {
		t.Error("bound before it was redeemed, or not recorded")
	}
	b := w.Open(i.GetInviteRedeemUrl())
	b.ToConsent()
	b.Must(invitetest.Consent(true), pb.FlowPage_Landed)
	u := w.Directory.User(w.Tenant.String(), id)
	if w.Directory.Bound(w.Tenant.String(), id) == "" || u.GetExternalUserState() != directorypb.User_Accepted || u.GetUserType() != directorypb.User_Member {
		t.Errorf("%v", u)
	}
}

func TestRevokingLeavesAnInternalUserAlone(t *testing.T) {
	t.Parallel()
	w := invitetest.New(t)
	i, id, err := convert(w)
	if err != nil {
		t.Fatal(err)
	}
	revoke := &pb.RevokeInvitationRequest{Id: i.Id, DeleteUser: proto.Bool(true)}
	if _, err := w.Invites.RevokeInvitation(w.As(w.App), revoke); !fault.Is(err, errorspb.Reason_CONFLICT) || w.Directory.User(w.Tenant.String(), id) == nil {
		t.Errorf("with the user: %v", err)
	}
	if b := w.Open(i.GetInviteRedeemUrl()); b.Page.State != pb.FlowPage_AwaitOtp {
		t.Error("the refusal ended the link")
	}
	if _, err := w.Invites.RevokeInvitation(w.As(w.App), &pb.RevokeInvitationRequest{Id: i.Id}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.TryOpen(invitetest.Link(t, i.GetInviteRedeemUrl())); !fault.Is(err, errorspb.Reason_TICKET_INVALID) {
		t.Errorf("link: %v", err)
	}
	u := w.Directory.User(w.Tenant.String(), id)
	if !u.GetAccountEnabled() || u.GetMail() != annsMail || w.Directory.Bound(w.Tenant.String(), id) != "" {
		t.Errorf("%v", u)
	}
	// Reached by its address again, it is still the same internal user.
	if i, err = w.Invites.CreateInvitation(w.As(w.App), invitetest.Request(annsMail, nil)); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Invites.RevokeInvitation(w.As(w.App), &pb.RevokeInvitationRequest{Id: i.Id, DeleteUser: proto.Bool(true)}); !fault.Is(err, errorspb.Reason_CONFLICT) {
		t.Errorf("with the user, later: %v", err)
	}
	// The same request is an invitation again.
	again, err := w.Invites.CreateInvitation(w.As(w.App), invitetest.Request(annsMail, func(i *pb.Invitation) { i.InvitedUser = &pb.InvitedUser{Id: &id} }))
	if err != nil || again.InvitedUser.GetId() != id {
		t.Errorf("%v, %v", again, err)
	}
}

// TestAKillWhileConvertingCompletes: the directory begins a conversion once,
// and the invitation is found however far it got.
func TestAKillWhileConvertingCompletes(t *testing.T) {
	t.Parallel()
	killPoints(t, func(w *invitetest.World) {
		if _, _, err := convert(w); err != nil {
			w.T.Errorf("invite: %v", err)
		}
	}, []string{"FindInviteConflicts", "BeginExternalConversion"}, func(t *testing.T, w *invitetest.World, killed bool) {
		open := invitetest.Scalar[int](w, w.Tenant, "select count(*) from invitations")
		w.Clock.Advance(saga.SagaGrace + time.Minute)
		w.Sweep()
		if pending := invitetest.Scalar[int](w, w.Tenant, "select count(*) from invitations where state = 2"); pending != open {
			t.Fatalf("%d of %d invitations are pending", pending, open)
		}
		if begun := w.Directory.Count("BeginExternalConversion"); !killed && begun != 1 {
			t.Fatalf("begun %d times", begun)
		}
	})
}

// INV-113: the home tenant of an organization account has a record of its own.
func TestTheHomeTenantHearsOfARedemption(t *testing.T) {
	t.Parallel()
	w := invitetest.New(t)
	b := ready(w)
	account := uuid.New()
	err := w.DB.Write(t.Context(), w.Tenant, func(tx *pg.Tx) error {
		return tx.Gorm().Exec("update flows set identity_provider = 'azureActiveDirectory', issuer = '', subject = '', home_tenant_id = ?, home_object_id = ? where tenant_id = ?", w.Other, account, w.Tenant).Error
	})
	if err != nil {
		t.Fatal(err)
	}
	b.Must(invitetest.Consent(true), pb.FlowPage_Landed)
	w.RunHomeRecords()
	got := invitetest.Scalar[string](w, w.Other, "select row_to_json(e)::text from audit_events e where activity = 'Redeem external user invite'")
	for _, want := range []string{account.String(), w.Tenant.String(), "azureActiveDirectory"} {
		if !strings.Contains(got, want) {
			t.Errorf("%s is not in %s", want, got)
		}
	}
	if w.Audited(w.Tenant, "Redeem external user invite", 1) != 1 {
		t.Error("the resource tenant has no record")
	}
}
