package pages

import (
	"context"
	"embed"
	"net/http"
	"regexp"
	"strings"
	"time"

	"entente.dev/gateway/internal/graph"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	invitationpb "entente.dev/proto/gen/entente/invitation/v1"
	"entente.dev/servicekit/clock"
	"entente.dev/servicekit/fault"
	"entente.dev/servicekit/rpc"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/types/known/emptypb"
)

// flows is what the pages call.
type flows interface {
	OpenLink(ctx context.Context, in *invitationpb.OpenLinkRequest, opts ...grpc.CallOption) (*invitationpb.OpenLinkResponse, error)
	RequestNewLink(ctx context.Context, in *invitationpb.RequestNewLinkRequest, opts ...grpc.CallOption) (*emptypb.Empty, error)
	GetFlow(ctx context.Context, in *invitationpb.GetFlowRequest, opts ...grpc.CallOption) (*invitationpb.FlowPage, error)
	Advance(ctx context.Context, in *invitationpb.AdvanceRequest, opts ...grpc.CallOption) (*invitationpb.FlowPage, error)
	BlockInvitations(ctx context.Context, in *invitationpb.BlockInvitationsRequest, opts ...grpc.CallOption) (*emptypb.Empty, error)
}

// Handler serves /redeem, /unsubscribe and what their pages refer to.
type Handler struct {
	Flows flows
	Clock clock.Clock
	// Product is the name of the installation that people see.
	Product string
}

//go:embed assets
var assets embed.FS

// Handles reports whether the path belongs to the pages.
func Handles(path string) bool {
	return path == "/redeem" || path == unsubscribePath || strings.HasPrefix(path, "/redeem/") || strings.HasPrefix(path, "/assets/")
}

// SignIn reports whether the path is a page, which may be one of a sign-in; the
// others are files.
func SignIn(path string) bool { return Handles(path) && !strings.HasPrefix(path, "/assets/") }

// Busy refuses a request that must wait.
func (h *Handler) Busy(w http.ResponseWriter, r *http.Request, wait time.Duration) {
	h.fail(w, r, fault.Exhausted(errorspb.Reason_THROTTLED, "").WithRetryAfter(wait))
}

// maxForm bounds a posted form.
const maxForm = 16 << 10

// flowID admits what can be part of a cookie's name and of a path.
var flowID = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// ServeHTTP answers a page.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := strings.TrimSuffix(r.URL.Path, "/")
	post := r.Method == http.MethodPost
	if !post && r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD, POST")
		h.message(w, r, http.StatusMethodNotAllowed, notFoundText)
		return
	}
	if post {
		if path != unsubscribePath && !sameOrigin(r) {
			h.message(w, r, http.StatusForbidden, foreignText)
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		if r.ParseForm() != nil {
			h.message(w, r, http.StatusBadRequest, failedText)
			return
		}
	}
	switch rest, inFlow := strings.CutPrefix(path, "/redeem/t/"); {
	case inFlow:
		id, action, _ := strings.Cut(rest, "/")
		if !flowID.MatchString(id) {
			h.message(w, r, http.StatusNotFound, notFoundText)
			return
		}
		h.flow(w, r, id, action)
	case path == unsubscribePath:
		h.unsubscribe(w, r)
	case path == "/redeem" && !post:
		h.open(w, r)
	case path == "/redeem/new-link" && post:
		h.newLink(w, r)
	case strings.HasPrefix(path, "/assets/") && !post:
		h.asset(w, r, strings.TrimPrefix(path, "/"))
	default:
		h.message(w, r, http.StatusNotFound, notFoundText)
	}
}

// sameOrigin refuses forms that another site posts. Browsers send one of the
// headers with every POST; a client without them has no cookie to abuse.
func sameOrigin(r *http.Request) bool {
	if site := r.Header.Get("Sec-Fetch-Site"); site != "" && site != "same-origin" && site != "none" {
		return false
	}
	origin := r.Header.Get("Origin")
	if origin == "" || origin == "null" && r.Header.Get("Sec-Fetch-Site") == "same-origin" {
		return true // pages are served without a referrer, which some browsers turn into `null`
	}
	_, host, _ := strings.Cut(origin, "://")
	return strings.EqualFold(host, r.Host)
}

func (h *Handler) asset(w http.ResponseWriter, r *http.Request, name string) {
	data, err := assets.ReadFile(name)
	if err != nil {
		h.message(w, r, http.StatusNotFound, notFoundText)
		return
	}
	w.Header().Set("Content-Type", "text/css; charset=utf-8")
	w.Header().Set("Cache-Control", "public, max-age=3600")
	_, _ = w.Write(data)
}

// open answers the link of a mail. It leads to the flow without the ticket, so
// that the ticket is in no history and no referrer (INV-54).
func (h *Handler) open(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	if r.Method == http.MethodHead {
		h.headers(w, selfOnly)
		return
	}
	res, err := h.Flows.OpenLink(outgoing(r), &invitationpb.OpenLinkRequest{
		TenantId: q.Get("tenant"), InvitationId: q.Get("user"), Ticket: q.Get("ticket"),
		AcceptLanguage: r.Header.Get("Accept-Language"), IpAddress: graph.CallFrom(r.Context()).IP, UserAgent: r.UserAgent(),
	})
	switch {
	case fault.Is(err, errorspb.Reason_TICKET_INVALID), fault.Is(err, errorspb.Reason_FLOW_EXPIRED):
		h.render(w, r, http.StatusGone, "gone.html", page{Title: "This link is no longer valid", Tenant: q.Get("tenant"), Invitation: q.Get("user")})
		return
	case err != nil:
		h.fail(w, r, err)
		return
	case res.GetRedirectUrl() != "":
		h.landing(w, r, &invitationpb.FlowPage{RedirectUrl: res.GetRedirectUrl(), Interstitial: true}, "You have already accepted this invitation")
		return
	case !flowID.MatchString(res.GetFlowId()):
		h.fail(w, r, fault.Internal(errorspb.Reason_INTERNAL, ""))
		return
	}
	h.setVerifier(w, r, res.GetFlowId(), res.GetVerifier())
	h.redirect(w, "/redeem/t/"+res.GetFlowId(), selfOnly)
}

// newLink asks for another mail. The answer is the same whatever is true.
func (h *Handler) newLink(w http.ResponseWriter, r *http.Request) {
	_, err := h.Flows.RequestNewLink(outgoing(r), &invitationpb.RequestNewLinkRequest{
		TenantId: r.PostForm.Get("tenant"), InvitationId: r.PostForm.Get("user"), IpAddress: graph.CallFrom(r.Context()).IP,
	})
	if err != nil && fault.From(rpc.FromStatus(err)).Kind != fault.KindInvalid {
		h.fail(w, r, err)
		return
	}
	h.message(w, r, http.StatusOK, sentText)
}

// outgoing is the context of calls for a browser that is nobody yet.
func outgoing(r *http.Request) context.Context {
	call := graph.CallFrom(r.Context())
	md := metadata.Pairs(rpc.MDRequestID, call.RequestID, rpc.MDClientRequestID, call.ClientRequestID)
	if call.IP != "" {
		md.Set(rpc.MDClientIP, call.IP)
	}
	return metadata.NewOutgoingContext(r.Context(), md)
}
