package api_test

import (
	"errors"
	"strings"
	"testing"

	"entente.dev/invitation-svc/internal/invitetest"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	pb "entente.dev/proto/gen/entente/invitation/v1"
	"entente.dev/servicekit/caller"
	"entente.dev/servicekit/fault"
	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
)

// team is a group whose owner is Olga, a member without any right to invite of
// her own.
func team(w *invitetest.World) (olga caller.Caller, group string, d *invitetest.Delegation) {
	olga, _, _ = portal(w)
	olga.Permissions = []string{"GroupMember.ReadWrite.All"}
	group, d = uuid.NewString(), &invitetest.Delegation{Owner: olga.ObjectID.String()}
	w.Directory.Groups[group] = d
	return olga, group, d
}

func inviteMember(w *invitetest.World, as caller.Caller, group, to string) (*pb.InvitedMember, error) {
	return w.Invites.InviteMember(w.As(as), &pb.InviteMemberRequest{Id: group, EmailAddress: to, DisplayName: proto.String("Kim"), Message: proto.String("Join us.")})
}

// INV-138: one step invites and adds, and the link goes by mail alone.
func TestAnOwnerInvitesIntoAGroup(t *testing.T) {
	t.Parallel()
	w := invitetest.New(t)
	olga, group, d := team(w)
	got, err := inviteMember(w, olga, group, "kim@partner.example")
	if err != nil || !got.Added || got.Error != nil || got.GetGroupId() != group || got.Status != pb.Invitation_PendingAcceptance {
		t.Fatalf("%v, %v", got, err)
	}
	user := w.Directory.User(w.Tenant.String(), got.InvitedUser.GetId())
	if len(d.Members) != 1 || d.Members[0] != user.GetId() || user.GetDisplayName() != "Kim" || w.Audited(w.Tenant, "Invite external user", 1) != 1 {
		t.Errorf("members %v, user %v", d.Members, user)
	}
	w.Deliver(w.Tenant)
	letter := w.Sink.Last(t)
	if !strings.Contains(letter.Text, "> Join us.") {
		t.Errorf("mail:\n%s", letter.Text)
	}
	b := w.Open(invitetest.MailLink(t, letter))
	b.ToConsent()
	b.Must(invitetest.Consent(true), pb.FlowPage_Landed)

	// Whoever is a guest already is just added: nobody is mailed.
	other := uuid.NewString()
	w.Directory.Groups[other] = &invitetest.Delegation{Owner: olga.ObjectID.String()}
	again, err := inviteMember(w, olga, other, "Kim@partner.example")
	if err != nil || !again.Added || again.InvitedUser.GetId() != user.GetId() || again.Status != pb.Invitation_Completed || len(w.Owed(w.Tenant)) != 0 {
		t.Errorf("again: %v, %v", again, err)
	}
}

func TestWhoMayNotInviteIntoAGroup(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		change func(w *invitetest.World, olga *caller.Caller, group *string)
		want   errorspb.Reason
	}{
		"nobody but the owner": {func(w *invitetest.World, olga *caller.Caller, _ *string) { *olga = w.Mia }, errorspb.Reason_ACCESS_DENIED},
		"in another tenant": {func(w *invitetest.World, olga *caller.Caller, _ *string) {
			olga.Tenant, olga.ObjectID = w.Other, uuid.New()
			w.Directory.AddPerson(w.Other.String(), olga.ObjectID.String(), "Olga", "olga@fabrikam.example", false)
		}, errorspb.Reason_ACCESS_DENIED},
		"the group refuses": {func(w *invitetest.World, _ *caller.Caller, _ *string) {
			w.Directory.Cause(func(around string) error {
				if around == "before GetInvitingGroup" {
					return fault.Invalid(errorspb.Reason_DYNAMIC_MEMBERSHIP, "dynamic")
				}
				return nil
			})
		}, errorspb.Reason_DYNAMIC_MEMBERSHIP},
		"the policy closes invitations to owners": {func(w *invitetest.World, _ *caller.Caller, _ *string) {
			w.Policy.Set(func(p *invitetest.Policy) { p.InvitesFrom = "adminsAndGuestInviters" })
		}, errorspb.Reason_INVITATIONS_OFF},
		"the policy closes invitations to all": {func(w *invitetest.World, olga *caller.Caller, _ *string) {
			olga.Roles = []caller.Role{{Template: "Guest Inviter", Scope: "/"}}
			w.Policy.Set(func(p *invitetest.Policy) { p.InvitesFrom = "none" })
		}, errorspb.Reason_INVITATIONS_OFF},
		"the domain is closed": {func(w *invitetest.World, _ *caller.Caller, _ *string) {
			w.Policy.Set(func(p *invitetest.Policy) { p.BlockedDomain = "partner.example" })
		}, errorspb.Reason_DOMAIN_NOT_ALLOWED},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := invitetest.New(t)
			olga, group, d := team(w)
			tc.change(w, &olga, &group)
			_, err := inviteMember(w, olga, group, "kim@partner.example")
			if !fault.Is(err, tc.want) || len(d.Members) != 0 {
				t.Errorf("%v, members %v", err, d.Members)
			}
			for _, tenant := range []string{w.Tenant.String(), w.Other.String()} {
				if n := w.Directory.Users(tenant); n != 0 {
					t.Errorf("%d users", n)
				}
			}
			if n := invitetest.Scalar[int](w, w.Tenant, "select count(*) from invitations"); n != 0 {
				t.Errorf("%d invitations", n)
			}
		})
	}
	w := invitetest.New(t)
	olga, group, d := team(w)
	olga.Roles = []caller.Role{{Template: "Guest Inviter", Scope: "/"}}
	w.Policy.Set(func(p *invitetest.Policy) { p.InvitesFrom = "adminsAndGuestInviters" })
	if got, err := inviteMember(w, olga, group, "kim@partner.example"); err != nil || !got.Added || len(d.Members) != 1 {
		t.Errorf("an owner who is a guest inviter: %v, %v", got, err)
	}
}

// TestWhoIsInvitedAndNotAdded: the invitation stays, and the answer says why,
// without a word of what is ours alone.
func TestWhoIsInvitedAndNotAdded(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		trouble error
		code    string
		message string
	}{
		"refused": {fault.Invalid(errorspb.Reason_REFERENCE_INVALID, "Guests are not allowed in this group."), "Request_BadRequest", "Guests are not allowed in this group."},
		"broken":  {errors.New("secret of the database"), "InternalServerError", "The person was invited and could not be added. Try again."},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := invitetest.New(t)
			olga, group, d := team(w)
			w.Directory.Cause(func(around string) error {
				if around == "before AddInvitedMember" {
					return tc.trouble
				}
				return nil
			})
			got, err := inviteMember(w, olga, group, "kim@partner.example")
			if err != nil || got.Added || got.GroupId != nil || got.GetError().GetCode() != tc.code || got.GetError().GetMessage() != tc.message {
				t.Fatalf("%v, %v", got, err)
			}
			if w.Directory.User(w.Tenant.String(), got.InvitedUser.GetId()) == nil || len(w.Owed(w.Tenant)) != 1 {
				t.Error("the invitation did not stay")
			}
			w.Directory.Cause(nil)
			again, err := inviteMember(w, olga, group, "kim@partner.example")
			if err != nil || !again.Added || again.InvitedUser.GetId() != got.InvitedUser.GetId() || len(d.Members) != 1 {
				t.Errorf("again: %v, %v", again, err)
			}
		})
	}
}

// TestOwnersInviteToThePanel: the hosts that a tenant allows bind what a
// request names, and the panel is where everybody lands anyway.
func TestOwnersInviteToThePanel(t *testing.T) {
	t.Parallel()
	w := invitetest.New(t)
	olga, group, _ := team(w)
	_, app, _ := portal(w)
	w.Directory.Delegations[app].Owner = olga.ObjectID.String()
	_, err := w.Invites.UpdateInvitationSettings(w.As(w.App), &pb.UpdateInvitationSettingsRequest{
		Settings: &pb.InvitationSettings{AllowedRedirectHosts: []string{"contoso.example"}}, UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"allowed_redirect_hosts"}}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := inviteMember(w, olga, group, "kim@partner.example"); err != nil {
		t.Errorf("into a group: %v", err)
	}
	invite := &pb.InviteUserRequest{Id: app, InvitedUserEmailAddress: "lee@partner.example"}
	if _, err := w.Invites.InviteUser(w.As(olga), invite); err != nil {
		t.Errorf("to an application: %v", err)
	}
	invite.InviteRedirectUrl = proto.String("https://apps.entente.example/elsewhere")
	if _, err := w.Invites.InviteUser(w.As(olga), invite); !fault.Is(err, errorspb.Reason_BAD_REQUEST) {
		t.Errorf("to a host that is not allowed: %v", err)
	}
}
