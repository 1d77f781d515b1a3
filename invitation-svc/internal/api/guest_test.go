package api_test

import (
	"testing"

	"entente.dev/invitation-svc/internal/invitetest"
	directorypb "entente.dev/proto/gen/entente/directory/v1"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	pb "entente.dev/proto/gen/entente/invitation/v1"
	"entente.dev/servicekit/caller"
	"entente.dev/servicekit/fault"
	"github.com/google/uuid"
)

// TestGuestsSeeTheirOwnInvitationsAlone: guests do not list the people of a
// tenant, and so not those who were invited, unless they have the rights of
// members or a role that reads users.
func TestGuestsSeeTheirOwnInvitationsAlone(t *testing.T) {
	t.Parallel()
	const limited, restricted, members = "10dae51f-b6af-4016-8d66-8c2a99b929b3", "2af84b1e-32c8-42b7-82bc-daa82404023b", "a0b1b346-4d3e-4e8b-98f8-753987be4970"
	reader := []caller.Role{{Template: "Directory Readers", Scope: "/"}}
	for name, tc := range map[string]struct {
		level  string
		guest  bool
		hidden bool // members do not read other users
		roles  []caller.Role
		sees   bool
	}{
		"a guest":                                {level: limited, guest: true},
		"a guest of an unknown level":            {guest: true},
		"a restricted guest":                     {level: restricted, guest: true},
		"a guest with the rights of members":     {level: members, guest: true, sees: true},
		"as members, who see nobody":             {level: members, guest: true, hidden: true},
		"a guest with a role over a unit":        {level: limited, guest: true, roles: []caller.Role{{Template: "Directory Readers", Scope: "/administrativeUnits/1"}}},
		"a guest with a role that reads nothing": {level: limited, guest: true, roles: []caller.Role{{Template: "Guest Inviter", Scope: "/"}}},
		"a guest with a reader role":             {level: restricted, guest: true, roles: reader, sees: true},
		"a member":                               {level: limited, sees: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := invitetest.New(t)
			who := caller.Caller{Kind: caller.User, Tenant: w.Tenant, ObjectID: uuid.New(), Guest: tc.guest, Roles: tc.roles, Permissions: []string{"User.Read.All", "User.Invite.All"}, RequestID: uuid.NewString()}
			w.Directory.AddPerson(w.Tenant.String(), who.ObjectID.String(), "Gus", "gus@partner.example", tc.guest)
			w.Policy.Set(func(p *invitetest.Policy) { p.GuestRole, p.OthersHidden = tc.level, tc.hidden })
			theirs := w.Invite("alice@partner.example", nil).Id
			made, err := w.Invites.CreateInvitation(w.As(who), invitetest.Request("bob@partner.example", nil))
			if err != nil {
				t.Fatal(err)
			}
			calls := map[string]func(id string) error{
				"get": func(id string) error {
					_, err := w.Invites.GetInvitation(w.As(who), &pb.GetInvitationRequest{Id: id})
					return err
				},
				"list": func(string) error {
					_, err := w.Invites.ListInvitations(w.As(who), &pb.ListInvitationsRequest{})
					return err
				},
				"resend": func(id string) error {
					_, err := w.Invites.ResendInvitation(w.As(who), &pb.ResendInvitationRequest{Id: id})
					return err
				},
			}
			for call, do := range calls {
				if err := do(theirs); tc.sees && err != nil || !tc.sees && !fault.Is(err, errorspb.Reason_ACCESS_DENIED) {
					t.Errorf("%s of a stranger's: %v", call, err)
				}
			}
			for _, call := range []string{"get", "resend"} {
				if err := calls[call](made.Id); err != nil {
					t.Errorf("%s of the own: %v", call, err)
				}
			}
			revoke := func(id string) error {
				_, err := w.Invites.RevokeInvitation(w.As(who), &pb.RevokeInvitationRequest{Id: id})
				return err
			}
			sent := func(user string) string {
				return invitetest.Scalar[string](w, w.Tenant, "select id::text from invitations where state = 2 and address = $1", user)
			}
			if err := revoke(sent("alice@partner.example")); tc.sees && err != nil || !tc.sees && !fault.Is(err, errorspb.Reason_ACCESS_DENIED) {
				t.Errorf("revoke a stranger's: %v", err)
			}
			if err := revoke(sent("bob@partner.example")); err != nil {
				t.Errorf("revoke the own: %v", err)
			}
			if err := calls["get"](uuid.NewString()); !fault.Is(err, errorspb.Reason_NOT_FOUND) {
				t.Errorf("an id that nobody has: %v", err)
			}
		})
	}
}

// TestMembersWhoSeeNobodySeeNoInvitations: nor do they resend or revoke those
// of others.
func TestMembersWhoSeeNobodySeeNoInvitations(t *testing.T) {
	t.Parallel()
	for name, hide := range map[string]func(*invitetest.World){
		"by policy": func(w *invitetest.World) { w.Policy.Set(func(p *invitetest.Policy) { p.OthersHidden = true }) },
		"customers": func(w *invitetest.World) { w.Directory.Retype(w.Tenant.String(), directorypb.Tenant_external) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := invitetest.New(t)
			hide(w)
			own := w.Invite("alice@partner.example", nil).Id
			theirs, err := w.Invites.CreateInvitation(w.As(w.App), invitetest.Request("bob@partner.example", nil))
			if err != nil {
				t.Fatal(err)
			}
			get := func(id string) error {
				_, err := w.Invites.GetInvitation(w.As(w.Mia), &pb.GetInvitationRequest{Id: id})
				return err
			}
			if err := get(own); err != nil {
				t.Error(err)
			}
			if err := get(theirs.Id); !fault.Is(err, errorspb.Reason_ACCESS_DENIED) {
				t.Error(err)
			}
			if _, err := w.Invites.ListInvitations(w.As(w.Mia), &pb.ListInvitationsRequest{}); !fault.Is(err, errorspb.Reason_ACCESS_DENIED) {
				t.Error(err)
			}
			if _, err := w.Invites.ListInvitations(w.As(w.App), &pb.ListInvitationsRequest{}); err != nil {
				t.Error(err)
			}
			resend := func(id string) error {
				_, err := w.Invites.ResendInvitation(w.As(w.Mia), &pb.ResendInvitationRequest{Id: id})
				return err
			}
			revoke := func(by caller.Caller, id string) error {
				_, err := w.Invites.RevokeInvitation(w.As(by), &pb.RevokeInvitationRequest{Id: id})
				return err
			}
			if err := resend(theirs.Id); !fault.Is(err, errorspb.Reason_ACCESS_DENIED) {
				t.Errorf("resend a stranger's: %v", err)
			}
			if err := revoke(w.Mia, theirs.Id); !fault.Is(err, errorspb.Reason_ACCESS_DENIED) {
				t.Errorf("revoke a stranger's: %v", err)
			}
			if open := invitetest.Scalar[int](w, w.Tenant, "select count(*) from invitations where state = 2 and id = $1", theirs.Id); open != 1 {
				t.Error("the refusal ended the invitation")
			}
			if err := resend(own); err != nil {
				t.Errorf("resend the own: %v", err)
			}
			fresh := invitetest.Scalar[string](w, w.Tenant, "select id::text from invitations where state = 2 and address = 'alice@partner.example'")
			if err := revoke(w.Mia, fresh); err != nil {
				t.Errorf("revoke the own: %v", err)
			}
			if err := revoke(w.App, theirs.Id); err != nil {
				t.Errorf("by an application: %v", err)
			}
		})
	}
}
