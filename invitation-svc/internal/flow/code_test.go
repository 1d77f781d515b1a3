package flow_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"entente.dev/invitation-svc/internal/invitetest"
	pb "entente.dev/proto/gen/entente/invitation/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
)

func codeSent(t *testing.T, w *invitetest.World) (*invitetest.Browser, string) {
	t.Helper()
	b := w.Open(w.Invite("alice@partner.example", nil).GetInviteRedeemUrl())
	b.Must(invitetest.SendCode, pb.FlowPage_AwaitOtp)
	w.Deliver(w.Tenant)
	return b, invitetest.MailCode(t, w.Sink.Last(t))
}

// wrong are codes that are not the right one.
func wrong(code string, n int) []string {
	var all []string
	for k := 0; len(all) < n; k++ {
		if c := fmt.Sprintf("%08d", k); c != code {
			all = append(all, c)
		}
	}
	return all
}

// A17: five wrong codes, and the right one is wrong too.
func TestFiveTriesAndTheCodeIsDead(t *testing.T) {
	t.Parallel()
	w := invitetest.New(t)
	b, code := codeSent(t, w)
	for _, c := range wrong(code, 5) {
		b.Must(invitetest.Code(c), pb.FlowPage_AwaitOtp)
		if b.Page.Notice != "code-wrong" {
			t.Fatal(b.Page)
		}
	}
	b.Must(invitetest.Code(code), pb.FlowPage_AwaitOtp)
	if b.Page.Notice != "code-wrong" {
		t.Error(b.Page)
	}
	w.Clock.Advance(time.Minute)
	b.Must(invitetest.SendCode, pb.FlowPage_AwaitOtp)
	w.Deliver(w.Tenant)
	b.Must(invitetest.Code(invitetest.MailCode(t, w.Sink.Last(t))), pb.FlowPage_Consent)
}

// O7 and TestResists_23: of two hundred guesses at once at most five are
// looked at, from however many networks.
func TestResists_23_TwoHundredParallelGuesses(t *testing.T) {
	t.Parallel()
	w := invitetest.New(t)
	b, code := codeSent(t, w)
	var wg sync.WaitGroup
	for k, c := range wrong(code, 200) {
		r := b.Input(invitetest.Code(c))
		r.IpAddress = invitetest.Network(k)
		wg.Go(func() {
			if p, err := w.Flows.Advance(t.Context(), r); err != nil || p.State != pb.FlowPage_AwaitOtp {
				t.Errorf("guess: %v, %v", p, err)
			}
		})
	}
	wg.Wait()
	if tries := invitetest.Scalar[int](w, w.Tenant, "select tries from passcodes"); tries != 5 {
		t.Errorf("%d guesses were looked at", tries)
	}
	if f := invitetest.Scalar[int](w, w.Tenant, "select failures from passcode_locks"); f != 5 {
		t.Errorf("%d failures counted", f)
	}
	b.Must(invitetest.Code(code), pb.FlowPage_AwaitOtp)
	w.Restart(w.Clock) // and a restart forgets nothing
	b.W = w
	b.Must(invitetest.Code(code), pb.FlowPage_AwaitOtp)
}

// TestResists_16: a code is spent by its first use, also in parallel.
func TestResists_16_ACodeWorksOnce(t *testing.T) {
	t.Parallel()
	w := invitetest.New(t)
	b, code := codeSent(t, w)
	r := b.Input(invitetest.Code(code))
	var wg sync.WaitGroup
	var mu sync.Mutex
	renewed := 0
	for range 20 {
		wg.Go(func() {
			if p, err := w.Flows.Advance(t.Context(), r); err == nil && p.NewVerifier != "" {
				mu.Lock()
				renewed++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if renewed != 1 || w.Audited(w.Tenant, "Verify one time password", 1) != 1 {
		t.Errorf("%d uses", renewed)
	}
	for _, bad := range []string{code[:7], code + "0", "0" + code, code + code} {
		other := w.Open(w.Invite("alice@partner.example", nil).GetInviteRedeemUrl())
		other.Must(invitetest.Code(bad), pb.FlowPage_AwaitOtp)
	}
}

// TestResists_23: the lock is of the address, whatever spelling, flow or code
// it comes by, and the right code does not open it.
func TestResists_23_TenFailuresLockTheAddress(t *testing.T) {
	t.Parallel()
	w := invitetest.New(t)
	for round, spelling := range []string{"alice@partner.example", "ALICE@Partner.example"} {
		b := w.Open(w.Invite(spelling, nil).GetInviteRedeemUrl())
		b.Must(invitetest.SendCode, pb.FlowPage_AwaitOtp)
		w.Deliver(w.Tenant)
		for _, c := range wrong(invitetest.MailCode(t, w.Sink.Last(t)), 5) {
			b.Must(invitetest.Code(c), pb.FlowPage_AwaitOtp)
		}
		w.Clock.Advance(time.Minute)
		_ = round
	}
	locked := w.Open(w.Invite("alice@partner.example", nil).GetInviteRedeemUrl())
	locked.Must(invitetest.SendCode, pb.FlowPage_AwaitOtp)
	w.Deliver(w.Tenant)
	locked.Must(invitetest.Code(invitetest.MailCode(t, w.Sink.Last(t))), pb.FlowPage_AwaitOtp)
	if locked.Page.Notice != "code-wrong" {
		t.Errorf("a lock looks like %s", locked.Page.Notice)
	}
	w.Clock.Advance(15 * time.Minute)
	locked.Must(invitetest.SendCode, pb.FlowPage_AwaitOtp)
	w.Deliver(w.Tenant)
	locked.Must(invitetest.Code(invitetest.MailCode(t, w.Sink.Last(t))), pb.FlowPage_Consent)
}

// F26: validity is exact, and a second code voids the first.
func TestF26ValidityAndResend(t *testing.T) {
	t.Parallel()
	w := invitetest.New(t)
	b, code := codeSent(t, w)
	b.Must(invitetest.SendCode, pb.FlowPage_AwaitOtp)
	if b.Page.Notice != "resend-too-soon" || len(w.Owed(w.Tenant)) != 0 {
		t.Errorf("at once again: %v", b.Page)
	}
	w.Clock.Advance(time.Minute)
	b.Must(invitetest.SendCode, pb.FlowPage_AwaitOtp)
	w.Deliver(w.Tenant)
	second := invitetest.MailCode(t, w.Sink.Last(t))
	b.Must(invitetest.Code(code), pb.FlowPage_AwaitOtp)
	w.Clock.Advance(10*time.Minute - time.Microsecond)
	other := *b
	w.Clock.Advance(time.Microsecond)
	other.Must(invitetest.Code(second), pb.FlowPage_AwaitOtp) // at 10:00 it is over
	b.Must(invitetest.SendCode, pb.FlowPage_AwaitOtp)
	w.Deliver(w.Tenant)
	third := invitetest.MailCode(t, w.Sink.Last(t))
	w.Clock.Advance(10*time.Minute - time.Microsecond)
	b.Must(invitetest.Code(third), pb.FlowPage_Consent)
}

func TestATenantMayChooseThirtyMinutes(t *testing.T) {
	t.Parallel()
	w := invitetest.New(t)
	_, err := w.Invites.UpdateInvitationSettings(w.As(w.App), &pb.UpdateInvitationSettingsRequest{
		Settings: &pb.InvitationSettings{PasscodeValidityMinutes: proto.Int32(25)}, UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"passcode_validity_minutes"}}})
	if err != nil {
		t.Fatal(err)
	}
	b, code := codeSent(t, w)
	if b.Page.PasscodeValidityMinutes != 25 || !strings.Contains(w.Sink.Last(t).Text, "25 minutes") {
		t.Error(b.Page)
	}
	w.Clock.Advance(24 * time.Minute)
	b.Must(invitetest.Code(code), pb.FlowPage_Consent)
}

// A18: a code belongs to the browser that asked for it.
func TestA18ACodeOfAnotherBrowser(t *testing.T) {
	t.Parallel()
	w := invitetest.New(t)
	link := w.Invite("alice@partner.example", nil).GetInviteRedeemUrl()
	first, second := w.Open(link), w.Open(link)
	first.Must(invitetest.SendCode, pb.FlowPage_AwaitOtp)
	w.Deliver(w.Tenant)
	second.Must(invitetest.Code(invitetest.MailCode(t, w.Sink.Last(t))), pb.FlowPage_AwaitOtp)
	first.Must(invitetest.Code(invitetest.MailCode(t, w.Sink.Last(t))), pb.FlowPage_Consent)
}

func TestSendsAreLimited(t *testing.T) {
	t.Parallel()
	w := invitetest.New(t)
	link := w.Invite("alice@partner.example", nil).GetInviteRedeemUrl()
	for range 5 {
		w.Open(link).Must(invitetest.SendCode, pb.FlowPage_AwaitOtp)
	}
	b := w.Open(link)
	b.Must(invitetest.SendCode, pb.FlowPage_AwaitOtp)
	if b.Page.Notice != "sends-exhausted" || len(w.Owed(w.Tenant)) != 5 {
		t.Errorf("%v, %d mails", b.Page, len(w.Owed(w.Tenant)))
	}
	// One code is live: the older ones are void, and so are not mailed.
	w.Deliver(w.Tenant)
	if n := len(w.Sink.Letters()); n != 1 {
		t.Errorf("%d codes were mailed", n)
	}
}

func TestParallelClicksSendOneCode(t *testing.T) {
	t.Parallel()
	w := invitetest.New(t)
	b := w.Open(w.Invite("alice@partner.example", nil).GetInviteRedeemUrl())
	r := b.Input(invitetest.SendCode)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if _, err := w.Flows.Advance(t.Context(), r); err != nil {
				t.Errorf("click: %v", err)
			}
		})
	}
	wg.Wait()
	if n := len(w.Owed(w.Tenant)); n != 1 {
		t.Errorf("%d codes are owed", n)
	}
}
