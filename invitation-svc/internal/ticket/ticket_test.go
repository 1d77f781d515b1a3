package ticket_test

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"entente.dev/invitation-svc/internal/ticket"
	"entente.dev/servicekit/tenant"
	"github.com/google/uuid"
)

func draw(t testing.TB) ticket.Ticket {
	t.Helper()
	k, err := ticket.New(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestATicketIsReadBackFromItsText(t *testing.T) {
	t.Parallel()
	k := draw(t)
	if got := len(k.Text()); got != 43 {
		t.Fatalf("text has %d characters, want 43", got)
	}
	back, ok := ticket.Parse(k.Text())
	if !ok || back != k {
		t.Fatal("text does not read back")
	}
}

func TestDrawFailsWithItsSource(t *testing.T) {
	t.Parallel()
	if _, err := ticket.New(bytes.NewReader(make([]byte, 31))); err == nil {
		t.Fatal("a short source gave a ticket")
	}
}

// TestResists_3 and 16: any altered, cut, extended or padded secret is another
// secret, or none.
func TestResists_3_AlteredBytesOfATicketNeverMatch(t *testing.T) {
	t.Parallel()
	k, id := draw(t), uuid.New()
	stored := []ticket.Sum{k.Sum(id)}
	text := k.Text()
	for i := range text {
		for _, c := range []byte("AZaz09-_ =+/%\x00\n") {
			if text[i] == c {
				continue
			}
			altered := text[:i] + string(c) + text[i+1:]
			if other, ok := ticket.Parse(altered); ok && ticket.Match(other, id, stored) >= 0 {
				t.Fatalf("altered at %d with %q still matches", i, c)
			}
		}
	}
}

func TestResists_16_PrefixesExtensionsAndPaddingAreRefused(t *testing.T) {
	t.Parallel()
	text := draw(t).Text()
	for i := range text {
		if _, ok := ticket.Parse(text[:i]); ok {
			t.Fatalf("prefix of %d characters accepted", i)
		}
	}
	for _, bad := range []string{text + "A", text + "=", " " + text, text + " ", text + "\n", text[:20] + "\n" + text[20:], text + text} {
		if _, ok := ticket.Parse(bad); ok {
			t.Fatalf("%q accepted", bad)
		}
	}
}

func TestASumIsBoundToItsInvitation(t *testing.T) {
	t.Parallel()
	k, id := draw(t), uuid.New()
	if ticket.Match(k, uuid.New(), []ticket.Sum{k.Sum(id)}) >= 0 {
		t.Fatal("ticket matches under another invitation")
	}
	if got := ticket.Match(k, id, []ticket.Sum{draw(t).Sum(id), k.Sum(id), draw(t).Sum(id)}); got != 1 {
		t.Fatalf("Match = %d, want 1", got)
	}
	if got := ticket.Match(k, id, nil); got != -1 {
		t.Fatalf("Match of nothing = %d", got)
	}
}

func TestATicketNeverPrintsItsSecret(t *testing.T) {
	t.Parallel()
	k := draw(t)
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "ticket", k)
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "ticket", k)
	fmt.Fprintf(&log, "%v %+v %#v %s %q %x", k, k, k, k, k, fmt.Sprint(k))
	fmt.Fprintf(&log, "%v %+v", struct{ K ticket.Ticket }{k}, &struct{ K ticket.Ticket }{k})
	if strings.Contains(log.String(), k.Text()) {
		t.Fatalf("secret printed: %s", log.String())
	}
}

func TestALinkIsReadBackAndNothingElseIs(t *testing.T) {
	t.Parallel()
	l := ticket.Link{Tenant: tenant.MustParse("0b4e2f44-2b1c-4c62-a3b5-0f3f5a3fbb01"), Invitation: uuid.New(), Ticket: draw(t)}
	text := l.URL("https://login.example")
	query, found := strings.CutPrefix(text, "https://login.example/redeem?")
	if !found {
		t.Fatalf("link is %s", text)
	}
	if back, ok := ticket.ParseLink(query); !ok || back != l {
		t.Fatal("link does not read back")
	}
	for name, bad := range map[string]string{
		"other version":     strings.Replace(query, "ver=2.0", "ver=1.0", 1),
		"no version":        strings.Replace(query, "&ver=2.0", "", 1),
		"ticket twice":      query + "&ticket=" + l.Ticket.Text(),
		"tenant twice":      query + "&tenant=" + l.Tenant.String(),
		"upper-case tenant": strings.ToUpper(query),
		"nil invitation":    strings.Replace(query, l.Invitation.String(), uuid.Nil.String(), 1),
		"braces":            strings.Replace(query, l.Invitation.String(), "{"+l.Invitation.String()+"}", 1),
		"bad escape":        query + "&%zz",
		"empty":             "",
	} {
		if _, ok := ticket.ParseLink(bad); ok {
			t.Errorf("%s: accepted", name)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(strings.Repeat("A", 43))
	f.Add("")
	f.Add(strings.Repeat("_", 43))
	f.Fuzz(func(t *testing.T, text string) {
		if k, ok := ticket.Parse(text); ok && k.Text() != text {
			t.Fatalf("%q is a second spelling of %q", text, k.Text())
		}
	})
}

func FuzzParseLink(f *testing.F) {
	f.Add("tenant=0b4e2f44-2b1c-4c62-a3b5-0f3f5a3fbb01&user=0b4e2f44-2b1c-4c62-a3b5-0f3f5a3fbb02&ticket=" + strings.Repeat("A", 43) + "&ver=2.0")
	f.Add("ticket=&&;=%")
	f.Fuzz(func(t *testing.T, query string) {
		l, ok := ticket.ParseLink(query)
		if !ok {
			return
		}
		again, ok := ticket.ParseLink(strings.TrimPrefix(l.URL(""), "/redeem?"))
		if !ok || again != l {
			t.Fatalf("%q does not print and read back", query)
		}
	})
}
