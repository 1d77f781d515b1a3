package saga_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"entente.dev/invitation-svc/internal/invitetest"
	"entente.dev/invitation-svc/internal/throttle"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	pb "entente.dev/proto/gen/entente/invitation/v1"
	"entente.dev/servicekit/caller"
	"entente.dev/servicekit/fault"
	"entente.dev/servicekit/tenant"
	"github.com/google/uuid"
)

// atOnce makes n invitations that have all passed the look at the counters
// before the first of them is counted.
func atOnce(w *invitetest.World, n int, invite func(i int) error) (made, throttled int) {
	w.T.Helper()
	var ahead, done sync.WaitGroup
	ahead.Add(n)
	w.Directory.Cause(func(around string) error {
		if around == "before FindInviteConflicts" {
			ahead.Done()
			ahead.Wait()
		}
		return nil
	})
	defer w.Directory.Cause(nil)
	errs := make([]error, n)
	for i := range n {
		done.Go(func() { errs[i] = invite(i) })
	}
	done.Wait()
	for _, err := range errs {
		switch {
		case err == nil:
			made++
		case fault.Is(err, errorspb.Reason_THROTTLED) && fault.From(err).RetryAfter > 0:
			throttled++
		default:
			w.T.Errorf("neither made nor throttled: %v", err)
		}
	}
	return made, throttled
}

func TestParallelInvitationsCountOneAfterTheOther(t *testing.T) {
	t.Parallel()
	for name, who := range map[string]func(*invitetest.World) caller.Caller{
		"a member":       func(w *invitetest.World) caller.Caller { return w.Mia },
		"an application": func(w *invitetest.World) caller.Caller { return w.App },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := invitetest.New(t)
			w.Saga.Limits.PerMember = []throttle.Limit{{Most: 3, Per: time.Hour}}
			w.Saga.Limits.PerAdmin = w.Saga.Limits.PerMember
			made, throttled := atOnce(w, 8, func(i int) error {
				_, err := w.Invites.CreateInvitation(w.As(who(w)), invitetest.Request(fmt.Sprintf("a%d@partner.example", i), nil))
				return err
			})
			if made != 3 || throttled != 5 || w.Directory.Users(w.Tenant.String()) != 3 {
				t.Errorf("%d made, %d throttled", made, throttled)
			}
			if n := w.Audited(w.Tenant, "Invite external user", 2); n != 5 {
				t.Errorf("%d refusals are recorded", n)
			}
		})
	}
}

// TestParallelMailsToOneAddress: the limit of an address is one over all
// tenants.
func TestParallelMailsToOneAddress(t *testing.T) {
	t.Parallel()
	w := invitetest.New(t)
	w.Saga.Limits.MailsTo = []throttle.Limit{{Most: 2, Per: 24 * time.Hour}}
	made, throttled := atOnce(w, 6, func(i int) error {
		mia := w.Mia
		mia.Tenant, mia.ObjectID = tenant.New(), uuid.New()
		w.Directory.AddTenant(mia.Tenant.String(), "Tenant", fmt.Sprintf("tenant%d.example", i))
		w.Directory.AddPerson(mia.Tenant.String(), mia.ObjectID.String(), "Mia", fmt.Sprintf("mia@tenant%d.example", i), false)
		_, err := w.Invites.CreateInvitation(w.As(mia), invitetest.Request("alice@partner.example", invitetest.Mailed))
		return err
	})
	if made != 2 || throttled != 4 {
		t.Errorf("%d made, %d throttled", made, throttled)
	}
}

// TestFreshLinksCountAsInvitations: sending again is no way around the limits
// of whoever sends, nor of whoever is sent to.
func TestFreshLinksCountAsInvitations(t *testing.T) {
	t.Parallel()
	resend := func(w *invitetest.World, id string) error {
		w.Clock.Advance(11 * time.Minute)
		_, err := w.Invites.ResendInvitation(w.As(w.Mia), &pb.ResendInvitationRequest{Id: id})
		return err
	}
	t.Run("of the inviter", func(t *testing.T) {
		t.Parallel()
		w := invitetest.New(t)
		w.Saga.Limits.PerMember = []throttle.Limit{{Most: 2, Per: 24 * time.Hour}}
		i := w.Invite("alice@partner.example", nil)
		if err := resend(w, i.Id); err != nil {
			t.Fatal(err)
		}
		if err := resend(w, i.Id); !fault.Is(err, errorspb.Reason_THROTTLED) {
			t.Errorf("third: %v", err)
		}
		if _, err := w.Invites.CreateInvitation(w.As(w.Mia), invitetest.Request("bob@partner.example", nil)); !fault.Is(err, errorspb.Reason_THROTTLED) {
			t.Errorf("somebody else: %v", err)
		}
		if n := invitetest.Scalar[int](w, w.Tenant, "select count(*) from invitations"); n != 2 {
			t.Errorf("%d invitations", n)
		}
	})
	t.Run("of the address", func(t *testing.T) {
		t.Parallel()
		w := invitetest.New(t)
		w.Saga.Limits.MailsTo = []throttle.Limit{{Most: 2, Per: 24 * time.Hour}}
		i := w.Invite("alice@partner.example", invitetest.Mailed)
		if err := resend(w, i.Id); err != nil {
			t.Fatal(err)
		}
		if err := resend(w, i.Id); !fault.Is(err, errorspb.Reason_THROTTLED) {
			t.Errorf("third: %v", err)
		}
		w.Clock.Advance(11 * time.Minute)
		if _, err := w.Flows.RequestNewLink(t.Context(), &pb.RequestNewLinkRequest{TenantId: w.Tenant.String(), InvitationId: i.Id, IpAddress: "203.0.113.9"}); err != nil {
			t.Fatal(err)
		}
		w.RunLinks()
		if n := len(w.Owed(w.Tenant)); n != 2 {
			t.Errorf("%d mails", n)
		}
	})
}
