package address_test

import (
	"strings"
	"testing"

	"entente.dev/directory-svc/internal/address"
	"github.com/google/go-cmp/cmp"
)

func TestIsMail(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, in string
		want     bool
	}{
		{"a plain address", "alice@partner.example", true},
		{"plus and apostrophe are atoms", "o'neil+x@a.b", true},
		{"two at signs", "a@b@c.d", false},
		{"no top level", "a@localhost", false},
		{"accents are refused", "andré@a.example", false},
		{"double dot", "a..b@a.example", false},
		{"trailing dot before the at sign", "a.@a.example", false},
		{"line feed cannot smuggle a header", "a@b.example\n", false},
		{"space", "a b@c.example", false},
		{"local part of 65", strings.Repeat("a", 65) + "@b.example", false},
		{"label with underscore", "a@b_c.example", false},
	} {
		if got := address.IsMail(c.in); got != c.want {
			t.Errorf("%s: IsMail(%q) = %v", c.name, c.in, got)
		}
	}
}

func TestSetPrimaryKeepsTheFormerPrimaryAsAlias(t *testing.T) {
	t.Parallel()
	list := []address.Proxy{address.Primary("old@a.example"), {Kind: "sip", Address: "old@a.example", Primary: true}}
	var got []string
	for _, p := range address.SetPrimary(list, "new@a.example") {
		got = append(got, p.String())
	}
	if diff := cmp.Diff([]string{"SMTP:new@a.example", "smtp:old@a.example", "SIP:old@a.example"}, got); diff != "" {
		t.Error(diff)
	}
	again := address.SetPrimary(address.SetPrimary(list, "new@a.example"), "new@a.example")
	if len(again) != 3 {
		t.Errorf("setting the same primary twice gave %v", again)
	}
	if address.HasPrimary(address.SetPrimary(list[:1], "")) {
		t.Error("an empty mail must demote the primary")
	}
}

func TestParents(t *testing.T) {
	t.Parallel()
	if diff := cmp.Diff([]string{"b.example.org", "example.org"}, address.Parents("a.b.example.org")); diff != "" {
		t.Error(diff)
	}
}
