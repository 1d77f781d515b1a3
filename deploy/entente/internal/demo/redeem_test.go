package demo

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// pages is a small stand-in for the redemption pages and the mail catcher: a
// link, a page that mails a code, one that takes it, and a consent page. It
// lets nobody skip a page and asks for the cookie and the form's token.
type pages struct {
	mu      sync.Mutex
	state   string
	letters []letter
	end     string // where the consent leads
}

func (p *pages) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case r.URL.Path == "/api/messages":
		json.NewEncoder(w).Encode(p.letters)
		return
	case r.URL.Path == "/redeem" && r.Method == http.MethodGet:
		p.state = "send"
		http.SetCookie(w, &http.Cookie{Name: "flow", Value: "secret", Path: "/"})
		http.Redirect(w, r, "/redeem/t/1", http.StatusSeeOther)
		return
	}
	if r.URL.Path == "/interstitial" {
		fmt.Fprintf(w, `<title>leaving</title><a href="/">Home</a><a href="%s">Continue to app.contoso.example</a>`, landing)
		return
	}
	if c, err := r.Cookie("flow"); err != nil || c.Value != "secret" {
		http.Error(w, "no cookie", http.StatusForbidden)
		return
	}
	if r.Method == http.MethodPost {
		if r.PostFormValue("form_token") != "t" {
			http.Error(w, "no form token", http.StatusForbidden)
			return
		}
		switch {
		case p.state == "send" && r.PostFormValue("action") == "send":
			p.state = "code"
			p.letters = append(p.letters, letter{ID: "2", Text: "Your code is 1234 5678. It is valid for 10 minutes."})
		case p.state == "code" && r.PostFormValue("code") == "1234 5678":
			p.state = "consent"
		case p.state == "consent" && r.PostFormValue("answer") == "accept":
			http.Redirect(w, r, p.end, http.StatusSeeOther)
			return
		}
		http.Redirect(w, r, "/redeem/t/1", http.StatusSeeOther)
		return
	}
	form := map[string]string{
		"send":    `<button name="action" value="send">Send code</button>`,
		"code":    `<input name="code"><button>Verify</button><button name="action" value="send">Send again</button>`,
		"consent": `<button name="answer" value="cancel">Cancel</button><button name="answer" value="accept">Accept</button>`,
	}[p.state]
	fmt.Fprintf(w, `<!doctype html><title>%s</title><form method="post" action="/redeem/t/1"><input type="hidden" name="form_token" value="t">%s</form>`, p.state, form)
}

func servePages(t *testing.T, end string) (*pages, Address) {
	t.Helper()
	p := &pages{end: end, letters: []letter{{ID: "1", Text: "an older code 9999 9999"}}}
	server := httptest.NewServer(p)
	t.Cleanup(server.Close)
	return p, Address{HTTP: server.URL, Mail: server.URL, Client: server.Client()}
}

func TestRedeemWalksThroughEveryPage(t *testing.T) {
	t.Parallel()
	_, at := servePages(t, landing+"?client=1")
	mail, err := openMailbox(t.Context(), at, guestAddress)
	if err != nil {
		t.Fatal(err)
	}
	var seen []string
	n, err := redeem(t.Context(), at, at.HTTP, at.HTTP+"/redeem?ticket=x", mail, func(format string, args ...any) {
		seen = append(seen, fmt.Sprintf(format, args...))
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(seen, ", "); n != 3 || got != `page "send", page "code", page "consent"` {
		t.Errorf("%d pages: %s", n, got)
	}
}

func TestRedeemClicksThroughTheLastWarning(t *testing.T) {
	t.Parallel()
	_, at := servePages(t, "/interstitial")
	mail, err := openMailbox(t.Context(), at, guestAddress)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := redeem(t.Context(), at, at.HTTP, at.HTTP+"/redeem?ticket=x", mail, func(string, ...any) {}); err != nil || n != 4 {
		t.Errorf("%d pages, %v", n, err)
	}
}

func TestRedeemDoesNotFollowToAForeignPlace(t *testing.T) {
	t.Parallel()
	_, at := servePages(t, "https://elsewhere.example/")
	mail, err := openMailbox(t.Context(), at, guestAddress)
	if err != nil {
		t.Fatal(err)
	}
	_, err = redeem(t.Context(), at, at.HTTP, at.HTTP+"/redeem?ticket=x", mail, func(string, ...any) {})
	if err == nil || !strings.Contains(err.Error(), "elsewhere.example") {
		t.Errorf("got %v", err)
	}
}
