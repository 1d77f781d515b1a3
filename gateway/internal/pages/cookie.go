package pages

import (
	"net/http"

	"entente.dev/gateway/internal/graph"
)

// The verifier of a flow is in a cookie of its own, so that two invitations
// opened side by side do not disturb each other. On a plain origin, which only
// loopback may be, a browser takes neither prefix nor Secure.
func cookieName(secure bool, flow string) string {
	if secure {
		return "__Host-entente-flow-" + flow
	}
	return "entente-flow-" + flow
}

func (h *Handler) setVerifier(w http.ResponseWriter, r *http.Request, flow, verifier string) {
	secure := graph.CallFrom(r.Context()).Secure
	http.SetCookie(w, &http.Cookie{
		Name: cookieName(secure, flow), Value: verifier, Path: "/", Secure: secure, HttpOnly: true,
		// Lax, not Strict: the person arrives from a mail, and the redirect to
		// the first page must already carry the cookie.
		SameSite: http.SameSiteLaxMode,
	})
}

func readVerifier(r *http.Request, flow string) string {
	c, err := r.Cookie(cookieName(graph.CallFrom(r.Context()).Secure, flow))
	if err != nil || len(c.Value) > 512 {
		return ""
	}
	return c.Value
}
