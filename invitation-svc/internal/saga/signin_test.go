package saga_test

import (
	"testing"

	"entente.dev/invitation-svc/internal/invitetest"
	directorypb "entente.dev/proto/gen/entente/directory/v1"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	pb "entente.dev/proto/gen/entente/invitation/v1"
	"entente.dev/servicekit/fault"
	"google.golang.org/protobuf/proto"
)

// TestARedemptionIsASignIn: the directory counts the guest as active, once,
// and a directory that is away does not keep the guest out.
func TestARedemptionIsASignIn(t *testing.T) {
	t.Parallel()
	w := invitetest.New(t)
	i := w.Invite("alice@partner.example", nil)
	b := w.Open(i.GetInviteRedeemUrl())
	b.ToConsent()
	if err := w.RunSignIns(); err != nil || len(w.Directory.SignIns) != 0 {
		t.Errorf("before the redemption: %v, %v", w.Directory.SignIns, err)
	}
	w.Directory.Cause(func(around string) error {
		if around == "before RecordSignIn" {
			return fault.Unavailable(errorspb.Reason_UNAVAILABLE, "away")
		}
		return nil
	})
	b.Must(invitetest.Consent(true), pb.FlowPage_Landed)
	flow := invitetest.Scalar[string](w, w.Tenant, "select id::text from flows")
	if n := invitetest.Scalar[int](w, w.Tenant, "select count(*) from river_job where kind = 'sign-in'"); n != 1 {
		t.Fatalf("%d sign-ins are owed", n)
	}
	if w.Directory.Count("RecordSignIn") != 0 {
		t.Error("the redemption waited for the log")
	}
	w.Directory.Cause(nil)
	if err := w.RunSignIns(); err != nil || len(w.Directory.SignIns) != 1 {
		t.Fatalf("%v, %v", w.Directory.SignIns, err)
	}
	got := w.Directory.SignIns[w.Tenant.String()+flow]
	want := &directorypb.RecordSignInRequest{
		TenantId: w.Tenant.String(), EventId: flow, UserId: i.InvitedUser.GetId(), IpAddress: "203.0.113.7", UserAgent: "test", ClientAppUsed: "Browser",
		Interactive: true, CrossTenantAccessType: "b2bCollaboration", ConditionalAccessStatus: "notApplied", At: got.GetAt(), CorrelationId: got.GetCorrelationId(),
	}
	if !proto.Equal(got, want) || !got.At.AsTime().Equal(w.Clock.Now()) {
		t.Errorf("logged %v", got)
	}
}

func TestWhatIsNoRedemptionIsNoSignIn(t *testing.T) {
	t.Parallel()
	w := invitetest.New(t)
	declined := w.Open(w.Invite("alice@partner.example", nil).GetInviteRedeemUrl())
	declined.ToConsent()
	declined.Must(invitetest.Consent(false), pb.FlowPage_Declined)
	refused := w.Open(w.Invite("bob@partner.example", nil).GetInviteRedeemUrl())
	refused.ToConsent()
	w.Directory.Cause(func(around string) error {
		if around == "before BindExternalIdentity" {
			return fault.Exists(errorspb.Reason_IDENTITY_BOUND, "bound")
		}
		return nil
	})
	refused.Must(invitetest.Consent(true), pb.FlowPage_Failed)
	if err := w.RunSignIns(); err != nil || len(w.Directory.SignIns) != 0 {
		t.Errorf("%v, %v", w.Directory.SignIns, err)
	}
}
