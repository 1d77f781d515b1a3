package pages

import (
	"net/http"
	"net/url"
	"strconv"
	"time"

	"entente.dev/gateway/internal/graph"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	invitationpb "entente.dev/proto/gen/entente/invitation/v1"
	"entente.dev/servicekit/fault"
)

// flow shows the present state, or takes one input into it. The last part of
// the path names the input; it is the form's, not the state's, which only the
// service knows.
func (h *Handler) flow(w http.ResponseWriter, r *http.Request, id, action string) {
	verifier := readVerifier(r, id)
	if r.Method != http.MethodPost {
		if action != "" {
			h.redirect(w, "/redeem/t/"+id, selfOnly)
			return
		}
		p, err := h.Flows.GetFlow(outgoing(r), &invitationpb.GetFlowRequest{FlowId: id, Verifier: verifier, AcceptLanguage: r.Header.Get("Accept-Language")})
		h.renew(w, r, id, p, err)
		h.show(w, r, id, p, err)
		return
	}
	req := &invitationpb.AdvanceRequest{
		FlowId: id, Verifier: verifier, FormToken: r.PostForm.Get("token"), IpAddress: graph.CallFrom(r.Context()).IP,
		UserAgent: r.UserAgent(), AcceptLanguage: r.Header.Get("Accept-Language"),
	}
	if n, err := strconv.ParseInt(r.PostForm.Get("state"), 10, 32); err == nil {
		req.State = invitationpb.FlowPage_State(n)
	}
	switch action {
	case "otp/send":
		req.Input = &invitationpb.AdvanceRequest_SendPasscode_{SendPasscode: &invitationpb.AdvanceRequest_SendPasscode{}}
	case "otp/verify":
		req.Input = &invitationpb.AdvanceRequest_VerifyPasscode_{VerifyPasscode: &invitationpb.AdvanceRequest_VerifyPasscode{Code: r.PostForm.Get("code")}}
	case "consent":
		req.Input = &invitationpb.AdvanceRequest_Consent_{Consent: &invitationpb.AdvanceRequest_Consent{Accepted: r.PostForm.Get("answer") == "accept"}}
	case "provider":
		req.Input = &invitationpb.AdvanceRequest_ChooseProvider_{ChooseProvider: &invitationpb.AdvanceRequest_ChooseProvider{ProviderId: r.PostForm.Get("provider")}}
	default:
		h.message(w, r, http.StatusNotFound, notFoundText)
		return
	}
	p, err := h.Flows.Advance(outgoing(r), req)
	if fault.Is(err, errorspb.Reason_FLOW_INPUT_REFUSED) || fault.Is(err, errorspb.Reason_PASSCODE_WRONG) {
		h.again(w, r, id, verifier, err)
		return
	}
	h.renew(w, r, id, p, err)
	if err == nil && p.GetNotice() == "" && !lands(p) {
		// Back to an address that a reload does not post to again.
		h.redirect(w, "/redeem/t/"+id, selfOnly)
		return
	}
	h.show(w, r, id, p, err)
}

// renew gives the browser the secret that replaces its own. A page that is
// only shown has one too when the flow went on by itself, after an earlier
// post that could not be answered.
func (h *Handler) renew(w http.ResponseWriter, r *http.Request, id string, p *invitationpb.FlowPage, err error) {
	if err == nil && p.GetNewVerifier() != "" {
		h.setVerifier(w, r, id, p.GetNewVerifier())
	}
}

// again shows the current page after an input that did not fit.
func (h *Handler) again(w http.ResponseWriter, r *http.Request, id, verifier string, cause error) {
	p, err := h.Flows.GetFlow(outgoing(r), &invitationpb.GetFlowRequest{FlowId: id, Verifier: verifier, AcceptLanguage: r.Header.Get("Accept-Language")})
	if err == nil && p.GetNotice() == "" && fault.Is(cause, errorspb.Reason_PASSCODE_WRONG) {
		p.Notice = "code-wrong"
	}
	h.show(w, r, id, p, err)
}

// lands reports whether the flow is done and may leave without another click.
func lands(p *invitationpb.FlowPage) bool {
	return p.GetState() == invitationpb.FlowPage_Landed && !p.GetInterstitial() && webURL(p.GetRedirectUrl()) != nil
}

// show renders the page of a state.
func (h *Handler) show(w http.ResponseWriter, r *http.Request, id string, p *invitationpb.FlowPage, err error) {
	switch {
	case fault.Is(err, errorspb.Reason_FLOW_EXPIRED), fault.Is(err, errorspb.Reason_TICKET_INVALID), fault.Is(err, errorspb.Reason_NOT_FOUND):
		h.message(w, r, http.StatusGone, expiredText)
		return
	case err != nil:
		h.fail(w, r, err)
		return
	}
	v := h.pageOf(id, p)
	switch p.GetState() {
	case invitationpb.FlowPage_AwaitOtp, invitationpb.FlowPage_MailboxProof:
		v.Title = "Verify your email address"
		h.render(w, r, http.StatusOK, "passcode.html", v)
	case invitationpb.FlowPage_AwaitChoice:
		v.Title = "Choose how to sign in"
		h.render(w, r, http.StatusOK, "choice.html", v)
	case invitationpb.FlowPage_Consent:
		v.Title = "Review permissions"
		h.render(w, r, http.StatusOK, "consent.html", v)
	case invitationpb.FlowPage_Landed:
		if lands(p) {
			h.redirect(w, p.GetRedirectUrl(), anywhere)
			return
		}
		h.landing(w, r, p, "You are in")
	case invitationpb.FlowPage_Declined:
		h.end(w, r, v, "You did not accept", "Nothing was shared and the invitation stays open. Open the link in your mail again if you change your mind.")
	case invitationpb.FlowPage_Blocked:
		h.end(w, r, v, "Access is not allowed", "A policy of one of the organizations does not allow this. Contact the person who invited you.")
	case invitationpb.FlowPage_AwaitAccountCreation:
		h.end(w, r, v, "No way to sign in", "No way to sign in is open to this address. Ask the person who invited you to use another address.")
	case invitationpb.FlowPage_Expired:
		h.message(w, r, http.StatusGone, expiredText)
	default:
		h.end(w, r, v, "Something went wrong", "Open the link in your mail again, or ask the person who invited you for a new one.")
	}
}

func (h *Handler) end(w http.ResponseWriter, r *http.Request, v page, title, text string) {
	v.Title, v.Text = title, text
	h.render(w, r, http.StatusOK, "message.html", v)
}

// landing shows where the person is about to go; the link is the click that
// INV-105 asks for.
func (h *Handler) landing(w http.ResponseWriter, r *http.Request, p *invitationpb.FlowPage, title string) {
	v := h.pageOf("", p)
	v.Title = title
	if u := webURL(p.GetRedirectUrl()); u != nil {
		v.Target, v.TargetHost = u.String(), u.Host
	}
	h.render(w, r, http.StatusOK, "landed.html", v)
}

// webURL admits absolute http and https addresses without credentials.
func webURL(s string) *url.URL {
	u, err := url.Parse(s)
	if err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Host == "" || u.User != nil {
		return nil
	}
	return u
}

// page is what the templates see.
type page struct {
	Product, Title, Text, RequestID string

	Action, Token string
	State         int32
	Organization  string
	Domain        string
	Verified      bool
	Privacy       string
	Contact       string
	Account       string
	Sent          bool
	Minutes       int32
	Wait          int
	Notice        string
	ErrorCode     string
	Providers     []*invitationpb.FlowPage_Provider

	Target, TargetHost string
	Tenant, Invitation string
}

var notices = map[string]string{
	"code-wrong":      "The code is wrong or has expired. Check it and try again, or ask for a new one.",
	"code-sent":       "We sent a code to your address.",
	"resend-too-soon": "A code was sent a moment ago. Wait a little before you ask for another one.",
	"sends-exhausted": "No more codes can be sent at the moment. Try again later.",
}

func (h *Handler) pageOf(id string, p *invitationpb.FlowPage) page {
	v := page{
		Action: "/redeem/t/" + id, Token: p.GetFormToken(), State: int32(p.GetState()),
		Organization: p.GetTenantDisplayName(), Domain: p.GetTenantDomain(), Verified: p.GetTenantDomainVerified(),
		Contact: p.GetPrivacyContactEmail(), Account: p.GetAccountLabel(), Sent: p.GetPasscodeSent(), Minutes: p.GetPasscodeValidityMinutes(),
		Notice: notices[p.GetNotice()], ErrorCode: p.GetErrorCode(), Providers: p.GetProviders(),
	}
	if u := webURL(p.GetPrivacyStatementUrl()); u != nil {
		v.Privacy = u.String()
	}
	if at := p.GetResendAt(); at != nil {
		if d := at.AsTime().Sub(h.Clock.Now()); d > 0 {
			v.Wait = int((d + time.Second - 1) / time.Second)
		}
	}
	return v
}

var _ flows = invitationpb.FlowServiceClient(nil)
