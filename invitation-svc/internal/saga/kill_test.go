package saga_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"entente.dev/invitation-svc/internal/invitetest"
	"entente.dev/invitation-svc/internal/saga"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	pb "entente.dev/proto/gen/entente/invitation/v1"
	"entente.dev/servicekit/clock"
	"entente.dev/servicekit/clock/clocktest"
	"entente.dev/servicekit/fault"
)

// errKilled is what a killed process does at a chosen moment: nothing more.
var errKilled = errors.New("killed")

// dying runs what a process does until it is killed.
func dying(do func()) (killed bool) {
	defer func() {
		if r := recover(); r != nil {
			if r != any(errKilled) {
				panic(r)
			}
			killed = true
		}
	}()
	do()
	return false
}

// ticking kills the process at the nth look at the clock. Every step of an
// act looks at it, so counting n up tries every place in between.
type ticking struct {
	*clocktest.Fake
	mu   sync.Mutex
	left int
}

func (c *ticking) Now() time.Time {
	c.mu.Lock()
	c.left--
	dead := c.left == 0
	c.mu.Unlock()
	if dead {
		panic(errKilled)
	}
	return c.Fake.Now()
}

var _ clock.Clock = (*ticking)(nil)

// killPoints runs an act again and again, killed at one place after the other,
// until it runs through: before and after each call to the directory, and at
// each look at the clock. revive is called on the dead world.
func killPoints(t *testing.T, act func(*invitetest.World), calls []string, revive func(*testing.T, *invitetest.World, bool)) {
	for _, call := range calls {
		for _, when := range []string{"before ", "after "} {
			t.Run(when+call, func(t *testing.T) {
				t.Parallel()
				w := invitetest.New(t)
				w.Directory.Cause(func(around string) error {
					if around == when+call {
						panic(errKilled)
					}
					return nil
				})
				killed := dying(func() { act(w) })
				if !killed {
					t.Fatal("nothing was killed")
				}
				w.Directory.Cause(nil)
				w.Restart(w.Clock)
				revive(t, w, killed)
			})
		}
	}
	t.Run("at each look at the clock", func(t *testing.T) {
		t.Parallel()
		for n := 1; ; n++ {
			w := invitetest.New(t)
			w.Restart(&ticking{Fake: w.Clock, left: n})
			killed := dying(func() { act(w) })
			w.Restart(w.Clock)
			revive(t, w, killed)
			if !killed {
				t.Logf("%d places", n-1)
				if n < 3 {
					t.Fatal("hardly any place was tried")
				}
				return
			}
		}
	})
}

// invariants are what must hold once the dust has settled: no invitation is
// half made, and nothing waits that nobody will look at.
func settled(t *testing.T, w *invitetest.World) {
	t.Helper()
	w.Clock.Advance(saga.SagaGrace + time.Minute)
	w.Sweep()
	w.Clock.Advance(2 * time.Minute)
	w.Sweep()
	if n := invitetest.Scalar[int](w, w.Tenant, "select count(*) from invitations where state in (1, 3)"); n != 0 {
		t.Fatalf("%d invitations are half made", n)
	}
	if n := invitetest.Scalar[int](w, w.Tenant, "select count(*) from timers where kind in (1, 2)"); n != 0 {
		t.Fatalf("%d timers wait for ever", n)
	}
	open := invitetest.Scalar[int](w, w.Tenant, "select count(*) from invitations where state in (2, 4)")
	if users := w.Directory.Users(w.Tenant.String()); users > open {
		t.Fatalf("%d users of %d invitations", users, open)
	}
}

// TestAKillWhileInvitingCompletesOrCompensates is INV-24.
func TestAKillWhileInvitingCompletesOrCompensates(t *testing.T) {
	t.Parallel()
	killPoints(t, func(w *invitetest.World) {
		_, err := w.Invites.CreateInvitation(w.As(w.Mia), invitetest.Request("alice@partner.example", invitetest.Mailed))
		if err != nil {
			w.T.Errorf("invite: %v", err)
		}
	}, []string{"GetPrincipal", "FindInviteConflicts", "CreateExternalUser"}, func(t *testing.T, w *invitetest.World, killed bool) {
		settled(t, w)
		made := invitetest.Scalar[int](w, w.Tenant, "select count(*) from invitations")
		if owed := len(w.Owed(w.Tenant)); owed != made {
			t.Fatalf("%d invitations, %d mails", made, owed)
		}
		if n := w.Audited(w.Tenant, "Invite external user", 1); n != made {
			t.Fatalf("%d invitations, %d records", made, n)
		}
		if made == 1 { // what was made works
			w.Deliver(w.Tenant)
			if b := w.Open(invitetest.MailLink(t, w.Sink.Last(t))); b.Page.State != pb.FlowPage_AwaitOtp {
				t.Fatal(b.Page)
			}
		}
		// And the inviter may simply try again.
		w.Invite("alice@partner.example", nil)
		if w.Directory.Users(w.Tenant.String()) != 1 {
			t.Fatal("two users")
		}
	})
}

// TestAKillWhileCommittingCompletesOnce is INV-110, and F46.
func TestAKillWhileCommittingCompletesOnce(t *testing.T) {
	t.Parallel()
	killPoints(t, func(w *invitetest.World) {
		b := ready(w)
		if err := b.Post(invitetest.Consent(true)); err != nil {
			w.T.Errorf("consent: %v", err)
		}
	}, []string{"BindExternalIdentity"}, func(t *testing.T, w *invitetest.World, killed bool) {
		settled(t, w)
		completed := invitetest.Scalar[int](w, w.Tenant, "select count(*) from invitations where state = 4")
		accepted := invitetest.Scalar[int](w, w.Tenant, "select count(*) from flows where state = 14")
		if completed != accepted || w.Audited(w.Tenant, "Redeem external user invite", 1) != completed {
			t.Fatalf("%d invitations completed, %d flows landed, %d records", completed, accepted, w.Audited(w.Tenant, "Redeem external user invite", 1))
		}
	})
}

// ready is a browser on the review-permissions page. It may die on the way.
func ready(w *invitetest.World) *invitetest.Browser {
	i, err := w.Invites.CreateInvitation(w.As(w.Mia), invitetest.Request("alice@partner.example", nil))
	if err != nil {
		w.T.Fatal(err)
	}
	b := w.Open(i.GetInviteRedeemUrl())
	b.ToConsent()
	return b
}

// TestAfterAKillTheBrowserGoesOn: the person need not know that a process
// died between the click and the answer.
func TestAfterAKillTheBrowserGoesOn(t *testing.T) {
	t.Parallel()
	for _, when := range []string{"before BindExternalIdentity", "after BindExternalIdentity"} {
		w := invitetest.New(t)
		b := ready(w)
		w.Directory.Cause(func(around string) error {
			if around == when {
				panic(errKilled)
			}
			return nil
		})
		if !dying(func() { _ = b.Post(invitetest.Consent(true)) }) {
			t.Fatal("nothing was killed")
		}
		w.Directory.Cause(nil)
		w.Restart(w.Clock)
		if err := b.Show(); err != nil || b.Page.State != pb.FlowPage_Landed {
			t.Errorf("%s: %v, %v", when, b.Page, err)
		}
		if w.Audited(w.Tenant, "Redeem external user invite", 1) != 1 {
			t.Errorf("%s: records", when)
		}
	}
}

// TestAFailureThatWasToldIsUndone: when the inviter got an error, the user
// that the directory may have made goes away again.
func TestAFailureThatWasToldIsUndone(t *testing.T) {
	t.Parallel()
	lost := fault.Unavailable(errorspb.Reason_UNAVAILABLE, "the answer was lost")
	for _, when := range []string{"before CreateExternalUser", "after CreateExternalUser"} {
		w := invitetest.New(t)
		w.Directory.Cause(func(around string) error {
			if around == when {
				return lost
			}
			return nil
		})
		_, err := w.Invites.CreateInvitation(w.As(w.Mia), invitetest.Request("alice@partner.example", invitetest.Mailed))
		if !fault.Is(err, errorspb.Reason_INTERNAL) {
			t.Fatalf("%s: %v", when, err)
		}
		if n := w.Directory.Count("CreateExternalUser"); n != 4 {
			t.Errorf("%s: tried %d times", when, n)
		}
		w.Directory.Cause(nil)
		settled(t, w)
		if w.Directory.Users(w.Tenant.String()) != 0 || len(w.Owed(w.Tenant)) != 0 {
			t.Errorf("%s: %d users, %d mails", when, w.Directory.Users(w.Tenant.String()), len(w.Owed(w.Tenant)))
		}
		if state := invitetest.Scalar[int](w, w.Tenant, "select state from invitations"); state != 8 || w.Audited(w.Tenant, "Invite external user", 2) != 1 {
			t.Errorf("%s: state %d", when, state)
		}
	}
}

// TestWhoeverTriesAgainKeepsTheUser: undoing the first attempt does not pull
// the user away from under the second.
func TestWhoeverTriesAgainKeepsTheUser(t *testing.T) {
	t.Parallel()
	w := invitetest.New(t)
	w.Directory.Cause(func(around string) error {
		if around == "after CreateExternalUser" {
			return fault.Unavailable(errorspb.Reason_UNAVAILABLE, "lost")
		}
		return nil
	})
	if _, err := w.Invites.CreateInvitation(w.As(w.Mia), invitetest.Request("alice@partner.example", nil)); err == nil {
		t.Fatal("no failure")
	}
	w.Directory.Cause(nil)
	link := w.Invite("alice@partner.example", nil).GetInviteRedeemUrl()
	settled(t, w)
	if w.Directory.Users(w.Tenant.String()) != 1 {
		t.Fatal("the user is gone")
	}
	w.Open(link)
}

// TestARefusalOfTheDirectoryIsPassedOn: its reason reaches the inviter, and
// nothing stays behind.
func TestARefusalOfTheDirectoryIsPassedOn(t *testing.T) {
	t.Parallel()
	w := invitetest.New(t)
	w.Directory.Cause(func(around string) error {
		if around == "before CreateExternalUser" {
			return fault.Invalid(errorspb.Reason_OBJECT_CONFLICT, "taken")
		}
		return nil
	})
	_, err := w.Invites.CreateInvitation(w.As(w.Mia), invitetest.Request("alice@partner.example", nil))
	if !fault.Is(err, errorspb.Reason_OBJECT_CONFLICT) || w.Directory.Count("CreateExternalUser") != 1 {
		t.Errorf("%v", err)
	}
	settled(t, w)
}

// TestALostBindingIsRepeated: an answer that got lost is asked for again,
// under the same redemption.
func TestALostBindingIsRepeated(t *testing.T) {
	t.Parallel()
	w := invitetest.New(t)
	b := ready(w)
	left := 2
	w.Directory.Cause(func(around string) error {
		if around == "after BindExternalIdentity" && left > 0 {
			left--
			return fault.Unavailable(errorspb.Reason_UNAVAILABLE, "lost")
		}
		return nil
	})
	b.Must(invitetest.Consent(true), pb.FlowPage_Landed)
	if n := w.Directory.Count("BindExternalIdentity"); n != 3 {
		t.Errorf("bound in %d calls", n)
	}
}

// TestWhenTheDirectoryStaysAwayTheTimerCommits.
func TestWhenTheDirectoryStaysAwayTheTimerCommits(t *testing.T) {
	t.Parallel()
	w := invitetest.New(t)
	b := ready(w)
	w.Directory.Cause(func(around string) error {
		if around == "before BindExternalIdentity" {
			return fault.Unavailable(errorspb.Reason_UNAVAILABLE, "away")
		}
		return nil
	})
	if err := b.Post(invitetest.Consent(true)); !fault.Is(err, errorspb.Reason_UNAVAILABLE) {
		t.Fatal(err)
	}
	w.Directory.Cause(nil)
	w.Clock.Advance(saga.CommitGrace + time.Second)
	w.Sweep()
	if err := b.Show(); err != nil || b.Page.State != pb.FlowPage_Landed {
		t.Errorf("%v, %v", b.Page, err)
	}
}

// TestAReinvitationDoesNotOvertakeACommit.
func TestAReinvitationDoesNotOvertakeACommit(t *testing.T) {
	t.Parallel()
	w := invitetest.New(t)
	b := ready(w)
	var during error
	w.Directory.Cause(func(around string) error {
		if around == "before BindExternalIdentity" {
			_, during = w.Invites.CreateInvitation(w.As(w.Mia), invitetest.Request("alice@partner.example", nil))
		}
		return nil
	})
	b.Must(invitetest.Consent(true), pb.FlowPage_Landed)
	if !fault.Is(during, errorspb.Reason_CONFLICT) {
		t.Errorf("invited during the commit: %v", during)
	}
	w.Directory.Cause(nil)
	if i := w.Invite("alice@partner.example", nil); i.GetStatus() != pb.Invitation_Completed {
		t.Error(i)
	}
	settled(t, w)
}

// TestABlockedAddressGetsNoMail is INV-48, and the link of the mail.
func TestABlockedAddressGetsNoMail(t *testing.T) {
	t.Parallel()
	w := invitetest.New(t)
	i := w.Invite("alice@partner.example", invitetest.Mailed)
	w.Deliver(w.Tenant)
	unsubscribe := w.Sink.Last(t).Header.Get("List-Unsubscribe")
	var tenantID, user, token string
	if n, err := fmt.Sscanf(unsubscribe, "<https://login.entente.example/unsubscribe?tenant=%36s&user=%36s&token=%s", &tenantID, &user, &token); n != 3 || user != i.Id {
		t.Fatalf("header %s: %v", unsubscribe, err)
	}
	token = token[:len(token)-1]
	block := func(tenantID, user, token string) error {
		_, err := w.Flows.BlockInvitations(t.Context(), &pb.BlockInvitationsRequest{TenantId: tenantID, InvitationId: user, Token: token})
		return err
	}
	altered := token[:20] + "A" + token[21:]
	if altered == token {
		altered = token[:20] + "B" + token[21:]
	}
	for name, err := range map[string]error{
		"other tenant": block(w.Other.String(), user, token), "other invitation": block(tenantID, w.Mia.ObjectID.String(), token),
		"altered": block(tenantID, user, altered), "cut": block(tenantID, user, token[:len(token)-1]), "none": block(tenantID, user, ""), "no sense": block("x", "y", "z"),
	} {
		if !fault.Is(err, errorspb.Reason_TICKET_INVALID) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for range 2 {
		if err := block(tenantID, user, token); err != nil {
			t.Fatal(err)
		}
	}
	again := w.Invite("alice@partner.example", invitetest.Mailed)
	if len(w.Owed(w.Tenant)) != 0 || again.GetStatus() != pb.Invitation_PendingAcceptance {
		t.Error("a mail is owed to somebody who wants none")
	}
	if w.Audited(w.Tenant, "Email unsubscribed", 1) != 1 || w.Audited(w.Tenant, "Email not sent, user unsubscribed", 1) != 1 {
		t.Error("records")
	}
	// Codes that the person asks for are sent all the same.
	b := w.Open(again.GetInviteRedeemUrl())
	b.ToConsent()
	w.Clock.Advance(366 * 24 * time.Hour)
	if err := block(tenantID, user, token); !fault.Is(err, errorspb.Reason_TICKET_INVALID) {
		t.Errorf("after a year: %v", err)
	}
}
