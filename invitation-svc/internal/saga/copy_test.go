package saga_test

import (
	"fmt"
	"net/url"
	"regexp"
	"testing"
	"time"

	"entente.dev/invitation-svc/internal/invitetest"
	"entente.dev/invitation-svc/internal/throttle"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	pb "entente.dev/proto/gen/entente/invitation/v1"
	"entente.dev/servicekit/fault"
	"google.golang.org/protobuf/proto"
)

const boss = "boss@partner.example"

// copied asks for the mail and a copy of it.
func copied(to string) func(*pb.Invitation) {
	return func(i *pb.Invitation) {
		invitetest.Mailed(i)
		i.InvitedUserMessageInfo = &pb.InvitedUserMessageInfo{CcRecipients: []*pb.Recipient{{EmailAddress: &pb.EmailAddress{Address: &to}}}}
	}
}

var blockLink = regexp.MustCompile(`https://login\.entente\.example/unsubscribe\?\S+`)

// block follows the block link in a letter.
func block(w *invitetest.World, l invitetest.Letter) error {
	w.T.Helper()
	u, err := url.Parse(blockLink.FindString(l.Text))
	if err != nil || u.RawQuery == "" {
		w.T.Fatalf("no block link in:\n%s", l.Text)
	}
	q := u.Query()
	_, err = w.Flows.BlockInvitations(w.T.Context(), &pb.BlockInvitationsRequest{TenantId: q.Get("tenant"), InvitationId: q.Get("user"), Token: q.Get("token")})
	return err
}

// letters are those delivered since, by their readers.
func letters(w *invitetest.World) map[string]invitetest.Letter {
	w.T.Helper()
	before := len(w.Sink.Letters())
	w.Deliver(w.Tenant)
	all := make(map[string]invitetest.Letter)
	for _, l := range w.Sink.Letters()[before:] {
		all[l.To] = l
	}
	return all
}

func TestCopiesCountAgainstTheirReader(t *testing.T) {
	t.Parallel()
	w := invitetest.New(t)
	w.Saga.Limits.MailsTo = []throttle.Limit{{Most: 5, Per: 24 * time.Hour}}
	for n := range 5 {
		w.Invite(fmt.Sprintf("a%d@partner.example", n), copied(boss))
	}
	for name, change := range map[string]func(*pb.Invitation){"a copy": copied(boss), "in other letters": copied("BOSS@partner.example")} {
		_, err := w.Invites.CreateInvitation(w.As(w.Mia), invitetest.Request("b@partner.example", change))
		if !fault.Is(err, errorspb.Reason_THROTTLED) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := w.Invites.CreateInvitation(w.As(w.Mia), invitetest.Request(boss, invitetest.Mailed)); !fault.Is(err, errorspb.Reason_THROTTLED) {
		t.Errorf("the reader of the copies: %v", err)
	}
	if n := w.Audited(w.Tenant, "Invite external user", 2); n != 3 {
		t.Errorf("%d refusals are recorded", n)
	}
	w.Invite("c@partner.example", invitetest.Mailed)
	w.Invite("d@partner.example", func(i *pb.Invitation) { copied(boss)(i); i.SendInvitationMessage = proto.Bool(false) })
}

func TestParallelCopiesToOneAddress(t *testing.T) {
	t.Parallel()
	w := invitetest.New(t)
	w.Saga.Limits.MailsTo = []throttle.Limit{{Most: 2, Per: 24 * time.Hour}}
	made, throttled := atOnce(w, 6, func(i int) error {
		_, err := w.Invites.CreateInvitation(w.As(w.Mia), invitetest.Request(fmt.Sprintf("a%d@partner.example", i), copied(boss)))
		return err
	})
	if made != 2 || throttled != 4 {
		t.Errorf("%d made, %d throttled", made, throttled)
	}
}

func TestWhoGetsACopyMayBlockTheOrganization(t *testing.T) {
	t.Parallel()
	w := invitetest.New(t)
	w.Invite("alice@partner.example", copied(boss))
	w.Invite("bob@partner.example", copied(boss))
	// The mails of the first go out; what waits is looked at when it goes.
	for _, id := range w.Owed(w.Tenant)[:2] {
		if err := w.Mailer.Deliver(t.Context(), w.Tenant, id); err != nil {
			t.Fatal(err)
		}
	}
	var toBoss invitetest.Letter
	for _, l := range w.Sink.Letters() {
		if l.To == boss {
			toBoss = l
		}
	}
	for range 2 { // twice is the same as once
		if err := block(w, toBoss); err != nil {
			t.Fatal(err)
		}
	}
	if n := w.Audited(w.Tenant, "Email unsubscribed", 1); n != 1 {
		t.Errorf("blocked %d times", n)
	}
	got := letters(w)
	if _, ok := got["bob@partner.example"]; !ok || len(got) != 1 {
		t.Errorf("after the block %v", got)
	}
	if n := w.Audited(w.Tenant, "Email not sent, user unsubscribed", 1); n != 1 {
		t.Errorf("%d records at delivery", n)
	}
	// The guest is not the one who blocked.
	w.Invite("carol@partner.example", copied(boss))
	if len(w.Owed(w.Tenant)) != 1 || w.Audited(w.Tenant, "Email not sent, user unsubscribed", 1) != 2 {
		t.Error("the mail to the guest is held back, or the copy is not")
	}
	if w.Invite(boss, invitetest.Mailed); len(w.Owed(w.Tenant)) != 1 {
		t.Error("whoever blocked is mailed")
	}
}

// TestBlockingByTheMailLeavesTheCopyAlone: each link is about its own reader.
func TestBlockingByTheMailLeavesTheCopyAlone(t *testing.T) {
	t.Parallel()
	w := invitetest.New(t)
	w.Invite("alice@partner.example", copied(boss))
	got := letters(w)
	if err := block(w, got["alice@partner.example"]); err != nil {
		t.Fatal(err)
	}
	w.Invite("bob@partner.example", copied(boss))
	if got := letters(w); len(got) != 2 {
		t.Errorf("%v", got)
	}
	if w.Invite("alice@partner.example", invitetest.Mailed); len(w.Owed(w.Tenant)) != 0 {
		t.Error("whoever blocked is mailed")
	}
	q, err := url.Parse(blockLink.FindString(got[boss].Text))
	if err != nil {
		t.Fatal(err)
	}
	token := q.Query().Get("token")
	forged := &pb.BlockInvitationsRequest{TenantId: w.Other.String(), InvitationId: q.Query().Get("user"), Token: token}
	if _, err := w.Flows.BlockInvitations(t.Context(), forged); !fault.Is(err, errorspb.Reason_TICKET_INVALID) {
		t.Errorf("in another tenant: %v", err)
	}
}
