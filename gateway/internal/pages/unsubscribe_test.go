package pages

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"entente.dev/servicekit/clock/clocktest"
)

func TestOnlyAPostBlocksInvitations(t *testing.T) {
	t.Parallel()
	f := &fakeFlows{}
	h := &Handler{Flows: f, Clock: clocktest.New(start), Product: "Entente"}
	send := func(method, token, body string, header ...string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(method, "https://login.example/unsubscribe?tenant=t&user=i&token="+token, strings.NewReader(body))
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, r)
		return rec
	}
	for range 10 { // scanners open links
		if rec := send(http.MethodGet, "good", ""); rec.Code != http.StatusOK || !strings.Contains(rec.Body.String(), "token=good") {
			t.Fatalf("the page: %d %s", rec.Code, rec.Body)
		}
	}
	if f.blocked != 0 {
		t.Fatal("opening the link blocked invitations")
	}
	if rec := send(http.MethodPost, "forged", ""); rec.Code != http.StatusGone || f.blocked != 0 {
		t.Errorf("a forged token: %d, %d blocked", rec.Code, f.blocked)
	}
	const form = "application/x-www-form-urlencoded"
	if rec := send(http.MethodPost, "good", "", "Content-Type", form); rec.Code != http.StatusOK || f.blocked != 1 {
		t.Errorf("the form: %d, %d blocked", rec.Code, f.blocked)
	}
	// One click of a mail program, sent by its servers (RFC 8058).
	rec := send(http.MethodPost, "good", "List-Unsubscribe=One-Click", "Content-Type", form, "Origin", "https://mail.example", "Sec-Fetch-Site", "cross-site")
	if rec.Code != http.StatusOK || f.blocked != 2 {
		t.Errorf("one click: %d, %d blocked", rec.Code, f.blocked)
	}
}
