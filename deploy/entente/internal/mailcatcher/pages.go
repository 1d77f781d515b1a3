package mailcatcher

import (
	"bytes"
	"embed"
	"html/template"
	"net/http"
	"slices"
)

//go:embed templates
var files embed.FS

var pages = template.Must(template.ParseFS(files, "templates/*.html"))

// pageSize is how many of the newest mails the list page shows.
const pageSize = 200

const (
	// The pages themselves: no script at all, frames only of our own.
	pagePolicy = "default-src 'none'; style-src 'self'; frame-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
	// A mail's HTML: styles it carries itself, pictures it carries itself,
	// links that open elsewhere. Sandboxed here, too, because the address may
	// be opened outside of the frame.
	mailPolicy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'none'; frame-ancestors 'self'; " +
		"sandbox allow-popups allow-popups-to-escape-sandbox"
)

func (h *handler) listPage(w http.ResponseWriter, r *http.Request) {
	list, err := h.store.List(Query{To: r.URL.Query().Get("to"), Newest: pageSize})
	if err != nil {
		h.fail(w, err)
		return
	}
	slices.Reverse(list) // a person looks for the latest
	h.page(w, "list.html", list)
}

func (h *handler) messagePage(w http.ResponseWriter, r *http.Request) {
	if m, ok := h.find(w, r); ok {
		h.page(w, "message.html", m)
	}
}

// messageHTML answers the HTML part for the frame. Links get a new window:
// inside the sandboxed frame the suite's pages refuse to be shown.
func (h *handler) messageHTML(w http.ResponseWriter, r *http.Request) {
	m, ok := h.find(w, r)
	if !ok {
		return
	}
	w.Header().Set("Content-Security-Policy", mailPolicy)
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	if _, err := w.Write([]byte(`<!doctype html><base target="_blank">` + m.HTML)); err != nil {
		h.log.Debug("mail answer not written", "err", err)
	}
}

func (h *handler) style(w http.ResponseWriter, r *http.Request) {
	http.ServeFileFS(w, r, files, "templates/mail.css")
}

func (h *handler) page(w http.ResponseWriter, name string, data any) {
	var b bytes.Buffer
	if err := pages.ExecuteTemplate(&b, name, data); err != nil {
		h.fail(w, err)
		return
	}
	w.Header().Set("Content-Security-Policy", pagePolicy)
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	if _, err := w.Write(b.Bytes()); err != nil {
		h.log.Debug("mail answer not written", "err", err)
	}
}
