package oauth

import (
	"mime"
	"net/http"
	"net/url"
	"strings"

	"entente.dev/gateway/internal/graph"
	directorypb "entente.dev/proto/gen/entente/directory/v1"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/fault"
)

// maxForm bounds a token request; the largest part of one is an assertion.
const maxForm = 64 << 10

// token answers the token endpoint (WIRE-12 to WIRE-14).
func (h *Handler) token(w http.ResponseWriter, r *http.Request, authority string) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Pragma", "no-cache")
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		h.fail(w, r, methodNotAllowed())
		return
	}
	form, err := readForm(w, r)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	req := &directorypb.IssueTokenRequest{
		Authority:           authority,
		GrantType:           form.Get("grant_type"),
		ClientId:            form.Get("client_id"),
		ClientSecret:        form.Get("client_secret"),
		ClientAssertionType: form.Get("client_assertion_type"),
		ClientAssertion:     form.Get("client_assertion"),
		Scope:               form.Get("scope"),
		TokenEndpoint:       graph.CallFrom(r.Context()).Origin + r.URL.EscapedPath(),
		IpAddress:           graph.CallFrom(r.Context()).IP,
	}
	if err := basic(r, req); err != nil {
		h.fail(w, r, err)
		return
	}
	if req.GetGrantType() == "" {
		h.fail(w, r, missing("grant_type"))
		return
	}
	res, err := h.Tokens.IssueToken(outgoing(r), req)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	writeJSON(w, http.StatusOK, map[string]any{
		"token_type": res.GetTokenType(), "expires_in": res.GetExpiresIn(), "ext_expires_in": res.GetExtExpiresIn(),
		"access_token": res.GetAccessToken(),
	})
}

func invalidRequest(format string, args ...any) error {
	return fault.Invalid(errorspb.Reason_OAUTH_INVALID_REQUEST, format, args...)
}

func missing(name string) error {
	return invalidRequest("The request body must contain the following parameter: '%s'.", name)
}

// readForm reads the parameters of the body. Those of the URL do not count:
// secrets in a URL end up in logs.
func readForm(w http.ResponseWriter, r *http.Request) (url.Values, error) {
	ct, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || ct != "application/x-www-form-urlencoded" {
		return nil, invalidRequest("The request body must be of type application/x-www-form-urlencoded.")
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		return nil, invalidRequest("The request body could not be read.")
	}
	for name, values := range r.PostForm {
		if len(values) > 1 {
			return nil, invalidRequest("The parameter '%s' appears more than once.", clean(name))
		}
	}
	return r.PostForm, nil
}

// basic takes client id and secret from HTTP Basic, where both are form
// encoded (RFC 6749 section 2.3.1). A client uses one way only.
func basic(r *http.Request, req *directorypb.IssueTokenRequest) error {
	user, password, ok := r.BasicAuth()
	if !ok {
		return nil
	}
	id, err1 := url.QueryUnescape(user)
	secret, err2 := url.QueryUnescape(password)
	if err1 != nil || err2 != nil {
		// Clients exist that do not encode; a lone percent sign gives them away.
		id, secret = user, password
	}
	if req.GetClientSecret() != "" || req.GetClientAssertion() != "" || req.GetClientId() != "" && req.GetClientId() != id {
		return invalidRequest("The client must authenticate in one way only.")
	}
	req.ClientId, req.ClientSecret = id, secret
	return nil
}

func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return -1
		}
		return r
	}, s[:min(len(s), 64)])
}
