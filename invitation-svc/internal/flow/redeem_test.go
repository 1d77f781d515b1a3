package flow_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"entente.dev/invitation-svc/internal/invitetest"
	directorypb "entente.dev/proto/gen/entente/directory/v1"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	pb "entente.dev/proto/gen/entente/invitation/v1"
	"entente.dev/servicekit/fault"
	"entente.dev/servicekit/tenant"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
)

func TestAGuestRedeemsByPasscode(t *testing.T) {
	t.Parallel()
	w := invitetest.New(t)
	i := w.Invite("alice@partner.example", invitetest.Mailed)
	w.Deliver(w.Tenant)
	link := invitetest.MailLink(t, w.Sink.Last(t))
	b := w.Open(link)
	if p := b.Page; p.State != pb.FlowPage_AwaitOtp || p.AccountLabel != "a•••@p•••.example" || p.PasscodeSent || p.TenantDisplayName != "Contoso" || p.FormToken == "" {
		t.Fatalf("first page %v", p)
	}
	if n := len(w.Owed(w.Tenant)); n != 0 {
		t.Fatal("opening a page sent a code")
	}
	b.Must(invitetest.SendCode, pb.FlowPage_AwaitOtp)
	if !b.Page.PasscodeSent || b.Page.Notice != "code-sent" || b.Page.PasscodeValidityMinutes != 10 || !b.Page.ResendAt.AsTime().Equal(w.Clock.Now().Add(time.Minute)) {
		t.Errorf("code page %v", b.Page)
	}
	w.Deliver(w.Tenant)
	letter := w.Sink.Last(t)
	code := invitetest.MailCode(t, letter)
	if letter.To != "alice@partner.example" || strings.Contains(letter.Subject, code) || strings.Contains(letter.Text, "http") || !strings.Contains(letter.Text, "203.0.113.0/24") {
		t.Errorf("code mail:\n%s", letter.Text)
	}
	before := b.Verifier
	b.Must(invitetest.Code(code[:4]+" "+code[4:]), pb.FlowPage_Consent)
	if p := b.Page; p.AccountLabel != "alice@partner.example" || p.PrivacyStatementUrl != "https://contoso.example/privacy" || !p.TenantDomainVerified || p.NewVerifier == "" || b.Verifier == before {
		t.Errorf("consent page %v", p)
	}
	known := b.Verifier
	b.Must(invitetest.Consent(true), pb.FlowPage_Landed)
	if p := b.Page; p.RedirectUrl != "https://contoso.example/welcome" || p.Interstitial || p.NewVerifier == "" || b.Verifier == known {
		t.Errorf("last page %v", p)
	}
	user := i.InvitedUser.GetId()
	if w.Directory.Bound(w.Tenant.String(), user) != "//mail/alice@partner.example" || w.Directory.User(w.Tenant.String(), user).GetExternalUserState() != directorypb.User_Accepted {
		t.Error("not bound")
	}
	if w.Audited(w.Tenant, "Redeem external user invite", 1) != 1 || w.Audited(w.Tenant, "Generate one time password", 1) != 1 || w.Audited(w.Tenant, "Verify one time password", 1) != 1 {
		t.Error("records")
	}
	if n := invitetest.Scalar[int](w, w.Tenant, "select count(*) from consents where user_id = $1::uuid and ip = '203.0.113.7' and user_agent = 'test' and privacy_url <> ''", user); n != 1 {
		t.Errorf("%d consents", n)
	}
	if got := w.Invite("alice@partner.example", nil); got.GetStatus() != pb.Invitation_Completed {
		t.Error(got)
	}
	// INV-53: the link of the mail stays a way to the resource, and no more.
	if again := w.Open(link); again.Flow != "" || again.Page.RedirectUrl != "https://contoso.example/welcome" {
		t.Errorf("the link afterwards: %v", again.Page)
	}
	if w.Directory.Count("BindExternalIdentity") != 1 {
		t.Error("bound more than once")
	}
}

func TestConsentMayBeDeclinedAndGivenLater(t *testing.T) {
	t.Parallel()
	w := invitetest.New(t)
	i := w.Invite("alice@partner.example", nil)
	b := w.Open(i.GetInviteRedeemUrl())
	b.ToConsent()
	b.Must(invitetest.Consent(false), pb.FlowPage_Declined)
	if b.Page.ErrorCode != "AADSTS65004" || w.Directory.Bound(w.Tenant.String(), i.InvitedUser.GetId()) != "" || w.Audited(w.Tenant, "Redeem external user invite", 2) != 1 {
		t.Errorf("declined: %v", b.Page)
	}
	w.Clock.Advance(2 * time.Minute)
	again := w.Open(i.GetInviteRedeemUrl())
	again.ToConsent()
	again.Must(invitetest.Consent(true), pb.FlowPage_Landed)
}

// TestResists_4 and A1: whoever has the link and not the mailbox gets nowhere.
func TestResists_4_TheLinkAloneRedeemsNothing(t *testing.T) {
	t.Parallel()
	w := invitetest.New(t)
	i := w.Invite("alice@partner.example", nil)
	b := w.Open(i.GetInviteRedeemUrl()) // the inviter, who has the link of the API
	for _, input := range []func(*pb.AdvanceRequest){invitetest.Consent(true), invitetest.Code("00000000"), invitetest.Code(""),
		func(r *pb.AdvanceRequest) {
			r.Input = &pb.AdvanceRequest_ChooseProvider_{ChooseProvider: &pb.AdvanceRequest_ChooseProvider{ProviderId: "otp"}}
		},
		func(r *pb.AdvanceRequest) { invitetest.Consent(true)(r); r.State = pb.FlowPage_Consent },
		func(r *pb.AdvanceRequest) { invitetest.Consent(true)(r); r.State = pb.FlowPage_Landed },
	} {
		if err := b.Post(input); err != nil || b.Page.State != pb.FlowPage_AwaitOtp {
			t.Errorf("%v, %v", b.Page, err)
		}
	}
	if w.Directory.Bound(w.Tenant.String(), i.InvitedUser.GetId()) != "" {
		t.Error("bound")
	}
}

// TestResists_3: every changed byte, and every other tenant or invitation, is
// a bad link like any other.
func TestResists_3_AlteredLinksAreAllTheSame(t *testing.T) {
	t.Parallel()
	w := invitetest.New(t)
	w.Saga.Limits.BadOpens.Most, w.Saga.Limits.BadTickets.Most = 0, 0
	good := invitetest.Link(t, w.Invite("alice@partner.example", nil).GetInviteRedeemUrl())
	other := invitetest.Link(t, w.Invite("bob@partner.example", nil).GetInviteRedeemUrl())
	var want string
	try := func(name string, change func(*pb.OpenLinkRequest)) {
		r := proto.Clone(good).(*pb.OpenLinkRequest)
		change(r)
		_, err := w.Flows.OpenLink(t.Context(), r)
		if !fault.Is(err, errorspb.Reason_TICKET_INVALID) {
			t.Fatalf("%s: %v", name, err)
		}
		f := fault.From(err)
		if want == "" {
			want = f.Message
		}
		if f.Message != want || len(f.Meta) != 0 || len(f.Violations) != 0 {
			t.Errorf("%s answers %q", name, f.Message)
		}
	}
	for at := range good.Ticket {
		try("altered ticket", func(r *pb.OpenLinkRequest) {
			c := byte('A')
			if r.Ticket[at] == c {
				c = 'B'
			}
			r.Ticket = r.Ticket[:at] + string(c) + r.Ticket[at+1:]
		})
	}
	try("A4 other tenant", func(r *pb.OpenLinkRequest) { r.TenantId = w.Other.String() })
	try("unknown tenant", func(r *pb.OpenLinkRequest) { r.TenantId = tenant.New().String() })
	try("other invitation", func(r *pb.OpenLinkRequest) { r.InvitationId = other.InvitationId })
	try("other ticket", func(r *pb.OpenLinkRequest) { r.Ticket = other.Ticket })
	try("no ticket", func(r *pb.OpenLinkRequest) { r.Ticket = "" })
	try("no tenant", func(r *pb.OpenLinkRequest) { r.TenantId = "" })
	try("no sense", func(r *pb.OpenLinkRequest) { r.InvitationId = "' or 1=1" })
	if _, err := w.TryOpen(good); err != nil {
		t.Errorf("the good link afterwards: %v", err)
	}
}

func TestBadLinksAreCountedAndRecorded(t *testing.T) {
	t.Parallel()
	w := invitetest.New(t)
	good := invitetest.Link(t, w.Invite("alice@partner.example", nil).GetInviteRedeemUrl())
	bad := proto.Clone(good).(*pb.OpenLinkRequest)
	bad.Ticket = strings.Repeat("A", 43)
	for range 10 {
		if _, err := w.Flows.OpenLink(t.Context(), bad); !fault.Is(err, errorspb.Reason_TICKET_INVALID) {
			t.Fatal(err)
		}
	}
	// A5: the network waits, but for those in it who have a good link.
	bad.IpAddress, good.IpAddress = "203.0.113.200", "203.0.113.201"
	if _, err := w.Flows.OpenLink(t.Context(), bad); !fault.Is(err, errorspb.Reason_THROTTLED) {
		t.Errorf("eleventh: %v", err)
	}
	if _, err := w.Flows.OpenLink(t.Context(), good); err != nil {
		t.Errorf("a good link: %v", err)
	}
	// Thirty bad tickets an hour lock the invitation itself.
	for n := range 20 {
		bad.IpAddress = invitetest.Network(n)
		_, _ = w.Flows.OpenLink(t.Context(), bad)
	}
	good.IpAddress = "198.51.100.1"
	if _, err := w.Flows.OpenLink(t.Context(), good); !fault.Is(err, errorspb.Reason_TICKET_INVALID) {
		t.Errorf("locked invitation: %v", err)
	}
	if n := recorded(w, "bad-link"); n != 31 { // ten, twenty, and the good one once it was locked
		t.Errorf("%d bad links are to be recorded", n)
	}
}

func recorded(w *invitetest.World, kind string) (n int) {
	if err := w.DB.Pool().QueryRow(w.T.Context(), "select count(*) from river_job where kind = $1", kind).Scan(&n); err != nil {
		w.T.Fatal(err)
	}
	return n
}

// A2: scanners may follow the link as often as they like.
func TestAHundredPrefetchesChangeNothing(t *testing.T) {
	t.Parallel()
	w := invitetest.New(t)
	i := w.Invite("alice@partner.example", nil)
	link := invitetest.Link(t, i.GetInviteRedeemUrl())
	for range 100 {
		o, err := w.Flows.OpenLink(t.Context(), link)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Flows.GetFlow(t.Context(), &pb.GetFlowRequest{FlowId: o.FlowId, Verifier: o.Verifier}); err != nil {
			t.Fatal(err)
		}
	}
	if state := invitetest.Scalar[int](w, w.Tenant, "select state from invitations"); state != 2 {
		t.Fatalf("state %d", state)
	}
	b := w.Open(i.GetInviteRedeemUrl())
	b.ToConsent()
	b.Must(invitetest.Consent(true), pb.FlowPage_Landed)
}

// TestResists_12 and A6: of fifty browsers that consent at once, one commits.
func TestResists_12_FiftyParallelCommitsBindOnce(t *testing.T) {
	t.Parallel()
	w := invitetest.New(t)
	const n = 50
	w.Saga.Limits.CodesTo, w.Saga.Limits.CodesFrom.Most = nil, 0
	i := w.Invite("alice@partner.example", nil)
	browsers := make([]*invitetest.Browser, n)
	for k := range browsers {
		browsers[k] = w.Open(i.GetInviteRedeemUrl())
		browsers[k].ToConsent()
	}
	var wg sync.WaitGroup
	for _, b := range browsers {
		wg.Go(func() {
			if err := b.Post(invitetest.Consent(true)); err != nil {
				t.Errorf("post: %v", err)
			}
		})
	}
	wg.Wait()
	landed := 0
	for _, b := range browsers {
		switch b.Page.State {
		case pb.FlowPage_Landed:
			landed++
		case pb.FlowPage_Failed, pb.FlowPage_Blocked:
		default:
			t.Errorf("page %s", b.Page.State)
		}
	}
	if landed != 1 || w.Directory.Count("BindExternalIdentity") != 1 || w.Audited(w.Tenant, "Redeem external user invite", 1) != 1 {
		t.Errorf("%d landed, %d bound", landed, w.Directory.Count("BindExternalIdentity"))
	}
}

// A hundred replays of one post of one browser are one success as well.
func TestResists_12_AHundredReplaysOfOneConsentBindOnce(t *testing.T) {
	t.Parallel()
	w := invitetest.New(t)
	i := w.Invite("alice@partner.example", nil)
	b := w.Open(i.GetInviteRedeemUrl())
	b.ToConsent()
	post := b.Input(invitetest.Consent(true))
	var wg sync.WaitGroup
	var mu sync.Mutex
	renewals := 0
	for range 100 {
		wg.Go(func() {
			p, err := w.Flows.Advance(t.Context(), post)
			mu.Lock()
			defer mu.Unlock()
			if err == nil && p.State == pb.FlowPage_Landed && p.NewVerifier != "" {
				renewals++
			} else if err != nil && !fault.Is(err, errorspb.Reason_FLOW_EXPIRED) && !fault.Is(err, errorspb.Reason_UNAVAILABLE) {
				t.Errorf("replay: %v", err)
			}
		})
	}
	wg.Wait()
	if renewals != 1 || w.Audited(w.Tenant, "Redeem external user invite", 1) != 1 {
		t.Errorf("%d browsers landed", renewals)
	}
	if n := invitetest.Scalar[int](w, w.Tenant, "select count(*) from consents"); n != 1 {
		t.Errorf("%d consents", n)
	}
}

// TestResists_24: a verifier that somebody planted is worth nothing once the
// person is known.
func TestResists_24_PlantedVerifiersDie(t *testing.T) {
	t.Parallel()
	w := invitetest.New(t)
	b := w.Open(w.Invite("alice@partner.example", nil).GetInviteRedeemUrl())
	planted := *b
	b.ToConsent()
	if err := planted.Show(); !fault.Is(err, errorspb.Reason_FLOW_EXPIRED) {
		t.Errorf("after the code: %v", err)
	}
	known := *b
	b.Must(invitetest.Consent(true), pb.FlowPage_Landed)
	if err := known.Show(); !fault.Is(err, errorspb.Reason_FLOW_EXPIRED) {
		t.Errorf("after landing: %v", err)
	}
	if err := b.Show(); err != nil || b.Page.State != pb.FlowPage_Landed {
		t.Errorf("%v, %v", b.Page, err)
	}
}

// A21: posts without the form's token, with another browser's, or for another
// flow change nothing.
func TestFormsAreTiedToTheirBrowser(t *testing.T) {
	t.Parallel()
	w := invitetest.New(t)
	link := w.Invite("alice@partner.example", nil).GetInviteRedeemUrl()
	b, other := w.Open(link), w.Open(link)
	for name, change := range map[string]func(*pb.AdvanceRequest){
		"no token":             func(r *pb.AdvanceRequest) { r.FormToken = "" },
		"other browser's form": func(r *pb.AdvanceRequest) { r.FormToken = other.Page.FormToken },
	} {
		r := b.Input(invitetest.SendCode)
		change(r)
		if _, err := w.Flows.Advance(t.Context(), r); !fault.Is(err, errorspb.Reason_FLOW_INPUT_REFUSED) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, change := range map[string]func(*pb.AdvanceRequest){
		"no verifier":              func(r *pb.AdvanceRequest) { r.Verifier = "" },
		"other browser's verifier": func(r *pb.AdvanceRequest) { r.Verifier = other.Verifier },
		"other flow":               func(r *pb.AdvanceRequest) { r.FlowId = other.Flow },
		"no flow":                  func(r *pb.AdvanceRequest) { r.FlowId = "x" },
	} {
		r := b.Input(invitetest.SendCode)
		change(r)
		if _, err := w.Flows.Advance(t.Context(), r); !fault.Is(err, errorspb.Reason_FLOW_EXPIRED) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if len(w.Owed(w.Tenant)) != 0 {
		t.Error("a code is owed")
	}
}

// TestResists_11 in the database: whoever is blocked in the middle of a flow
// does not get further, at any step.
func TestResists_11_BlockingMidFlowStopsTheNextStep(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*directorypb.User){
		"disabled": func(u *directorypb.User) { u.AccountEnabled = proto.Bool(false) },
		"deleted":  func(u *directorypb.User) { u.DeletedDateTime = timestamppb.Now() },
		"accepted": func(u *directorypb.User) { u.ExternalUserState = directorypb.User_Accepted.Enum() },
	} {
		for step := range 3 {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				w := invitetest.New(t)
				i := w.Invite("alice@partner.example", nil)
				b := w.Open(i.GetInviteRedeemUrl())
				next := invitetest.SendCode
				if step == 1 {
					b.Must(invitetest.SendCode, pb.FlowPage_AwaitOtp)
					w.Deliver(w.Tenant)
					next = invitetest.Code(invitetest.MailCode(t, w.Sink.Last(t)))
				} else if step == 2 {
					b.ToConsent()
					next = invitetest.Consent(true)
				}
				w.Directory.Change(w.Tenant.String(), i.InvitedUser.GetId(), change)
				b.Must(next, pb.FlowPage_Blocked)
				if w.Directory.Count("BindExternalIdentity") != 0 || b.Page.ErrorCode == "" {
					t.Errorf("%v", b.Page)
				}
			})
		}
	}
}

// A link that was replaced or withdrawn stops the flows it has opened.
func TestFlowsEndWithTheirLink(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*invitetest.World, *pb.Invitation){
		"replaced": func(w *invitetest.World, _ *pb.Invitation) { w.Invite("alice@partner.example", nil) },
		"revoked": func(w *invitetest.World, i *pb.Invitation) {
			if _, err := w.Invites.RevokeInvitation(w.As(w.Mia), &pb.RevokeInvitationRequest{Id: i.Id}); err != nil {
				t.Fatal(err)
			}
		},
	} {
		w := invitetest.New(t)
		i := w.Invite("alice@partner.example", nil)
		b := w.Open(i.GetInviteRedeemUrl())
		b.ToConsent()
		end(w, i)
		b.Must(invitetest.Consent(true), pb.FlowPage_Blocked)
		if w.Directory.Count("BindExternalIdentity") != 0 {
			t.Errorf("%s: bound", name)
		}
	}
}

// F13: a domain that is blocked after the invitation stops its redemption,
// up to the last click.
func TestF13PolicyIsAskedAgain(t *testing.T) {
	t.Parallel()
	w := invitetest.New(t)
	i := w.Invite("alice@litware.example", nil)
	b := w.Open(i.GetInviteRedeemUrl())
	b.ToConsent()
	w.Policy.Set(func(p *invitetest.Policy) { p.BlockedDomain = "litware.example" })
	b.Must(invitetest.Consent(true), pb.FlowPage_Blocked)
	if w.Directory.User(w.Tenant.String(), i.InvitedUser.GetId()).GetExternalUserState() != directorypb.User_PendingAcceptance {
		t.Error("not pending any more")
	}
	last := w.Policy.Asked[len(w.Policy.Asked)-1]
	if !last.AtRedemption || last.BoundDomain != "litware.example" {
		t.Errorf("asked %v", last)
	}
}

func TestNobodyToAskIsNoYes(t *testing.T) {
	t.Parallel()
	w := invitetest.New(t)
	b := w.Open(w.Invite("alice@partner.example", nil).GetInviteRedeemUrl())
	b.Must(invitetest.SendCode, pb.FlowPage_AwaitOtp)
	w.Deliver(w.Tenant)
	code := invitetest.MailCode(t, w.Sink.Last(t))
	away := fault.Unavailable(errorspb.Reason_UNAVAILABLE, "away")
	w.Policy.Set(func(p *invitetest.Policy) { p.Trouble = away })
	if err := b.Post(invitetest.Code(code)); !fault.Is(err, errorspb.Reason_UNAVAILABLE) {
		t.Fatalf("%v", err)
	}
	if err := b.Show(); !fault.Is(err, errorspb.Reason_UNAVAILABLE) {
		t.Fatalf("%v", err)
	}
	w.Policy.Set(func(p *invitetest.Policy) { p.Trouble = nil })
	if err := b.Show(); err != nil || b.Page.State != pb.FlowPage_Consent || b.Page.NewVerifier == "" {
		t.Fatalf("%v, %v", b.Page, err)
	}
	b.Must(invitetest.Consent(true), pb.FlowPage_Landed)
}

func TestWithoutPasscodesThereIsNoWayIn(t *testing.T) {
	t.Parallel()
	w := invitetest.New(t)
	w.Policy.Set(func(p *invitetest.Policy) { p.PasscodesOff = true })
	if b := w.Open(w.Invite("alice@partner.example", nil).GetInviteRedeemUrl()); b.Page.State != pb.FlowPage_AwaitAccountCreation {
		t.Error(b.Page)
	}
}

func TestAnAccountOfAnotherGuestIsNotBoundTwice(t *testing.T) {
	t.Parallel()
	w := invitetest.New(t)
	i := w.Invite("alice@partner.example", nil)
	b := w.Open(i.GetInviteRedeemUrl())
	b.ToConsent()
	w.Directory.Cause(func(around string) error {
		if around == "before BindExternalIdentity" {
			return fault.Exists(errorspb.Reason_IDENTITY_BOUND, "bound")
		}
		return nil
	})
	b.Must(invitetest.Consent(true), pb.FlowPage_Failed)
	if state := invitetest.Scalar[int](w, w.Tenant, "select state from invitations"); state != 2 || w.Audited(w.Tenant, "Redeem external user invite", 2) != 1 {
		t.Errorf("state %d", state)
	}
	w.Directory.Cause(nil)
	again := w.Open(i.GetInviteRedeemUrl())
	w.Clock.Advance(2 * time.Minute)
	again.ToConsent()
	again.Must(invitetest.Consent(true), pb.FlowPage_Landed)
}

// A9: places that are not the tenant's own are shown before they are gone to.
func TestForeignPlacesNeedAClick(t *testing.T) {
	t.Parallel()
	w := invitetest.New(t)
	i := w.Invite("alice@partner.example", func(i *pb.Invitation) { i.InviteRedirectUrl = proto.String("https://app.elsewhere.example/x#y") })
	b := w.Open(i.GetInviteRedeemUrl())
	b.ToConsent()
	b.Must(invitetest.Consent(true), pb.FlowPage_Landed)
	if !b.Page.Interstitial || b.Page.RedirectUrl != "https://app.elsewhere.example/x#y" {
		t.Error(b.Page)
	}
	// The link afterwards leads over the same page.
	if again := w.Open(i.GetInviteRedeemUrl()); again.Flow == "" || again.Page.State != pb.FlowPage_Landed || !again.Page.Interstitial {
		t.Error(again.Page)
	}
}

func TestFlowsEnd(t *testing.T) {
	t.Parallel()
	w := invitetest.New(t)
	b := w.Open(w.Invite("alice@partner.example", nil).GetInviteRedeemUrl())
	b.Must(invitetest.SendCode, pb.FlowPage_AwaitOtp)
	w.Deliver(w.Tenant)
	w.Clock.Advance(30 * time.Minute)
	if err := b.Show(); err != nil || b.Page.State != pb.FlowPage_Expired {
		t.Errorf("%v, %v", b.Page, err)
	}
	b.Must(invitetest.Code(invitetest.MailCode(t, w.Sink.Last(t))), pb.FlowPage_Expired)
	w.Clock.Advance(31 * 24 * time.Hour)
	w.Sweep()
	for _, table := range []string{"flows", "passcodes"} {
		if n := invitetest.Scalar[int](w, w.Tenant, "select count(*) from "+table); n != 0 {
			t.Errorf("%d %s are kept", n, table)
		}
	}
}

func TestLanguageOfTheBrowser(t *testing.T) {
	t.Parallel()
	w := invitetest.New(t)
	r := invitetest.Link(t, w.Invite("alice@partner.example", nil).GetInviteRedeemUrl())
	for accept, want := range map[string]string{"nl-NL,nl;q=0.9,en;q=0.5": "nl", "xx, en;q=0.1": "en", "": "en", ";;;": "en", strings.Repeat("nl,", 1000): "en"} {
		r.AcceptLanguage = accept
		b, err := w.TryOpen(r)
		if err != nil || b.Page.Language != want {
			t.Errorf("%.20q: %s, %v", accept, b.Page.GetLanguage(), err)
		}
	}
}
