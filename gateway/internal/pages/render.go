package pages

import (
	"bytes"
	"embed"
	"html/template"
	"net/http"
	"strconv"

	"entente.dev/gateway/internal/graph"
	"entente.dev/servicekit/fault"
	"entente.dev/servicekit/rpc"
)

//go:embed templates
var templateFiles embed.FS

var templates = template.Must(template.ParseFS(templateFiles, "templates/*.html"))

// Where a form of a page may lead. Browsers apply form-action to redirects
// too, and the answer to the consent form leads to the site that invited.
const (
	selfOnly = "'self'"
	anywhere = "'self' https: http:"
)

// headers writes what every page carries: nothing is stored, framed, referred
// or executed.
func (h *Handler) headers(w http.ResponseWriter, formAction string) {
	hd := w.Header()
	hd.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action "+formAction)
	hd.Set("Referrer-Policy", "no-referrer")
	hd.Set("Cache-Control", "no-store")
	hd.Set("X-Frame-Options", "DENY")
	hd.Set("X-Content-Type-Options", "nosniff")
	hd.Set("Cross-Origin-Opener-Policy", "same-origin")
	hd.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
	hd.Set("X-Robots-Tag", "noindex")
}

func (h *Handler) redirect(w http.ResponseWriter, location, formAction string) {
	h.headers(w, formAction)
	w.Header().Set("Location", location)
	w.WriteHeader(http.StatusSeeOther)
}

func (h *Handler) render(w http.ResponseWriter, r *http.Request, status int, name string, p page) {
	p.Product, p.RequestID = h.Product, graph.CallFrom(r.Context()).RequestID
	var b bytes.Buffer
	if err := templates.ExecuteTemplate(&b, name, p); err != nil {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	formAction := selfOnly
	if name == "consent.html" || name == "passcode.html" {
		formAction = anywhere
	}
	h.headers(w, formAction)
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(b.Len()))
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes())
}

// text is a page that only says something.
type text struct{ title, body string }

var (
	notFoundText = text{"Page not found", "There is no such page here."}
	foreignText  = text{"Request refused", "This form was sent from another site. Open the link in your mail again."}
	failedText   = text{"Something went wrong", "Try again in a moment. If it keeps happening, pass the number below on to your support."}
	busyText     = text{"Too many attempts", "Wait a little and try again."}
	expiredText  = text{"This page has expired", "Open the link in your mail again to start over."}
	sentText     = text{"Check your mail", "If the invitation is open, a new link was sent to the invited address."}
)

func (h *Handler) message(w http.ResponseWriter, r *http.Request, status int, t text) {
	h.render(w, r, status, "message.html", page{Title: t.title, Text: t.body})
}

// fail says an error to a person: never its detail.
func (h *Handler) fail(w http.ResponseWriter, r *http.Request, err error) {
	f := fault.From(rpc.FromStatus(err))
	switch f.Kind {
	case fault.KindExhausted:
		w.Header().Set("Retry-After", strconv.Itoa(max(1, int(f.RetryAfter.Seconds()+0.999))))
		h.message(w, r, http.StatusTooManyRequests, busyText)
	case fault.KindUnavailable, fault.KindDeadline, fault.KindCanceled:
		w.Header().Set("Retry-After", "5")
		h.message(w, r, http.StatusServiceUnavailable, failedText)
	case fault.KindInternal:
		h.message(w, r, http.StatusInternalServerError, failedText)
	case fault.KindDenied, fault.KindUnauthenticated:
		h.message(w, r, http.StatusForbidden, expiredText)
	default:
		h.message(w, r, http.StatusBadRequest, failedText)
	}
}
