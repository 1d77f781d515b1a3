package mail_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"entente.dev/invitation-svc/internal/mail"
	"golang.org/x/text/language"
)

var update = flag.Bool("update", false, "rewrite the golden mails")

func composer(t testing.TB) *mail.Composer {
	t.Helper()
	c, err := mail.New("Entente", "invites@mail.entente.example")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func invite() mail.Invite {
	return mail.Invite{
		ID:      "0190",
		Tenant:  mail.Tenant{Name: "Contoso", Domain: "contoso.example", Verified: true, Privacy: "https://contoso.example/privacy"},
		Inviter: "Mia Müller", Sender: mail.FromMember, ReplyTo: "mia@contoso.example", To: "alice@partner.example",
		Link: "https://login.example/redeem?tenant=t&user=u&ticket=k&ver=2.0", Host: "app.example",
		Block: "https://login.example/unsubscribe?tenant=t&user=u&token=b",
	}
}

func dump(m mail.Message) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Message-ID: <%s>\nFrom: %s <%s>\nReply-To: %s\nTo: %s\nSubject: %s\nContent-Language: %s\n", m.ID, m.FromName, m.From, m.ReplyTo, m.To, m.Subject, m.Language)
	for _, h := range m.Headers {
		fmt.Fprintf(&b, "%s: %s\n", h.Name, h.Value)
	}
	return b.String() + "\n" + m.Text + "\n=====\n" + m.HTML
}

func TestGoldenMails(t *testing.T) {
	t.Parallel()
	c := composer(t)
	with := func(change func(*mail.Invite)) mail.Invite {
		i := invite()
		change(&i)
		return i
	}
	code := mail.Passcode{ID: "0191", Tenant: invite().Tenant, To: "alice@partner.example", Code: "01234567", Validity: 10 * time.Minute,
		AskedAt: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Network: "203.0.113.0/24"}
	dutchCode := code
	dutchCode.Language = []language.Tag{language.MustParse("nl-BE")}
	for name, compose := range map[string]func() (mail.Message, error){
		"invitation-en": func() (mail.Message, error) { return c.Invitation(invite()) },
		"invitation-nl-custom": func() (mail.Message, error) {
			return c.Invitation(with(func(i *mail.Invite) {
				i.Language, i.Message = []language.Tag{language.MustParse("nl-BE")}, "Beste Alice,\n\nTot morgen."
			}))
		},
		"invitation-app-unverified": func() (mail.Message, error) {
			return c.Invitation(with(func(i *mail.Invite) {
				i.Sender, i.ReplyTo, i.Inviter, i.Tenant.Verified, i.Tenant.Privacy = mail.FromApp, "", "HR portal", false, ""
			}))
		},
		"invitation-hostile": func() (mail.Message, error) {
			return c.Invitation(with(func(i *mail.Invite) {
				i.Sender = mail.FromGuest
				i.Inviter = "Payroll https://evil.example <b>\u202e{tenant}"
				i.Tenant.Name = "A&B\"<img src=x onerror=alert(1)>"
				i.Tenant.Privacy = "javascript:alert(1)"
				i.Message = "<a href=\"https://evil.example\">click</a> <script>alert(1)</script>\nBcc: victim@evil.example\n&lt;b&gt; [x](https://evil.example) {host}"
			}))
		},
		"copy-en": func() (mail.Message, error) { return c.Copy(invite(), "alice@partner.example") },
		"notice-nl": func() (mail.Message, error) {
			return c.Notice(with(func(i *mail.Invite) {
				i.Language, i.Link = []language.Tag{language.Dutch}, "https://app.example/welcome"
			}))
		},
		"passcode-en": func() (mail.Message, error) { return c.Passcode(code) },
		"passcode-nl": func() (mail.Message, error) { return c.Passcode(dutchCode) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m, err := compose()
			if err != nil {
				t.Fatal(err)
			}
			file := filepath.Join("testdata", name+".golden")
			if *update {
				if err := os.WriteFile(file, []byte(dump(m)), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if got := dump(m); got != string(want) {
				t.Errorf("differs from %s; got:\n%s", file, got)
			}
		})
	}
}

var anchor = regexp.MustCompile(`(?i)<a\s[^>]*href="([^"]*)"`)

// TestWordsOfOthersAreNeverALink is case A7 and A8: markup, URLs and line
// ends of people stay words.
func TestWordsOfOthersAreNeverALink(t *testing.T) {
	t.Parallel()
	c := composer(t)
	for _, evil := range []string{`<a href="https://evil.example">x</a>`, "<script>alert(1)</script>", "https://evil.example/x", "javascript:alert(1)", "mailto:x@evil.example", "a\r\nBcc: x@evil.example\r\n\r\n", `"><img src=https://evil.example>`, "{{.Link}}", "{code}", "\u202egnp.exe"} {
		i := invite()
		i.Inviter, i.Tenant.Name, i.Tenant.Domain, i.Message, i.Host = evil, evil, evil, evil, evil
		for _, compose := range []func(mail.Invite) (mail.Message, error){c.Invitation, c.Notice, func(i mail.Invite) (mail.Message, error) { return c.Copy(i, evil) }} {
			m, err := compose(i)
			if err != nil {
				t.Fatalf("%q: %v", evil, err)
			}
			for _, a := range anchor.FindAllStringSubmatch(m.HTML, -1) {
				if strings.Contains(a[1], "evil") || strings.Contains(strings.ToLower(a[1]), "javascript") {
					t.Errorf("%q became the link %s", evil, a[1])
				}
			}
			_, body, _ := strings.Cut(m.HTML, "<body") // nothing in a title is clickable
			for _, tag := range []string{"<script", "<img", "evil.example", "\u202e"} {
				if strings.Contains(body, tag) {
					t.Errorf("%q: HTML holds %s", evil, tag)
				}
			}
			for _, h := range []string{m.Subject, m.FromName} {
				if strings.ContainsAny(h, "\r\n\x00") {
					t.Errorf("%q: header %q", evil, h)
				}
			}
		}
	}
}

func TestHeadersWithLineEndsAreRefused(t *testing.T) {
	t.Parallel()
	c := composer(t)
	for name, change := range map[string]func(*mail.Invite){
		"reply-to": func(i *mail.Invite) { i.ReplyTo = "mia@contoso.example\r\nBcc: x@evil.example" },
		"to":       func(i *mail.Invite) { i.To = "a@b.example\nBcc: x@evil.example" },
		"block":    func(i *mail.Invite) { i.Block = "https://x/\r\nX: y" },
		"id":       func(i *mail.Invite) { i.ID = "a\x00" },
	} {
		i := invite()
		change(&i)
		if _, err := c.Invitation(i); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	for _, from := range []string{"", "no-at", "a@b\r\nX: y"} {
		if _, err := mail.New("Entente", from); err == nil {
			t.Errorf("sender %q taken", from)
		}
	}
}

func TestACopyCarriesNoWayToRedeem(t *testing.T) {
	t.Parallel()
	i := invite()
	m, err := composer(t).Copy(i, "alice@partner.example")
	if err != nil {
		t.Fatal(err)
	}
	if text := dump(m); strings.Contains(text, "ticket") || strings.Contains(text, "/redeem") || !strings.Contains(text, "List-Unsubscribe: <"+i.Block+">") {
		t.Error(text)
	}
}

func TestTheCodeIsInTheBodyOnly(t *testing.T) {
	t.Parallel()
	m, err := composer(t).Passcode(mail.Passcode{ID: "1", To: "a@b.example", Code: "98765432", Validity: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(m.Subject, "98765432") || !strings.Contains(m.Text, "98765432") || !strings.Contains(m.HTML, "98765432") || strings.Contains(m.HTML, "<a ") {
		t.Error(dump(m))
	}
}

func TestLanguageIsTheFirstThatIsSpoken(t *testing.T) {
	t.Parallel()
	c := composer(t)
	for _, tc := range []struct {
		wanted []string
		want   string
	}{
		{nil, "en"}, {[]string{"nl"}, "nl"}, {[]string{"nl-BE", "en"}, "nl"}, {[]string{"tlh", "nl-NL"}, "nl"}, {[]string{"en-GB", "nl"}, "en"}, {[]string{"xx"}, "en"},
	} {
		i := invite()
		for _, w := range tc.wanted {
			i.Language = append(i.Language, language.Make(w))
		}
		m, err := c.Invitation(i)
		if err != nil || m.Language != tc.want {
			t.Errorf("%v: %s, %v; want %s", tc.wanted, m.Language, err, tc.want)
		}
	}
	if got := c.Languages(); !slices.Contains(got, "en") || !slices.Contains(got, "nl") {
		t.Errorf("languages %v", got)
	}
}

func FuzzHeaders(f *testing.F) {
	c, err := mail.New("Entente", "invites@mail.entente.example")
	if err != nil {
		f.Fatal(err)
	}
	f.Add("Mia", "Contoso", "mia@contoso.example")
	f.Add("a\r\nBcc: x", "\x00", "a@b\n")
	f.Fuzz(func(t *testing.T, inviter, tenant, replyTo string) {
		i := invite()
		i.Inviter, i.Tenant.Name, i.ReplyTo = inviter, tenant, replyTo
		m, err := c.Invitation(i)
		if err != nil {
			return
		}
		for _, h := range []string{m.Subject, m.FromName, m.ReplyTo, m.To} {
			if strings.ContainsAny(h, "\r\n\x00") {
				t.Fatalf("header %q", h)
			}
		}
	})
}

var placeholder = regexp.MustCompile(`\{[a-z]+\}`)

// TestEveryLanguageSaysEverything composes every mail in every language: no
// placeholder is left, and no text is another language's.
func TestEveryLanguageSaysEverything(t *testing.T) {
	t.Parallel()
	c := composer(t)
	if n := len(c.Languages()); n != 8 {
		t.Errorf("%d languages, want 8 (INV-42)", n)
	}
	subjects := map[string]string{}
	for _, lang := range c.Languages() {
		i := invite()
		i.Language = []language.Tag{language.Make(lang)}
		mails := []func() (mail.Message, error){
			func() (mail.Message, error) { return c.Invitation(i) },
			func() (mail.Message, error) { return c.Copy(i, "alice@partner.example") },
			func() (mail.Message, error) { return c.Notice(i) },
			func() (mail.Message, error) {
				return c.Passcode(mail.Passcode{ID: "1", Language: i.Language, Tenant: i.Tenant, To: i.To, Code: "01234567", Validity: 10 * time.Minute})
			},
		}
		for _, compose := range mails {
			m, err := compose()
			if err != nil || m.Language != lang {
				t.Fatalf("%s: %v", lang, err)
			}
			if left := placeholder.FindString(m.Subject + m.FromName + m.Text); left != "" {
				t.Errorf("%s: %s is left", lang, left)
			}
			if other, seen := subjects[m.Subject]; seen && other != lang {
				t.Errorf("%s and %s have the subject %q", lang, other, m.Subject)
			}
			subjects[m.Subject] = lang
		}
	}
}
