package flow_test

import (
	"testing"
	"time"

	"entente.dev/invitation-svc/internal/invitetest"
	"entente.dev/invitation-svc/internal/saga"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	pb "entente.dev/proto/gen/entente/invitation/v1"
	"entente.dev/servicekit/fault"
)

func flows(w *invitetest.World) int {
	return invitetest.Scalar[int](w, w.Tenant, "select count(*) from flows")
}

// TestAGoodLinkOpensBoundedFlows: whoever follows a link again and again
// leaves behind no more than some, and takes nothing from others.
func TestAGoodLinkOpensBoundedFlows(t *testing.T) {
	t.Parallel()
	w := invitetest.New(t)
	w.Saga.Limits.IdleFlows = 3
	link := w.Invite("alice@partner.example", nil).GetInviteRedeemUrl()
	from := func(network int) *invitetest.Browser {
		w.Clock.Advance(time.Second)
		req := invitetest.Link(t, link)
		req.IpAddress = invitetest.Network(network)
		b, err := w.TryOpen(req)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	elsewhere, further := from(1), from(2)
	further.Must(invitetest.SendCode, pb.FlowPage_AwaitOtp)
	first := from(2)
	for range 5 {
		from(2)
	}
	last := from(2)
	if n := flows(w); n != 5 {
		t.Errorf("%d flows", n)
	}
	if n := invitetest.Scalar[int](w, w.Tenant, "select count(*) from timers where kind = 4"); n != 5 {
		t.Errorf("%d timers", n)
	}
	for name, b := range map[string]*invitetest.Browser{"elsewhere": elsewhere, "further": further, "last": last} {
		if err := b.Show(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := first.Show(); !fault.Is(err, errorspb.Reason_FLOW_EXPIRED) {
		t.Errorf("the oldest: %v", err)
	}
	w.Deliver(w.Tenant)
	further.Must(invitetest.Code(invitetest.MailCode(t, w.Sink.Last(t))), pb.FlowPage_Consent)
	further.Must(invitetest.Consent(true), pb.FlowPage_Landed)
	for range 5 { // the link leads on after the redemption, by a page that waits
		from(2)
	}
	if n := flows(w); n != 5 {
		t.Errorf("%d flows after the redemption", n)
	}
}

func TestFlowsThatWentNoFurtherAreForgottenSoon(t *testing.T) {
	t.Parallel()
	w := invitetest.New(t)
	link := w.Invite("alice@partner.example", nil).GetInviteRedeemUrl()
	w.Open(link)
	b := w.Open(link)
	b.ToConsent()
	b.Must(invitetest.Consent(true), pb.FlowPage_Landed)
	w.Clock.Advance(saga.IdleMemory - time.Minute)
	if w.Sweep(); flows(w) != 2 {
		t.Errorf("too soon: %d flows", flows(w))
	}
	w.Clock.Advance(time.Minute)
	if w.Sweep(); flows(w) != 1 {
		t.Errorf("%d flows", flows(w))
	}
	w.Clock.Advance(saga.FlowMemory)
	if w.Sweep(); flows(w) != 0 {
		t.Errorf("at the end: %d flows", flows(w))
	}
}
