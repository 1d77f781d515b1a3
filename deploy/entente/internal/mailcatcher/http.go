package mailcatcher

import (
	"encoding/json"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

type handler struct {
	store *Store
	log   *slog.Logger
}

func newHandler(store *Store, log *slog.Logger) http.Handler {
	h := &handler{store: store, log: log}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/messages", h.listJSON)
	mux.HandleFunc("GET /api/messages/{id}", h.messageJSON)
	mux.HandleFunc("GET /mail", h.listPage)
	mux.HandleFunc("GET /mail/{id}", h.messagePage)
	mux.HandleFunc("GET /mail/{id}/html", h.messageHTML)
	mux.HandleFunc("GET /mail.css", h.style)
	mux.Handle("GET /{$}", http.RedirectHandler("/mail", http.StatusFound))
	return mux
}

// onlyHosts refuses requests that name a host nobody configured. Without it a
// page of any site could rebind its own name to loopback and read passcodes.
func onlyHosts(allowed []string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := r.Host
		if h, _, err := net.SplitHostPort(host); err == nil {
			host = h
		}
		host = strings.ToLower(strings.Trim(host, "[]"))
		if host != "localhost" && net.ParseIP(host) == nil && !slices.Contains(allowed, host) {
			http.Error(w, "this host name is not served here", http.StatusMisdirectedRequest)
			return
		}
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Referrer-Policy", "no-referrer")
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("Cross-Origin-Resource-Policy", "same-origin")
		next.ServeHTTP(w, r)
	})
}

// listJSON answers all mails, oldest first; ?to= keeps those of one recipient
// and ?newest= the latest few.
func (h *handler) listJSON(w http.ResponseWriter, r *http.Request) {
	q := Query{To: r.URL.Query().Get("to")}
	if text := r.URL.Query().Get("newest"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			http.Error(w, "newest must be a whole number above zero", http.StatusBadRequest)
			return
		}
		q.Newest = n
	}
	list, err := h.store.List(q)
	if err != nil {
		h.fail(w, err)
		return
	}
	h.writeJSON(w, list)
}

func (h *handler) messageJSON(w http.ResponseWriter, r *http.Request) {
	if m, ok := h.find(w, r); ok {
		h.writeJSON(w, m)
	}
}

// find loads the mail that the path names, or answers why it cannot.
func (h *handler) find(w http.ResponseWriter, r *http.Request) (Message, bool) {
	m, ok, err := h.store.Message(r.PathValue("id"))
	switch {
	case err != nil:
		h.fail(w, err)
		return Message{}, false
	case !ok:
		http.Error(w, "there is no such mail", http.StatusNotFound)
		return Message{}, false
	}
	return m, true
}

func (h *handler) writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false) // people copy links out of it; nothing renders it as HTML
	if err := enc.Encode(v); err != nil {
		h.log.Debug("mail answer not written", "err", err)
	}
}

func (h *handler) fail(w http.ResponseWriter, err error) {
	h.log.Error("mail folder not readable", "err", err)
	http.Error(w, "the mail folder could not be read", http.StatusInternalServerError)
}
