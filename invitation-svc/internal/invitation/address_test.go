package invitation_test

import (
	"strings"
	"testing"

	"entente.dev/invitation-svc/internal/invitation"
)

func mustAddress(t testing.TB, text string) invitation.Address {
	t.Helper()
	a, wrong := invitation.ParseAddress(text, false)
	if wrong != "" {
		t.Fatalf("ParseAddress(%q): %s", text, wrong)
	}
	return a
}

func TestAddressesThatAreTaken(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]struct{ key, mailbox string }{
		"alice@partner.example":       {"alice@partner.example", "alice@partner.example"},
		"  Alice.B@Partner.Example\t": {"alice.b@partner.example", "Alice.B@partner.example"},
		"a+tag@b.example":             {"a+tag@b.example", "a+tag@b.example"},
		"_a_@b.example":               {"_a_@b.example", "_a_@b.example"},
		"o'neil@b.example":            {"o'neil@b.example", "o'neil@b.example"},
		"x@googlemail.com":            {"x@gmail.com", "x@googlemail.com"},
		"x@bücher.example":            {"x@xn--bcher-kva.example", "x@xn--bcher-kva.example"},
		"x@BÜCHER.example":            {"x@xn--bcher-kva.example", "x@xn--bcher-kva.example"},
		"x@sub.domain.partner.nl":     {"x@sub.domain.partner.nl", "x@sub.domain.partner.nl"},
	} {
		a, wrong := invitation.ParseAddress(in, false)
		if wrong != "" || a.Key() != want.key || a.Mailbox() != want.mailbox {
			t.Errorf("ParseAddress(%q) = %q, %q: %s", in, a.Key(), a.Mailbox(), wrong)
		}
	}
}

func TestAddressesThatAreRefused(t *testing.T) {
	t.Parallel()
	refused := []string{"", "a", "@", "a@", "@b.example", "a@b", "a@@b.example", "a@b@c.example", "a.@b.example", ".a@b.example",
		"-a@b.example", "a-@b.example", "a..b@b.example", "a b@b.example", "ä@b.example", "a@b.example.", "a@.example", "a@b..example",
		"a@-b.example", "a@b-.example", "a@127.0.0.1", "a@[127.0.0.1]", "a@b.example\r\nBcc: c@d.example", "a\x00@b.example", "a@b.exam ple",
		"a@b_c.example", "a@exa%6dple.com", "\"a\"@b.example", strings.Repeat("a", 65) + "@b.example", "a@" + strings.Repeat("b", 64) + ".example",
		strings.Repeat("a", 60) + "@" + strings.Repeat("abcdefgh.", 25) + "example"}
	for _, c := range "~!#$%^&*()=[]{}\\/|;:\"<>?," {
		refused = append(refused, "a"+string(c)+"b@c.example")
	}
	for _, in := range refused {
		if a, wrong := invitation.ParseAddress(in, false); wrong == "" {
			t.Errorf("ParseAddress(%q) = %q", in, a.Key())
		}
	}
	if _, wrong := invitation.ParseAddress("a+b@c.example", true); wrong == "" {
		t.Error("strict takes a plus")
	}
}

func TestSameAddress(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		a, b string
		same bool
	}{
		{"Alice@Partner.example", "alice@partner.EXAMPLE", true},
		{"a.b@gmail.com", "a.b@googlemail.com", true},
		{"a.b@gmail.com", "ab@gmail.com", false},
		{"a+x@gmail.com", "a@gmail.com", false},
		{"x@bücher.example", "x@xn--bcher-kva.example", true},
		{"x@a.example", "x@sub.a.example", false},
	} {
		if got := mustAddress(t, tc.a).Same(mustAddress(t, tc.b)); got != tc.same {
			t.Errorf("Same(%s, %s) = %v", tc.a, tc.b, got)
		}
	}
	if (invitation.Address{}).Same(invitation.Address{}) {
		t.Error("no address is the same as none")
	}
}

func TestMaskedSaysLittle(t *testing.T) {
	t.Parallel()
	if got := mustAddress(t, "alice@partner.example").Masked(); got != "a•••@p•••.example" {
		t.Errorf("Masked = %s", got)
	}
}

func FuzzParseAddress(f *testing.F) {
	f.Add("alice@partner.example")
	f.Add("x@bücher.example")
	f.Fuzz(func(t *testing.T, text string) {
		a, wrong := invitation.ParseAddress(text, false)
		if wrong != "" {
			return
		}
		if strings.ContainsAny(a.Mailbox(), "\r\n\x00 <>,;") {
			t.Fatalf("%q gives the mailbox %q", text, a.Mailbox())
		}
		if again, wrong := invitation.ParseAddress(a.Key(), false); wrong != "" || !again.Same(a) {
			t.Fatalf("%q: the key %q is another address (%s)", text, a.Key(), wrong)
		}
	})
}
