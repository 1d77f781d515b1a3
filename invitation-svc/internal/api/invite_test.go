package api_test

import (
	"strings"
	"sync"
	"testing"

	"entente.dev/invitation-svc/internal/invitetest"
	directorypb "entente.dev/proto/gen/entente/directory/v1"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	pb "entente.dev/proto/gen/entente/invitation/v1"
	"entente.dev/servicekit/caller"
	"entente.dev/servicekit/fault"
	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"
)

// F1: the two required fields make a pending guest, and no mail.
func TestF1TheTwoRequiredFields(t *testing.T) {
	t.Parallel()
	w := invitetest.New(t)
	i := w.Invite("Alice@Partner.example", nil)
	if i.GetStatus() != pb.Invitation_PendingAcceptance || i.GetInvitedUserType() != "Guest" || i.GetInviteRedeemUrl() == "" || i.GetSendInvitationMessage() {
		t.Errorf("answer %v", i)
	}
	if i.InvitedUserDisplayName != nil || i.GetResetRedemption() || len(i.InvitedUserMessageInfo.CcRecipients) != 1 || i.InvitedUserMessageInfo.CcRecipients[0].EmailAddress.Address != nil {
		t.Errorf("omitted members: %v", i)
	}
	u := w.Directory.User(w.Tenant.String(), i.InvitedUser.GetId())
	if u.GetMail() != "Alice@partner.example" || u.GetDisplayName() != "Alice" || u.GetExternalUserState() != directorypb.User_PendingAcceptance {
		t.Errorf("user %v", u)
	}
	if got := invitetest.Scalar[string](w, w.Tenant, "select sponsors[1]::text from invitations"); got != w.Mia.ObjectID.String() {
		t.Errorf("sponsor %s", got)
	}
	if len(w.Owed(w.Tenant)) != 0 || w.Audited(w.Tenant, "Invite external user", 1) != 1 {
		t.Error("a mail is owed, or the record is missing")
	}
}

// F2: the mail's link redeems, and answers go to the inviter.
func TestF2TheMail(t *testing.T) {
	t.Parallel()
	w := invitetest.New(t)
	i := w.Invite("alice@partner.example", func(i *pb.Invitation) {
		invitetest.Mailed(i)
		i.InvitedUserMessageInfo = &pb.InvitedUserMessageInfo{CustomizedMessageBody: proto.String("See you.\nMia"), MessageLanguage: proto.String("nl-BE"),
			CcRecipients: []*pb.Recipient{{EmailAddress: &pb.EmailAddress{}}, {EmailAddress: &pb.EmailAddress{Address: proto.String("boss@partner.example")}}}}
	})
	w.Deliver(w.Tenant)
	letters := w.Sink.Letters()
	if len(letters) != 2 {
		t.Fatalf("%d letters", len(letters))
	}
	for _, l := range letters {
		if l.To == "boss@partner.example" {
			if strings.Contains(l.Raw, "ticket") || strings.Contains(l.Text, "/redeem") {
				t.Errorf("A3: the copy carries a ticket:\n%s", l.Text)
			}
			continue
		}
		if l.To != "alice@partner.example" || l.From != "invites@mail.entente.example" || !strings.Contains(l.Header.Get("Reply-To"), "mia@contoso.example") {
			t.Errorf("envelope %s to %s, %v", l.From, l.To, l.Header)
		}
		if l.Subject != "Mia Müller nodigt u uit om toepassingen van hun organisatie te gebruiken" || l.Header.Get("Auto-Submitted") != "auto-generated" ||
			l.Header.Get("List-Unsubscribe-Post") != "List-Unsubscribe=One-Click" || !strings.Contains(l.Text, "> See you.") {
			t.Errorf("mail:\n%s", l.Raw)
		}
		link := invitetest.MailLink(t, l)
		if link == i.GetInviteRedeemUrl() {
			t.Error("the mail carries the ticket of the API")
		}
		if b := w.Open(link); b.Page.State != pb.FlowPage_AwaitOtp {
			t.Errorf("page %v", b.Page)
		}
	}
	if invitetest.Scalar[int](w, w.Tenant, "select count(*) from mails where state = 2") != 2 || w.Audited(w.Tenant, "Invitation Email", 1) != 2 {
		t.Error("delivery is not settled")
	}
}

// F3: inviting again keeps the user and ends the old link.
func TestF3Reinvite(t *testing.T) {
	t.Parallel()
	w := invitetest.New(t)
	first := w.Invite("alice@partner.example", nil)
	second := w.Invite("ALICE@partner.example", func(i *pb.Invitation) { i.InviteRedirectUrl = proto.String("https://contoso.example/other") })
	if first.InvitedUser.GetId() != second.InvitedUser.GetId() || first.Id == second.Id || w.Directory.Users(w.Tenant.String()) != 1 {
		t.Fatalf("%v\n%v", first, second)
	}
	if _, err := w.TryOpen(invitetest.Link(t, first.GetInviteRedeemUrl())); !fault.Is(err, errorspb.Reason_TICKET_INVALID) {
		t.Errorf("old link: %v", err)
	}
	if b := w.Open(second.GetInviteRedeemUrl()); b.Page.State != pb.FlowPage_AwaitOtp {
		t.Errorf("new link: %v", b.Page)
	}
}

// F4: an accepted guest gets a link without a ticket, and no mail.
func TestF4KnownGuest(t *testing.T) {
	t.Parallel()
	w := invitetest.New(t)
	first := w.Invite("alice@partner.example", nil)
	w.Directory.Change(w.Tenant.String(), first.InvitedUser.GetId(), func(u *directorypb.User) { u.ExternalUserState = directorypb.User_Accepted.Enum() })
	again := w.Invite("alice@partner.example", invitetest.Mailed)
	if again.GetStatus() != pb.Invitation_Completed || again.InvitedUser.GetId() != first.InvitedUser.GetId() || strings.Contains(again.GetInviteRedeemUrl(), "ticket") || again.GetInviteRedeemUrl() == "" {
		t.Errorf("answer %v", again)
	}
	if len(w.Owed(w.Tenant)) != 0 || again.GetSendInvitationMessage() {
		t.Error("a mail is owed")
	}
}

// F5, F6, F9, F10, F12, F14, F15, F16, F20 and F33: what is refused, in which
// words, each with a record.
func TestRefusals(t *testing.T) {
	t.Parallel()
	w := invitetest.New(t)
	guest := w.Invite("gone@partner.example", nil).InvitedUser.GetId()
	w.Directory.Change(w.Tenant.String(), guest, func(u *directorypb.User) { u.AccountEnabled = proto.Bool(false) })
	live := w.Invite("live@partner.example", nil).InvitedUser.GetId()
	records := w.Audited(w.Tenant, "Invite external user", 2)
	for _, tc := range []struct {
		name, address string
		as            caller.Caller
		change        func(*pb.Invitation)
		deny          string
		reason        errorspb.Reason
		text          string
	}{
		{"F5 disabled guest", "gone@partner.example", w.Mia, nil, "", errorspb.Reason_INVITE_CONFLICT, "object ID: " + guest + ", but the account is blocked"},
		{"F6 own domain", "x@contoso.example", w.Mia, nil, "", errorspb.Reason_INVITEE_IN_TENANT, "verified domain of this directory"},
		{"F9 and F10 invitations off", "x@partner.example", w.Mia, nil, "AllowInvitesFrom", errorspb.Reason_INVITATIONS_OFF, "Guest invitations not allowed for your company. Contact your company administrator for more details."},
		{"who may invite comes before what is wrong", "bad", w.Mia, nil, "AllowInvitesFrom", errorspb.Reason_INVITATIONS_OFF, "Guest invitations not allowed"},
		{"F12 domain list", "x@litware.example", w.Mia, nil, "DomainList", errorspb.Reason_DOMAIN_NOT_ALLOWED, "collaboration restrictions"},
		{"F14 access settings", "x@partner.example", w.Mia, nil, "InboundCollaboration", errorspb.Reason_CROSS_TENANT_BLOCKED, "cross-tenant access settings"},
		{"F15 member type", "x@partner.example", w.Mia, func(i *pb.Invitation) { i.InvitedUserType = proto.String("Member") }, "", errorspb.Reason_ACCESS_DENIED, "Insufficient privileges"},
		{"F16 two copies", "x@partner.example", w.Mia, func(i *pb.Invitation) {
			cc := &pb.Recipient{EmailAddress: &pb.EmailAddress{Address: proto.String("a@b.example")}}
			i.InvitedUserMessageInfo = &pb.InvitedUserMessageInfo{CcRecipients: []*pb.Recipient{cc, cc}}
		}, "", errorspb.Reason_BAD_REQUEST, "ccRecipients"},
		{"F20 six sponsors", "x@partner.example", w.Mia, func(i *pb.Invitation) {
			for range 6 {
				i.InvitedUserSponsorsBind = append(i.InvitedUserSponsorsBind, "https://graph/v1.0/users/"+uuid.NewString())
			}
		}, "", errorspb.Reason_BAD_REQUEST, "invitedUserSponsors"},
		{"F33 reset with a foreign address", "other@partner.example", w.App, func(i *pb.Invitation) {
			i.ResetRedemption, i.InvitedUser = proto.Bool(true), &pb.InvitedUser{Id: &live}
		}, "", errorspb.Reason_BAD_REQUEST, "doesn't match any emails"},
		{"reset of nobody", "x@partner.example", w.App, func(i *pb.Invitation) {
			i.ResetRedemption, i.InvitedUser = proto.Bool(true), &pb.InvitedUser{Id: proto.String(uuid.NewString())}
		}, "", errorspb.Reason_NOT_FOUND, "does not exist"},
		{"A9 hostile redirect", "x@partner.example", w.Mia, func(i *pb.Invitation) { i.InviteRedirectUrl = proto.String("https://good@evil/") }, "", errorspb.Reason_BAD_REQUEST, "inviteRedirectUrl"},
	} {
		w.Policy.Set(func(p *invitetest.Policy) { p.Deny = tc.deny })
		_, err := w.Invites.CreateInvitation(w.As(tc.as), invitetest.Request(tc.address, tc.change))
		if !fault.Is(err, tc.reason) || !strings.Contains(fault.From(err).Message, tc.text) {
			t.Errorf("%s: %v", tc.name, err)
		}
		if records++; w.Audited(w.Tenant, "Invite external user", 2) != records {
			t.Errorf("%s: no record", tc.name)
			records = w.Audited(w.Tenant, "Invite external user", 2)
		}
	}
	if n := invitetest.Scalar[int](w, w.Tenant, "select count(*) from invitations"); n != 2 {
		t.Errorf("%d invitations after refusals", n)
	}
}

// F17: an application's words are left out, which is recorded.
func TestF17WordsOfApplications(t *testing.T) {
	t.Parallel()
	w := invitetest.New(t)
	_, err := w.Invites.CreateInvitation(w.As(w.App), invitetest.Request("alice@partner.example", func(i *pb.Invitation) {
		invitetest.Mailed(i)
		i.InvitedUserMessageInfo = &pb.InvitedUserMessageInfo{CustomizedMessageBody: proto.String("buy now")}
	}))
	if err != nil {
		t.Fatal(err)
	}
	w.Deliver(w.Tenant)
	if l := w.Sink.Last(t); strings.Contains(l.Raw, "buy now") || !strings.HasPrefix(l.Subject, "Contoso invited you") || l.Header.Get("Reply-To") != "" {
		t.Error(l.Raw)
	}
	if invitetest.Scalar[int](w, w.Tenant, `select count(*) from audit_events where details @> '[{"key":"customBodyOmitted","value":"true"}]'`) != 1 {
		t.Error("not recorded")
	}
}

// F28: where both sides agreed, the account is bound at once and told so.
func TestF28AutomaticRedemption(t *testing.T) {
	t.Parallel()
	w := invitetest.New(t)
	home := uuid.NewString()
	w.Policy.Set(func(p *invitetest.Policy) { p.Automatic, p.HomeTenant = true, w.Other.String() })
	w.Directory.Homes["ann@fabrikam.example"] = &directorypb.HomeAccount{HomeTenantId: w.Other.String(), ObjectId: home, Enabled: true}
	i := w.Invite("ann@fabrikam.example", invitetest.Mailed)
	if i.GetStatus() != pb.Invitation_Completed || i.GetInviteRedeemUrl() != "https://contoso.example/welcome" {
		t.Fatalf("answer %v", i)
	}
	if got := w.Directory.Bound(w.Tenant.String(), i.InvitedUser.GetId()); got != w.Other.String()+"/"+home+"//" {
		t.Errorf("bound %s", got)
	}
	if w.Audited(w.Tenant, "Redeem external user invite", 1) != 1 {
		t.Error("not recorded")
	}
	w.RunHomeRecords()
	if w.Audited(w.Other, "Redeem external user invite", 1) != 1 {
		t.Error("the home tenant was not told")
	}
	w.Deliver(w.Tenant)
	if l := w.Sink.Last(t); strings.Contains(l.Raw, "ticket") || !strings.Contains(l.Text, "You need not do anything") {
		t.Error(l.Text)
	}
	// Nobody there, or several: an ordinary invitation.
	if i := w.Invite("bob@fabrikam.example", nil); i.GetStatus() != pb.Invitation_PendingAcceptance {
		t.Errorf("unknown account: %v", i)
	}
}

// F32: a reset takes an accepted guest back to pending.
func TestF32Reset(t *testing.T) {
	t.Parallel()
	w := invitetest.New(t)
	first := w.Invite("alice@partner.example", nil)
	id := first.InvitedUser.GetId()
	w.Directory.Change(w.Tenant.String(), id, func(u *directorypb.User) {
		u.ExternalUserState, u.OtherMails = directorypb.User_Accepted.Enum(), []string{"alice@new.example"}
	})
	reset := func(as caller.Caller) (*pb.Invitation, error) {
		return w.Invites.CreateInvitation(w.As(as), invitetest.Request("alice@new.example", func(i *pb.Invitation) {
			i.ResetRedemption, i.InvitedUser = proto.Bool(true), &pb.InvitedUser{Id: &id}
		}))
	}
	if _, err := reset(w.Mia); !fault.Is(err, errorspb.Reason_ACCESS_DENIED) {
		t.Errorf("a member resets: %v", err)
	}
	i, err := reset(w.App)
	if err != nil || i.InvitedUser.GetId() != id || i.GetStatus() != pb.Invitation_PendingAcceptance || !i.GetResetRedemption() {
		t.Fatalf("%v, %v", i, err)
	}
	if w.Audited(w.Tenant, "Invite external user with reset invitation status", 1) != 1 {
		t.Error("not recorded")
	}
	if b := w.Open(i.GetInviteRedeemUrl()); b.Page.State != pb.FlowPage_AwaitOtp {
		t.Error(b.Page)
	}
}

// F45: concurrent invitations of one address make one user.
func TestF45ConcurrentInvitations(t *testing.T) {
	t.Parallel()
	w := invitetest.New(t)
	const n = 8
	var wg sync.WaitGroup
	answers := make([]*pb.Invitation, n)
	for k := range n {
		wg.Go(func() {
			i, err := w.Invites.CreateInvitation(w.As(w.Mia), invitetest.Request("alice@partner.example", nil))
			if err != nil {
				t.Errorf("invite: %v", err)
				return
			}
			answers[k] = i
		})
	}
	wg.Wait()
	if t.Failed() {
		return
	}
	for _, i := range answers {
		if i.InvitedUser.GetId() != answers[0].InvitedUser.GetId() {
			t.Fatal("two users")
		}
	}
	if open := invitetest.Scalar[int](w, w.Tenant, "select count(*) from invitations where state = 2"); open != 1 || w.Directory.Users(w.Tenant.String()) != 1 {
		t.Errorf("%d open invitations, %d users", open, w.Directory.Users(w.Tenant.String()))
	}
}

// A29: a guest who probes addresses learns nothing of what exists.
func TestA29GuestsLearnNothing(t *testing.T) {
	t.Parallel()
	w := invitetest.New(t)
	guest := w.Mia
	guest.ObjectID, guest.Guest = uuid.New(), true
	w.Directory.AddPerson(w.Tenant.String(), guest.ObjectID.String(), "Gus", "gus@else.example", true)
	w.Directory.Conflicts["known@else.example"] = []*directorypb.FindInviteConflictsResponse_Conflict{{ObjectId: uuid.NewString(), Type: "user", MatchedBy: []string{"mail"}, User: &directorypb.User{}}}
	_, err := w.Invites.CreateInvitation(w.As(guest), invitetest.Request("known@else.example", nil))
	if f := fault.From(err); f.Message != "This user cannot be invited." || len(f.Meta) != 0 {
		t.Errorf("known: %v", err)
	}
}

func TestLimitsAnswer429(t *testing.T) {
	t.Parallel()
	w := invitetest.New(t)
	w.Saga.Limits.PerMember[0].Most = 3
	for k := range 3 {
		w.Invite(string(rune('a'+k))+"@partner.example", nil)
	}
	_, err := w.Invites.CreateInvitation(w.As(w.Mia), invitetest.Request("d@partner.example", nil))
	if f := fault.From(err); !fault.Is(err, errorspb.Reason_THROTTLED) || f.RetryAfter <= 0 {
		t.Fatalf("got %v", err)
	}
	if _, err := w.Invites.CreateInvitation(w.As(w.App), invitetest.Request("d@partner.example", nil)); err != nil {
		t.Errorf("the application counts for itself: %v", err)
	}
	w.Clock.Advance(fault.From(err).RetryAfter)
	w.Invite("e@partner.example", nil)
}

func TestMailsToOneAddressAreLimitedOverAllTenants(t *testing.T) {
	t.Parallel()
	w := invitetest.New(t)
	other := w.App
	other.Tenant = w.Other
	for k := range 5 {
		as := w.App
		if k%2 == 1 {
			as = other
		}
		if _, err := w.Invites.CreateInvitation(w.As(as), invitetest.Request("alice@partner.example", invitetest.Mailed)); err != nil {
			t.Fatal(err)
		}
	}
	_, err := w.Invites.CreateInvitation(w.As(w.App), invitetest.Request("Alice@PARTNER.example", invitetest.Mailed))
	if !fault.Is(err, errorspb.Reason_THROTTLED) {
		t.Errorf("sixth mail: %v", err)
	}
	w.Invite("alice@partner.example", nil) // without mail it is not one more
}
