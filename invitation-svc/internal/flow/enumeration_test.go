package flow_test

import (
	"slices"
	"testing"
	"time"

	"entente.dev/invitation-svc/internal/invitetest"
	pb "entente.dev/proto/gen/entente/invitation/v1"
	"google.golang.org/protobuf/proto"
)

// TestResists_22: a bad ticket of an invitation that exists and one of an
// invitation that never did take the same work: the same answers, and times
// within what the machine's noise allows over two hundred tries each.
func TestResists_22_UnknownAndKnownTakeTheSame(t *testing.T) {
	w := invitetest.New(t) // not parallel: it measures
	w.Saga.Limits.BadOpens.Most, w.Saga.Limits.BadTickets.Most = 1<<30, 1<<30
	known := invitetest.Link(t, w.Invite("alice@partner.example", nil).GetInviteRedeemUrl())
	known.Ticket = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	unknown := proto.Clone(known).(*pb.OpenLinkRequest)
	unknown.InvitationId = "0b4e2f44-2b1c-4c62-a3b5-0f3f5a3fbb01"
	revoked := invitetest.Link(t, w.Invite("bob@partner.example", nil).GetInviteRedeemUrl())
	if _, err := w.Invites.RevokeInvitation(w.As(w.Mia), &pb.RevokeInvitationRequest{Id: revoked.InvitationId}); err != nil {
		t.Fatal(err)
	}
	cases := []*pb.OpenLinkRequest{known, unknown, revoked}
	// A difference that is there shows in every round; one that the machine
	// makes up does not come back each time.
	const rounds = 8
	var spreads []float64
	for len(spreads) < rounds {
		spread := medianSpread(t, w, cases)
		spreads = append(spreads, spread)
		if spread <= 1.04 {
			break
		}
	}
	if slices.Min(spreads) > 1.04 {
		t.Errorf("the medians of the cases differ in every round, by the factors %.2f", spreads)
	}
	// Asking for a fresh link says nothing either.
	for _, id := range []string{known.InvitationId, unknown.InvitationId, "nonsense"} {
		if _, err := w.Flows.RequestNewLink(t.Context(), &pb.RequestNewLinkRequest{TenantId: w.Tenant.String(), InvitationId: id, IpAddress: "203.0.113.1"}); err != nil {
			t.Errorf("%s: %v", id, err)
		}
	}
	if n := recorded(w, "link"); n != 2 {
		t.Errorf("%d requests are queued: the unknown one must be too", n)
	}
}

// medianSpread is how much slower the slowest case answers than the fastest, by
// the medians of forty turns. All cases must give the same answer.
func medianSpread(t *testing.T, w *invitetest.World, cases []*pb.OpenLinkRequest) float64 {
	t.Helper()
	const tries, warm = 40, 5
	times := make([][]time.Duration, len(cases))
	texts := map[string]bool{}
	for n := range tries + warm {
		for k, r := range cases {
			begun := time.Now()
			_, err := w.Flows.OpenLink(t.Context(), r)
			if took := time.Since(begun); n >= warm {
				times[k] = append(times[k], took)
			}
			texts[err.Error()] = true
		}
	}
	if len(texts) != 1 {
		t.Fatalf("answers differ: %v", texts)
	}
	var medians []time.Duration
	for _, all := range times {
		slices.Sort(all)
		medians = append(medians, all[tries/2])
	}
	return float64(slices.Max(medians)) / float64(slices.Min(medians))
}
