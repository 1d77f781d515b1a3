package e2e

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"entente.dev/deploy/e2e/suitetest"
)

// browser is headless Chromium with JavaScript switched off.
type browser struct {
	t   *testing.T
	ctx context.Context
}

// newBrowser starts Chromium. Its own certificate store does not know the
// suite's private authority, so certificate errors are ignored here; the other
// clients of these tests verify them.
func newBrowser(t *testing.T) *browser {
	t.Helper()
	program := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			program = path
			break
		}
	}
	if program == "" {
		t.Fatal("no Chromium was found: install Debian's package chromium")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(program), chromedp.IgnoreCertErrors, chromedp.WindowSize(420, 900))
	if os.Geteuid() == 0 {
		options = append(options, chromedp.NoSandbox) // Chromium has none for root
	}
	allocator, stop := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, quit := chromedp.NewContext(allocator)
	ctx, cancel := context.WithTimeout(ctx, 90*time.Second)
	b := &browser{t: t, ctx: ctx}
	t.Cleanup(func() {
		if t.Failed() {
			b.screenshot()
		}
		cancel()
		quit()
		stop()
	})
	if _, err := chromedp.Call(ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true}); err != nil {
		t.Fatalf("start Chromium: %v", err)
	}
	return b
}

func (b *browser) screenshot() {
	picture, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
	if err != nil {
		b.t.Logf("screenshot: %v", err)
		return
	}
	f, err := os.CreateTemp("", "entente-e2e-*.png")
	if err != nil {
		return
	}
	defer f.Close()
	if _, err := f.Write(picture); err == nil {
		b.t.Logf("the page as it was last seen: %s", f.Name())
	}
}

func (b *browser) do(what string, steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, steps...); err != nil {
		b.t.Fatalf("%s: %v; the page says: %s", what, err, b.text())
	}
}

// open follows an address and returns the status of the page it ends on.
func (b *browser) open(address string) int64 {
	b.t.Helper()
	resp, err := chromedp.RunResponse(b.ctx, chromedp.Navigate(address))
	if err != nil {
		b.t.Fatalf("open: %v", err)
	}
	return resp.Status
}

// press clicks the button or link with the text and waits for the next page.
func (b *browser) press(text string) {
	b.t.Helper()
	at := chromedp.Search(fmt.Sprintf(`//button[contains(translate(., 'ABCDEFGHIJKLMNOPQRSTUVWXYZ', 'abcdefghijklmnopqrstuvwxyz'), %[1]q)] | //a[contains(translate(., 'ABCDEFGHIJKLMNOPQRSTUVWXYZ', 'abcdefghijklmnopqrstuvwxyz'), %[1]q)]`, text))
	ctx, cancel := context.WithTimeout(b.ctx, 20*time.Second)
	defer cancel()
	if _, err := chromedp.RunResponse(ctx, chromedp.Click(at)); err != nil {
		b.t.Fatalf("press %q: %v; the page says: %s", text, err, b.text())
	}
}

func (b *browser) text() string {
	ctx, cancel := context.WithTimeout(b.ctx, 5*time.Second)
	defer cancel()
	text, err := chromedp.Run(ctx, chromedp.TextContent(chromedp.CSS("body")))
	if err != nil {
		return err.Error()
	}
	return strings.Join(strings.Fields(text), " ")
}

func (b *browser) sees(texts ...string) {
	b.t.Helper()
	page := b.text()
	for _, text := range texts {
		if !strings.Contains(strings.ToLower(page), strings.ToLower(text)) {
			b.t.Fatalf("the page does not say %q: %s", text, page)
		}
	}
}

func (b *browser) location() string {
	b.t.Helper()
	at, err := chromedp.Run(b.ctx, chromedp.Location())
	if err != nil {
		b.t.Fatalf("location: %v", err)
	}
	return at
}

// landing is the application that guests are sent to in the end.
func landing(t *testing.T) string {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprintf(w, "<!doctype html><title>App</title><h1>Welcome to the application</h1><p>%d parameters</p>", len(r.URL.Query()))
	}))
	t.Cleanup(server.Close)
	return server.URL + "/welcome"
}

// inviteTo invites an address to a tenant, with a landing page of its own.
func inviteTo(g *suitetest.Graph, mail, target string) object {
	return g.Create("/v1.0/invitations", object{
		"invitedUserEmailAddress": mail, "inviteRedirectUrl": target, "sendInvitationMessage": true, "invitedUserDisplayName": "Guest of the story",
	})
}

func TestGuestRedeemsInABrowserWithoutJavaScript(t *testing.T) {
	t.Parallel()
	s := suitetest.Shared(t)
	tenant := s.NewTenant(t, "workforce", "Trey Research")
	g := s.Graph(t, tenant)
	g.Patch("/v1.0/organization/"+tenant.ID, object{"privacyProfile": object{"statementUrl": "https://trey.example/privacy", "contactEmail": "privacy@trey.example"}})
	mail := address("grace")
	box := s.Mailbox(mail)
	target := landing(t)
	guest := guestOf(inviteTo(g, mail, target))
	link := box.Next(t).Link(t)

	b := newBrowser(t)
	if status := b.open(link); status != 200 {
		t.Fatalf("the link answers %d: %s", status, b.text())
	}
	if at := b.location(); strings.Contains(at, "ticket=") {
		t.Errorf("the ticket stays in the address: %s", at)
	}
	b.press("send code")
	code := box.Next(t).Passcode(t)
	b.do("type the code", chromedp.SendKeys(chromedp.CSS(`input[name=code]`), code))
	b.press("continue")
	b.sees("Trey Research", tenant.Domain, "permission")
	privacy, err := chromedp.Run(b.ctx, chromedp.AttributeValue(chromedp.CSS(`a[href="https://trey.example/privacy"]`), "href"))
	if err != nil || privacy.Value == "" {
		t.Errorf("the consent page has no link to the privacy statement: %v; %s", err, b.text())
	}
	b.press("accept")
	if !strings.HasPrefix(b.location(), target) {
		// A host that the tenant has not vouched for is shown for a click first (INV-105).
		host, _ := url.Parse(target)
		b.sees(host.Host)
		b.press("continue")
	}
	b.sees("Welcome to the application", "0 parameters")
	if at := b.location(); at != target {
		t.Errorf("landed on %s, want exactly %s", at, target)
	}
	if user := g.Get("/v1.0/users/" + guest + "?$select=externalUserState"); user["externalUserState"] != "Accepted" {
		t.Errorf("the guest = %v", user)
	}
}

func TestGuestDeclinesAndComesBack(t *testing.T) {
	t.Parallel()
	s := suitetest.Shared(t)
	tenant := s.NewTenant(t, "workforce", "Contoso Suites")
	g := s.Graph(t, tenant)
	mail := address("henry")
	box := s.Mailbox(mail)
	guest := guestOf(inviteTo(g, mail, landing(t)))
	link := box.Next(t).Link(t)

	b := newBrowser(t)
	b.open(link)
	b.press("send code")
	code := box.Next(t).Passcode(t)
	wrong := "00000000"
	if code == wrong {
		wrong = "00000001"
	}
	b.do("type a wrong code", chromedp.SendKeys(chromedp.CSS(`input[name=code]`), wrong))
	b.press("continue")
	b.sees("wrong")
	b.do("type the code", chromedp.SendKeys(chromedp.CSS(`input[name=code]`), code))
	b.press("continue")
	b.press("cancel")
	b.sees("AADSTS65004")
	if user := g.Get("/v1.0/users/" + guest + "?$select=externalUserState"); user["externalUserState"] != "PendingAcceptance" {
		t.Errorf("after cancel the guest = %v", user)
	}
	// Declining does not use up the link.
	person := s.Person(t)
	if page := person.Open(link); page.Status != 200 || !person.Has("send code") {
		t.Errorf("the link after cancel = %d: %s", page.Status, page.Text)
	}
}

// reference is the id of the request at the end of every page.
var reference = regexp.MustCompile(`Reference: [0-9a-f-]+`)

func TestLinksThatNoLongerServeLookAlike(t *testing.T) {
	t.Parallel()
	s := suitetest.Shared(t)
	tenant := s.NewTenant(t, "workforce", "Relecloud")
	g := s.Graph(t, tenant)
	mail := address("ivy")
	box := s.Mailbox(mail)
	invite(g, mail)
	first := box.Next(t).Link(t)
	second := invite(g, mail)
	newest := box.Next(t).Link(t)
	altered := func(name, value string) string {
		u, err := url.Parse(newest)
		if err != nil {
			t.Fatal(err)
		}
		q := u.Query()
		q.Set(name, value)
		u.RawQuery = q.Encode()
		return u.String()
	}
	ticket := func() string { u, _ := url.Parse(newest); return u.Query().Get("ticket") }()
	flipped := "A"
	if ticket[0] == 'A' {
		flipped = "B"
	}
	var want string
	for name, link := range map[string]string{
		"superseded": first, "another ticket": altered("ticket", flipped+ticket[1:]), "a cut ticket": altered("ticket", ticket[:42]),
		"another tenant": altered("tenant", unused()), "another invitation": altered("user", unused()),
	} {
		p := s.Person(t)
		page := p.Open(link)
		if page.Status != http.StatusGone {
			t.Errorf("%s: %d %s", name, page.Status, page.Text)
		}
		text := reference.ReplaceAllString(page.Text, "")
		if want == "" {
			want = text
		}
		if text != want {
			t.Errorf("%s says %q, others say %q", name, text, want)
		}
		if page.Header.Get("Referrer-Policy") != "no-referrer" || page.Header.Get("Cache-Control") != "no-store" || page.Header.Get("Content-Security-Policy") == "" {
			t.Errorf("%s: headers %v", name, page.Header)
		}
	}
	g.Send(http.MethodPost, "/entente/v1/invitations/"+suitetest.ID(second)+"/revoke", object{})
	b := newBrowser(t)
	if status := b.open(newest); status != http.StatusGone {
		t.Errorf("a revoked link answers %d: %s", status, b.text())
	}
	b.sees("new link")
}

func TestNobodySkipsAStepOfTheRedemption(t *testing.T) {
	t.Parallel()
	s := suitetest.Shared(t)
	tenant := s.NewTenant(t, "workforce", "Munson")
	g := s.Graph(t, tenant)
	mail := address("jules")
	box := s.Mailbox(mail)
	guest := guestOf(invite(g, mail))
	link := box.Next(t).Link(t)

	honest := s.Person(t)
	honest.Open(link)
	// Consent before any proof, from this browser and from one without its cookie.
	form := honest.Page.Forms[0]
	early := url.Values{"token": form.Values["token"], "state": {"4"}, "answer": {"accept"}}
	consent := strings.TrimSuffix(honest.Page.URL.Path, "/") + "/consent"
	thief := s.Person(t)
	thief.Page = honest.Page
	honest.Post(consent, early)
	if landed(honest) || honest.Has("accept") {
		t.Errorf("consent without proof leads to %s: %s", honest.Page.URL, honest.Page.Text)
	}
	thief.Post(consent, early)
	if thief.Has("continue") || thief.Has("accept") || thief.Has("send code") {
		t.Errorf("the flow is open to another browser: %s", thief.Page.Text)
	}
	if user := g.Get("/v1.0/users/" + guest + "?$select=externalUserState"); user["externalUserState"] != "PendingAcceptance" {
		t.Fatalf("a step was skipped: %v", user)
	}
	// Five wrong codes kill the right one (O3).
	p := s.Person(t)
	code := sendCode(t, p, box, link)
	for i := range 5 {
		wrong := fmt.Sprintf("%08d", i)
		if wrong == code || !p.Has("continue") {
			continue
		}
		enterCode(p, wrong)
	}
	if p.Has("continue") {
		enterCode(p, code)
	}
	if p.Has("accept") {
		t.Errorf("a code serves after five wrong tries: %s", p.Page.Text)
	}
}
