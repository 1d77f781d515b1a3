package pages

import (
	"net/http"

	"entente.dev/gateway/internal/graph"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	invitationpb "entente.dev/proto/gen/entente/invitation/v1"
	"entente.dev/servicekit/fault"
)

const unsubscribePath = "/unsubscribe"

var (
	blockedText = text{"You will get no more invitations", "This organization can no longer send invitations to your address."}
	oldLinkText = text{"This link is no longer valid", "Use the link at the end of a newer mail from the same organization."}
)

// unsubscribe blocks further invitations of one organization (INV-48, INV-49).
// Opening the link only asks; mail scanners open links. A POST acts, from the
// page's own form or from a mail program's one click (RFC 8058), which comes
// without cookies and from anywhere: the token is the right to do it.
func (h *Handler) unsubscribe(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	if r.Method != http.MethodPost {
		h.render(w, r, http.StatusOK, "unsubscribe.html", page{Title: "Block future invitations?", Action: r.URL.RequestURI()})
		return
	}
	_, err := h.Flows.BlockInvitations(outgoing(r), &invitationpb.BlockInvitationsRequest{
		TenantId: q.Get("tenant"), InvitationId: q.Get("user"), Token: q.Get("token"), IpAddress: graph.CallFrom(r.Context()).IP,
	})
	switch {
	case fault.Is(err, errorspb.Reason_TICKET_INVALID):
		h.message(w, r, http.StatusGone, oldLinkText)
	case err != nil:
		h.fail(w, r, err)
	default:
		h.message(w, r, http.StatusOK, blockedText)
	}
}
