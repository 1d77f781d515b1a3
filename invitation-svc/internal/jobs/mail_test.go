package jobs_test

import (
	"strings"
	"testing"
	"time"

	"entente.dev/invitation-svc/internal/invitetest"
	"entente.dev/invitation-svc/internal/saga"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	pb "entente.dev/proto/gen/entente/invitation/v1"
	"entente.dev/servicekit/fault"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"
)

func TestARelayThatIsAwayIsTriedAgain(t *testing.T) {
	t.Parallel()
	w := invitetest.New(t)
	i := w.Invite("alice@partner.example", invitetest.Mailed)
	id := w.Owed(w.Tenant)[0]
	w.Sink.Refuse(451)
	for range 3 {
		if err := w.Mailer.Deliver(t.Context(), w.Tenant, id); err == nil {
			t.Fatal("a mail that was not taken counts as sent")
		}
		w.Clock.Advance(time.Hour)
	}
	s, err := w.Invites.GetInvitation(w.As(w.Mia), &pb.GetInvitationRequest{Id: i.Id})
	if err != nil || s.GetDeliveryState() != "queued" || s.GetState() != "Pending" {
		t.Errorf("%v, %v", s, err)
	}
	w.Sink.Refuse(0)
	w.Deliver(w.Tenant)
	w.Deliver(w.Tenant)
	if n := len(w.Sink.Letters()); n != 1 {
		t.Fatalf("%d letters", n)
	}
	if l := w.Sink.Last(t); !strings.Contains(l.Header.Get("Message-ID"), id.String()) {
		t.Errorf("message id %s", l.Header.Get("Message-ID"))
	}
	if b := w.Open(invitetest.MailLink(t, w.Sink.Last(t))); b.Page.State != pb.FlowPage_AwaitOtp {
		t.Error(b.Page)
	}
}

func TestARefusalForGoodAndADayOfTryingEndIt(t *testing.T) {
	t.Parallel()
	for name, make := range map[string]func(*invitetest.World){
		"refused for good": func(w *invitetest.World) { w.Sink.Refuse(550) },
		"a day":            func(w *invitetest.World) { w.Sink.Refuse(451); w.Clock.Advance(24 * time.Hour) },
	} {
		w := invitetest.New(t)
		i := w.Invite("alice@partner.example", invitetest.Mailed)
		make(w)
		w.Deliver(w.Tenant)
		s, err := w.Invites.GetInvitation(w.As(w.Mia), &pb.GetInvitationRequest{Id: i.Id})
		if err != nil || s.GetDeliveryState() != "failed" || s.GetState() != "Pending" || w.Audited(w.Tenant, "Invitation Email", 2) != 1 {
			t.Errorf("%s: %v, %v", name, s, err)
		}
	}
}

func TestWhatIsOverIsNotMailed(t *testing.T) {
	t.Parallel()
	w := invitetest.New(t)
	i := w.Invite("alice@partner.example", invitetest.Mailed)
	if _, err := w.Invites.RevokeInvitation(w.As(w.Mia), &pb.RevokeInvitationRequest{Id: i.Id}); err != nil {
		t.Fatal(err)
	}
	w.Deliver(w.Tenant)
	b := w.Open(w.Invite("bob@partner.example", nil).GetInviteRedeemUrl())
	b.Must(invitetest.SendCode, pb.FlowPage_AwaitOtp)
	w.Clock.Advance(11 * time.Minute)
	w.Deliver(w.Tenant)
	if n := len(w.Sink.Letters()); n != 0 {
		t.Errorf("%d letters", n)
	}
}

func TestEachAttemptHasSecretsOfItsOwn(t *testing.T) {
	t.Parallel()
	w := invitetest.New(t)
	b := w.Open(w.Invite("alice@partner.example", nil).GetInviteRedeemUrl())
	b.Must(invitetest.SendCode, pb.FlowPage_AwaitOtp)
	id := w.Owed(w.Tenant)[0]
	w.Sink.Refuse(451)
	_ = w.Mailer.Deliver(t.Context(), w.Tenant, id)
	mac := invitetest.Scalar[[]byte](w, w.Tenant, "select mac from passcodes")
	w.Sink.Refuse(0)
	w.Deliver(w.Tenant)
	if again := invitetest.Scalar[[]byte](w, w.Tenant, "select mac from passcodes"); string(again) == string(mac) {
		t.Error("a code was drawn once and kept")
	}
	b.Must(invitetest.Code(invitetest.MailCode(t, w.Sink.Last(t))), pb.FlowPage_Consent)
}

// TestResists_20: links come from the settings, and the same invitation makes
// the same mail whatever a browser says of itself.
func TestResists_20_LinksComeFromTheSettings(t *testing.T) {
	t.Parallel()
	w := invitetest.New(t)
	hostile := w.Mia
	hostile.UserAgent = "https://evil.example/"
	if _, err := w.Invites.CreateInvitation(w.As(hostile), invitetest.Request("alice@partner.example", invitetest.Mailed)); err != nil {
		t.Fatal(err)
	}
	w.Deliver(w.Tenant)
	l := w.Sink.Last(t)
	for _, part := range strings.Split(l.Text+l.HTML, "https://")[1:] {
		host, _, _ := strings.Cut(part, "/")
		if host != "login.entente.example" && host != "contoso.example" {
			t.Errorf("a link to %s", host)
		}
	}
}

func TestThePausesOfTheSpecification(t *testing.T) {
	t.Parallel()
	w := invitetest.New(t)
	for attempt, want := range map[int]time.Duration{1: time.Minute, 2: 5 * time.Minute, 3: 15 * time.Minute, 4: time.Hour, 5: time.Hour, 20: time.Hour} {
		at := w.Mailer.NextRetry(&river.Job[saga.MailJob]{JobRow: &rivertype.JobRow{Attempt: attempt}})
		if d := time.Until(at); d > want || d < want-time.Minute {
			t.Errorf("after attempt %d: %v", attempt, d)
		}
	}
	at := w.Mailer.NextRetry(&river.Job[saga.MailJob]{JobRow: &rivertype.JobRow{Attempt: 1}, Args: saga.MailJob{Code: true}})
	if time.Until(at) > 2*time.Second {
		t.Error("a passcode waits")
	}
}

// TestResists_42 for what this service handles: no ticket, code or verifier is
// in any table, and none in the log.
func TestResists_42_SecretsAreInNoTableAndNoLog(t *testing.T) {
	t.Parallel()
	w := invitetest.New(t)
	i := w.Invite("alice@partner.example", invitetest.Mailed)
	w.Deliver(w.Tenant)
	mailed := invitetest.Link(t, invitetest.MailLink(t, w.Sink.Last(t))).Ticket
	secrets := []string{invitetest.Link(t, i.GetInviteRedeemUrl()).Ticket, mailed}
	b := w.Open(i.GetInviteRedeemUrl())
	secrets = append(secrets, b.Verifier, b.Page.FormToken)
	b.Must(invitetest.SendCode, pb.FlowPage_AwaitOtp)
	w.Sink.Refuse(451)
	_ = w.Mailer.Deliver(t.Context(), w.Tenant, w.Owed(w.Tenant)[0])
	w.Sink.Refuse(0)
	w.Deliver(w.Tenant)
	code := invitetest.MailCode(t, w.Sink.Last(t))
	b.Must(invitetest.Code("00000000"), pb.FlowPage_AwaitOtp)
	bad := invitetest.Link(t, i.GetInviteRedeemUrl())
	bad.Ticket = strings.Repeat("x", 43)
	_, err := w.TryOpen(bad)
	if !fault.Is(err, errorspb.Reason_TICKET_INVALID) {
		t.Fatal(err)
	}
	secrets = append(secrets, code, bad.Ticket)
	for _, table := range []string{"invitations", "tickets", "flows", "passcodes", "passcode_locks", "mails", "consents", "audit_events", "river_job", "counters", "timers"} {
		text := invitetest.Scalar[string](w, w.Tenant, "select coalesce(string_agg(x::text, chr(10)), '') from "+table+" x")
		for _, s := range secrets {
			if strings.Contains(text, s) {
				t.Errorf("%s holds a secret", table)
			}
		}
	}
	for _, s := range append(secrets, "alice@") {
		if strings.Contains(w.Log.String(), s) || strings.Contains(err.Error(), s) {
			t.Errorf("the log or an error holds a secret:\n%s", w.Log)
		}
	}
}
