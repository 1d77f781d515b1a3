package api_test

import (
	"strings"
	"testing"
	"time"

	"entente.dev/invitation-svc/internal/invitetest"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	pb "entente.dev/proto/gen/entente/invitation/v1"
	odatapb "entente.dev/proto/gen/entente/odata/v1"
	"entente.dev/servicekit/caller"
	"entente.dev/servicekit/fault"
	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
)

func TestListsShowNoLinkAndPageThrough(t *testing.T) {
	t.Parallel()
	w := invitetest.New(t)
	for _, name := range []string{"a", "b", "c", "d", "e"} {
		w.Clock.Advance(time.Second)
		w.Invite(name+"@partner.example", nil)
	}
	var seen []string
	q := &odatapb.Query{Top: proto.Int32(2)}
	for {
		page, err := w.Invites.ListInvitations(w.As(w.Mia), &pb.ListInvitationsRequest{Query: q})
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range page.Value {
			seen = append(seen, i.GetInvitedUserEmailAddress()[:1])
			if i.GetState() != "Pending" || strings.Contains(i.String(), "ticket") {
				t.Errorf("%v", i)
			}
		}
		if page.NextPageToken == "" {
			break
		}
		q = &odatapb.Query{Top: proto.Int32(2), Skiptoken: page.NextPageToken}
		other := w.App
		if _, err := w.Invites.ListInvitations(w.As(other), &pb.ListInvitationsRequest{Query: q}); !fault.Is(err, errorspb.Reason_INVALID_PAGE_TOKEN) {
			t.Errorf("another caller's token: %v", err)
		}
	}
	if got := strings.Join(seen, ""); got != "edcba" {
		t.Errorf("listed %s", got)
	}
	for filter, want := range map[string]int{"invitedUserEmailAddress eq 'C@partner.example'": 1, "state eq 'Pending'": 5, "state eq 'Completed'": 0} {
		page, err := w.Invites.ListInvitations(w.As(w.Mia), &pb.ListInvitationsRequest{Query: &odatapb.Query{Filter: filter}})
		if err != nil || len(page.Value) != want {
			t.Errorf("%s: %d, %v", filter, len(page.GetValue()), err)
		}
	}
	if _, err := w.Invites.ListInvitations(w.As(w.Mia), &pb.ListInvitationsRequest{Query: &odatapb.Query{Filter: "state eq 'x' or"}}); err == nil {
		t.Error("a bad filter is taken")
	}
}

// TestResists_6: an id of another tenant is an id that never existed.
func TestResists_6_InvitationsOfOtherTenantsDoNotExist(t *testing.T) {
	t.Parallel()
	w := invitetest.New(t)
	id := w.Invite("alice@partner.example", nil).Id
	stranger := w.App
	stranger.Tenant = w.Other
	never := "0b4e2f44-2b1c-4c62-a3b5-0f3f5a3fbb01"
	for name, call := range map[string]func(caller.Caller, string) error{
		"get": func(c caller.Caller, id string) error {
			_, err := w.Invites.GetInvitation(w.As(c), &pb.GetInvitationRequest{Id: id})
			return err
		},
		"resend": func(c caller.Caller, id string) error {
			_, err := w.Invites.ResendInvitation(w.As(c), &pb.ResendInvitationRequest{Id: id})
			return err
		},
		"revoke": func(c caller.Caller, id string) error {
			_, err := w.Invites.RevokeInvitation(w.As(c), &pb.RevokeInvitationRequest{Id: id})
			return err
		},
	} {
		foreign, unknown := call(stranger, id), call(stranger, never)
		if !fault.Is(foreign, errorspb.Reason_NOT_FOUND) || strings.ReplaceAll(foreign.Error(), id, never) != unknown.Error() {
			t.Errorf("%s: %v, %v", name, foreign, unknown)
		}
	}
	page, err := w.Invites.ListInvitations(w.As(stranger), &pb.ListInvitationsRequest{})
	if err != nil || len(page.Value) != 0 {
		t.Errorf("list: %v, %v", page, err)
	}
	if got := w.Invite("bob@partner.example", nil); got.GetStatus() != pb.Invitation_PendingAcceptance {
		t.Error(got)
	}
}

func TestResendEndsOldLinksAndIsLimited(t *testing.T) {
	t.Parallel()
	w := invitetest.New(t)
	i := w.Invite("alice@partner.example", nil)
	if _, err := w.Invites.ResendInvitation(w.As(w.Mia), &pb.ResendInvitationRequest{Id: i.Id}); err != nil {
		t.Fatal(err)
	}
	w.Deliver(w.Tenant)
	if _, err := w.TryOpen(invitetest.Link(t, i.GetInviteRedeemUrl())); !fault.Is(err, errorspb.Reason_TICKET_INVALID) {
		t.Errorf("old link: %v", err)
	}
	if b := w.Open(invitetest.MailLink(t, w.Sink.Last(t))); b.Page.State != pb.FlowPage_AwaitOtp {
		t.Error(b.Page)
	}
	if _, err := w.Invites.ResendInvitation(w.As(w.Mia), &pb.ResendInvitationRequest{Id: i.Id}); !fault.Is(err, errorspb.Reason_THROTTLED) {
		t.Errorf("at once again: %v", err)
	}
	w.Clock.Advance(11 * time.Minute)
	if _, err := w.Invites.ResendInvitation(w.As(w.Mia), &pb.ResendInvitationRequest{Id: i.Id}); err != nil {
		t.Errorf("later: %v", err)
	}
	w.Policy.Set(func(p *invitetest.Policy) { p.Deny = "AllowInvitesFrom" })
	w.Clock.Advance(11 * time.Minute)
	if _, err := w.Invites.ResendInvitation(w.As(w.Mia), &pb.ResendInvitationRequest{Id: i.Id}); !fault.Is(err, errorspb.Reason_INVITATIONS_OFF) {
		t.Errorf("who may not invite resends: %v", err)
	}
}

func TestRevokeKillsTheLinkForGood(t *testing.T) {
	t.Parallel()
	w := invitetest.New(t)
	i := w.Invite("alice@partner.example", nil)
	for range 2 { // twice is the same as once
		if _, err := w.Invites.RevokeInvitation(w.As(w.Mia), &pb.RevokeInvitationRequest{Id: i.Id}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.TryOpen(invitetest.Link(t, i.GetInviteRedeemUrl())); !fault.Is(err, errorspb.Reason_TICKET_INVALID) {
		t.Errorf("link: %v", err)
	}
	if _, err := w.Flows.RequestNewLink(t.Context(), &pb.RequestNewLinkRequest{TenantId: w.Tenant.String(), InvitationId: i.Id}); err != nil {
		t.Fatal(err)
	}
	w.RunLinks()
	if len(w.Owed(w.Tenant)) != 0 {
		t.Error("a revoked invitation is renewed by its holder")
	}
	if u := w.Directory.User(w.Tenant.String(), i.InvitedUser.GetId()); u == nil {
		t.Error("the user is gone though nobody asked")
	}
	j := w.Invite("bob@partner.example", nil)
	if _, err := w.Invites.RevokeInvitation(w.As(w.Mia), &pb.RevokeInvitationRequest{Id: j.Id, DeleteUser: proto.Bool(true)}); err != nil {
		t.Fatal(err)
	}
	if u := w.Directory.User(w.Tenant.String(), j.InvitedUser.GetId()); u != nil {
		t.Error("the user is there still")
	}
}

// TestRevokingIsNoWayAroundDeleting: the user of somebody else's invitation
// goes only at the word of one who may delete users (DIR-45).
func TestRevokingIsNoWayAroundDeleting(t *testing.T) {
	t.Parallel()
	w := invitetest.New(t)
	i := w.Invite("alice@partner.example", nil)
	stranger := w.Mia
	stranger.ObjectID = uuid.New()
	w.Directory.AddPerson(w.Tenant.String(), stranger.ObjectID.String(), "Noa", "noa@contoso.example", false)
	inviting := w.App
	inviting.Permissions = []string{"User.Invite.All"}
	for name, c := range map[string]caller.Caller{"member": stranger, "application": inviting} {
		_, err := w.Invites.RevokeInvitation(w.As(c), &pb.RevokeInvitationRequest{Id: i.Id, DeleteUser: proto.Bool(true)})
		if !fault.Is(err, errorspb.Reason_ACCESS_DENIED) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got, err := w.Invites.GetInvitation(w.As(w.Mia), &pb.GetInvitationRequest{Id: i.Id}); err != nil || got.GetState() != "Pending" {
		t.Errorf("after the refusals: %v, %v", got, err)
	}
	deleting := w.App
	deleting.Permissions = []string{"User.ReadWrite.All"}
	if _, err := w.Invites.RevokeInvitation(w.As(deleting), &pb.RevokeInvitationRequest{Id: i.Id, DeleteUser: proto.Bool(true)}); err != nil {
		t.Fatal(err)
	}
	if u := w.Directory.User(w.Tenant.String(), i.InvitedUser.GetId()); u != nil {
		t.Error("the user is there still")
	}
}

func TestSettingsOfATenant(t *testing.T) {
	t.Parallel()
	w := invitetest.New(t)
	update := func(s *pb.InvitationSettings, paths ...string) error {
		_, err := w.Invites.UpdateInvitationSettings(w.As(w.App), &pb.UpdateInvitationSettingsRequest{Settings: s, UpdateMask: &fieldmaskpb.FieldMask{Paths: paths}})
		return err
	}
	get := func() *pb.InvitationSettings {
		s, err := w.Invites.GetInvitationSettings(w.As(w.App), &pb.GetInvitationSettingsRequest{})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	if s := get(); s.GetLinkLifetimeHours() != 720 || s.GetPasscodeValidityMinutes() != 10 || s.GetStrictInviteAddress() || len(s.AllowedRedirectHosts) != 0 {
		t.Errorf("default %v", s)
	}
	if err := update(&pb.InvitationSettings{LinkLifetimeHours: proto.Int32(1), PasscodeValidityMinutes: proto.Int32(30), StrictInviteAddress: proto.Bool(true), AllowedRedirectHosts: []string{"Contoso.Example"}},
		"link_lifetime_hours", "passcode_validity_minutes", "strict_invite_address", "allowed_redirect_hosts"); err != nil {
		t.Fatal(err)
	}
	if s := get(); s.GetLinkLifetimeHours() != 1 || s.GetPasscodeValidityMinutes() != 30 || s.AllowedRedirectHosts[0] != "contoso.example" {
		t.Errorf("set %v", s)
	}
	if _, err := w.Invites.CreateInvitation(w.As(w.Mia), invitetest.Request("a+b@partner.example", nil)); !fault.Is(err, errorspb.Reason_BAD_REQUEST) {
		t.Errorf("strict: %v", err)
	}
	if _, err := w.Invites.CreateInvitation(w.As(w.Mia), invitetest.Request("a@partner.example", func(i *pb.Invitation) { i.InviteRedirectUrl = proto.String("https://elsewhere.example/") })); !fault.Is(err, errorspb.Reason_BAD_REQUEST) {
		t.Errorf("TestResists_5, off-list: %v", err)
	}
	link := w.Invite("a@partner.example", nil).GetInviteRedeemUrl()
	w.Clock.Advance(time.Hour - time.Microsecond)
	w.Open(link)
	w.Clock.Advance(time.Microsecond)
	if _, err := w.TryOpen(invitetest.Link(t, link)); !fault.Is(err, errorspb.Reason_TICKET_INVALID) {
		t.Errorf("expiry is not exact: %v", err)
	}
	for path, bad := range map[string]*pb.InvitationSettings{
		"link_lifetime_hours": {LinkLifetimeHours: proto.Int32(0)}, "passcode_validity_minutes": {PasscodeValidityMinutes: proto.Int32(31)},
		"allowed_redirect_hosts": {AllowedRedirectHosts: []string{"https://x"}}, "nonsense": {},
	} {
		if err := update(bad, path); !fault.Is(err, errorspb.Reason_BAD_REQUEST) {
			t.Errorf("%s: %v", path, err)
		}
	}
	if err := update(&pb.InvitationSettings{}, "link_lifetime_hours"); err != nil || get().GetLinkLifetimeHours() != 720 || get().GetPasscodeValidityMinutes() != 30 {
		t.Errorf("cleared: %v, %v", get(), err)
	}
}

func TestExpiredInvitationsAreRecordedAsSuch(t *testing.T) {
	t.Parallel()
	w := invitetest.New(t)
	i := w.Invite("alice@partner.example", nil)
	w.Clock.Advance(30*24*time.Hour + time.Second)
	w.Sweep()
	s, err := w.Invites.GetInvitation(w.As(w.Mia), &pb.GetInvitationRequest{Id: i.Id})
	if err != nil || s.GetState() != "Expired" {
		t.Fatalf("%v, %v", s, err)
	}
	// The pending guest outlives the link: a fresh one can be asked for.
	if _, err := w.Flows.RequestNewLink(t.Context(), &pb.RequestNewLinkRequest{TenantId: w.Tenant.String(), InvitationId: i.Id, IpAddress: "203.0.113.9"}); err != nil {
		t.Fatal(err)
	}
	w.RunLinks()
	w.Deliver(w.Tenant)
	if b := w.Open(invitetest.MailLink(t, w.Sink.Last(t))); b.Page.State != pb.FlowPage_AwaitOtp {
		t.Error(b.Page)
	}
}
