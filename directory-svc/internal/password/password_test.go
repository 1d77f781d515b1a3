package password_test

import (
	"strings"
	"testing"

	"entente.dev/directory-svc/internal/password"
	"entente.dev/servicekit/fault"
)

func code(err error) string {
	if err == nil {
		return ""
	}
	return fault.From(err).Meta["code"]
}

func TestCheck(t *testing.T) {
	t.Parallel()
	tenant := password.Context{Banned: []string{"contoso", "blank"}, Names: []string{"Fabrikam", "Ann"}}
	for _, c := range []struct{ name, password, want string }{
		{"AC-14 two banned terms and two characters score 4", "C0ntos0Blank12", "PasswordBanned"},
		{"AC-14 five parts are enough", "ContoS0Bl@nkf9!", ""},
		{"seven characters", "Aa1!aaa", "PasswordTooShort"},
		{"257 characters", strings.Repeat("Aa1!", 64) + "x", "PasswordTooLong"},
		{"accents", "Pässw0rd!!xyz", "PasswordInvalidCharacter"},
		{"two classes", "abcdefghijk1", "PasswordTooWeak"},
		{"one edit from a shipped term", "Passw0rd1", "PasswordBanned"},
		{"the tenant's name inside", "xyFabr1kam9!Qz", ""},
		{"the tenant's name spelled alike", "xyF@brik@m9!Qz", "PasswordBanned"},
		{"a name of three letters does not count", "xyAnn9!Qzrtw", ""},
	} {
		if got := code(password.Check(c.password, tenant)); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
	if err := password.Check("abcdefghijk1", password.Context{WaiveStrength: true}); err != nil {
		t.Errorf("waived strength: %v", err)
	}
}

func TestVerifiersVerifyBothSchemes(t *testing.T) {
	t.Parallel()
	v := password.NewVerifiers([]byte("key"))
	keyed := v.Key("right")
	hardened, err := v.Harden(keyed)
	if err != nil {
		t.Fatal(err)
	}
	other := password.NewVerifiers([]byte("other"))
	for _, c := range []struct {
		name     string
		v        *password.Verifiers
		scheme   password.Scheme
		verifier []byte
		password string
		want     bool
	}{
		{"keyed, right", v, password.Keyed, keyed, "right", true},
		{"keyed, wrong", v, password.Keyed, keyed, "wrong", false},
		{"hardened, right", v, password.Hardened, hardened, "right", true},
		{"hardened, wrong", v, password.Hardened, hardened, "wrong", false},
		{"another installation's key", other, password.Hardened, hardened, "right", false},
		{"truncated", v, password.Hardened, hardened[:20], "right", false},
		{"the scheme is not taken from the length", v, password.Keyed, hardened, "right", false},
	} {
		if got := c.v.Verify(c.scheme, c.verifier, c.password); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

func TestGenerate(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for range 200 {
		p := password.Generate()
		if len(p) != 16 || strings.ContainsAny(p, "0O1lI") || password.Check(p, password.Context{}) != nil || seen[p] {
			t.Fatalf("generated %q", p)
		}
		seen[p] = true
	}
}
