package mailcatcher_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/smtp"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"entente.dev/deploy/entente/internal/mailcatcher"
	"github.com/google/go-cmp/cmp"
)

const bothParts = "From: =?utf-8?q?Contoso_=C3=9Cbersee?= <invites@contoso.example>\r\n" +
	"To: Alice <alice@partner.example>\r\n" +
	"Subject: =?utf-8?b?w4lpbmxhZHVuZw==?=\r\n" +
	"Date: Sat, 21 Nov 2026 10:00:00 +0100\r\n" +
	"MIME-Version: 1.0\r\n" +
	"Content-Type: multipart/alternative; boundary=b\r\n\r\n" +
	"--b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\ncode 1234=\r\n5678 f=C3=BCr dich\r\n" +
	"--b\r\nContent-Type: text/html; charset=iso-8859-1\r\nContent-Transfer-Encoding: base64\r\n\r\nPHA+Z3L8bjwvcD48c2NyaXB0PmFsZXJ0KDEpPC9zY3JpcHQ+\r\n" +
	"--b\r\nContent-Type: text/plain\r\nContent-Disposition: attachment; filename=a.txt\r\n\r\nnot the text\r\n" +
	"--b--\r\n"

// start runs a catcher over the folder until the returned function is called.
func start(t *testing.T, cfg mailcatcher.Config) (*mailcatcher.Catcher, func()) {
	t.Helper()
	cfg.Log = slog.New(slog.NewTextHandler(io.Discard, nil))
	cfg.SMTP, cfg.HTTP = loopback(t), loopback(t)
	c, err := mailcatcher.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	stop := func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("run: %v", err)
		}
	}
	return c, stop
}

func loopback(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func send(t *testing.T, c *mailcatcher.Catcher, body string, to ...string) {
	t.Helper()
	if err := smtp.SendMail(c.SMTPAddr(), nil, "bounce@contoso.example", to, []byte(body)); err != nil {
		t.Fatal(err)
	}
}

func get(t *testing.T, url string) (*http.Response, string) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

func messages(t *testing.T, c *mailcatcher.Catcher, query string) []map[string]string {
	t.Helper()
	resp, body := get(t, c.URL()+"/api/messages"+query)
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("status %d: %s", resp.StatusCode, body)
	}
	var list []map[string]string
	if err := json.Unmarshal([]byte(body), &list); err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	return list
}

func TestMailIsDecodedKeptAndListedAfterARestart(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "mail")
	c, stop := start(t, mailcatcher.Config{Dir: dir})
	if got := messages(t, c, ""); got == nil || len(got) != 0 {
		t.Fatalf("an empty catcher answers %v, not an empty list", got)
	}
	send(t, c, bothParts, "alice@partner.example", "audit@contoso.example")
	want := []map[string]string{{
		"to":      "alice@partner.example, audit@contoso.example",
		"from":    "Contoso Übersee <invites@contoso.example>",
		"subject": "Éinladung",
		"text":    "code 12345678 für dich",
		"html":    "<p>grün</p><script>alert(1)</script>",
		"date":    "2026-11-21T09:00:00Z",
	}}
	first := messages(t, c, "")
	id := first[0]["id"]
	want[0]["id"] = id
	if diff := cmp.Diff(want, first); diff != "" {
		t.Fatal(diff)
	}
	stop()

	c, stop = start(t, mailcatcher.Config{Dir: dir})
	defer stop()
	if diff := cmp.Diff(want, messages(t, c, "?to=ALICE@partner.example")); diff != "" {
		t.Fatalf("after a restart: %s", diff)
	}
	if got := messages(t, c, "?to=bob@partner.example"); len(got) != 0 {
		t.Fatalf("mail of somebody else: %v", got)
	}
	_, body := get(t, c.URL()+"/api/messages/"+id)
	if !strings.Contains(body, "12345678") {
		t.Fatalf("one message: %s", body)
	}
}

func TestPagesShowHostileMailWithoutRunningIt(t *testing.T) {
	t.Parallel()
	c, stop := start(t, mailcatcher.Config{Dir: t.TempDir()})
	defer stop()
	send(t, c, "Subject: <script>alert(2)</script>\r\nContent-Type: text/html\r\n\r\n<script>alert(3)</script>", "alice@partner.example")
	id := messages(t, c, "")[0]["id"]
	for _, path := range []string{"/mail", "/mail/" + id} {
		resp, body := get(t, c.URL()+path)
		if strings.Contains(body, "<script") || !strings.Contains(body, "&lt;script&gt;") {
			t.Errorf("%s shows the subject unescaped: %s", path, body)
		}
		if csp := resp.Header.Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "script-src") {
			t.Errorf("%s has the policy %q", path, csp)
		}
	}
	_, page := get(t, c.URL()+"/mail/"+id)
	if !strings.Contains(page, `sandbox="allow-popups allow-popups-to-escape-sandbox"`) {
		t.Errorf("the frame is not sandboxed: %s", page)
	}
	resp, _ := get(t, c.URL()+"/mail/"+id+"/html")
	csp := resp.Header.Get("Content-Security-Policy")
	if !strings.Contains(csp, "sandbox allow-popups") || strings.Contains(csp, "allow-scripts") || strings.Contains(csp, "allow-same-origin") {
		t.Errorf("the mail's own HTML has the policy %q", csp)
	}
	if resp, _ := get(t, c.URL()+"/mail.css"); resp.StatusCode != http.StatusOK || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/css") {
		t.Errorf("style: %d %s", resp.StatusCode, resp.Header.Get("Content-Type"))
	}
}

func TestAForeignHostNameIsRefused(t *testing.T) {
	t.Parallel()
	c, stop := start(t, mailcatcher.Config{Dir: t.TempDir(), Hosts: []string{"mail.suite.example"}})
	defer stop()
	for host, want := range map[string]int{
		"localhost:1": 200, "127.0.0.1": 200, "[::1]:9": 200, "mail.suite.example": 200,
		"rebound.attacker.example": 421, "localhost.attacker.example:80": 421,
	} {
		req, err := http.NewRequest(http.MethodGet, c.URL()+"/api/messages", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Host = host
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("host %s: %d, want %d", host, resp.StatusCode, want)
		}
	}
}

func TestUnknownAndMalformedIDsAreNotFound(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(filepath.Dir(dir), "outside.eml"), []byte("Subject: s\r\n\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, stop := start(t, mailcatcher.Config{Dir: dir})
	defer stop()
	for _, id := range []string{"00000000-0000-7000-8000-000000000000", "..%2Foutside", "x"} {
		for _, path := range []string{"/api/messages/", "/mail/"} {
			if resp, body := get(t, c.URL()+path+id); resp.StatusCode != http.StatusNotFound {
				t.Errorf("%s%s: %d %s", path, id, resp.StatusCode, body)
			}
		}
	}
	if resp, _ := get(t, c.URL()+"/api/messages?newest=none"); resp.StatusCode != http.StatusBadRequest {
		t.Errorf("newest=none: %d", resp.StatusCode)
	}
}

func TestTheOldestMailsGoWhenTheFolderIsFull(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	store, err := mailcatcher.OpenStore(dir, 3)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		if _, err := store.Add("s@x.example", []string{"r@x.example"}, fmt.Appendf(nil, "Subject: %d\r\n\r\n", i)); err != nil {
			t.Fatal(err)
		}
	}
	list, err := store.List(mailcatcher.Query{})
	if err != nil {
		t.Fatal(err)
	}
	var subjects []string
	for _, m := range list {
		subjects = append(subjects, m.Subject)
	}
	if diff := cmp.Diff([]string{"2", "3", "4"}, subjects); diff != "" {
		t.Fatal(diff)
	}
	newest, err := store.List(mailcatcher.Query{Newest: 1})
	if err != nil || len(newest) != 1 || newest[0].Subject != "4" {
		t.Fatalf("newest: %v, %v", newest, err)
	}
	if files, err := os.ReadDir(dir); err != nil || len(files) != 3 {
		t.Fatalf("%d files, %v", len(files), err)
	}
}

func TestAMailThatIsNoMailIsStillShown(t *testing.T) {
	t.Parallel()
	c, stop := start(t, mailcatcher.Config{Dir: t.TempDir()})
	defer stop()
	for _, body := range []string{"no header at all", "Content-Type: multipart/mixed\r\n\r\nno boundary", "Content-Type: text/plain; charset=unheard-of\r\n\r\nx", ""} {
		send(t, c, body, "alice@partner.example")
	}
	if got := messages(t, c, ""); len(got) != 4 {
		t.Fatalf("%d mails are listed: %v", len(got), got)
	}
}

func TestSMTPBeyondLoopbackIsRefused(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, err := mailcatcher.New(mailcatcher.Config{Dir: t.TempDir(), SMTP: l, HTTP: loopback(t), Log: slog.Default()}); err == nil {
		t.Fatal("an open relay address was accepted")
	}
}
