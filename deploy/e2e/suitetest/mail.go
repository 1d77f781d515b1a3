package suitetest

import (
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// Mail is one message in the mail catcher.
type Mail struct {
	ID      string `json:"id"`
	To      string `json:"to"` // addresses of the envelope, comma-separated
	From    string `json:"from"`
	Subject string `json:"subject"`
	Text    string `json:"text"`
	HTML    string `json:"html"`
	Date    string `json:"date"`
}

// Mailbox reads the mail of one address, each message once.
type Mailbox struct {
	suite   *Suite
	address string
	read    map[string]bool
}

// Mailbox returns the mailbox of an address, from its first message on.
func (s *Suite) Mailbox(address string) *Mailbox {
	return &Mailbox{suite: s, address: address, read: map[string]bool{}}
}

// Messages returns all that the mailbox holds, read or not.
func (m *Mailbox) Messages(t testing.TB) []Mail {
	t.Helper()
	resp, err := (&http.Client{Transport: m.suite.transport, Timeout: 20 * time.Second}).Get(m.suite.MailURL + "/api/messages?to=" + url.QueryEscape(m.address))
	if err != nil {
		t.Fatalf("mail catcher: %v", err)
	}
	defer resp.Body.Close()
	var all []Mail
	if err := json.NewDecoder(resp.Body).Decode(&all); err != nil {
		t.Fatalf("mail catcher: %v", err)
	}
	return slices.DeleteFunc(all, func(mail Mail) bool {
		return !strings.Contains(strings.ToLower(mail.To), strings.ToLower(m.address))
	})
}

// Next waits for the oldest message that was not read yet.
func (m *Mailbox) Next(t testing.TB) Mail {
	t.Helper()
	return m.Within(t, 20*time.Second)
}

// Within is Next with a limit of its own.
func (m *Mailbox) Within(t testing.TB, limit time.Duration) Mail {
	t.Helper()
	var next Mail
	Eventually(t, limit, "mail to "+m.address, func() bool {
		for _, mail := range m.Messages(t) {
			if !m.read[mail.ID] {
				m.read[mail.ID] = true
				next = mail
				return true
			}
		}
		return false
	})
	return next
}

var (
	redeemLink = regexp.MustCompile(`https://[^\s"'<>]+/redeem\?[^\s"'<>]+`)
	passcode   = regexp.MustCompile(`(?m)^\s*([0-9]{4}[ -]?[0-9]{4})\s*$`)
)

// Link returns the redemption link in a message.
func (mail Mail) Link(t testing.TB) string {
	t.Helper()
	link := redeemLink.FindString(mail.Text)
	if link == "" {
		t.Fatalf("no link in %q: %s", mail.Subject, mail.Text)
	}
	return link
}

// Passcode returns the code of eight digits in a message.
func (mail Mail) Passcode(t testing.TB) string {
	t.Helper()
	found := passcode.FindStringSubmatch(mail.Text)
	if found == nil {
		t.Fatalf("no passcode in %q: %s", mail.Subject, mail.Text)
	}
	return strings.NewReplacer(" ", "", "-", "").Replace(found[1])
}
