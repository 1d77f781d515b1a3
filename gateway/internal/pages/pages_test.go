package pages

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"entente.dev/gateway/internal/graph"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	invitationpb "entente.dev/proto/gen/entente/invitation/v1"
	"entente.dev/servicekit/clock/clocktest"
	"entente.dev/servicekit/fault"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

var start = time.Date(2026, 11, 21, 7, 10, 38, 0, time.UTC)

// fakeFlows is a flow of one passcode, `12345678`.
type fakeFlows struct {
	opened, advanced, links, blocked int
	openErr, err                     error
	page                             *invitationpb.FlowPage
	last                             *invitationpb.AdvanceRequest
	completed                        string
}

func (f *fakeFlows) OpenLink(_ context.Context, in *invitationpb.OpenLinkRequest, _ ...grpc.CallOption) (*invitationpb.OpenLinkResponse, error) {
	f.opened++
	if f.completed != "" {
		return &invitationpb.OpenLinkResponse{RedirectUrl: f.completed}, nil
	}
	if in.GetTicket() != "good" {
		return nil, fault.NotFound(errorspb.Reason_TICKET_INVALID, "")
	}
	return &invitationpb.OpenLinkResponse{FlowId: "flow-1", Verifier: "v1"}, f.openErr
}

func (f *fakeFlows) RequestNewLink(context.Context, *invitationpb.RequestNewLinkRequest, ...grpc.CallOption) (*emptypb.Empty, error) {
	f.links++
	return &emptypb.Empty{}, nil
}

func (f *fakeFlows) BlockInvitations(_ context.Context, in *invitationpb.BlockInvitationsRequest, _ ...grpc.CallOption) (*emptypb.Empty, error) {
	if in.GetTenantId() != "t" || in.GetInvitationId() != "i" || in.GetToken() != "good" {
		return nil, fault.NotFound(errorspb.Reason_TICKET_INVALID, "")
	}
	f.blocked++
	return &emptypb.Empty{}, nil
}

func (f *fakeFlows) GetFlow(_ context.Context, in *invitationpb.GetFlowRequest, _ ...grpc.CallOption) (*invitationpb.FlowPage, error) {
	if in.GetVerifier() != "v1" && in.GetVerifier() != "v2" {
		return nil, fault.NotFound(errorspb.Reason_FLOW_EXPIRED, "")
	}
	return proto.Clone(f.page).(*invitationpb.FlowPage), f.err
}

func (f *fakeFlows) Advance(_ context.Context, in *invitationpb.AdvanceRequest, _ ...grpc.CallOption) (*invitationpb.FlowPage, error) {
	f.advanced++
	f.last = in
	if in.GetFormToken() != "form" {
		return nil, fault.Invalid(errorspb.Reason_FLOW_INPUT_REFUSED, "")
	}
	switch i := in.GetInput().(type) {
	case *invitationpb.AdvanceRequest_SendPasscode_:
		f.page.PasscodeSent = true
	case *invitationpb.AdvanceRequest_VerifyPasscode_:
		if i.VerifyPasscode.GetCode() != "12345678" {
			return nil, fault.Invalid(errorspb.Reason_PASSCODE_WRONG, "")
		}
		f.page.State = invitationpb.FlowPage_Consent
		next := proto.Clone(f.page).(*invitationpb.FlowPage)
		next.NewVerifier = "v2"
		return next, nil
	case *invitationpb.AdvanceRequest_Consent_:
		f.page.State = invitationpb.FlowPage_Declined
		if i.Consent.GetAccepted() {
			f.page.State, f.page.RedirectUrl = invitationpb.FlowPage_Landed, "https://app.example/welcome#top"
		}
	}
	return f.page, nil
}

func newFlows() *fakeFlows {
	return &fakeFlows{page: &invitationpb.FlowPage{
		FlowId: "flow-1", State: invitationpb.FlowPage_AwaitOtp, FormToken: "form", TenantDisplayName: "<b>Contoso</b>", TenantDomain: "contoso.example",
		AccountLabel: "a***@partner.example", PrivacyStatementUrl: "javascript:alert(1)", PasscodeValidityMinutes: 10, ResendAt: timestamppb.New(start.Add(30 * time.Second)),
	}}
}

type browser struct {
	h      *Handler
	secure bool
	jar    map[string]string
}

func newBrowser(f *fakeFlows) *browser {
	return &browser{h: &Handler{Flows: f, Clock: clocktest.New(start), Product: "Entente"}, secure: true, jar: map[string]string{}}
}

func (b *browser) send(method, target string, form url.Values, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "https://login.example"+target, strings.NewReader(form.Encode()))
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Origin", "https://login.example")
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	for k, v := range b.jar {
		r.AddCookie(&http.Cookie{Name: k, Value: v})
	}
	r = r.WithContext(graph.WithCall(r.Context(), &graph.Call{RequestID: "ref", Origin: "https://login.example", IP: "192.0.2.1", Secure: b.secure}))
	rec := httptest.NewRecorder()
	b.h.ServeHTTP(rec, r)
	for _, c := range rec.Result().Cookies() {
		b.jar[c.Name] = c.Value
	}
	return rec
}

func post(b *browser, action string, kv ...string) *httptest.ResponseRecorder {
	form := url.Values{"token": {"form"}, "state": {"2"}}
	for i := 0; i < len(kv); i += 2 {
		form.Set(kv[i], kv[i+1])
	}
	return b.send("POST", "/redeem/t/flow-1/"+action, form)
}

func TestRedemptionByPasscode(t *testing.T) {
	t.Parallel()
	f := newFlows()
	b := newBrowser(f)
	rec := b.send("GET", "/redeem?tenant=t&user=i&ticket=good&ver=2.0", nil)
	if rec.Code != 303 || rec.Header().Get("Location") != "/redeem/t/flow-1" {
		t.Fatalf("open: %d %v", rec.Code, rec.Header())
	}
	c := rec.Result().Cookies()[0]
	if c.Name != "__Host-entente-flow-flow-1" || c.Path != "/" || !c.Secure || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Domain != "" {
		t.Errorf("cookie %+v", c)
	}
	rec = b.send("GET", "/redeem/t/flow-1", nil)
	body := rec.Body.String()
	if rec.Code != 200 || !strings.Contains(body, "Send code") || strings.Contains(body, "<b>Contoso") || !strings.Contains(body, "a***@partner.example") {
		t.Errorf("passcode page: %d %s", rec.Code, body)
	}
	if f.advanced != 0 {
		t.Fatal("a GET advanced the flow")
	}
	if rec = post(b, "otp/send"); rec.Code != 303 || rec.Header().Get("Location") != "/redeem/t/flow-1" {
		t.Errorf("send: %d %v", rec.Code, rec.Header())
	}
	rec = post(b, "otp/verify", "code", "00000000")
	if rec.Code != 200 || !strings.Contains(rec.Body.String(), "wrong or has expired") || !strings.Contains(rec.Body.String(), "ask again in 30 seconds") {
		t.Errorf("wrong code: %d %s", rec.Code, rec.Body)
	}
	if rec = post(b, "otp/verify", "code", "12345678"); rec.Code != 303 || b.jar["__Host-entente-flow-flow-1"] != "v2" {
		t.Errorf("verify: %d %v", rec.Code, b.jar)
	}
	body = b.send("GET", "/redeem/t/flow-1", nil).Body.String()
	if !strings.Contains(body, "Accept") || !strings.Contains(body, "domain of this organization is not verified") || strings.Contains(body, "javascript:") ||
		!strings.Contains(body, "has not provided a privacy statement") {
		t.Errorf("consent page: %s", body)
	}
	rec = post(b, "consent", "answer", "accept")
	if rec.Code != 303 || rec.Header().Get("Location") != "https://app.example/welcome#top" {
		t.Errorf("accept: %d %v", rec.Code, rec.Header())
	}
	if in := f.last; in.GetIpAddress() != "192.0.2.1" || in.GetState() != invitationpb.FlowPage_AwaitOtp || !in.GetConsent().GetAccepted() {
		t.Errorf("input %v", in)
	}
}

func TestInterstitial(t *testing.T) {
	t.Parallel()
	f := newFlows()
	f.page.State, f.page.Interstitial, f.page.RedirectUrl = invitationpb.FlowPage_Landed, true, "https://elsewhere.example:444/x"
	b := newBrowser(f)
	b.send("GET", "/redeem?ticket=good", nil)
	rec := b.send("GET", "/redeem/t/flow-1", nil)
	if rec.Code != 200 || !strings.Contains(rec.Body.String(), "elsewhere.example:444") || !strings.Contains(rec.Body.String(), `href="https://elsewhere.example:444/x"`) {
		t.Errorf("%d %s", rec.Code, rec.Body)
	}
	f.page.RedirectUrl = "javascript:alert(1)"
	if body := b.send("GET", "/redeem/t/flow-1", nil).Body.String(); strings.Contains(body, "javascript") {
		t.Errorf("%s", body)
	}
}

// TestResists_5 is row 5 of the security rules: whatever the service answers,
// a page leads to http and https addresses only.
func TestResists_5(t *testing.T) {
	t.Parallel()
	for _, target := range []string{"javascript:alert(1)", "//host", "https:host", "https://user@host/", `\\host`, "data:text/html,x", ""} {
		f := newFlows()
		f.page.State, f.page.RedirectUrl = invitationpb.FlowPage_Landed, target
		b := newBrowser(f)
		b.jar["__Host-entente-flow-flow-1"] = "v1"
		rec := b.send("GET", "/redeem/t/flow-1", nil)
		if rec.Header().Get("Location") != "" || strings.Contains(rec.Body.String(), "href=\""+target) && target != "" {
			t.Errorf("%q: %d %v", target, rec.Code, rec.Header())
		}
	}
}

// Every bad link has the same page, whatever is wrong with it.
func TestBadLinksLookAlike(t *testing.T) {
	t.Parallel()
	f := newFlows()
	b := newBrowser(f)
	first := b.send("GET", "/redeem?tenant=t&user=i&ticket=unknown", nil)
	second := b.send("GET", "/redeem?tenant=t&user=i&ticket=", nil)
	if first.Code != 410 || first.Code != second.Code || first.Body.String() != second.Body.String() || len(b.jar) != 0 {
		t.Errorf("%d %d", first.Code, second.Code)
	}
	if !strings.Contains(first.Body.String(), "Send a new link") {
		t.Errorf("%s", first.Body)
	}
	rec := b.send("POST", "/redeem/new-link", url.Values{"tenant": {"t"}, "user": {"i"}})
	if rec.Code != 200 || f.links != 1 || !strings.Contains(rec.Body.String(), "If the invitation is open") {
		t.Errorf("%d %s", rec.Code, rec.Body)
	}
}

func TestForeignForms(t *testing.T) {
	t.Parallel()
	for _, headers := range [][]string{
		{"Origin", "https://evil.example"}, {"Origin", "null"}, {"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"},
	} {
		f := newFlows()
		b := newBrowser(f)
		b.jar["__Host-entente-flow-flow-1"] = "v1"
		rec := b.send("POST", "/redeem/t/flow-1/consent", url.Values{"token": {"form"}, "answer": {"accept"}}, headers...)
		if rec.Code != 403 || f.advanced != 0 {
			t.Errorf("%v: %d, %d inputs", headers, rec.Code, f.advanced)
		}
	}
}

// TestResists_24 is row 24: a cookie that was planted before, of another flow
// or without prefix, is no verifier.
func TestResists_24(t *testing.T) {
	t.Parallel()
	f := newFlows()
	b := newBrowser(f)
	b.jar["entente-flow-flow-1"] = "v1"
	b.jar["__Host-entente-flow-flow-2"] = "v1"
	if rec := b.send("GET", "/redeem/t/flow-1", nil); rec.Code != 410 {
		t.Errorf("%d", rec.Code)
	}
}

func TestEveryPageIsLockedDown(t *testing.T) {
	t.Parallel()
	b := newBrowser(newFlows())
	for _, target := range []string{"/redeem?ticket=good", "/redeem?ticket=bad", "/redeem/t/flow-1", "/redeem/t/flow-1/consent", "/redeem/t/..%2f", "/redeem/nothing"} {
		rec := b.send("GET", target, nil)
		h := rec.Header()
		csp := h.Get("Content-Security-Policy")
		if !strings.Contains(csp, "default-src 'none'") || !strings.Contains(csp, "frame-ancestors 'none'") || !strings.Contains(csp, "form-action 'self'") ||
			h.Get("Referrer-Policy") != "no-referrer" || h.Get("Cache-Control") != "no-store" || h.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %v", target, h)
		}
		if strings.Contains(rec.Body.String(), "<script") || strings.Contains(rec.Body.String(), "style=") {
			t.Errorf("%s has script or inline style", target)
		}
	}
	if rec := b.send("HEAD", "/redeem?ticket=good", nil); rec.Code != 200 || rec.Body.Len() != 0 {
		t.Errorf("HEAD: %d", rec.Code)
	}
	if rec := b.send("GET", "/assets/page.css", nil); rec.Code != 200 || rec.Header().Get("Content-Type") != "text/css; charset=utf-8" {
		t.Errorf("style: %d %v", rec.Code, rec.Header())
	}
	if rec := b.send("GET", "/assets/../handler.go", nil); rec.Code != 404 {
		t.Errorf("outside of assets: %d", rec.Code)
	}
	if rec := b.send("PUT", "/redeem", nil); rec.Code != 405 {
		t.Errorf("PUT: %d", rec.Code)
	}
}

func TestEndsOfAFlow(t *testing.T) {
	t.Parallel()
	for state, want := range map[invitationpb.FlowPage_State]string{
		invitationpb.FlowPage_Declined: "did not accept", invitationpb.FlowPage_Blocked: "not allowed", invitationpb.FlowPage_Failed: "went wrong",
		invitationpb.FlowPage_AwaitAccountCreation: "No way to sign in", invitationpb.FlowPage_AwaitChoice: "Choose how to sign in", invitationpb.FlowPage_Expired: "expired",
	} {
		f := newFlows()
		f.page.State, f.page.ErrorCode = state, "AADSTS65004"
		f.page.Providers = []*invitationpb.FlowPage_Provider{{Id: "otp", DisplayName: "Email code"}}
		b := newBrowser(f)
		b.jar["__Host-entente-flow-flow-1"] = "v1"
		if body := b.send("GET", "/redeem/t/flow-1", nil).Body.String(); !strings.Contains(body, want) {
			t.Errorf("%v: %s", state, body)
		}
	}
	f := newFlows()
	f.err = fault.Exhausted(errorspb.Reason_THROTTLED, "").WithRetryAfter(3 * time.Second)
	b := newBrowser(f)
	b.jar["__Host-entente-flow-flow-1"] = "v1"
	if rec := b.send("GET", "/redeem/t/flow-1", nil); rec.Code != 429 || rec.Header().Get("Retry-After") != "3" {
		t.Errorf("%d %v", rec.Code, rec.Header())
	}
	f.err = context.DeadlineExceeded
	if rec := b.send("GET", "/redeem/t/flow-1", nil); rec.Code != 503 || !strings.Contains(rec.Body.String(), "Reference: ref") {
		t.Errorf("%d", rec.Code)
	}
	f.completed = "https://app.example/"
	if rec := b.send("GET", "/redeem?ticket=good", nil); rec.Code != 200 || !strings.Contains(rec.Body.String(), "already accepted") || !strings.Contains(rec.Body.String(), "app.example") {
		t.Errorf("completed: %d %s", rec.Code, rec.Body)
	}
}
