package invitation_test

import (
	"net/url"
	"strings"
	"testing"

	"entente.dev/invitation-svc/internal/invitation"
)

func TestRedirectsThatAreTaken(t *testing.T) {
	t.Parallel()
	for in, host := range map[string]string{
		"https://app.example/welcome":          "app.example",
		"http://app.example":                   "app.example",
		"HTTPS://App.Example/A?b=c#frag":       "app.example",
		"https://app.example:8443/x?u=http://": "app.example",
		"http://localhost:3000/":               "localhost",
		"http://127.0.0.1:3000/":               "127.0.0.1",
		"https://[::1]:8443/x":                 "::1",
		"https://intranet/x":                   "intranet",
		"https://bücher.example/ü":             "xn--bcher-kva.example",
		"https://app.example/?next=//evil":     "app.example",
		"https://app.example/a@b":              "app.example",
	} {
		r, wrong := invitation.ParseRedirect(in)
		if wrong != "" || r.Host() != host || r.String() != in {
			t.Errorf("ParseRedirect(%q) = %q: %s", in, r.Host(), wrong)
		}
	}
}

// hostile are the spellings that one program reads as another place than the
// next.
var hostile = []string{
	"", "javascript:alert(1)", "JaVaScRiPt:alert(1)", "java\tscript:alert(1)", " javascript:alert(1)", "data:text/html,x", "vbscript:x", "file:///etc/passwd",
	"//evil.example", "///evil.example", "/path", "path", "https:evil.example", "https:/evil.example", "https:///evil.example", "http:////evil.example",
	"https://good.example@evil.example/", "https://good.example:pw@evil.example/", "https://@evil.example/", "https://good.example%40evil.example/",
	"https:\\\\evil.example", "https://good.example\\@evil.example", "https://good.example\\.evil.example/", "\\\\evil.example", "https://good.example/\\evil",
	"https://", "https://?x", "https://#x", "https://:443/", "https://good.example:/", "https://good.example:0/", "https://good.example:99999/", "https://good.example:80x/",
	"https://good.example/\r\nSet-Cookie: a=b", "https://good.example/\nx", "https://good.example/ x", " https://good.example/", "https://good.example/ ", "https://good.example/\x00",
	"https://good.example/\u202e", "https://good.example/\u200b", "https://good\u2028.example/", "https://go%6fd.example/", "https://good.example%2f@evil.example/",
	"https://good.example%00.evil.example/", "https://2130706433/", "https://0x7f000001/", "https://0x7f.1/", "https://127.1/", "https://[::1%25eth0]/", "https://[::1/", "https://::1/",
	"ftp://good.example/", "https+x://good.example/", "https://good..example/", "https://-good.example/", "https://good_.example/", "view-source:https://good.example/",
	"https://good.example;evil.example/", "https://good.example,evil.example/", "https://{good}.example/", "blob:https://good.example/x", "https://\xff.example/",
	"https://good.example/" + strings.Repeat("a", 2048),
}

func TestResists_5_HostileRedirectsAreRefused(t *testing.T) {
	t.Parallel()
	for _, in := range hostile {
		if r, wrong := invitation.ParseRedirect(in); wrong == "" {
			t.Errorf("ParseRedirect(%q) = host %q", in, r.Host())
		}
	}
}

func TestKnownPlacesNeedNoClick(t *testing.T) {
	t.Parallel()
	verified := []string{"contoso.example", "Fabrikam.Example"}
	for in, known := range map[string]bool{
		"https://apps.entente.example/":                true,
		"https://contoso.example/x":                    true,
		"https://app.contoso.example/x":                true,
		"https://fabrikam.example/":                    true,
		"https://evilcontoso.example/":                 false,
		"https://contoso.example.evil/":                false,
		"https://other.example/?x=contoso.example":     false,
		"https://other.example/#contoso.example":       false,
		"https://apps.entente.example.evil.example/":   false,
		"https://xn--contso-6ya.example/contoso":       false,
		"https://contoso.example.:443/":                false,
		"https://sub.apps.entente.example/":            false,
		"https://contoso.example:8443/different-port/": true,
	} {
		r, _ := invitation.ParseRedirect(in)
		if got := r.Known("apps.entente.example", verified); got != known {
			t.Errorf("Known(%s) = %v", in, got)
		}
	}
	if (invitation.Redirect{}).Known("", []string{""}) {
		t.Error("nowhere is known")
	}
}

func FuzzParseRedirect(f *testing.F) {
	for _, s := range hostile {
		f.Add(s)
	}
	f.Add("https://app.example/welcome?x=1#y")
	f.Fuzz(func(t *testing.T, text string) {
		r, wrong := invitation.ParseRedirect(text)
		if wrong != "" {
			return
		}
		u, err := url.Parse(r.String())
		if err != nil || u.User != nil || u.Host == "" || (strings.ToLower(u.Scheme) != "https" && strings.ToLower(u.Scheme) != "http") {
			t.Fatalf("%q was taken as %v, %v", text, u, err)
		}
		if strings.ContainsAny(text, "\\\r\n\t \x00") || r.Host() == "" {
			t.Fatalf("%q was taken", text)
		}
	})
}

func TestATenantMayListItsHosts(t *testing.T) {
	t.Parallel()
	settings := invitation.Settings{RedirectHosts: []string{"Contoso.example"}}
	for url, ok := range map[string]bool{"https://contoso.example/": true, "https://a.contoso.example/": true, "https://evilcontoso.example/": false, "https://other.example/": false} {
		_, err := invitation.Check(request(func(r *invitation.Request) { r.RedirectURL = url }), settings)
		if (err == nil) != ok {
			t.Errorf("%s: %v", url, err)
		}
	}
	for text, want := range map[string]string{"Contoso.Example": "contoso.example", "localhost": "localhost", "bücher.example": "xn--bcher-kva.example"} {
		if got, ok := invitation.ParseHost(text); !ok || got != want {
			t.Errorf("ParseHost(%q) = %q", text, got)
		}
	}
	for _, text := range []string{"", "*", "https://a.example", "a.example/", "a b.example", "10.0.0.1"} {
		if _, ok := invitation.ParseHost(text); ok {
			t.Errorf("ParseHost(%q) taken", text)
		}
	}
}
