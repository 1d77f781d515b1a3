package e2e

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"entente.dev/deploy/e2e/suitetest"
)

// Failures of comparable systems, tried on this one. The number of a test is
// the row of the list in the security rules.

// TestResists_4 has the inviter use the link of the API, without the mailbox.
func TestResists_4_LinkWithoutMailbox(t *testing.T) {
	t.Parallel()
	s := suitetest.Shared(t)
	tenant := s.NewTenant(t, "workforce", "Resist Links")
	g := s.Graph(t, tenant)
	mail := address("victim")
	invitation := g.Create("/v1.0/invitations", object{"invitedUserEmailAddress": mail, "inviteRedirectUrl": welcome})
	p := s.Person(t)
	p.Open(fmt.Sprint(invitation["inviteRedeemUrl"]))
	p.Press("send code", nil)
	code := s.Mailbox(mail).Next(t).Passcode(t) // goes to the victim, not to the inviter
	for _, guess := range []string{"", "00000000", code[:7], code + "0", "' or 1=1 --"} {
		if guess != code && p.Has("continue") {
			enterCode(p, guess)
		}
	}
	if p.Has("accept") || landed(p) {
		t.Errorf("the link alone leads to %s", p.Page.Text)
	}
	if user := g.Get("/v1.0/users/" + guestOf(invitation) + "?$select=externalUserState"); user["externalUserState"] != "PendingAcceptance" {
		t.Errorf("the guest = %v", user)
	}
	for _, shown := range []object{g.Get("/entente/v1/invitations/" + suitetest.ID(invitation)), g.Get("/entente/v1/invitations")} {
		if strings.Contains(fmt.Sprint(shown), "ticket=") || strings.Contains(fmt.Sprint(shown), "inviteRedeemUrl") {
			t.Errorf("the link is shown again: %v", shown)
		}
	}
}

// TestResists_12 lets one person press Accept many times at once, and mail
// scanners open the link first.
func TestResists_12_ParallelRedemption(t *testing.T) {
	t.Parallel()
	s := suitetest.Shared(t)
	tenant := s.NewTenant(t, "workforce", "Resist Replays")
	g := s.Graph(t, tenant)
	mail := address("parallel")
	box := s.Mailbox(mail)
	guest := guestOf(invite(g, mail))
	link := box.Next(t).Link(t)
	scanner := &http.Client{Transport: s.Transport()}
	for i := range 20 {
		method := []string{http.MethodGet, http.MethodHead}[i%2]
		req, err := http.NewRequest(method, link, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := scanner.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
	}
	p := s.Person(t)
	enterCode(p, sendCode(t, p, box, link))
	var wg sync.WaitGroup
	for range 20 {
		twin := *p
		wg.Go(func() { _ = twin.TryPress("accept", nil) })
	}
	wg.Wait()
	user := g.Get("/v1.0/users/" + guest + "?$select=externalUserState,identities")
	if n := strings.Count(fmt.Sprint(user["identities"]), "federated"); user["externalUserState"] != "Accepted" || n != 1 {
		t.Errorf("after 20 clicks: %v", user)
	}
	commits := 0
	rows, _ := g.All("/v1.0/auditLogs/directoryAudits?$filter=activityDisplayName eq 'Redeem external user invite' and result eq 'success'")
	for _, row := range rows {
		if strings.Contains(fmt.Sprint(row["additionalDetails"]), "redemptionId") {
			commits++
		}
	}
	if commits != 1 {
		t.Errorf("%d redemptions of one invitation", commits)
	}
	// The spent link is a direct link now and conveys no right.
	later := s.Person(t)
	if page := later.Open(link); later.Has("accept") || later.Has("continue") || page.Status != 200 {
		t.Errorf("the spent link = %d %s", page.Status, page.Text)
	}
}

// TestResists_20 sends hostile host headers with an invitation.
func TestResists_20_PoisonedMailLinks(t *testing.T) {
	t.Parallel()
	s := suitetest.Shared(t)
	tenant := s.NewTenant(t, "workforce", "Resist Headers")
	mail := address("poison")
	g := s.Graph(t, tenant).With("X-Forwarded-Host", "evil.example").With("X-Forwarded-Proto", "http").With("Forwarded", "host=evil.example;proto=http").
		With("X-Forwarded-For", "203.0.113.9").With("X-Original-URL", "https://evil.example/")
	body := object{"invitedUserEmailAddress": mail, "inviteRedirectUrl": welcome, "sendInvitationMessage": true}
	a := g.Do(http.MethodPost, "/v1.0/invitations", body)
	if a.Status != 201 || strings.Contains(string(a.Raw)+fmt.Sprint(a.Header), "evil.example") {
		t.Errorf("the answer = %d %v %s", a.Status, a.Header, a.Raw)
	}
	message := s.Mailbox(mail).Next(t)
	if text := fmt.Sprint(message); strings.Contains(text, "evil.example") || strings.Contains(text, "203.0.113.9") || !strings.HasPrefix(message.Link(t), s.LoginURL+"/") {
		t.Errorf("the mail = %s", text)
	}
	// A Host that nobody configured.
	req, err := g.Request(http.MethodPost, "/v1.0/invitations", object{"invitedUserEmailAddress": address("host"), "inviteRedirectUrl": welcome})
	if err != nil {
		t.Fatal(err)
	}
	req.Host = "evil.example"
	resp, err := (&http.Client{Transport: s.Transport()}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if strings.Contains(fmt.Sprint(resp.Header), "evil.example") {
		t.Errorf("headers = %v", resp.Header)
	}
}

// TestResists_35 sends paths to the gRPC port that no client library sends.
func TestResists_35_RawPaths(t *testing.T) {
	t.Parallel()
	s := suitetest.Shared(t)
	config := s.Transport().(*http.Transport).TLSClientConfig.Clone()
	config.NextProtos = []string{"h2"}
	for _, path := range []string{
		"entente.directory.v1.TenantService/ListTenants", "//entente.directory.v1.TenantService/ListTenants", "/entente.directory.v1.TenantService//ListTenants",
		"/ENTENTE.directory.v1.TenantService/ListTenants", "/entente.directory.v1.TenantService/listTenants", "/entente.directory.v1.TenantService/ListTenants/",
		"/entente.directory.v1.TenantService/%4cistTenants", "/x/../entente.directory.v1.TenantService/ListTenants", "*",
	} {
		status, err := rawCall(s.GRPC["directory"], config, path)
		if err != nil {
			continue // the connection was refused or reset
		}
		if status == "0" {
			t.Errorf("path %q reaches a handler", path)
		}
	}
}

// rawCall sends an empty gRPC request with a path as it is, and returns the
// grpc-status of the answer.
func rawCall(address string, config *tls.Config, path string) (string, error) {
	conn, err := tls.Dial("tcp", address, config)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return "", err
	}
	if _, err := conn.Write([]byte(http2.ClientPreface)); err != nil {
		return "", err
	}
	framer := http2.NewFramer(conn, conn)
	framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	if err := framer.WriteSettings(); err != nil {
		return "", err
	}
	var block strings.Builder
	encoder := hpack.NewEncoder(&block)
	for _, f := range [][2]string{{":method", "POST"}, {":scheme", "https"}, {":authority", address}, {":path", path}, {"content-type", "application/grpc"}, {"te", "trailers"}} {
		if err := encoder.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]}); err != nil {
			return "", err
		}
	}
	if err := framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: []byte(block.String()), EndHeaders: true}); err != nil {
		return "", err
	}
	if err := framer.WriteData(1, true, []byte{0, 0, 0, 0, 0}); err != nil {
		return "", err
	}
	for {
		frame, err := framer.ReadFrame()
		if err != nil {
			return "", err
		}
		switch f := frame.(type) {
		case *http2.MetaHeadersFrame:
			for _, field := range f.Fields {
				if field.Name == "grpc-status" {
					return field.Value, nil
				}
			}
		case *http2.RSTStreamFrame, *http2.GoAwayFrame:
			return "reset", nil
		}
	}
}

// TestResists_37 sends JSON that is expensive to read.
func TestResists_37_ExpensiveJSON(t *testing.T) {
	t.Parallel()
	s := suitetest.Shared(t)
	g := s.Graph(t, s.Demo(t, "contoso"))
	for name, body := range map[string]string{
		"deep lists":     strings.Repeat("[", 100_000),
		"deep objects":   strings.Repeat(`{"a":`, 50_000) + "1" + strings.Repeat("}", 50_000),
		"many elements":  `{"businessPhones":[` + strings.TrimSuffix(strings.Repeat(`"1",`, 200_000), ",") + `]}`,
		"long names":     `{"` + strings.Repeat("a", 100_000) + `":1}`,
		"many members":   `{` + strings.TrimSuffix(strings.Repeat(`"x":1,`, 100_000), ",") + `}`,
		"a long number":  `{"displayName":` + strings.Repeat("9", 500_000) + `}`,
		"open text":      `{"displayName":"` + strings.Repeat(`\u`, 100_000),
		"a NUL in text":  `{"displayName":"a\u0000b"}`,
		"half surrogate": `{"displayName":"\ud800"}`,
	} {
		began := time.Now()
		a := g.Do(http.MethodPost, "/v1.0/users", body)
		if a.Status != 400 {
			t.Errorf("%s = %d %s", name, a.Status, suitetest.Code(a))
		}
		if took := time.Since(began); took > endless {
			t.Errorf("%s took %s", name, took)
		}
	}
}

// TestResists_42 looks for secrets in what the program prints.
func TestResists_42_SecretsInLogs(t *testing.T) {
	t.Parallel()
	d := newDoomed(t)
	s := d.suite
	tenant := s.NewTenant(t, "workforce", "Resist Logs")
	g := s.Graph(t, tenant)
	mail := address("canary")
	box := s.Mailbox(mail)
	invite(g, mail)
	link := box.Next(t).Link(t)
	p := s.Person(t)
	code := sendCode(t, p, box, link)
	enterCode(p, code)
	p.Press("accept", nil)
	s.TokenRequest(t, tenant.ID, url.Values{"grant_type": {"client_credentials"}, "client_id": {tenant.ClientID}, "client_secret": {tenant.ClientSecret + "x"}, "scope": {s.GraphURL + "/.default"}})
	g.Do(http.MethodPost, "/v1.0/users", `{"passwordProfile":{"password":"Canary-Password-93"},"displayName":`)
	g.Create("/v1.0/users", func() object {
		u := tenant.NewUser("canary")
		u["passwordProfile"] = object{"password": "Canary-Password-94"}
		return u
	}())
	u, err := url.Parse(link)
	if err != nil {
		t.Fatal(err)
	}
	rows, _ := g.All("/v1.0/auditLogs/directoryAudits")
	for where, text := range map[string]string{"log": d.program.Log(), "audit log": fmt.Sprint(rows)} {
		for name, secret := range map[string]string{
			"client secret": tenant.ClientSecret, "access token": g.Token, "operator token": s.Operator(t).Token, "ticket": u.Query().Get("ticket"),
			"password of an administrator": tenant.Admin.Password, "password": "Canary-Password-9",
		} {
			if strings.Contains(text, secret) {
				t.Errorf("the %s shows a %s", where, name)
			}
		}
		if strings.Contains(text, code) {
			t.Errorf("the %s shows a passcode", where)
		}
	}
	if strings.Contains(d.program.Log(), mail) {
		t.Error("the log shows a mail address")
	}
}

// endless is longer than a busy machine makes a refusal, and much shorter than
// an input that explodes would take.
const endless = 15 * time.Second

// TestResists_47 sends tokens that are expensive to refuse.
func TestResists_47_ExpensiveTokens(t *testing.T) {
	t.Parallel()
	s := suitetest.Shared(t)
	for name, token := range map[string]string{"dots": strings.Repeat(".", 15_000), "parts": strings.Repeat("a.", 7_000), "zeros": strings.Repeat("A", 15_000) + ".A.A"} {
		began := time.Now()
		a := s.Bearer(t, token).Do(http.MethodGet, "/v1.0/users", nil)
		if a.Status != 401 && a.Status != 431 {
			t.Errorf("%s = %d", name, a.Status)
		}
		if took := time.Since(began); took > endless {
			t.Errorf("%s took %s", name, took)
		}
	}
}
